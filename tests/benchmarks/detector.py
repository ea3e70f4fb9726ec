"""How the alarm of harm does: false alarms in healthy years, and days until a fall is seen.

    python tests/benchmarks/detector.py [YEARS]

Simulated days whose rows are alike (a design effect), 28 days at release, 20 series that are
watched. A year is healthy if its loss stays, or swings with the season. No figure is asserted.
"""

import sys

import numpy as np

from mlops_nb.evaluation import detector

SERIES, RELEASE, YEAR, FALL, TOLERANCE = 20, 28, 365, 200, 0.01
HEALTHY = (  # labels a day, design effect, swing with the season
    (50, 1, 0.0),
    (500, 1, 0.0),
    (500, 1.5, 0.0),
    (50, 1.5, 0.0),
    (500, 10, 0.0),
    (500, 10, 0.02),
    (900, 30, 0.0),
    (900, 100, 0.0),
    (900, 100, 0.02),
)
FALLS = (  # accuracy before and after, labels a day, design effect, bar in days
    (0.85, 0.68, 50, 1, 6),
    (0.85, 0.68, 500, 1, 2),
    (0.85, 0.68, 900, 100, 20),
    (0.85, 0.80, 500, 1, 10),
    (0.85, 0.80, 50, 1, 60),
)


def alarms(draw, years: int, labels: int, effect: float, loss: np.ndarray) -> np.ndarray:
    """Return the first day of an alarm in each simulated year, infinity for none.

    loss: the true mean loss of each day, release included
    """
    base = loss[0]
    between = np.sqrt(max(0.0, effect - 1) * base * (1 - base) / labels)
    true = np.clip(loss + draw.normal(0, between, (years, len(loss))), 0, 1)
    seen = draw.binomial(labels, true) / labels
    found = np.full(years, np.inf)
    for year in range(years):
        days = [
            detector.Cohort(loss=float(x), labels=labels, variance=float(x * (1 - x)))
            for x in seen[year]
        ]
        watched = detector.Detector(days[:RELEASE], series=SERIES, tolerance=TOLERANCE)
        first = detector.first_alarm(watched, days[RELEASE:])
        found[year] = np.inf if first is None else first
    return found


def main(years: int) -> None:
    """Print the share of healthy years with an alarm in any series, and the delays of falls."""
    draw = np.random.default_rng(1)
    days = np.arange(RELEASE + YEAR)
    for labels, effect, swing in HEALTHY:
        loss = 0.15 + swing * np.sin(2 * np.pi * days / YEAR)
        alone = np.isfinite(alarms(draw, years, labels, effect, loss))
        any_of = 1 - (1 - alone.mean()) ** SERIES
        print(
            f"healthy, {labels:4d} labels a day, design effect {effect:3g}, season {swing:.2f}: "
            f"{alone.mean():.4f} of years alone, {any_of:.3f} with {SERIES} independent series "
            "(bar 0.05)"
        )
    for before, after, labels, effect, bar in FALLS:
        loss = np.full(RELEASE + YEAR, 1 - before)
        loss[RELEASE + FALL :] = 1 - after
        first = alarms(draw, years, labels, effect, loss)
        seen = first[first >= FALL] - FALL + 1
        half, most = (np.quantile(seen, share, method="nearest") for share in (0.5, 0.9))
        print(
            f"{before} to {after}, {labels:4d} labels a day, design effect {effect:3g}: seen after "
            f"{half:.0f} days (bar {bar}), nine in ten {most:.0f}; "
            f"{np.isinf(first).mean():.3f} not within the year"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 1000)
