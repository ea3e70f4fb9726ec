"""The labelled rows of one version on one day, and their sums: of all, and of each slice."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from mlops_nb.evaluation import sampling
from mlops_nb.evaluation.ranking import ndcg_of
from mlops_nb.evaluation.sampling import WeightedSums
from mlops_nb.monitoring.labels.classes import AnswerKind, number_of
from mlops_nb.monitoring.live import losses
from mlops_nb.monitoring.live.count import as_numbers
from mlops_nb.monitoring.live.losses import ScoredRows
from mlops_nb.monitoring.live.sums import OTHER, Moments, ScoreCounts, VersionSums

Arrays = Mapping[str, Any]


class JudgedRows(Struct, frozen=True, kw_only=True):
    """The rows of a version that have a label, and what is expected of all of its rows.

    losses:    loss → (labels,)
    scores:    their truth and scores; None if the model has no scores of two classes
    weights:   (labels,) how many rows each stands for; None without a sample
    forecasts: loss → (labels,) its expectation; None if no sums with weights are wanted
    expected:  loss → (rows,) the same of all rows; of the labelled ones without a sample
    """

    losses: Arrays
    scores: ScoredRows | None
    weights: Any | None
    forecasts: Arrays | None = None
    expected: Arrays = {}


def rows_of(
    labels: Any,
    mine: Any,
    every: Any | None,
    weights: Any | None,
    kind: AnswerKind,
    quantile: float | None = None,
) -> JudgedRows:
    """Return the judged rows of a version.

    labels: (labels,) texts; mine: their answers; every: all answers, None if no sums with weights
            are wanted; weights: (labels,), None without a sample; quantile: which one predicted
            numbers are
    """
    forecasts, expected = None, {}
    if every is not None:
        forecasts = losses.expected(mine, kind)
        expected = losses.expected(every, kind) if weights is not None else forecasts
    return JudgedRows(
        losses=losses.of_rows(labels, mine, kind, quantile),
        scores=losses.scored(labels, mine, kind),
        weights=weights,
        forecasts=forecasts,
        expected=expected,
    )


def whole(rows: JudgedRows, count: int) -> dict[str, Any]:
    """Return moments, score counts and sums with weights of all rows. count: of the version."""
    import numpy as np

    made: dict[str, Any] = {
        "moments": {name: losses.moments(one, rows.weights) for name, one in rows.losses.items()},
        "scores": losses.counted(rows.scores, rows.weights),
    }
    if rows.forecasts is not None:
        labels = len(next(iter(rows.losses.values())))
        places = np.arange(labels)
        count = count if rows.weights is not None else labels
        totals = {name: float(one.sum()) for name, one in rows.expected.items()}
        made["weighted"] = _weighted(rows, places, count, totals)
    return made


def _weighted(
    rows: JudgedRows, places: Any, count: int, totals: Mapping[str, float]
) -> dict[str, WeightedSums]:
    """Return loss → the sums with weights of some labelled rows.

    count: rows that they stand for; totals: loss → the sum of its expectation over these
    """
    import numpy as np

    assert rows.forecasts is not None
    own = np.ones(len(places)) if rows.weights is None else rows.weights[places]
    found = {}
    for name, every in rows.losses.items():
        one = every[places]
        known = np.isfinite(one)
        forecast = rows.forecasts[name][places] if name in rows.forecasts else np.zeros(len(one))
        found[name] = sampling.weighted_sums(
            one[known],
            own[known],
            forecast[known],
            rows=count,
            forecast=totals.get(name, 0.0),
        )
    return found


def of_queries(
    labels: Any, mine: Any, queries: Any, places: tuple[Any, Any], kind: AnswerKind
) -> dict[str, Moments]:
    """Return the moments of the NDCG of a version's queries whose rows all have labels.

    labels:  (labels,) texts; mine: their answers
    queries: (all rows,) numbers of the queries, -1 for none
    places:  of the labelled rows, and of all rows of the version
    """
    import numpy as np

    labelled, whole = (queries[place] for place in places)
    size = int(queries.max(initial=-1)) + 1
    asked, known = (np.bincount(one[one >= 0], minlength=size) for one in (whole, labelled))
    truth, score = relevance(labels, kind), ranked_by(mine, kind)
    usable = (labelled >= 0) & (known == asked)[labelled]
    odd = np.isnan(truth) | np.isnan(score) | (truth < 0)
    usable &= ~np.isin(labelled, labelled[odd & usable])  # a query with a row that has no number
    if not usable.any():
        return {}
    values, _ = ndcg_of(truth[usable], score[usable], labelled[usable])
    return {"ndcg": losses.moments(values)}


def relevance(labels: Any, kind: AnswerKind) -> Any:
    """Return labels as (n,) numbers, NaN for what is none."""
    import numpy as np

    if kind.is_number:
        return as_numbers(labels)
    known = {
        text: number_of(value)
        for text, value in zip(kind.texts or (), kind.classes or (), strict=True)
    }
    numbers = (known.get(text) for text in labels.to_pylist())
    return np.array([np.nan if one is None else one for one in numbers])


def ranked_by(mine: Any, kind: AnswerKind) -> Any:
    """Return what ranks the rows: the score if it is one number, else the prediction."""
    import pyarrow as pa

    if pa.types.is_floating(mine["score"].type) and mine["score"].null_count < len(mine):
        return as_numbers(mine["score"])
    return as_numbers(mine["prediction"]) if kind.is_number else as_numbers(mine["score"])


def by_slice(
    rows: JudgedRows | None, labelled: Any, every: Any, names: Sequence[str]
) -> dict[str, VersionSums]:
    """Return slice → its sums; OTHER has the rows of no slice. Slices without a row are left out.

    rows:     None if no row has a label
    labelled: (labels,) places of slices; every: (rows,) the same of all rows
    """
    import numpy as np

    size = len(names) + 1
    counts, labels = (np.bincount(c, minlength=size).tolist() for c in (every, labelled))
    sums = _Sums(rows, labelled, every, size) if rows is not None else None
    return {
        name: VersionSums(
            rows=counts[place],
            labels=labels[place],
            **(sums.of(place, counts[place]) if sums is not None and labels[place] else {}),
        )
        for place, name in enumerate((*names, OTHER))
        if counts[place]
    }


class _Sums:
    """The sums of all slices, made in one pass over the rows."""

    def __init__(self, rows: JudgedRows, labelled: Any, every: Any, size: int) -> None:
        import numpy as np

        self.rows = rows
        weights = rows.weights
        self.moments = {
            name: _moments(one, weights, labelled, size) for name, one in rows.losses.items()
        }
        self.scores = _scores(rows.scores, weights, labelled, size)
        if rows.forecasts is not None:
            self.order = np.argsort(labelled, kind="stable")
            self.starts = np.searchsorted(labelled[self.order], np.arange(size + 1))
            of_expected = every if weights is not None else labelled
            self.totals = {
                name: np.bincount(of_expected, weights=one, minlength=size)
                for name, one in rows.expected.items()
            }

    def of(self, place: int, count: int) -> dict[str, Any]:
        """Return moments, score counts and sums with weights of a slice. count: its rows."""
        made: dict[str, Any] = {
            "moments": {name: parts[place] for name, parts in self.moments.items()},
            "scores": self.scores[place],
        }
        if self.rows.forecasts is not None:
            mine = self.order[self.starts[place] : self.starts[place + 1]]
            totals = {name: float(one[place]) for name, one in self.totals.items()}
            count = count if self.rows.weights is not None else len(mine)
            made["weighted"] = _weighted(self.rows, mine, count, totals)
        return made


def _moments(values: Any, weights: Any | None, codes: Any, size: int) -> list[Moments]:
    """Return the moments of each slice, as `losses.moments` of its rows."""
    import numpy as np

    known = np.isfinite(values)
    values, codes = values[known], codes[known]
    own = np.ones(len(values)) if weights is None else weights[known]
    total, squared, sums, squares = (
        np.bincount(codes, weights=one, minlength=size)
        for one in (own, own * own, own * values, own * values * values)
    )
    scale = np.divide(total, squared, out=np.zeros(size), where=squared > 0)
    columns = (total * scale, sums * scale, squares * scale)
    return [
        Moments(count=count, total=one, squares=two)
        for count, one, two in zip(*(column.tolist() for column in columns), strict=True)
    ]


def _scores(
    scored: ScoredRows | None, weights: Any | None, codes: Any, size: int
) -> list[ScoreCounts]:
    """Return the score counts of each slice, at the same points in all slices."""
    import numpy as np

    if scored is None:
        return [ScoreCounts()] * size
    own = np.ones(len(scored.known)) if weights is None else weights
    own, codes = own[scored.known], codes[scored.known]
    points, places = losses.points(scored, losses.EXACT_OF_SLICE)
    cells = codes * len(points) + places
    both = [
        np.bincount(cells[side], weights=own[side], minlength=size * len(points)).reshape(size, -1)
        for side in (scored.positive, ~scored.positive)
    ]
    return [losses.at_points(points, both[0][place], both[1][place]) for place in range(size)]
