"""Metrics of the live model from the sums of days, each with its 95 % interval.

With labels of at least five days, intervals follow from how the days differ, as the rows of a day
are alike; else from the rows. scipy and numpy are imported when they are used.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

from mlops_nb.evaluation import sampling
from mlops_nb.evaluation.metrics import Z, wilson
from mlops_nb.monitoring.live import sums
from mlops_nb.monitoring.live.sums import Day, Moments, ScoreCounts, VersionSums

LEAST_DAYS = 5  # with labels, from which on intervals follow from days
CUTS = 512  # score bins of a bootstrap over days
DRAWS = 300
# metric → the loss that it is the mean of, and whether it lies in [0, 1]
MEANS = {
    "accuracy": ("hit", True),
    "log_loss": ("log_loss", False),
    "brier": ("brier", True),
    "mae": ("absolute", False),
    "rmse": ("squared", False),
    "quantile_loss": ("pinball", False),
    "ndcg": ("ndcg", True),
}
OF_QUERIES = frozenset({"ndcg"})  # means over queries, not over rows

Interval = tuple[float, float, float, bool]  # value, low, high, whether it follows from days


class LiveMetric(Struct, frozen=True, kw_only=True):
    """A metric of some days.

    start, end: the days, as ISO dates
    rows:       that were answered, with and without labels
    version:    None for all versions together
    by_days:    the interval follows from the days
    bounds:     what the metric can be once every row has its label; None if it has no bounds
    """

    metric: str
    start: str
    end: str
    value: float
    low: float
    high: float
    labels: int
    rows: int
    version: int | None = None
    by_days: bool = False
    bounds: tuple[float, float] | None = None

    @property
    def coverage(self) -> float:
        """The share of the rows that have a label."""
        return self.labels / self.rows if self.rows else 0.0


def of_days(days: Sequence[Day], version: int | None = None) -> list[LiveMetric]:
    """Return the metrics of days, of one version or of all together."""
    chosen = [_chosen(day, version) for day in days]
    whole = sums.together(chosen)
    named = [day.day for day in days if day.sums.rows] or [""]
    made = []
    for metric, (value, low, high, by_days) in measured(chosen, whole).items():
        bounded = metric in MEANS.keys() - OF_QUERIES and MEANS[metric][1]
        one = LiveMetric(
            metric=metric,
            start=named[0],
            end=named[-1],
            value=value,
            low=low,
            high=high,
            labels=whole.labels,
            rows=whole.rows,
            version=version,
            by_days=by_days,
            bounds=_bounds(value, whole) if bounded else None,
        )
        made.append(one)
    return made


def measured(
    chosen: Sequence[VersionSums], whole: VersionSums, error: "DayError | None" = None
) -> dict[str, Interval]:
    """Return metric → value, low and high, and whether they follow from the days.

    chosen: the sums of each day; whole: all of them together
    error:  the standard error of the area under the ROC curve by days; else `bootstrapped`
    """
    found: dict[str, Interval] = {}
    if not whole.labels:
        return found
    area = auc(whole.scores)
    for metric, (loss, _) in MEANS.items():
        if loss in whole.moments and whole.moments[loss].count:
            found[metric] = _of_mean(metric, loss, whole, chosen)
        if metric == "accuracy" and area is not None:
            parts_of = [one.scores for one in chosen if one.scores.points]
            found["auc"] = _of_auc(area, whole.scores, parts_of, error or bootstrapped)
    return found


def versions(days: Sequence[Day]) -> list[int]:
    """Return the versions that answered."""
    return sorted({version for day in days for version in day.sums.versions})


def lag(days: Sequence[Day]) -> float | None:
    """Return the median time from answer to label, in days; None if it is not known."""
    found = sums.together(one for day in days for one in day.sums.versions.values()).lags
    half, seen = sum(found.values()) / 2, 0
    for hours in sorted(found):
        seen += found[hours]
        if seen >= half:
            return hours / 24
    return None


def _chosen(day: Day, version: int | None) -> VersionSums:
    if version is None:
        return sums.together(day.sums.versions.values())
    return day.sums.versions.get(version, VersionSums(rows=0, labels=0))


def _bounds(value: float, whole: VersionSums) -> tuple[float, float]:
    """Return between what a mean in [0, 1] lies, whatever the missing labels are."""
    coverage = whole.labels / whole.rows
    return coverage * value, coverage * value + 1 - coverage


def _of_mean(metric: str, loss: str, whole: VersionSums, chosen: Sequence[VersionSums]) -> Interval:
    """Return the interval of a mean; with a sample, that of all rows (`evaluation.sampling`)."""
    if loss in whole.weighted:
        parts = [one.weighted[loss] for one in chosen if loss in one.weighted]
        days = sum(part.labels > 0 for part in parts)
        quantile = student(days - 1) if days >= LEAST_DAYS else None
        found = sampling.estimate(parts, quantile, bounded=MEANS[metric][1])
        value, low, high, by_days = found.value, found.low, found.high, found.by_days
    else:
        moments = [one.moments[loss] for one in chosen if loss in one.moments]
        value, low, high, by_days = _of_moments(metric, whole.moments[loss], moments)
    low = max(low, 0.0)
    if MEANS[metric][1]:
        high = min(high, 1.0)
    if metric == "rmse":
        return math.sqrt(max(value, 0.0)), math.sqrt(low), math.sqrt(max(high, 0.0)), by_days
    return value, low, high, by_days


def _of_moments(metric: str, whole: Moments, days: Sequence[Moments]) -> Interval:
    value = whole.total / whole.count
    by_days = sum(one.count > 0 for one in days) >= LEAST_DAYS
    if not by_days and metric == "accuracy":
        return value, *wilson(whole.total, whole.count), False
    half = ratio_error(days) if by_days else _row_error(whole)
    return value, value - half, value + half, by_days


def _row_error(whole: Moments) -> float:
    if whole.count < 2:  # noqa: PLR2004
        return math.inf
    mean = whole.total / whole.count
    variance = max(0.0, whole.squares / whole.count - mean * mean)
    return Z * math.sqrt(variance / (whole.count - 1))


def ratio_error(days: Sequence[Moments]) -> float:
    """Return half the width of the interval of a mean, from the sums of days.

    Of the ratio R = sum(y) / sum(n) of daily sums y and counts n the variance is
    D / (D - 1) * sum((y - R n)^2) / sum(n)^2 (Cochran 1977, "Sampling Techniques", 6.3), and the
    quantile that of Student's t with D - 1 degrees of freedom.

    >>> round(ratio_error([Moments(count=10, total=t, squares=t) for t in (7, 8, 9)]), 3)
    0.248
    """
    known = [one for one in days if one.count]
    count, total = sum(one.count for one in known), sum(one.total for one in known)
    ratio, number = total / count, len(known)
    spread = sum((one.total - ratio * one.count) ** 2 for one in known)
    return student(number - 1) * math.sqrt(number / (number - 1) * spread) / count


def student(freedom: int) -> float:
    """Return the 97.5 % quantile of Student's t.

    >>> round(student(4), 4)
    2.7764
    """
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 0.975))


def auc(counts: ScoreCounts) -> float | None:
    """Return the area under the ROC curve; ties count half; None if there is one class alone.

    >>> auc(ScoreCounts(points=(0.1, 0.9), positive=(0, 2), negative=(1, 1)))
    0.75
    """
    import numpy as np

    positive, negative = (np.array(c, float) for c in (counts.positive, counts.negative))
    pairs = positive.sum() * negative.sum()
    if not pairs:
        return None
    beaten = np.cumsum(negative) - negative / 2
    return float((positive * beaten).sum() / pairs)


DayError = Callable[[ScoreCounts, Sequence[ScoreCounts]], float]


def _of_auc(
    value: float, whole: ScoreCounts, days: Sequence[ScoreCounts], error: DayError
) -> Interval:
    by_days = len(days) >= LEAST_DAYS
    half = student(len(days) - 1) * error(whole, days) if by_days else _delong(value, whole)
    if half:
        return value, max(0.0, value - half), min(1.0, value + half), by_days
    least = min(sum(whole.positive), sum(whole.negative))
    low, high = wilson(value * least, least)
    return value, low, high, by_days


def _delong(value: float, counts: ScoreCounts) -> float:
    """Return half the width of the interval by DeLong's variance (DeLong et al. 1988)."""
    positive, negative, beaten, beating = _shares(counts)
    m, n = positive.sum(), negative.sum()
    variance = 0.0
    for weights, shares, count in ((positive, beaten, m), (negative, beating, n)):
        if count > 1:
            variance += float((weights * (shares - value) ** 2).sum() / (count - 1) / count)
    return Z * math.sqrt(variance)


