"""Judges from closed cohorts whether the champion does worse than was promised at its release.

Pure: the same cohorts give the same harm, whatever comes after them.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from statistics import fmean
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from mlops_nb.evaluation import detector
from mlops_nb.evaluation.detector import LEAST_DAYS, Cohort, Detector, Promise
from mlops_nb.events import CohortClosed
from mlops_nb.monitoring.live.sums import Moments, added

RELEASE = 28  # cohorts after a release that promise a loss where the evaluation has none
LEAST_LABELS = 10  # of a cohort: days with fewer are joined with the next ones
# metric → the loss that it is the mean of, in the order in which the primary one is chosen
# (that of a trigger comes first, then those that an evaluation promised)
LOSSES = {
    "ndcg": "ndcg",
    "brier": "brier",
    "accuracy": "hit",
    "rmse": "squared",
    "mae": "absolute",
    "log_loss": "log_loss",
}
GAINS = frozenset({"hit", "ndcg"})  # that are recorded as 1 less the loss
SHARES_RIGHT = frozenset({"accuracy", "ndcg"})  # the metrics that are means of them
# of other losses it is a share of what was promised
TOLERANCE = {"hit": 0.01, "ndcg": 0.01, "brier": 0.005}
SHARE = 0.05


class Harm(Struct, frozen=True, kw_only=True):
    """A metric of the champion that is worse than was promised.

    day:      the last day of the cohort that raised the alarm
    since:    the first day of the change, as far as one can tell
    value:    the metric since then
    promised: the metric that was promised; bound: what it may be at worst
    primary:  it raises an urgent alert; others are in the daily digest
    """

    metric: str
    version: int
    day: str
    since: str
    value: float
    promised: float
    bound: float
    primary: bool


class WatchedRelease(Struct, frozen=True, kw_only=True):
    """The champion, and what its losses are compared with.

    since:      the UTC day of its release
    promised:   loss → what its evaluation promised
    tolerances: metric → how far it may fall below its promise
    accepted:   the last day whose level a person accepted, "" for none
    """

    version: int
    since: str
    promised: Mapping[str, Promise] = field(default_factory=dict)
    tolerances: Mapping[str, float] = field(default_factory=dict)
    accepted: str = ""

    @property
    def first(self) -> str:
        """The primary metric: that of a trigger, if there is one."""
        return next(iter(self.tolerances), "")


class DayLosses(Struct, frozen=True, kw_only=True):
    """The losses of one version's labelled rows, of one day or of some that were joined."""

    first: str
    last: str
    losses: Mapping[str, Moments]

    @property
    def labels(self) -> float:
        """The most labels of a loss."""
        return max((one.count for one in self.losses.values()), default=0)


def harms(cohorts: Iterable[CohortClosed], release: WatchedRelease) -> list[Harm]:
    """Return what is worse than was promised, the primary metric first.

    An alarm stays until another version becomes champion, or a person accepts the level.
    """
    known = list(cohorts)
    days = joined(days_of(known, release.version, release.since))
    start = _accepted_since(known, release)
    before = [day for day in days if start <= day.first and day.last <= release.accepted]
    after = [day for day in days if day.last > release.accepted]
    names = [n for n in LOSSES if any(day.losses.get(LOSSES[n]) for day in days)]
    names.sort(key=lambda name: (name != release.first, LOSSES[name] not in release.promised))
    series = {
        name: _series(before, after, LOSSES[name], name, release, len(names)) for name in names
    }
    judged = {name: one for name, one in series.items() if one is not None}
    return [
        judged[name].harm(name, release.version, place, primary=name == names[0])
        for name, place in _alarms(judged, after).items()
    ]


def _accepted_since(cohorts: Sequence[CohortClosed], release: WatchedRelease) -> str:
    """Return from when on the days are of the level that a person accepted."""
    if not release.accepted:
        return ""
    before = [one for one in cohorts if one.day <= release.accepted]
    found = harms(before, replace(release, accepted=""))
    return min((one.since for one in found), default=release.since)


class LossSeries(Struct, kw_only=True):
    """The cohorts of one loss, and the evidence of a rise after each."""

    detector: Detector
    cohorts: list[Cohort]
    evidence: list[float]
    days: list[DayLosses]

    def harm(self, metric: str, version: int, place: int, *, primary: bool) -> Harm:
        """Return the harm that was found at a place."""
        start = self._start(place)
        rows = self.cohorts[start:]
        labels = sum(one.labels for one in rows)
        loss = sum(one.loss * one.labels for one in rows) / labels
        shown = [as_metric(metric, x) for x in (loss, self.detector.promised, self.detector.bound)]
        return Harm(
            metric=metric,
            version=version,
            day=self.days[place].last,
            since=self.days[start].first,
            value=shown[0],
            promised=shown[1],
            bound=shown[2],
            primary=primary,
        )

    def _start(self, place: int) -> int:
        """Return where the change most likely began: for any size of it, the largest sum."""
        above = [
            (day.loss - self.detector.bound) / self.detector.spread(day.labels)
            for day in self.cohorts[: place + 1]
        ]
        best, start = -math.inf, place
        for rise in detector.RISES:
            total = 0.0
            for at in range(place, -1, -1):
                total += rise * above[at] - rise * rise / 2
                if total > best:
                    best, start = total, at
        return start


