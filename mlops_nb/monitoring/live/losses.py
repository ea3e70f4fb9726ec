"""The losses of labelled rows, and their sums, of which every metric is made.

A loss of a row is NaN where it is not defined: a missing score, or a label of no known class.
"""

from typing import Any

from msgspec import Struct

from mlops_nb.evaluation.metrics import pinball
from mlops_nb.monitoring.labels import classes
from mlops_nb.monitoring.labels.classes import AnswerKind
from mlops_nb.monitoring.live.count import as_numbers
from mlops_nb.monitoring.live.sums import Moments, ScoreCounts

PAIR = 2  # classes of a model whose score is one number
EXACT = 4096  # distinct scores of a version and day that are counted one by one
EXACT_OF_SLICE = 128  # the same by slice: beyond, the area is wrong by less than 0.001


def of_rows(
    labels: Any, answers: Any, kind: AnswerKind, quantile: float | None = None
) -> dict[str, Any]:
    """Return loss → (n,) values. labels: (n,) texts; answers: a table of prediction and score.

    quantile: which one predicted numbers are; None for no loss of it

    hit is 1 for a right answer; brier and log_loss are of probabilities, absolute, squared and
    pinball of numbers
    """
    import numpy as np
    import pyarrow.compute as pc

    if kind.is_number:
        away = as_numbers(answers["prediction"]) - as_numbers(labels)
        away = np.where(np.isfinite(away), away, np.nan)
        numbers = {"absolute": np.abs(away), "squared": away * away}
        return numbers if quantile is None else numbers | {"pinball": pinball(-away, quantile)}
    predicted = classes.class_texts(answers["prediction"], kind)
    hits = pc.fill_null(pc.equal(predicted, labels), False).to_numpy(zero_copy_only=False)
    found = {"hit": hits.astype(float)}
    scores = probabilities(answers["score"], kind)
    if scores is None:
        return found
    truth = places_of(labels, kind)
    known = truth >= 0
    right = np.where(known, scores[np.arange(len(truth)), truth], np.nan)
    if scores.shape[1] == PAIR:
        found["brier"] = (1 - right) ** 2
    return found | {"log_loss": _log_loss(right)}


def expected(answers: Any, kind: AnswerKind) -> dict[str, Any]:
    """Return loss → (n,) its expectation, if the scores are right; nothing without scores."""
    import numpy as np

    scores = None if kind.is_number else probabilities(answers["score"], kind)
    if scores is None:
        return {}
    scores = np.nan_to_num(scores, nan=1 / scores.shape[1])
    predicted = places_of(classes.class_texts(answers["prediction"], kind), kind)
    right = np.where(predicted >= 0, scores[np.arange(len(predicted)), predicted], 0.0)
    found = {"hit": right, "log_loss": (scores * _log_loss(scores)).sum(axis=1)}
    if scores.shape[1] == PAIR:
        found["brier"] = scores[:, 0] * scores[:, 1]
    return found