def _shares(counts: ScoreCounts) -> tuple[Any, Any, Any, Any]:
    """Return rows of both classes at each score, and the shares of the other that they beat."""
    import numpy as np

    positive, negative = (np.array(c, float) for c in (counts.positive, counts.negative))
    beaten = (np.cumsum(negative) - negative / 2) / negative.sum()
    beating = 1 - (np.cumsum(positive) - positive / 2) / positive.sum()
    return positive, negative, beaten, beating


def linearized(whole: ScoreCounts, days: Sequence[ScoreCounts]) -> float:
    """Return the standard error of the area, from what each day adds to it.

    Obuchowski 1997, "Nonparametric analysis of clustered ROC curve data": of the area A, to which
    the rows of a day add ψ = sum(beaten − A) / m + sum(beating − A) / n, the variance is
    D / (D − 1) * sum(ψ²).
    """
    import numpy as np

    positive, negative, beaten, beating = _shares(whole)
    m, n, number = positive.sum(), negative.sum(), len(days)
    area = float((positive * beaten).sum() / m)
    points = np.concatenate([np.array(day.points) for day in days])
    places = np.searchsorted(np.array(whole.points), points)
    of_day = np.repeat(np.arange(number), [len(day.points) for day in days])
    above = np.concatenate([np.array(day.positive, float) for day in days])
    below = np.concatenate([np.array(day.negative, float) for day in days])
    parts = above * (beaten[places] - area) / m + below * (beating[places] - area) / n
    added = np.bincount(of_day, weights=parts, minlength=number)
    return float(math.sqrt(number / (number - 1) * (added * added).sum()))


