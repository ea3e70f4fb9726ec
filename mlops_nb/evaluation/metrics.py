"""Scores of predictions, whole and by slice, each with its 95 % interval.

numpy is imported by the functions that need it. Arrays are one-dimensional, of equal length.
"""

import math
import re
from collections.abc import Mapping
from typing import Any

Z = 1.959963984540054  # the 97.5 % quantile of the normal distribution
LEAST = 30  # the fewest rows of a slice that is judged
MOST_SLICES = 200
BY_PRED = ("accuracy", "precision", "recall", "f1", "mae", "rmse")
BY_SCORE = ("auc", "brier", "log_loss")
CLASSES = 20  # whole numbers with more distinct values are no classes
CLOSE = 1e-9  # relative difference of equal metrics
Score = Mapping[str, Any]  # {"value", "low", "high", "n"}; the first three may be None


def wilson(hits: float, n: float) -> tuple[float, float]:
    """Return the 95 % interval of a proportion.

    Wilson 1927, "Probable inference, the law of succession, and statistical inference".

    >>> [round(x, 4) for x in wilson(81, 263)]
    [0.2553, 0.3662]
    """
    if n <= 0:
        return 0.0, 1.0
    share, spread = hits / n, Z * Z / n
    middle = (share + spread / 2) / (1 + spread)
    half = Z / (1 + spread) * math.sqrt(share * (1 - share) / n + spread / (4 * n))
    return max(0.0, min(middle - half, share)), min(1.0, max(middle + half, share))


def proportion(hits: int, n: int) -> dict[str, Any]:
    """Return a proportion with its interval; the value is None without rows.

    >>> proportion(0, 0)["value"] is None
    True
    """
    if not n:
        return {"value": None, "low": None, "high": None, "n": 0}
    low, high = wilson(hits, n)
    return {"value": hits / n, "low": low, "high": high, "n": n}


def classified(truth: Any, pred: Any) -> dict[str, Score]:
    """Return the accuracy of predicted classes; of two classes precision, recall and F1 as well.

    truth, pred: (n,) classes; of two the larger one is the positive, as scikit-learn has it

    The interval of F1 is that of the Jaccard index J = tp / (tp + fp + fn), a proportion, for
    F1 = 2J / (1 + J) rises with it.
    """
    import numpy as np

    n = len(truth)
    found: dict[str, Score] = {}
    found["accuracy"] = proportion(int(np.count_nonzero(truth == pred)), n)
    classes = distinct(np.concatenate([truth, pred]))
    if n and len(classes) <= 2:  # noqa: PLR2004
        positive = _positive(classes)
        predicted, true = pred == positive, truth == positive
        hits = int(np.count_nonzero(predicted & true))
        n_predicted, n_true = int(np.count_nonzero(predicted)), int(np.count_nonzero(true))
        found["precision"] = proportion(hits, n_predicted)
        found["recall"] = proportion(hits, n_true)
        found["f1"] = _f1(hits, n_predicted + n_true - hits)
    return found


def _positive(classes: Any) -> Any:
    """Return the positive of two classes; a single number counts as negative unless it is 1."""
    if len(classes) == 1 and classes.dtype.kind in "biuf":
        return type(classes[0])(1)
    return classes[-1]


def _f1(hits: int, union: int) -> Score:
    found = proportion(hits, union)
    return {k: 2 * v / (1 + v) if k != "n" and v is not None else v for k, v in found.items()}


def auc(truth: Any, score: Any) -> Score:
    """Return the area under the ROC curve, and its interval by DeLong's variance.

    truth: (n,) bool; score: (n,) numbers, higher for the positive; ties count half

    DeLong, DeLong and Clarke-Pearson 1988; by midranks in O(n log n) as Sun and Xu 2014 have it.
    If that variance is 0, the interval is that of Wilson for the smaller side.
    """
    import numpy as np

    truth = np.asarray(truth, dtype=bool)
    above, below = score[truth], score[~truth]
    m, n = len(above), len(below)
    if not m or not n or not np.isfinite(score).all():
        return {"value": None, "low": None, "high": None, "n": m + n}
    ranks = midranks(np.concatenate([above, below]))
    beaten = (ranks[:m] - midranks(above)) / n  # per positive: the share of negatives below it
    beating = 1 - (ranks[m:] - midranks(below)) / m
    value = float(beaten.mean())
    variance = _variance(beaten) / m + _variance(beating) / n
    half = Z * math.sqrt(variance)
    low, high = max(0.0, value - half), min(1.0, value + half)
    if not variance:
        low, high = wilson(value * min(m, n), min(m, n))
    return {"value": value, "low": low, "high": high, "n": m + n}


def _variance(values: Any) -> float:
    return float(values.var(ddof=1)) if len(values) > 1 else 0.0


