"""How the alarm of harm does: false alarms in healthy years, and days until a fall is seen.

    python tests/benchmarks/detector.py [YEARS]

Healthy years are those of a model with 20 series: hits and Brier score of the whole and of four
slices, of two versions. Its days are alike (a design effect), and all of its series share the level
of the day. What was promised is the outcome of a finite evaluation, of other days; without one it
is the mean of the 28 days at release. A year has a false alarm if any series alarms by e-BH on any
day of the year. Falls are those of one series of the 20. No figure is asserted.

Of 1,000 healthy years 0.004 to 0.032 have a false alarm where 4,000 rows promised the loss. A fall
from .85 to .80 at 50 labels a day is then seen after 57 days in the median (bar 60), but after 94
where 28 days at release promised it: their 1,400 rows know the mean to 0.0095 alone, so that its
upper bound and the tolerance take half of the fall. With 1.28 instead of 1.645 standard errors it
is 67 days, and with 1.0 it is 57; but then 0.04 to 0.06 of 100 healthy years whose days are alike
have a false alarm, at 1.28 already. A prototype with the same bound reached 61 days in the median
(0.23 of the years not at all), as it took the spread of the 28 days at release as known for ever:
in the years in which that spread is too small, everything is seen early. Fewer days on which a rise
may begin (each second, seventh or 14th, by its size) change nothing: the sum over all of them
already makes up for their number. Where days are very alike (design effect 100), an evaluation of
4,000 rows is worth four days, and promises too little for the bar of 20 days; 28 days at release
reach 21.

Then a fall from .85 to .75 at 500 labels a day (design effect 10) that is sudden, gradual over 60
days, or comes and goes each 30 days, beside a 95 % interval each week and river's ADWIN, where it
is installed. In the median of 300 years the detector sees them after 13, 57 and 13 days, with no
false alarm in the 200 days before; the weekly interval after 10, 38 and 10, with a false alarm in
22 to 29 % of years. ADWIN takes rows as independent and alarms in every healthy year; fed with
days, it sees the sudden fall after 149 days and misses most of the others.
"""

import importlib.util
import sys

import numpy as np

from mlops_nb.evaluation import detector
from mlops_nb.evaluation.detector import Cohort, Detector, Promise

SERIES, RELEASE, YEAR, FALL, TOLERANCE = 20, 28, 365, 200, {"hit": 0.01, "brier": 0.005}
VERSIONS, SLICES = 2, 4
BASE, EVALUATED = 0.15, 4000  # the loss, and the rows of the evaluation
HEALTHY = (  # labels a day, design effect, swing with the season, rows of the evaluation
    (50, 1, 0.0, EVALUATED),
    (500, 10, 0.0, EVALUATED),
    (500, 10, 0.01, EVALUATED),
    (500, 10, 0.0, 0),
    (900, 100, 0.02, 0),
)
FALLS = (  # accuracy before and after, labels a day, design effect, bar in days
    (0.85, 0.68, 50, 1, 6),
    (0.85, 0.68, 500, 1, 2),
    (0.85, 0.68, 900, 100, 20),
    (0.85, 0.80, 500, 1, 10),
    (0.85, 0.80, 50, 1, 60),
)
SHAPES = ("none", "sudden", "gradual", "recurring")  # of a fall from .85 to .75
MONTHS = 60  # days of a gradual change; a recurring one comes and goes each half of them