def bootstrapped(whole: ScoreCounts, days: Sequence[ScoreCounts]) -> float:
    """Return the standard error of the area, by a bootstrap over days with a fixed seed."""
    import numpy as np

    both: Any = np.array(whole.positive, float) + np.array(whole.negative, float)
    ranks = np.minimum((np.cumsum(both) - both) * CUTS / both.sum(), CUTS - 1).astype(np.int64)
    tables: list[Any] = [np.zeros((len(days), CUTS)) for _ in range(2)]
    values = np.array(whole.points)
    for row, day in enumerate(days):
        bins = ranks[np.searchsorted(values, np.array(day.points))]
        for table, given in zip(tables, (day.positive, day.negative), strict=True):
            table[row] = np.bincount(bins, weights=given, minlength=CUTS)
    draw = np.random.default_rng(0)  # the same days have the same interval
    chosen = draw.multinomial(len(days), np.full(len(days), 1 / len(days)), size=DRAWS)
    positive, negative = chosen @ tables[0], chosen @ tables[1]
    pairs = positive.sum(axis=1) * negative.sum(axis=1)
    beaten = np.cumsum(negative, axis=1) - negative / 2
    areas = (positive * beaten).sum(axis=1)[pairs > 0] / pairs[pairs > 0]
    number = len(days)
    return float(areas.std(ddof=1) * math.sqrt(number / (number - 1)))
