"""Metrics of the live model by slice, beside what the evaluation promised for each slice."""

import math
from collections.abc import Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from mlops_nb.evaluation import shrinkage
from mlops_nb.evaluation.metrics import Z
from mlops_nb.evaluation.shrinkage import Change
from mlops_nb.monitoring.live import metrics, sums
from mlops_nb.monitoring.live.evaluated import EvaluatedSlices, PromisedScore
from mlops_nb.monitoring.live.sliced import SliceColumn
from mlops_nb.monitoring.live.sums import OTHER, Day, VersionSums

LOWER_IS_BETTER = frozenset({"log_loss", "brier", "mae", "rmse", "quantile_loss"})
WORST = 5  # of each metric and slicing, that a page shows


class LiveSlice(Struct, frozen=True, kw_only=True):
    """A metric of one slice of all versions together.

    by:       the slicing
    slice:    None for values that the evaluation did not have
    rows:     that were answered, with and without labels
    promised: what the evaluation has for it; None if it has nothing
    change:   from what was promised, shrunk towards that of the whole (`evaluation.shrinkage`);
              None without a promise
    is_computed: a function of the notebook computes it
    """

    metric: str
    by: str
    slice: str | None
    value: float
    low: float
    high: float
    labels: int
    rows: int
    promised: PromisedScore | None = None
    change: Change | None = None
    is_computed: bool = False

    @property
    def coverage(self) -> float:
        """The share of the rows that have a label."""
        return self.labels / self.rows if self.rows else 0.0

    @property
    def worse(self) -> float:
        """By how much the metric is worse than promised; negative if it is better.

        Whether a function of the notebook should be high or low is not known: any change counts.
        """
        if self.change is None:
            return 0.0
        if self.is_computed:
            return abs(self.change.value)
        return self.change.value if self.metric in LOWER_IS_BETTER else -self.change.value

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the change."""
        if self.change is None:
            return None
        half = Z * math.sqrt(self.change.variance)
        return self.change.value - half, self.change.value + half


def of_days(days: Sequence[Day], evaluated: EvaluatedSlices) -> list[LiveSlice]:
    """Return the metrics of each slice of an evaluation."""
    found: list[LiveSlice] = []
    if not evaluated.columns:
        return found
    every = _Measured([sums.together(day.sums.versions.values()) for day in days])
    for column in evaluated.columns:
        measured = list(_of_slices(days, column))
        for metric, whole in every.metrics.items():
            of_metric = [one for one in measured if one.metric == metric]
            found += compared(of_metric, whole, every.whole.labels, evaluated)
    return found


def worst(slices: Sequence[LiveSlice], most: int = WORST) -> list[LiveSlice]:
    """Return the slices that fell most below what was promised, some of each metric and slicing.

    As changes are shrunk, a slice of few labels must show more than a large one to be among them.
    """
    found: list[LiveSlice] = []
    for metric, by in dict.fromkeys((one.metric, one.by) for one in slices):
        mine = [one for one in slices if (one.metric, one.by) == (metric, by) and one.worse > 0]
        found += sorted(mine, key=lambda one: -one.worse)[:most]
    return found


class _Measured:
    """The metrics of some rows: metric → value, low and high.

    An interval that follows from the days is not narrower than that of the rows: a few rows of a
    slice may be alike by chance on the days that they are of.
    """

    def __init__(self, of_days: Sequence[VersionSums]) -> None:
        self.whole = sums.together(of_days)
        of_rows = metrics.measured([self.whole], self.whole)
        by_days = metrics.measured(of_days, self.whole, metrics.linearized)
        self.metrics = {
            metric: (value, min(low, of_rows[metric][1]), max(high, of_rows[metric][2]))
            for metric, (value, low, high, _) in by_days.items()
        }


def _of_slices(days: Sequence[Day], column: SliceColumn) -> Iterator[LiveSlice]:
    """Yield each metric of each slice that has labels."""
    parts = [[v.slices.get(column.name, {}) for v in day.sums.versions.values()] for day in days]
    for name in (*column.slices, OTHER):
        found = _Measured([sums.together(p[name] for p in day if name in p) for day in parts])
        for metric, (value, low, high) in found.metrics.items():
            yield LiveSlice(
                metric=metric,
                by=column.name,
                slice=None if name == OTHER else name,
                value=value,
                low=low,
                high=high,
                labels=found.whole.labels,
                rows=found.whole.rows,
            )


def compared(
    slices: Sequence[LiveSlice],
    whole: tuple[float, float, float],
    labels: int,
    evaluated: EvaluatedSlices,
) -> list[LiveSlice]:
    """Return the slices of one metric and slicing beside what the evaluation promised.

    whole: the metric of all rows, low and high; labels: of all rows
    """
    if not slices:
        return []
    measured = [_beside(one, evaluated) for one in slices]
    return _changed(measured, whole, labels, evaluated.whole.get(slices[0].metric))


def _beside(one: LiveSlice, evaluated: EvaluatedSlices) -> LiveSlice:
    if one.slice is None:
        return one
    promised = evaluated.promised.get((one.metric, one.by, one.slice))
    return replace(one, promised=promised)


def _changed(
    slices: Sequence[LiveSlice],
    whole: tuple[float, float, float],
    labels: int,
    promised: PromisedScore | None,
) -> list[LiveSlice]:
    """Return the slices of one metric and slicing with their changes, shrunk towards the whole.

    A day alone gives no interval, and so no change.
    """
    known_ends = [one for one in slices if math.isfinite(one.low)]
    beside = [(one, one.promised) for one in known_ends if one.promised is not None]
    if promised is None or not beside or not math.isfinite(whole[1]):
        return list(slices)
    of_row = _variance(*whole[1:]) * labels
    changes = shrinkage.shrunk(
        [_change((one.value, one.low, one.high), was, of_row / one.labels) for one, was in beside],
        _change(whole, promised),
    )
    known = {
        one.slice: replace(one, change=change)
        for (one, _), change in zip(beside, changes, strict=True)
    }
    return [known.get(one.slice, one) for one in slices]


def _change(live: tuple[float, float, float], was: PromisedScore, least: float = 0.0) -> Change:
    """Return the change from a promise.

    least: the variance that as many labels of the whole have, as a few labels that are alike tell
           too little of their own (a generalized variance function: Wolter, "Introduction to
           variance estimation" (2007), chapter 7)
    """
    value, low, high = live
    variance = max(_variance(low, high), least)
    if was.low is not None and was.high is not None:
        variance += _variance(was.low, was.high)
    return Change(value=value - was.value, variance=variance)


def _variance(low: float, high: float) -> float:
    """Return the variance of an estimate by its 95 % interval."""
    return ((high - low) / (2 * Z)) ** 2