class World:
    """Simulated days of a model, each of which has a level that all of its series share."""

    def __init__(self, draw: np.random.Generator, labels: int, effect: float) -> None:
        self.draw, self.labels = draw, labels
        self.between = np.sqrt(max(0.0, effect - 1) * BASE * (1 - BASE) / labels)

    def wrong(self, loss: np.ndarray, labels: int, level: np.ndarray) -> np.ndarray:
        """Return the share of wrong answers on each day, of so many labels."""
        return self.draw.binomial(labels, np.clip(loss + level, 0.001, 0.999)) / labels

    def losses(self, loss: np.ndarray, labels: int) -> dict[tuple[str, int], np.ndarray]:
        """Return loss and slice → its mean on each day; slice 0 is the whole.

        The Brier score is half of the hits' loss, and the noise of its rows.
        """
        level = self.draw.normal(0, self.between, len(loss))
        each = labels // SLICES
        parts = [self.wrong(loss, each, level) for _ in range(SLICES)]
        noise = self.draw.normal(0, 0.1 / np.sqrt(each), (SLICES, len(loss)))
        found = {}
        for place in range(SLICES + 1):
            hits = np.mean(parts, axis=0) if place == 0 else parts[place - 1]
            own = noise.mean(axis=0) if place == 0 else noise[place - 1]
            found["hit", place] = hits
            found["brier", place] = 0.02 + hits / 2 + own
        return found

    def series(self, loss: np.ndarray, rows: int) -> list[np.ndarray]:
        """Return the evidence of each series on each day after release."""
        found = []
        evaluated = self.losses(np.full(max(1, rows // self.labels), BASE), self.labels)
        for _ in range(VERSIONS):
            for (name, place), seen in self.losses(loss, self.labels).items():
                labels = self.labels if place == 0 else self.labels // SLICES
                promised = None
                if rows:
                    days = max(1, rows // self.labels)
                    mean = float(evaluated[name, place].mean())
                    promised = Promise(loss=mean, rows=days * labels, days=days)
                watched = Detector(
                    cohorts(name, seen[:RELEASE], labels),
                    promised=promised,
                    series=SERIES,
                    tolerance=TOLERANCE[name],
                )
                of = []
                for day in cohorts(name, seen[RELEASE:], labels):
                    watched.take(day)
                    of.append(watched.evidence)
                found.append(np.array(of))
        return found


def cohorts(name: str, losses: np.ndarray, labels: int) -> list[Cohort]:
    """Return closed days, with the variance of a row's loss."""
    wrong = losses if name == "hit" else np.clip(2 * (losses - 0.02), 0, 1)
    within = wrong * (1 - wrong)
    if name == "brier":
        within = within / 4 + 0.01
    pairs = zip(losses, within, strict=True)
    return [Cohort(loss=float(x), labels=labels, variance=float(v)) for x, v in pairs]


def is_alarmed(evidence: list[np.ndarray]) -> bool:
    """Return whether any series alarms on any day, by e-BH as `detector.alarmed`."""
    ordered = -np.sort(-np.array(evidence), axis=0)
    bounds = detector.threshold(SERIES) / np.arange(1, SERIES + 1)
    return bool((ordered >= bounds[:, None]).any())


def fall(draw: np.random.Generator, years: int, case: tuple, rows: int) -> np.ndarray:
    """Return after how many days a fall was seen in each year, infinity for never."""
    before, after, labels, effect, _ = case
    world = World(draw, labels, effect)
    loss = np.full(RELEASE + YEAR, 1 - before)
    loss[RELEASE + FALL :] = 1 - after
    found = []
    for _ in range(years):
        seen = world.wrong(loss, labels, draw.normal(0, world.between, len(loss)))
        promised = None
        if rows:
            days = max(1, rows // labels)
            level = draw.normal(0, world.between, days)
            mean = world.wrong(np.full(days, BASE), labels, level).mean()
            promised = Promise(loss=float(mean), rows=days * labels, days=days)
        watched = Detector(
            cohorts("hit", seen[:RELEASE], labels),
            promised=promised,
            series=SERIES,
            tolerance=TOLERANCE["hit"],
        )
        first = detector.first_alarm(watched, cohorts("hit", seen[RELEASE:], labels))
        if first is None or first >= FALL:
            found.append(np.inf if first is None else first - FALL + 1)
    return np.array(found)


def shaped(shape: str) -> np.ndarray:
    """Return the loss of each day of a year in which it changes, or does not."""
    since = np.arange(RELEASE + YEAR) - RELEASE - FALL
    share = {
        "none": np.zeros(len(since)),
        "sudden": since >= 0,
        "gradual": np.clip(since / MONTHS, 0, 1),
        "recurring": (since >= 0) & (since % MONTHS < MONTHS // 2),
    }[shape]
    return BASE + 0.1 * share


def ours(seen: np.ndarray, labels: int) -> int | None:
    """Return the day after release on which the detector alarms."""
    days = cohorts("hit", seen, labels)
    watched = Detector(days[:RELEASE], series=SERIES, tolerance=TOLERANCE["hit"])
    return detector.first_alarm(watched, days[RELEASE:])


def weekly(seen: np.ndarray, _: int) -> int | None:
    """Return the day on which the 95 % interval of a week lies above the promise and tolerance."""
    bound = seen[:RELEASE].mean() + TOLERANCE["hit"]
    for end in range(RELEASE + 7, len(seen) + 1, 7):
        week = seen[end - 7 : end]
        if week.mean() - 2.447 * week.std(ddof=1) / np.sqrt(7) > bound:  # Student's t of 6
            return end - RELEASE - 1
    return None


def adwin(seen: np.ndarray, labels: int) -> int | None:
    """Return the day on which river's ADWIN finds a change upwards.

    labels: it is fed so many rows a day; 1: the losses of the days
    """
    from river.drift import ADWIN

    watched, order = ADWIN(clock=1 if labels == 1 else 32), np.random.default_rng(0)
    for place, loss in enumerate(seen.tolist()):
        rows = order.permutation(np.arange(labels) < round(loss * labels)).tolist()
        for wrong in rows if labels > 1 else [loss]:
            before = watched.estimation
            watched.update(wrong)
            if watched.drift_detected and place >= RELEASE and watched.estimation > before:
                return place - RELEASE
    return None


def beside(draw: np.random.Generator, years: int) -> None:
    """Print how the detector, a weekly interval and ADWIN see other shapes of change."""
    ways = {"ours": ours, "weekly interval": weekly}
    if importlib.util.find_spec("river"):
        ways |= {"ADWIN of rows": adwin, "ADWIN of days": lambda one, _: adwin(one, 1)}
    else:
        print("ADWIN: river is not installed")
    world = World(draw, 500, 10)
    for shape in SHAPES:
        loss = shaped(shape)
        seen = [
            world.wrong(loss, 500, draw.normal(0, world.between, len(loss))) for _ in range(years)
        ]
        for name, way in ways.items():
            first = [way(one, 500) for one in seen]
            early = np.mean([one is not None and one < FALL for one in first])
            later = [
                np.inf if one is None else one - FALL + 1
                for one in first
                if one is None or one >= FALL
            ]
            told = "no year is left to see it in"
            if later:
                half = np.quantile(later, 0.5, method="nearest")
                told = (
                    f"seen after {half:.0f} days, {np.isinf(later).mean():.3f} not within the year"
                )
            print(f"{shape:10} {name:16}: alarms before it {early:.3f}; {told}", flush=True)


def main(years: int) -> None:
    """Print the share of healthy years with an alarm in any series, and the delays of falls."""
    draw = np.random.default_rng(1)
    days = np.arange(RELEASE + YEAR)
    for case in FALLS:
        before, after, labels, effect, bar = case
        for rows in (0, EVALUATED):
            seen = fall(draw, years, case, rows)
            half, most = (np.quantile(seen, share, method="nearest") for share in (0.5, 0.9))
            print(
                f"{before} to {after}, {labels:4d} labels a day, design effect {effect:3g}, "
                f"{source(rows)}: seen after {half:.0f} days (bar {bar}), nine in ten {most:.0f}; "
                f"{np.isinf(seen).mean():.3f} not within the year",
                flush=True,
            )
    for labels, effect, swing, rows in HEALTHY:
        loss = BASE + swing * np.sin(2 * np.pi * (days - RELEASE) / YEAR)
        world = World(draw, labels, effect)
        wrong = np.mean([is_alarmed(world.series(loss, rows)) for _ in range(years)])
        print(
            f"healthy, {labels:4d} labels a day, design effect {effect:3g}, season {swing:.2f}, "
            f"{source(rows)}: {wrong:.3f} of years with an alarm in any of {SERIES} series "
            "(bar 0.05)",
            flush=True,
        )
    beside(draw, years)


def source(rows: int) -> str:
    """Return, in words, what promised the loss."""
    return f"promised by {rows} rows" if rows else "promised by the release"


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 1000)
