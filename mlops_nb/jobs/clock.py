"""Judges recorded times by the present: a clock that was wrong once must not stop a schedule."""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta

from mlops_nb.errors import JobError

AHEAD = timedelta(minutes=5)  # how far the clocks of two machines may be apart


def latest(times: Sequence[datetime], now: datetime) -> datetime | None:
    """Return the latest of ascending times that is not in the future, None if there is none.

    >>> latest([datetime(2026, 1, 1), datetime(2030, 1, 1)], datetime(2026, 5, 1)).year
    2026
    """
    place = bisect_right(times, now + AHEAD)
    return times[place - 1] if place else None


def is_ahead(time: datetime, now: datetime) -> bool:
    """Return whether a time is in the future."""
    return time > now + AHEAD


def since(time: datetime, now: datetime) -> datetime:
    """Return the time from which on something is due; a day ago if it is in the future."""
    return now - timedelta(days=1) if is_ahead(time, now) else time


def ahead(last: datetime | None, now: datetime) -> JobError | None:
    """Return a warning that the journal has events from the future, None if it has none.

    last: the latest time of an event
    """
    if last is None or not is_ahead(last, now):
        return None
    return JobError(
        f"the journal has events of {last.isoformat(timespec='seconds')}, which is in the future: "
        "a clock was wrong, or `--at` was given; they hold nothing back",
        fix="check the clock of each machine that uses this journal: date",
    )
