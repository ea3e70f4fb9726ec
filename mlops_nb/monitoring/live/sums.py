"""The sums of one UTC day of a prediction log, from which all metrics and drift are computed."""

from collections.abc import Iterable
from typing import Any

from msgspec import Struct, field

from mlops_nb.evaluation import sampling
from mlops_nb.evaluation.sampling import WeightedSums

OTHER = "\x00other"  # categories that are not counted one by one


class Moments(Struct, frozen=True, kw_only=True):
    """How many values there are, their sum, and the sum of their squares.

    Values of a sample with weights count as many as they are worth.
    """

    count: float
    total: float
    squares: float


class ScoreCounts(Struct, frozen=True, kw_only=True):
    """How many labelled rows have each score, by their true class.

    points: (n,) distinct scores, ascending; positive, negative: (n,) rows, or their weights
    """

    points: tuple[float, ...] = ()
    positive: tuple[float, ...] = ()
    negative: tuple[float, ...] = ()


class VersionSums(Struct, frozen=True, kw_only=True):
    """The answers of one version, or of one slice of them.

    labels:  rows with a label, those included whose absence means one
    moments: loss of a row, by name: hit, brier, log_loss, absolute, squared, pinball;
             ndcg, of a query
    weighted: loss → its sums with the weights of a sample; empty without one
    lags:    hours from answer to label → rows
    slices:  slicing → slice → its answers; OTHER has those of no slice of the evaluation
    answers: predicted class → its rows, and those of them that have a label of their own
    """

    rows: int
    labels: int
    weighted: dict[str, WeightedSums] = field(default_factory=dict)
    moments: dict[str, Moments] = field(default_factory=dict)
    scores: ScoreCounts = field(default_factory=ScoreCounts)
    lags: dict[int, int] = field(default_factory=dict)
    slices: dict[str, dict[str, "VersionSums"]] = field(default_factory=dict)
    answers: dict[str, tuple[int, int]] = field(default_factory=dict)


class ColumnCounts(Struct, frozen=True, kw_only=True):
    """The values of a column.

    bins:       of numbers, rows below, at and between the edges of the reference
    categories: rows of each
    """

    rows: int
    missing: int
    bins: tuple[int, ...] = ()
    categories: dict[str, int] = field(default_factory=dict)


class SourceSums(Struct, frozen=True, kw_only=True):
    """The answers of one kind of source. first, last: of their times, as ISO texts.

    seconds: the median latency, None if there are no rows
    """

    rows: int = 0
    first: str = ""
    last: str = ""
    seconds: float | None = None
    versions: dict[int, VersionSums] = field(default_factory=dict)
    columns: dict[str, ColumnCounts] = field(default_factory=dict)


class DaySums(Struct, frozen=True, kw_only=True):
    """The sums of one day. dropped: rows that were answered and are not on record."""

    day: str
    dropped: int = 0
    mature: bool = False
    requests: SourceSums = field(default_factory=SourceSums)
    batch: SourceSums = field(default_factory=SourceSums)


class Day(Struct, frozen=True, kw_only=True):
    """The sums of one day of the answers that a window is about.

    is_batch: these are answers to files
    """

    day: str
    mature: bool
    dropped: int
    sums: SourceSums
    is_batch: bool = False


def of_window(days: Iterable[DaySums]) -> list[Day]:
    """Return the days of requests; if there are only answers to files, the days of these."""
    found = list(days)
    use_batch = not any(day.requests.rows for day in found)
    return [
        Day(
            day=one.day,
            mature=one.mature,
            dropped=one.dropped,
            sums=one.batch if use_batch else one.requests,
            is_batch=use_batch,
        )
        for one in found
    ]


def added(one: Moments, other: Moments) -> Moments:
    """Return the moments of two groups of rows together."""
    return Moments(
        count=one.count + other.count,
        total=one.total + other.total,
        squares=one.squares + other.squares,
    )


def together(versions: Iterable[VersionSums]) -> VersionSums:
    """Return the sums of several versions as one, without their slices.

    >>> together([VersionSums(rows=2, labels=1), VersionSums(rows=3, labels=0)]).rows
    5
    """
    found = list(versions)
    moments: dict[str, Moments] = {}
    lags: dict[int, int] = {}
    answers: dict[str, tuple[int, int]] = {}
    for one in found:
        for name, value in one.moments.items():
            moments[name] = added(moments[name], value) if name in moments else value
        for lag, rows in one.lags.items():
            lags[lag] = lags.get(lag, 0) + rows
        for answer, (rows, labels) in one.answers.items():
            before = answers.get(answer, (0, 0))
            answers[answer] = before[0] + rows, before[1] + labels
    return VersionSums(
        rows=sum(one.rows for one in found),
        labels=sum(one.labels for one in found),
        moments=moments,
        weighted={
            name: sampling.added([one.weighted[name] for one in found if name in one.weighted])
            for name in dict.fromkeys(name for one in found for name in one.weighted)
        },
        scores=joined_scores([one.scores for one in found if one.scores.points]),
        lags=lags,
        answers=answers,
    )


def joined_scores(parts: list[ScoreCounts]) -> ScoreCounts:
    """Return the counts of several groups of rows as one."""
    if len(parts) < 2:  # noqa: PLR2004
        return parts[0] if parts else ScoreCounts()
    import numpy as np

    values = np.concatenate([np.array(part.points) for part in parts])
    distinct, places = np.unique(values, return_inverse=True)
    counts: list[Any] = []
    for name in ("positive", "negative"):
        given = np.concatenate([np.array(getattr(part, name)) for part in parts])
        counts.append(np.bincount(places, weights=given, minlength=len(distinct)))
    return ScoreCounts(
        points=tuple(distinct.tolist()),
        positive=tuple(counts[0].tolist()),
        negative=tuple(counts[1].tolist()),
    )
