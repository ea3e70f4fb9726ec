"""Decides which runs of jobs are due, which are tried again, and which may start now."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import median

from mlops_nb.events import RunQueued, RunSkipped
from mlops_nb.jobs import clock, schedule
from mlops_nb.jobs.model import Job
from mlops_nb.runs.board import Board, Fired
from mlops_nb.runs.history import Run, at_work, takes_turns

FIRST_PAUSE = 5.0  # s between a failed try and the next; doubled after each try
LONGEST_PAUSE = 600.0  # s
ENOUGH = 4  # arrivals of data before the usual interval between them is known
LOST_TRIES = 3  # tries of a run whose process was killed


def tick_key(job: str, at: datetime) -> str:
    """Return the key of one tick of a job, the same in every time zone.

    >>> tick_key("a", datetime.fromisoformat("2026-01-01T03:00:00+09:00"))
    'a@2025-12-31T18:00:00+00:00'
    """
    return f"{job}@{at.astimezone(UTC).isoformat()}"


def due(
    job: Job, applied: datetime, board: Board, now: datetime, *, rested: datetime | None = None
) -> Iterator[RunQueued | RunSkipped]:
    """Yield an event for each tick of a job that is due and not handled.

    applied: when its schedule was applied
    rested:  when it was unpaused, None if it never was

    The policy `missed` decides about missed ticks; one event reports those that are skipped. While
    a run is open, the policy `overlap` skips a tick or queues it. While it is not known whether the
    process of that run is alive, a tick that would be skipped waits.
    """
    if job.schedule is None:
        return
    busy = board.overlapping(job.name)
    if busy is not None and busy.id in board.unheard and job.schedule.overlap == "skip":
        return
    applied = clock.since(applied, now)
    since = max(applied, clock.latest(board.taken.get(job.name, ()), now) or applied)
    taken, dropped = schedule.due(job.schedule, since, now)
    missed = [tick for tick in dropped if rested is None or tick > rested]
    if missed:
        because = (
            f"{len(missed)} {'was' if len(missed) == 1 else 'were'} missed, from "
            f"{missed[0].isoformat()} on: no scheduler ran"
        )
        yield RunSkipped(job=job.name, scheduled_at=missed[-1].isoformat(), because=because)
    for tick in taken:
        if busy is not None and job.schedule.overlap == "skip":
            yield RunSkipped(
                job=job.name, scheduled_at=tick.isoformat(), because=f"run {busy.id} still went on"
            )
        else:
            yield queued(job, "schedule", tick, because="its schedule")


def queued(job: Job, trigger: str, at: datetime, *, because: str) -> RunQueued:
    """Return the event that queues a run at a time, for the interval before it."""
    about = schedule.interval(job.schedule, at)
    return RunQueued(
        job=job.name,
        trigger=trigger,
        scheduled_at=about.scheduled_at.isoformat(),
        data_start=about.start.isoformat(),
        data_end=about.end.isoformat(),
        because=because,
    )


def pause_after(attempt: int) -> float:
    """Return the pause after a failed try, s.

    >>> [pause_after(n) for n in (1, 2, 3, 20)]
    [5.0, 10.0, 20.0, 600.0]
    """
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(attempt - 1, 30))


def next_try(job: Job, run: Run, now: datetime) -> RunQueued | None:
    """Return the event that queues the next try of a run, None if there is none.

    A failed run is retried after a pause, as often as the job's `retries` allow. A run whose
    process was killed is retried at once, at least twice. A violated data contract is not retried.
    """
    allowed = max(job.retries + 1, LOST_TRIES) if run.lost else job.retries + 1
    unfit = any(checked.failures for checked in run.data)
    if run.status != "failed" or run.attempt >= allowed or unfit or run.trigger == "promote":
        return None
    pause = 0.0 if run.lost else pause_after(run.attempt)
    return RunQueued(
        job=run.job,
        trigger=run.trigger,
        scheduled_at=run.scheduled_at,
        data_start=run.data_start,
        data_end=run.data_end,
        attempt=run.attempt + 1,
        first=run.first,
        because=f"try {run.attempt + 1}, as {run.error or 'it failed'}",
        not_before=(now + timedelta(seconds=pause)).isoformat(),
        given=run.given,
        signal=run.signal,
        commit=run.commit,
    )


def arrivals(job: Job, board: Board) -> tuple[datetime, timedelta] | None:
    """Return when new data arrived for a job last, and the median time between arrivals.

    None if there are too few arrivals, or the job has no data trigger.
    """
    if not any("data" in trigger for trigger in job.triggers):
        return None
    came = board.fired.get(job.name, {}).get("data", Fired()).times
    if len(came) < ENOUGH:
        return None
    apart = [(b - a).total_seconds() for a, b in pairwise(came)]
    return came[-1], timedelta(seconds=median(apart))


def ready(board: Board, now: datetime) -> list[Run]:
    """Return the runs that may start now: one of each job without a running one, oldest first.

    A backfill starts its first tries itself.
    """
    busy = {run.job for run in board.open if at_work(run) and takes_turns(run)}
    waiting = sorted(
        (
            r
            for r in board.open
            if r.status == "queued" and r.trigger != "promote" and (takes_turns(r) or r.attempt > 1)
        ),
        key=lambda r: (r.attempt == 1, datetime.fromisoformat(r.scheduled_at), r.id),
    )
    found: list[Run] = []
    for run in waiting:
        wait = datetime.fromisoformat(run.not_before) - now if run.not_before else timedelta()
        early = timedelta() < wait <= timedelta(seconds=LONGEST_PAUSE) + clock.AHEAD
        if run.job not in busy and not early:
            busy.add(run.job)
            found.append(run)
    return found