def places_of(texts: Any, kind: AnswerKind) -> Any:
    """Return the (n,) places of classes among those of a model, -1 for none of them."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    places = pc.index_in(texts, value_set=pa.array(kind.texts or (), pa.string()))
    return pc.fill_null(places, -1).to_numpy().astype(np.int64)


def probabilities(column: Any, kind: AnswerKind) -> Any | None:
    """Return scores as (n, classes) probabilities, NaN where missing; None if they are none."""
    import numpy as np

    scores = None if kind.texts is None else array_of(column, kind)
    if scores is None or not len(scores):
        return None
    known = scores[np.isfinite(scores)]
    if not len(known) or known.min() < 0 or known.max() > 1:
        return None
    if scores.ndim == 1:
        return np.stack([1 - scores, scores], axis=1)
    whole = np.isfinite(scores).all(axis=1)
    return np.where(whole[:, None], scores, np.nan)


def _log_loss(right: Any) -> Any:
    """Return the log loss of probabilities of the true class, clipped as scikit-learn does."""
    import numpy as np

    least = np.finfo(float).eps
    return -np.log(np.clip(right, least, 1 - least))


def moments(values: Any, weights: Any | None = None) -> Moments:
    """Return the moments of the known values; of weighted ones, of as many as they are worth.

    A sample of weights w is worth sum(w)^2 / sum(w^2) rows of equal weight (Kish 1965).
    """
    import numpy as np

    known = np.isfinite(values)
    values = values[known]
    if weights is None or not len(values):
        squares = float((values * values).sum())
        return Moments(count=len(values), total=float(values.sum()), squares=squares)
    weights = weights[known]
    scale = float(weights.sum() / (weights * weights).sum())
    return Moments(
        count=float(weights.sum()) * scale,
        total=float((weights * values).sum()) * scale,
        squares=float((weights * values * values).sum()) * scale,
    )


class ScoredRows(Struct, frozen=True, kw_only=True):
    """Labelled rows with scores of two classes.

    known:    (n,) whether label and score are known
    positive: (known,) whether the label is the second class
    values:   distinct known scores, ascending; places: (known,) of each row among them
    """

    known: Any
    positive: Any
    values: Any
    places: Any


def scored(labels: Any, answers: Any, kind: AnswerKind) -> ScoredRows | None:
    """Return the scores of labelled rows; None of numbers, and of more than two classes."""
    import numpy as np

    scores = None if kind.is_number or kind.texts is None else array_of(answers["score"], kind)
    if scores is None or scores.ndim > 1:
        return None
    truth = places_of(labels, kind)
    known = np.isfinite(scores) & (truth >= 0)
    values, places = np.unique(scores[known], return_inverse=True)
    return ScoredRows(known=known, positive=truth[known] == 1, values=values, places=places)


def score_counts(
    labels: Any, answers: Any, kind: AnswerKind, weights: Any | None = None
) -> ScoreCounts:
    """Return how many labelled rows have each score, by class; nothing of more than two classes."""
    return counted(scored(labels, answers, kind), weights)


def counted(rows: ScoredRows | None, weights: Any | None = None) -> ScoreCounts:
    """Return how many rows have each score; of very many, scores of about equal rank are one."""
    import numpy as np

    if rows is None:
        return ScoreCounts()
    values, places = points(rows, EXACT)
    own = np.ones(len(places)) if weights is None else weights[rows.known]
    sides = [
        np.bincount(places[side], weights=own[side], minlength=len(values))
        for side in (rows.positive, ~rows.positive)
    ]
    return at_points(values, *sides)


def points(rows: ScoredRows, most: int) -> tuple[Any, Any]:
    """Return the distinct scores, ascending, and the place of each row among them.

    Beyond about `most`, those of about equal rank are one: the lowest of them.
    """
    import numpy as np

    if len(rows.values) <= most:
        return rows.values, rows.places
    last = np.cumsum(np.bincount(rows.places))
    ranks = np.floor(np.linspace(0, 1, most + 1) * (last[-1] - 1))
    cuts = np.unique(np.searchsorted(last, ranks, side="right"))
    merged = np.searchsorted(cuts, np.arange(len(rows.values)), side="right") - 1
    return rows.values[cuts], merged[rows.places]


def at_points(values: Any, positive: Any, negative: Any) -> ScoreCounts:
    """Return score counts of the points that have a row."""
    there = (positive > 0) | (negative > 0)
    return ScoreCounts(
        points=tuple(values[there].tolist()),
        positive=tuple(_plain(positive[there])),
        negative=tuple(_plain(negative[there])),
    )


def _plain(counts: Any) -> list[float]:
    """Return counts as numbers, whole ones without a fraction."""
    import numpy as np

    if (counts == np.floor(counts)).all():
        counts = counts.astype(np.int64)
    found: list[float] = counts.tolist()
    return found


def array_of(column: Any, kind: AnswerKind) -> Any | None:
    """Return the scores of an Arrow column as (n,) or (n, classes) floats, NaN where missing.

    None if they are of another shape than the classes.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    number = len(kind.classes or ())
    if pa.types.is_floating(column.type):
        return column.to_numpy() if number == PAIR else None
    if not (pa.types.is_list(column.type) or pa.types.is_large_list(column.type)) or not number:
        return None
    sizes = pc.list_value_length(column).to_numpy()
    whole = sizes == number
    found = np.full((len(column), number), np.nan)
    flat = column.filter(pa.array(whole)).combine_chunks().flatten()
    found[whole] = flat.to_numpy(zero_copy_only=False).reshape(-1, number)
    return found[:, 1] if number == PAIR else found
