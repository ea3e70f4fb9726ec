"""Detects that a loss rose above what was promised, however long one looks: an e-detector.

Each day that is closed multiplies the evidence by how much likelier its loss is after a rise than
before one; the sum over all days on which the rise may have begun is compared with a threshold. As
the sum is restarted every day, good months do not dilute a late fall.

Source: Shin, Ramdas and Rinaldo, "E-detectors: a nonparametric framework for sequential change
detection" (2023), the Shiryaev-Roberts form, with a mixture over the size of the rise.
"""

import math
from collections.abc import Iterable, Sequence
from statistics import fmean

from msgspec import Struct

RISES = (0.25, 0.5, 0.9, 1.5)  # in standard deviations of a day, each as likely
DAYS = 365  # that are looked at
FALSE_ALARMS = 0.05  # share of healthy years that may have one, of all series together
SURE = 1.645  # standard errors of the mean that was promised: its upper bound at 95 %
CAREFUL = 1.0  # standard errors of the variance between days, which few days tell badly
LEAST_DAYS = 7
LEAST_SPREAD = 1e-6


class Cohort(Struct, frozen=True, kw_only=True):
    """A closed day: its mean loss, the number of labels, and the variance of one row's loss.

    labels: those of a sample count as many as they are worth
    """

    loss: float
    labels: float
    variance: float


class Promise(Struct, frozen=True, kw_only=True):
    """The mean loss that an evaluation promised: its rows, and of how many days they are worth."""

    loss: float
    rows: int
    days: float = 1.0


class Detector:
    """Watches the days of one series after a release.

    released:  the days at release; without a promise, their mean is what was promised
    promised:  what the evaluation promised; the days at release are then watched as well
    series:    how many series are watched together
    tolerance: how far above the promise a loss is no harm

    The spread of days is learned from the differences of successive days, to which a lasting rise
    adds little, at release and after it. The fewer they are, the wider it is taken.

    Raises ValueError for fewer than seven days at release.
    """

    def __init__(
        self,
        released: Sequence[Cohort],
        *,
        promised: Promise | None = None,
        series: int = 1,
        tolerance: float = 0.0,
    ) -> None:
        if len(released) < LEAST_DAYS:
            raise ValueError(f"{len(released)} days promise nothing: {LEAST_DAYS} are needed")
        self.within = fmean(day.variance for day in released)
        self.last: Cohort | None = None
        self.pairs = 0
        self.apart = self.rows = 0.0  # sums: of squared differences, and of what rows explain
        for day in released:
            self._learn(day)
        self.sums = (0.0,) * len(RISES)
        self.threshold = threshold(series)
        self.promised, error = self._promise(released, promised)
        self.bound = self.promised + SURE * error + tolerance
        if promised is not None:
            for day in released:
                self._weigh(day)

    def _promise(self, released: Sequence[Cohort], promised: Promise | None) -> tuple[float, float]:
        """Return the mean loss that was promised, and its standard error."""
        if promised is None:
            labels = fmean(day.labels for day in released)
            return fmean(day.loss for day in released), self.spread(labels) / math.sqrt(
                len(released)
            )
        within = self.within / promised.rows
        return promised.loss, math.sqrt(self.between() / max(promised.days, 1.0) + within)

    def _learn(self, day: Cohort) -> None:
        if self.last is not None:
            self.pairs += 1
            self.apart += (day.loss - self.last.loss) ** 2 / 2
            self.rows += self.within * (1 / day.labels + 1 / self.last.labels) / 2
        self.last = day

    def spread(self, labels: float) -> float:
        """Return the standard deviation of the mean loss of a day with some labels."""
        return max(LEAST_SPREAD, math.sqrt(self.between() + self.within / labels))

    def between(self) -> float:
        """Return the variance of days, beyond what their rows explain."""
        wider = 1 + CAREFUL * math.sqrt(3 / self.pairs)  # of a variance by differences
        return wider * max(0.0, self.apart - self.rows) / self.pairs

    def take(self, day: Cohort) -> bool:
        """Take one more closed day; return whether the loss has risen."""
        self._weigh(day)
        self._learn(day)
        return self.evidence >= self.threshold

    def _weigh(self, day: Cohort) -> None:
        above = (day.loss - self.bound) / self.spread(day.labels)
        self.sums = after(self.sums, above)

    @property
    def evidence(self) -> float:
        """The evidence of a rise: the mean over its possible sizes."""
        return fmean(self.sums)


def after(sums: Sequence[float], above: float) -> tuple[float, ...]:
    """Return the evidence of each size of a rise after one more day.

    sums:  those of the days before, 0 at first
    above: how far the day lies above the bound, in standard deviations

    >>> [round(one, 2) for one in after((0.0,) * 4, 1.0)]
    [1.24, 1.45, 1.64, 1.45]
    """
    pairs = zip(RISES, sums, strict=True)
    return tuple(math.exp(rise * above - rise * rise / 2) * (1 + one) for rise, one in pairs)


def threshold(series: int) -> float:
    """Return the evidence at which an alarm is raised, where so many series are watched.

    >>> threshold(1), threshold(20)
    (7300.0, 146000.0)
    """
    return DAYS * series / FALSE_ALARMS


def alarmed(evidence: Sequence[float]) -> list[int]:
    """Return the places of the series whose evidence raises an alarm: e-BH.

    The largest k for which k series have at least the threshold of all, divided by k (Wang and
    Ramdas 2022, "False discovery rate control with e-values").

    >>> alarmed([8000.0, 8000.0]), alarmed([8000.0, 1.0]), alarmed([15000.0, 1.0])
    ([0, 1], [], [0])
    """
    order = sorted(range(len(evidence)), key=lambda place: -evidence[place])
    most = max(
        (k for k, at in enumerate(order, 1) if evidence[at] >= threshold(len(evidence)) / k),
        default=0,
    )
    return sorted(order[:most])


def first_alarm(detector: Detector, days: Iterable[Cohort]) -> int | None:
    """Return the place of the first day on which an alarm is raised, None for none."""
    return next((place for place, day in enumerate(days) if detector.take(day)), None)
