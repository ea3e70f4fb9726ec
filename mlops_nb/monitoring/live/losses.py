"""The losses of labelled rows, as sums of which every metric is made."""

from typing import Any

from mlops_nb.monitoring.labels.classes import AnswerKind
from mlops_nb.monitoring.live.sums import Moments, ScoreCounts

PAIR = 2  # classes of a model whose score is one number
EXACT = 4096  # distinct scores of a version and day that are counted one by one


def moments(values: Any) -> Moments:
    """Return the moments of an array."""
    return Moments(
        count=len(values), total=float(values.sum()), squares=float((values * values).sum())
    )


def of_numbers(truth: Any, answer: Any) -> dict[str, Moments]:
    """Return the absolute and the squared errors. truth, answer: (n,) floats."""
    import numpy as np

    away = answer - truth
    away = away[np.isfinite(away)]
    return {"absolute": moments(np.abs(away)), "squared": moments(away * away)}


def of_classes(truth: Any, answer: Any) -> dict[str, Moments]:
    """Return the hits. truth, answer: (n,) codes of classes."""
    return {"hit": moments((truth == answer).astype(float))}


def of_scores(truth: Any, scores: Any) -> tuple[dict[str, Moments], ScoreCounts]:
    """Return log loss and Brier score of rows, and how many rows have each score.

    truth:  (n,) places of classes, those of no class left out
    scores: (n,) of the second of two classes, or (n, classes)
    """
    import numpy as np

    if scores.ndim == 1:
        known = np.isfinite(scores)
        truth, scores = truth[known] == 1, scores[known]
        counted = _counted(truth, scores)
        if not len(scores) or scores.min() < 0 or scores.max() > 1:
            return {}, counted
        right = np.where(truth, scores, 1 - scores)
        found = {"brier": moments((scores - truth) ** 2), "log_loss": moments(_log_loss(right))}
        return found, counted
    known = np.isfinite(scores).all(axis=1)
    truth, scores = truth[known], scores[known]
    if not len(scores) or scores.min() < 0 or scores.max() > 1:
        return {}, ScoreCounts()
    right = scores[np.arange(len(scores)), truth]
    return {"log_loss": moments(_log_loss(right))}, ScoreCounts()


def _log_loss(right: Any) -> Any:
    """Return the log loss of probabilities of the true class, clipped as scikit-learn does."""
    import numpy as np

    least = np.finfo(float).eps
    return -np.log(np.clip(right, least, 1 - least))


def _counted(truth: Any, scores: Any) -> ScoreCounts:
    """Return how many rows have each score; of very many, scores of about equal rank are one."""
    import numpy as np

    values, places = np.unique(scores, return_inverse=True)
    if len(values) > EXACT:
        cuts = np.unique(np.quantile(scores, np.linspace(0, 1, EXACT + 1), method="lower"))
        places = (np.searchsorted(cuts, values, side="right") - 1)[places]
        values = cuts
    positive = np.bincount(places[truth], minlength=len(values))
    negative = np.bincount(places[~truth], minlength=len(values))
    return ScoreCounts(
        points=tuple(values.tolist()),
        positive=tuple(positive.tolist()),
        negative=tuple(negative.tolist()),
    )


def array_of(column: Any, kind: AnswerKind) -> Any | None:
    """Return the scores of an Arrow column as (n,) or (n, classes) floats, NaN where missing.

    None if they are of another shape than the classes.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    classes = len(kind.classes or ())
    if pa.types.is_floating(column.type):
        return column.to_numpy() if classes == PAIR else None
    if not (pa.types.is_list(column.type) or pa.types.is_large_list(column.type)) or not classes:
        return None
    sizes = pc.list_value_length(column).to_numpy()
    whole = sizes == classes
    found = np.full((len(column), classes), np.nan)
    flat = column.filter(pa.array(whole)).combine_chunks().flatten()
    found[whole] = flat.to_numpy(zero_copy_only=False).reshape(-1, classes)
    return found[:, 1] if classes == PAIR else found
