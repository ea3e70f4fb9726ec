"""Plays the watch on synthetic streams whose change is known, in a process of its own.

The concepts are SEA (Street and Kim 2001, "A streaming ensemble algorithm for large-scale
classification"): three numbers from 0 to 10, of which the sum of two is compared with a threshold;
a tenth of the labels is wrong. Labels come a week late. Each day decides with what is known then.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from mlops_nb.evaluation.detector import Promise
from mlops_nb.events import CohortClosed
from mlops_nb.monitoring.incidents import harm, mend, signals
from mlops_nb.monitoring.incidents.harm import WatchedRelease

DAYS, CHANGE = 120, 60
A_DAY = 300  # rows
LAG = 7  # days from an answer to its label
TRAINED, JUDGED = 20, 10  # days before the release: of training, and of the evaluation after it
NOISE = 0.1
BEFORE, AFTER = 8.0, 5.0  # thresholds
RECURS = 30  # days of each concept, where it comes back
GRADUAL = 30  # days in which one concept gives way to the other


class SyntheticStream(Struct, frozen=True, kw_only=True):
    """A kind of change.

    share:    day → share of the rows that follow the new concept
    shift:    the third number, which means nothing, is drawn from elsewhere after the change
    unlabelled: no labels come of the days after the change
    bad:      a bad version is released on the day of the change
    """

    title: str
    share: Callable[[int], float]
    shift: bool = False
    unlabelled: bool = False
    bad: bool = False


def never(_: int) -> float:
    """Return that nothing changes."""
    return 0.0


STREAMS = {
    "sudden": SyntheticStream(title="a sudden change", share=lambda day: float(day >= CHANGE)),
    "gradual": SyntheticStream(
        title="a change within a month",
        share=lambda day: min(1.0, max(0.0, (day - CHANGE) / GRADUAL)),
    ),
    "recurring": SyntheticStream(
        title="a change that comes and goes",
        share=lambda day: float(day // RECURS % 2 == 0 and day >= CHANGE),
    ),
    "harmless": SyntheticStream(title="a shift that does no harm", share=never, shift=True),
    "unlabelled": SyntheticStream(
        title="a change, and labels stop", share=lambda day: float(day >= CHANGE), unlabelled=True
    ),
    "bad release": SyntheticStream(title="a bad release", share=never, bad=True),
}


class Course(Struct, frozen=True, kw_only=True):
    """What was decided on a stream. Days are counted from the change; None: never.

    alarm:  harm was found; labels: it was found that labels are missing
    mend:   what was chosen; mended: the day on which another model answers
    early:  alarms before the change
    seconds: wall time of the new training, s
    """

    alarm: int | None = None
    labels: int | None = None
    mend: str = ""
    mended: int | None = None
    early: int = 0
    seconds: float = 0.0


def course(stream: SyntheticStream, seed: int, until: int = DAYS) -> Course:
    """Play a stream up to a day, and return what was decided.

    What is decided on a day depends on nothing that comes later: a shorter course is the beginning
    of a longer one.
    """
    days = [_day(stream, seed, day) for day in range(-TRAINED - JUDGED, until)]
    past, stream_days = days[: TRAINED + JUDGED], days[TRAINED + JUDGED :]
    model, promised = _released(past)
    cohorts: list[CohortClosed] = []
    version, since, early = 1, "", 0
    for today in range(until):
        if stream.bad and today == CHANGE:
            version, since = 2, _name(CHANGE)
        closed = today - LAG
        if closed >= 0:
            cohorts.append(_cohort(stream, stream_days[closed], model, closed))
        watched = WatchedRelease(version=version, since=since, promised=promised)
        found = harm.harms(cohorts, watched)
        if found and today < CHANGE:
            early += 1
        elif found:
            return _mended(stream, stream_days, today, found[0].since, model, early)
        elif list(signals.of_labels(cohorts, version, since, "sea")):
            return Course(labels=today - CHANGE, early=early)
    return Course(early=early)


def _name(day: int) -> str:
    import datetime

    return (datetime.date(2026, 1, 1) + datetime.timedelta(days=day)).isoformat()


def _day(stream: SyntheticStream, seed: int, day: int) -> tuple[Any, Any]:
    """Return rows and labels of a day, which follow from the seed and the day alone."""
    import numpy as np

    draw = np.random.default_rng([seed, day + 1000])
    rows = draw.uniform(0, 10, (A_DAY, 3))
    if stream.shift and day >= CHANGE:
        rows[:, 2] = draw.uniform(8, 10, A_DAY)
    new = draw.random(A_DAY) < (stream.share(day) if day >= 0 else 0.0)
    label = rows[:, 0] + rows[:, 1] <= np.where(new, AFTER, BEFORE)
    return rows, label ^ (draw.random(A_DAY) < NOISE)


def _trained(days: list[tuple[Any, Any]]) -> Any:
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    rows, labels = (np.concatenate(parts) for parts in zip(*days, strict=True))
    return LogisticRegression().fit(rows, labels)


def _released(past: list[tuple[Any, Any]]) -> tuple[Any, dict[str, Promise]]:
    """Return a model, and what its evaluation promised on the days after its training."""
    import numpy as np

    model = _trained(past[:TRAINED])
    losses = np.concatenate([_losses(model, *day) for day in past[TRAINED:]])
    promised = Promise(loss=float(losses.mean()), rows=len(losses), days=float(JUDGED))
    return model, {"brier": promised}


def _losses(model: Any, rows: Any, labels: Any) -> Any:
    return (model.predict_proba(rows)[:, 1] - labels) ** 2


def _cohort(stream: SyntheticStream, day: tuple[Any, Any], model: Any, number: int) -> CohortClosed:
    bad = stream.bad and number >= CHANGE
    rows, labels = day
    scores = model.predict_proba(rows)[:, 1]
    losses = ((1 - scores if bad else scores) - labels) ** 2
    known = 0 if stream.unlabelled and number >= CHANGE else len(losses)
    sums = [known, float(losses[:known].sum()), float((losses[:known] ** 2).sum())]
    one = {
        "version": 2 if bad else 1,
        "rows": len(losses),
        "labels": known,
        "losses": {"brier": sums} if known else {},
    }
    return CohortClosed(model="sea", day=_name(number), versions=(one,))


def _mended(
    stream: SyntheticStream,
    days: list[tuple[Any, Any]],
    today: int,
    since: str,
    model: Any,
    early: int,
) -> Course:
    """Return what follows an alarm: a rollback where the version before does better, else training.

    A training waits until enough days since the change have labels.
    """
    import numpy as np

    start = next(day for day in range(today) if _name(day) == since)
    labelled = range(start, today - LAG + 1)
    if stream.bad:
        mine = np.concatenate([_losses_of_bad(model, *days[day]) for day in labelled])
        theirs = np.concatenate([_losses(model, *days[day]) for day in labelled])
        names = [_name(day) for day in labelled for _ in range(A_DAY)]
        if mend.compared(1, names, mine, theirs).wins:
            alarm = today - CHANGE
            return Course(alarm=alarm, mend=mend.ROLL_BACK, mended=alarm, early=early)
    wait = max(0, mend.ENOUGH_DAYS - len(labelled))
    began = time.perf_counter()
    if today + wait < len(days):
        _trained(days[start : today - LAG + 1 + wait])
    return Course(
        alarm=today - CHANGE,
        mend=mend.RETRAIN,
        mended=today - CHANGE + wait + 1,
        early=early,
        seconds=time.perf_counter() - began,
    )


def _losses_of_bad(model: Any, rows: Any, labels: Any) -> Any:
    return (1 - model.predict_proba(rows)[:, 1] - labels) ** 2


def summary(seeds: int) -> list[dict[str, Any]]:
    """Return for each kind of stream what was decided, over seeds; delays in days from the change.

    Of the delay of an alarm the first week is the lag of the labels.
    """
    found = []
    for name, stream in STREAMS.items():
        courses = [course(stream, seed) for seed in range(seeds)]
        mends = [one.mend for one in courses if one.mend]
        found.append(
            {
                "stream": name,
                "title": stream.title,
                "seeds": seeds,
                "early": sum(one.early > 0 for one in courses),
                "alarms": sum(one.alarm is not None for one in courses),
                "alarm": _median([one.alarm for one in courses]),
                "labels": _median([one.labels for one in courses]),
                "lag": LAG,
                "mend": max(set(mends), key=mends.count) if mends else "",
                "mended": _median([one.mended for one in courses]),
                "seconds": _median([one.seconds for one in courses if one.mend == mend.RETRAIN]),
            }
        )
    return found


def _median(values: list[Any]) -> float | None:
    import statistics

    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def main() -> None:
    """Print the summary of some seeds as JSON."""
    json.dump({"streams": summary(int(sys.argv[1]))}, sys.stdout)


if __name__ == "__main__":
    main()