def as_metric(metric: str, loss: float) -> float:
    """Return a metric from the mean loss that is watched.

    >>> as_metric("accuracy", 0.25), as_metric("rmse", 4.0)
    (0.75, 2.0)
    """
    if metric in SHARES_RIGHT:
        return 1 - loss
    return math.sqrt(loss) if metric == "rmse" else loss


def as_loss(metric: str, value: float) -> float:
    """Return the mean loss of a metric.

    >>> as_loss("accuracy", 0.75), as_loss("rmse", 2.0)
    (0.25, 4.0)
    """
    if metric in SHARES_RIGHT:
        return 1 - value
    return value * value if metric == "rmse" else value


def _series(
    before: Sequence[DayLosses],
    after: Sequence[DayLosses],
    loss: str,
    metric: str,
    release: WatchedRelease,
    number: int,
) -> LossSeries | None:
    """Return the evidence of one loss, None where too few days have closed."""
    promised = None if before else release.promised.get(loss)
    watched = [day for day in after if loss in day.losses]
    cohorts = [_cohort(day.losses[loss], loss) for day in watched]
    base = [_cohort(day.losses[loss], loss) for day in before if loss in day.losses]
    learned = LEAST_DAYS if promised is not None or before else RELEASE
    learned = max(0, learned - len(base))  # of the days that are watched
    base += cohorts[:learned]
    if len(base) < LEAST_DAYS:
        return None
    found = Detector(
        base,
        promised=promised,
        series=number,
        tolerance=_tolerance(metric, loss, promised, base, release),
    )
    evidence = [found.evidence if promised is not None else 0.0] * min(learned, len(cohorts))
    for cohort in cohorts[learned:]:
        found.take(cohort)
        evidence.append(found.evidence)
    return LossSeries(detector=found, cohorts=cohorts, evidence=evidence, days=watched)


def _tolerance(
    metric: str,
    loss: str,
    promised: Promise | None,
    base: Sequence[Cohort],
    release: WatchedRelease,
) -> float:
    level = promised.loss if promised is not None else fmean(day.loss for day in base)
    if metric in release.tolerances:
        allowed = release.tolerances[metric]
        return as_loss("rmse", math.sqrt(level) + allowed) - level if metric == "rmse" else allowed
    return TOLERANCE.get(loss, SHARE * level)


def _alarms(series: Mapping[str, LossSeries], days: Sequence[DayLosses]) -> dict[str, int]:
    """Return the first place at which each series alarms, all series looked at day by day."""
    found: dict[str, int] = {}
    places = {
        n: {day.last: place for place, day in enumerate(one.days)} for n, one in series.items()
    }
    for day in days:
        there = {n: known[day.last] for n, known in places.items() if day.last in known}
        evidence = [series[n].evidence[place] for n, place in there.items()]
        names = list(there)
        for at in detector.alarmed(evidence + [0.0] * (len(series) - len(names))):
            if at < len(names):
                found.setdefault(names[at], there[names[at]])
    return dict(sorted(found.items(), key=lambda item: list(series).index(item[0])))


def _cohort(moments: Moments, loss: str) -> Cohort:
    mean = moments.total / moments.count
    variance = max(0.0, moments.squares / moments.count - mean * mean)
    value = 1 - mean if loss in GAINS else mean
    return Cohort(loss=value, labels=moments.count, variance=variance)


def days_of(cohorts: Iterable[CohortClosed], version: int, since: str) -> list[DayLosses]:
    """Return the losses of a version by day from a day on, ascending; days without labels too."""
    found = []
    for cohort in sorted(cohorts, key=lambda one: one.day):
        if cohort.day < since:
            continue
        for one in cohort.versions:
            if one["version"] == version:
                losses = {name: _moments(values) for name, values in one["losses"].items()}
                found.append(DayLosses(first=cohort.day, last=cohort.day, losses=losses))
    return found


def _moments(values: Sequence[Any]) -> Moments:
    count, total, squares = values
    return Moments(count=float(count), total=float(total), squares=float(squares))


def joined(days: Sequence[DayLosses]) -> list[DayLosses]:
    """Return days in groups that have enough labels each; a last group with too few is left out."""
    found: list[DayLosses] = []
    open_group: DayLosses | None = None
    for day in days:
        if not day.labels:
            continue
        open_group = day if open_group is None else _both(open_group, day)
        if open_group.labels >= LEAST_LABELS:
            found.append(open_group)
            open_group = None
    return found


def _both(one: DayLosses, other: DayLosses) -> DayLosses:
    losses = dict(one.losses)
    for name, value in other.losses.items():
        losses[name] = added(losses[name], value) if name in losses else value
    return DayLosses(first=one.first, last=other.last, losses=losses)


def next_day(day: str) -> str:
    """Return the day after a day.

    >>> next_day("2026-02-28")
    '2026-03-01'
    """
    return (date.fromisoformat(day) + timedelta(days=1)).isoformat()
