"""Scores of predictions, whole and by slice, each with its 95 % interval.

numpy is imported by the functions that need it. Arrays are one-dimensional, of equal length.
"""

import math
import re
from collections.abc import Mapping
from typing import Any

from mlops_nb.evaluation import ranking

Z = 1.959963984540054  # the 97.5 % quantile of the normal distribution
LEAST = 30  # the fewest rows of a slice that is judged
BY_PRED = ("accuracy", "precision", "recall", "f1", "mae", "rmse")
BY_SCORE = ("auc", "brier", "log_loss")
NO_SCORE: dict[str, Any] = {"value": None, "low": None, "high": None}
CLASSES = 20  # whole numbers with more distinct values are no classes
CLOSE = 1e-9  # relative difference of equal metrics
Score = Mapping[str, Any]  # {"value", "low", "high", "n"}; the first three may be None


def wilson(hits: float, n: float, quantile: float = Z) -> tuple[float, float]:
    """Return the 95 % interval of a proportion. quantile: the one of 97.5 %.

    Wilson 1927, "Probable inference, the law of succession, and statistical inference".

    >>> [round(x, 4) for x in wilson(81, 263)]
    [0.2553, 0.3662]
    """
    if n <= 0:
        return 0.0, 1.0
    share, spread = hits / n, quantile * quantile / n
    middle = (share + spread / 2) / (1 + spread)
    half = quantile / (1 + spread) * math.sqrt(share * (1 - share) / n + spread / (4 * n))
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
        positive = positive_of(classes)
        predicted, true = pred == positive, truth == positive
        hits = int(np.count_nonzero(predicted & true))
        n_predicted, n_true = int(np.count_nonzero(predicted)), int(np.count_nonzero(true))
        found["precision"] = proportion(hits, n_predicted)
        found["recall"] = proportion(hits, n_true)
        found["f1"] = _f1(hits, n_predicted + n_true - hits)
    return found


def positive_of(classes: Any) -> Any:
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
    truth: Any,
    pred: Any = None,
    score: Any = None,
    query: Any = None,
    *,
    quantile: float | None = None,
) -> dict[str, Score]:
    """Return all scores that apply: accuracy and its like, auc and losses, mae and rmse, ndcg.

    truth: (n,) numbers, truth values or texts; pred: the same kind; score: (n,) numbers
    query: (n,) texts that say which query a row is of, None if the rows are not ranked
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
        positive, shares = truth == positive_of(classes), np.asarray(score, dtype=float)
        found["auc"] = auc(positive, shares)
        found |= probability_losses(positive, shares)
    ranked = pred if score is None else score
    if query is not None:
        found["ndcg"] = ndcg(truth, ranked, query)
    return found


def ndcg(truth: Any, score: Any, query: Any) -> Score:
    """Return the mean of `ranking.ndcg_of` over the queries, by the central limit theorem.

    Its n are the queries of which a row is relevant. Without numbers, or with a relevance below 0,
    it has no value.
    """
    import numpy as np

    if truth.dtype.kind not in "biuf" or score.dtype.kind not in "biuf" or (truth < 0).any():
        return {**NO_SCORE, "n": 0}
    values, _ = ranking.ndcg_of(truth, score, query)
    found = _mean(values[np.isfinite(values)])
    if found["low"] is not None:
        found |= {"low": max(0.0, found["low"]), "high": min(1.0, found["high"])}
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


def named(mark: Mapping[str, str]) -> tuple[str, ...]:
    """Return the metrics that an evaluation mark makes possible, whole and by slice.

    >>> named({"truth": "y", "score": "s", "by": "origin"})
    ('auc', 'brier', 'log_loss', 'auc_by_origin', 'brier_by_origin', 'log_loss_by_origin')
    """
    found = [*(BY_PRED if mark.get("pred") else ()), *(BY_SCORE if mark.get("score") else ())]
    if mark.get("pred") and mark.get("quantile"):
        found.append("quantile_loss")
    if mark.get("query"):
        found.append("ndcg")
    slicings = [name for name in re.split(r"[,\s]+", mark.get("by", "")) if name]
    found += [name for name in mark.get("computed", "").split(",") if name]
    by = [f"{metric}_by_{name}" for metric in found for name in slicings]
    return (*found, *by) if mark.get("truth") else ()


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
