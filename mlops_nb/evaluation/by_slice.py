"""The evaluation of a run: all scores, as a whole and by slice, beside those of a naive answer.

numpy is imported by the functions that need it. Arrays are one-dimensional, of equal length.
"""

from collections.abc import Mapping
from typing import Any

from mlops_nb.evaluation import metrics, ranking
from mlops_nb.evaluation.metrics import LEAST, Score

MOST_SLICES = 200


def evaluation(
    arrays: Mapping[str, Any],
    by: Mapping[str, Any],
    least: int = LEAST,
    quantile: float | None = None,
) -> dict[str, Any]:
    """Return scores as a whole and by slice.

    arrays: truth, and pred or score or both; query, where its rows are ranked
    by:     name → (n,) texts that say which slice a row is of
    quantile: which one the predictions are, None if they are none

    {"least": rows of a slice that is judged, "whole": {metric: score},
    "by": {"auc_by_origin": {slice: score}}, "rows": {"origin": {slice: rows}},
    "baseline": {metric: value of a naive answer}, "error": what could not be scored, and why}
    """
    import numpy as np

    whole = metrics.scores(**arrays, quantile=quantile)
    found: dict[str, Any] = {"least": least, "whole": whole, "by": {}, "rows": {}}
    found["baseline"] = baseline(arrays["truth"], whole, quantile, arrays.get("query"))
    if "quantile_loss" in whole:
        found["quantile"] = quantile
    for name, labels in by.items():
        found["rows"][name] = {}
        slices = sorted(set(labels.tolist()))
        if len(slices) > MOST_SLICES:
            found["error"] = f"{name!r} makes {len(slices):,} slices: too many to be judged by"
            continue
        for label in slices:
            rows = labels == label
            found["rows"][name][label] = int(np.count_nonzero(rows))
            for metric, one in _sliced(arrays, rows, whole, quantile).items():
                found["by"].setdefault(f"{metric}_by_{name}", {})[label] = one
    return found


def baseline(
    truth: Any, whole: Mapping[str, Score], quantile: float | None = None, query: Any = None
) -> dict[str, float]:
    """Return what the best constant answer scores: the most frequent class, or the middle.

    truth: (n,); whole: the scores of the model, whose metrics are compared; query: (n,) or None

    >>> import numpy as np
    >>> baseline(np.array([0, 0, 0, 1]), {"accuracy": {}, "auc": {}})
    {'accuracy': 0.75, 'auc': 0.5}
    """
    import numpy as np

    if not len(truth):
        return {}
    _, counts = np.unique(truth.astype(str), return_counts=True)
    found = {"accuracy": float(counts.max() / len(truth)), "auc": 0.5}
    shares = counts / len(truth)
    found["log_loss"] = float(-(shares * np.log(shares)).sum())
    if len(counts) <= 2:  # noqa: PLR2004
        found["brier"] = float(shares.min() * (1 - shares.min())) if len(counts) > 1 else 0.0
    if truth.dtype.kind in "iuf":
        away = truth.astype(float)
        found["mae"] = float(np.abs(away - np.median(away)).mean())
        found["rmse"] = float(away.std())
        if quantile is not None:
            middle = np.quantile(away, quantile, method="inverted_cdf")
            found["quantile_loss"] = float(metrics.pinball(away - middle, quantile).mean())
    if whole.get("ndcg", metrics.NO_SCORE)["value"] is not None:
        found["ndcg"] = ranking.constant(truth, query)
    return {metric: value for metric, value in found.items() if metric in whole}


def _sliced(
    arrays: Mapping[str, Any], rows: Any, whole: Mapping[str, Score], quantile: float | None
) -> dict[str, Score]:
    """Return a slice's scores for the metrics of the whole, None for a missing one."""
    import numpy as np

    truth, pred, score = arrays["truth"], arrays.get("pred"), arrays.get("score")
    n = int(np.count_nonzero(rows))
    classes = metrics.distinct(truth if pred is None else np.concatenate([truth, pred]))
    found: dict[str, Score] = {}
    if "accuracy" in whole and pred is not None:
        found |= _as_the_whole(truth[rows], pred[rows], classes)
    if "mae" in whole and pred is not None:
        found |= metrics.regressed(truth[rows], pred[rows])
        if quantile is not None:
            found["quantile_loss"] = metrics.quantile_loss(truth[rows], pred[rows], quantile)
    if "auc" in whole and score is not None:
        positive = metrics.positive_of(metrics.distinct(truth))
        found["auc"] = metrics.auc(truth[rows] == positive, score[rows].astype(float))
        found |= metrics.probability_losses(truth[rows] == positive, score[rows].astype(float))
    if "ndcg" in whole:
        ranked = arrays["pred"] if score is None else score
        found["ndcg"] = metrics.ndcg(truth[rows], ranked[rows], arrays["query"][rows])
    none = {"value": None, "low": None, "high": None, "n": n}
    return {metric: found.get(metric, none) for metric in whole}


def _as_the_whole(truth: Any, pred: Any, classes: Any) -> dict[str, Score]:
    """Return a slice's scores, with the positive class of the whole."""
    if len(classes) > 2 or classes.dtype.kind == "b":  # noqa: PLR2004
        return metrics.classified(truth, pred)
    positive = metrics.positive_of(classes)
    return metrics.classified(truth == positive, pred == positive)