def midranks(values: Any) -> Any:
    """Return ranks from 1; equal values share the mean of theirs.

    >>> import numpy as np
    >>> midranks(np.array([7, 5, 7])).tolist()
    [2.5, 1.0, 2.5]
    """
    import numpy as np

    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse]


def regressed(truth: Any, pred: Any) -> dict[str, Score]:
    """Return mean absolute and root mean squared error, by the central limit theorem.

    The interval of the second is the root of that of the mean squared error.
    """
    import numpy as np

    away = np.asarray(pred, dtype=float) - np.asarray(truth, dtype=float)
    squared = _mean(away * away)
    root = {
        k: math.sqrt(max(0.0, v)) if k != "n" and v is not None else v for k, v in squared.items()
    }
    absolute = _mean(np.abs(away))
    if absolute["low"] is not None:
        absolute["low"] = max(0.0, absolute["low"])
    return {"mae": absolute, "rmse": root}


def quantile_loss(truth: Any, pred: Any, quantile: float) -> Score:
    """Return the mean loss of predicted quantiles, by the central limit theorem.

    Of a truth y and a prediction p it is q (y − p), or (1 − q) (p − y) if y < p; the q-quantile
    makes it least (Koenker and Bassett 1978, "Regression quantiles").

    >>> import numpy as np
    >>> round(quantile_loss(np.array([1.0, 3.0]), np.array([2.0, 2.0]), 0.9)["value"], 3)
    0.5
    """
    import numpy as np

    found = _mean(pinball(np.asarray(truth, float) - np.asarray(pred, float), quantile))
    if found["low"] is not None:
        found["low"] = max(0.0, found["low"])
    return found


def pinball(above: Any, quantile: float) -> Any:
    """Return the loss of each row. above: (n,) by how much the truth exceeds the prediction."""
    import numpy as np

    return np.maximum(quantile * above, (quantile - 1) * above)


def _mean(values: Any) -> dict[str, Any]:
    n = len(values)
    value = float(values.mean()) if n else math.nan
    if not math.isfinite(value):
        return {"value": None, "low": None, "high": None, "n": n}
    half = Z * math.sqrt(_variance(values) / n)
    return {"value": value, "low": value - half, "high": value + half, "n": n}


def scores(
    truth: Any, pred: Any = None, score: Any = None, *, quantile: float | None = None
) -> dict[str, Score]:
    """Return all scores that apply: accuracy and its like, auc and losses, mae and rmse.

    truth: (n,) numbers, truth values or texts; pred: the same kind; score: (n,) numbers
    quantile: which one the predictions are; None for no loss of it
    """
    import numpy as np

    found: dict[str, Score] = {}
    classes = _classes(truth)
    if pred is not None and len(classes) and _alike(truth, pred):
        found |= classified(truth, pred)
    if pred is not None and truth.dtype.kind in "iuf" and pred.dtype.kind in "biuf":
        found |= regressed(truth, pred)
        if quantile is not None:
            found["quantile_loss"] = quantile_loss(truth, pred, quantile)
    if score is not None and 0 < len(classes) <= 2:  # noqa: PLR2004
        positive, shares = truth == _positive(classes), np.asarray(score, dtype=float)
        found["auc"] = auc(positive, shares)
        found |= probability_losses(positive, shares)
    return found


def probability_losses(truth: Any, score: Any) -> dict[str, Score]:
    """Return Brier score and log loss, with intervals by the central limit theorem.

    truth: (n,) bool; score: (n,) probabilities of the positive; nothing for other numbers
    """
    import numpy as np

    if not len(score) or not np.isfinite(score).all() or score.min() < 0 or score.max() > 1:
        return {}
    least = np.finfo(float).eps
    right = np.clip(np.where(truth, score, 1 - score), least, 1 - least)
    found = {"brier": _mean((score - truth) ** 2), "log_loss": _mean(-np.log(right))}
    most = {"brier": 1.0, "log_loss": math.inf}
    return {
        metric: {**one, "low": max(0.0, one["low"]), "high": min(most[metric], one["high"])}
        for metric, one in found.items()
    }


def _alike(truth: Any, pred: Any) -> bool:
    """Return whether predictions are classes as well, and not probabilities or amounts."""
    numbers = "biuf"
    if (truth.dtype.kind in numbers) != (pred.dtype.kind in numbers):
        return False
    return bool(len(_classes(pred)) or not len(pred))


def _classes(values: Any) -> Any:
    """Return the classes of an array, none if it holds amounts."""
    import numpy as np

    if values.dtype.kind == "f" and not (values == np.floor(values)).all():
        return values[:0]
    found = distinct(values)
    return found if len(found) <= CLASSES or values.dtype.kind not in "iuf" else values[:0]


def distinct(values: Any) -> Any:
    """Return the distinct values of an array, sorted."""
    import numpy as np

    if values.dtype.kind != "O":
        return np.unique(values)
    return np.array(sorted(set(values.tolist())), dtype=object)


