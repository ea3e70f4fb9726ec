"""Schedules: 5-field cron lines in a time zone, their ticks and intervals."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import takewhile
from string import Formatter
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from cronsim import CronSim, CronSimError

from mlops_nb.errors import JobError, ParameterError
from mlops_nb.jobs.model import Interval, Schedule
from mlops_nb.notebook.model import Parameter, Value

MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
FIELDS = 5
FRESH = timedelta(minutes=5)  # how late a run may begin if missed ticks do not count
TEMPLATES = ("data_start", "data_end", "scheduled_at")


@lru_cache(maxsize=4096)  # most jobs of a project share a few
def schedule(cron: str, timezone: str, *, missed: str = "last", overlap: str = "skip") -> Schedule:
    """Return a schedule, checked.

    Raises JobError for an invalid cron line, an unknown zone, or an unknown policy.

    >>> schedule("@daily", "Asia/Seoul").cron
    '0 0 * * *'
    """
    line = MACROS.get(cron.strip().lower(), " ".join(cron.split()))
    if len(line.split()) != FIELDS:
        raise JobError(
            f"the schedule {cron!r} does not have five fields",
            fix='write minute hour day month weekday, such as "0 3 * * 1", or @daily',
        )
    zone(timezone)
    try:
        CronSim(line, datetime(2000, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        raise JobError(
            f"the schedule {cron!r} is no cron line: {error}",
            fix='write minute hour day month weekday, such as "0 3 * * 1" for Mondays at 03:00',
        ) from None
    for name, given, known in (
        ("missed", missed, ("last", "all", "none")),
        ("overlap", overlap, ("skip", "queue")),
    ):
        if given not in known:
            raise JobError(
                f"schedule.{name} is {given!r}", fix=f"set it to one of {', '.join(known)}"
            )
    found = Schedule(cron=line, timezone=timezone, missed=missed, overlap=overlap)
    try:
        next(ticks(found, datetime(2000, 1, 1, tzinfo=UTC)))
    except StopIteration:
        raise JobError(
            f"the schedule {cron!r} never comes due", fix="name a day that exists"
        ) from None
    return found


def zone(name: str) -> ZoneInfo:
    """Return a time zone by its IANA name. Raises JobError if there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        wanted = re.sub(r"\W", "", name).lower()
        near = sorted(z for z in available_timezones() if wanted and wanted in z.lower())[:3]
        raise JobError(
            f"there is no time zone {name!r}",
            fix=f"use an IANA name such as {', '.join(near) or 'Asia/Seoul, Europe/Berlin, UTC'}",
        ) from None


def ticks(when: Schedule, after: datetime) -> Iterator[datetime]:
    """Yield the times a job is due after a moment, aware, in the job's zone.

    >>> first = next(ticks(schedule("0 3 1 * *", "Asia/Seoul"), datetime(2013, 1, 5, tzinfo=UTC)))
    >>> first.isoformat()
    '2013-02-01T03:00:00+09:00'
    """
    yield from CronSim(when.cron, after.astimezone(zone(when.timezone)))


@lru_cache(maxsize=4096)
def as_json(when: Schedule) -> dict[str, str]:
    """Return a schedule with its line in words.

    >>> as_json(schedule("0 3 * * 1", "UTC"))["words"]
    'At 03:00 on Monday'
    """
    words = CronSim(when.cron, datetime(2000, 1, 1, tzinfo=UTC)).explain()
    return {"cron": when.cron, "timezone": when.timezone, "words": words}


def last_tick(when: Schedule, at: datetime) -> datetime:
    """Return the last time a job was due, at `at` or before."""
    backwards = CronSim(
        when.cron, at.astimezone(zone(when.timezone)) + timedelta(minutes=1), reverse=True
    )
    found: datetime = next(backwards)
    while found > at:
        found = next(backwards)
    return found


def due(when: Schedule, since: datetime, now: datetime) -> tuple[list[datetime], list[datetime]]:
    """Return the times in (since, now] at which a job is due, and those that were missed.

    `last` keeps the latest of several, `all` keeps each, `none` only one that is still fresh.
    """
    found = list(takewhile(lambda tick: tick <= now, ticks(when, since)))
    kept = 0 if when.missed == "all" else len(found) - 1
    if when.missed == "none" and found and now - found[-1] >= FRESH:
        kept = len(found)
    return found[max(0, kept) :], found[: max(0, kept)]


def interval(when: Schedule | None, at: datetime) -> Interval:
    """Return the interval of a run at `at`: from the last tick but one to the last tick.

    Without a schedule it is the day before.
    """
    if when is None:
        return Interval(start=at - timedelta(days=1), end=at, scheduled_at=at)
    end = last_tick(when, at)
    start = last_tick(when, end - timedelta(seconds=1))
    return Interval(start=start, end=end, scheduled_at=at.astimezone(zone(when.timezone)))


def uses_template(value: Value) -> bool:
    """Return whether a parameter's value is filled in at each run.

    >>> uses_template("{data_end:%Y-%m-%d}"), uses_template("plain"), uses_template("{x}")
    (True, False, False)
    """
    return isinstance(value, str) and any(f in TEMPLATES for f in _fields(value))


def _fields(text: str) -> list[str]:
    try:
        return [field for _, field, _, _ in Formatter().parse(text) if field]
    except ValueError:
        return []


def filled(
    parameters: Mapping[str, Value], about: Interval, known: Mapping[str, Parameter]
) -> dict[str, Value]:
    """Return parameters with {data_start}, {data_end} and {scheduled_at} filled in.

    Each is cast to the type of the parameter's default.

    Raises ParameterError if that is impossible.
    """
    values = {"data_start": about.start, "data_end": about.end, "scheduled_at": about.scheduled_at}
    result: dict[str, Value] = {}
    for name, value in parameters.items():
        if not uses_template(value):
            result[name] = value
            continue
        try:
            text = value.format(**values)
            result[name] = _cast(text, known[name].type if name in known else "str")
        except (ValueError, KeyError, IndexError) as error:
            raise ParameterError(
                f"parameter {name!r} cannot be filled in from {value!r}: {error}",
                fix="use {data_start}, {data_end} or {scheduled_at}, with a strftime format "
                "after a colon, such as {data_end:%Y-%m-%d}",
            ) from None
    return result


def _cast(text: str, kind: str) -> Value:
    if kind == "int":
        return int(text)
    if kind == "float":
        return float(text)
    if kind == "bool":
        if text not in {"True", "False"}:
            raise ValueError(f"{text!r} is neither True nor False")
        return text == "True"
    return text


def moment(text: str, timezone: str = "UTC") -> datetime:
    """Parse a time; without an offset it is a time of `timezone`.

    Raises JobError for an invalid time.

    >>> moment("2013-02-01T03:00", "Asia/Seoul").isoformat()
    '2013-02-01T03:00:00+09:00'
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise JobError(
            f"{text!r} is no time", fix="write it like 2013-02-01T03:00 or 2013-02-01T03:00+09:00"
        ) from None
    return found if found.tzinfo is not None else found.replace(tzinfo=zone(timezone))


def moment_or_none(given: str | datetime | None) -> datetime | None:
    """Return a time, in UTC if it has no offset, or None. Raises JobError for an invalid text."""
    if isinstance(given, str):
        return moment(given)
    if given is None or given.tzinfo is not None:
        return given
    return given.replace(tzinfo=UTC)