def evaluation(
    arrays: Mapping[str, Any],
    by: Mapping[str, Any],
    least: int = LEAST,
    quantile: float | None = None,
) -> dict[str, Any]:
    """Return scores as a whole and by slice.

    arrays: truth, and pred or score or both
    by:     name → (n,) texts that say which slice a row is of
    quantile: which one the predictions are, None if they are none

    {"least": rows of a slice that is judged, "whole": {metric: score},
    "by": {"auc_by_origin": {slice: score}}, "rows": {"origin": {slice: rows}},
    "baseline": {metric: value of a naive answer}, "error": what could not be scored, and why}
    """
    import numpy as np

    whole = scores(**arrays, quantile=quantile)
    found: dict[str, Any] = {"least": least, "whole": whole, "by": {}, "rows": {}}
    found["baseline"] = baseline(arrays["truth"], whole, quantile)
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
    truth: Any, whole: Mapping[str, Score], quantile: float | None = None
) -> dict[str, float]:
    """Return what the best constant answer scores: the most frequent class, or the middle.

    truth: (n,); whole: the scores of the model, whose metrics are compared

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
            found["quantile_loss"] = float(pinball(away - middle, quantile).mean())
    return {metric: value for metric, value in found.items() if metric in whole}


def _sliced(
    arrays: Mapping[str, Any], rows: Any, whole: Mapping[str, Score], quantile: float | None
) -> dict[str, Score]:
    """Return a slice's scores for the metrics of the whole, None for a missing one."""
    import numpy as np

    truth, pred, score = arrays["truth"], arrays.get("pred"), arrays.get("score")
    n = int(np.count_nonzero(rows))
    classes = distinct(truth if pred is None else np.concatenate([truth, pred]))
    found: dict[str, Score] = {}
    if "accuracy" in whole and pred is not None:
        found |= _as_the_whole(truth[rows], pred[rows], classes)
    if "mae" in whole and pred is not None:
        found |= regressed(truth[rows], pred[rows])
        if quantile is not None:
            found["quantile_loss"] = quantile_loss(truth[rows], pred[rows], quantile)
    if "auc" in whole and score is not None:
        positive = _positive(distinct(truth))
        found["auc"] = auc(truth[rows] == positive, score[rows].astype(float))
        found |= probability_losses(truth[rows] == positive, score[rows].astype(float))
    none = {"value": None, "low": None, "high": None, "n": n}
    return {metric: found.get(metric, none) for metric in whole}


def _as_the_whole(truth: Any, pred: Any, classes: Any) -> dict[str, Score]:
    """Return a slice's scores, with the positive class of the whole."""
    if len(classes) > 2 or classes.dtype.kind == "b":  # noqa: PLR2004
        return classified(truth, pred)
    positive = _positive(classes)
    return classified(truth == positive, pred == positive)


def named(mark: Mapping[str, str]) -> tuple[str, ...]:
    """Return the metrics that an evaluation mark makes possible, whole and by slice.

    >>> named({"truth": "y", "score": "s", "by": "origin"})
    ('auc', 'brier', 'log_loss', 'auc_by_origin', 'brier_by_origin', 'log_loss_by_origin')
    """
    found = [*(BY_PRED if mark.get("pred") else ()), *(BY_SCORE if mark.get("score") else ())]
    if mark.get("pred") and mark.get("quantile"):
        found.append("quantile_loss")
    slicings = [name for name in re.split(r"[,\s]+", mark.get("by", "")) if name]
    by = [f"{metric}_by_{name}" for metric in found for name in slicings]
    computed = [name for name in mark.get("computed", "").split(",") if name]
    return (*found, *by, *computed) if mark.get("truth") else ()


def all_scores(metrics: Mapping[str, float], whole: Mapping[str, Score]) -> dict[str, Score]:
    """Return the scores of an evaluation, and the metrics that the notebook computed itself.

    A number of the notebook counts before one of the evaluation. It has the interval of that one
    if both agree, else none.

    >>> all_scores({"profit": 7.0}, {})
    {'profit': {'value': 7.0, 'low': None, 'high': None, 'n': None}}
    """
    found = dict(whole)
    for name, value in metrics.items():
        score = whole.get(name)
        if score is not None and agreeing(score, value):
            found[name] = {**score, "value": value}
        else:
            found[name] = {"value": value, "low": None, "high": None, "n": None}
    return found


def agreeing(score: Score | None, value: float) -> bool:
    """Return whether a metric of the notebook equals the evaluated one; then its interval applies.

    >>> agreeing({"value": 0.5, "low": 0.4, "high": 0.6, "n": 9}, 0.5 + 1e-12)
    True
    """
    if score is None or score["value"] is None or score["low"] is None:
        return False
    return math.isclose(score["value"], value, rel_tol=CLOSE, abs_tol=CLOSE)
