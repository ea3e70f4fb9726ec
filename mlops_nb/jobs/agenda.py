"""Decides which runs of jobs are due, which are tried again, and which may start now."""

from bisect import insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import median

from mlops_nb.events import DataSeen, Evaluated, Event, RunQueued, RunSkipped
from mlops_nb.jobs import clock, schedule
from mlops_nb.jobs.model import Job
from mlops_nb.runs import history
from mlops_nb.runs.history import Run, at_work, is_open, takes_turns

FIRST_PAUSE = 5.0  # s between a failed try and the next; doubled after each try
LONGEST_PAUSE = 600.0  # s
ENOUGH = 4  # arrivals of data before the usual interval between them is known
SIGNALS = (DataSeen, Evaluated)  # events that a board folds besides those of runs
LOST_TRIES = 3  # tries of a run whose process was killed


def tick_key(job: str, at: datetime) -> str:
    """Return the key of one tick of a job, the same in every time zone.

    >>> tick_key("a", datetime.fromisoformat("2026-01-01T03:00:00+09:00"))
    'a@2025-12-31T18:00:00+00:00'
    """
    return f"{job}@{at.astimezone(UTC).isoformat()}"


@dataclass(slots=True)
class Board:
    """The runs of all jobs, folded event by event, so that each look is fast after many runs.

    runs:   every run
    open:   those that are queued or running
    failed: those that failed and were not tried again yet
    taken:  job → the ticks that are handled, ascending
    known:  job → the files that its data triggers have handled: path → sha256
    fired:  (job, kind of trigger) → when that queued a run
    evaluated: job → evaluations of its champion since the last run was queued
    looked: job → when its champion was evaluated, ascending
    last:   the latest time of an event
    left:   those that an earlier scheduler had queued: perhaps no process works on them
    unheard: those of other machines that have sent no heartbeat to this scheduler yet
    """

    runs: dict[str, Run] = field(default_factory=dict)
    open: dict[str, Run] = field(default_factory=dict)
    failed: dict[str, Run] = field(default_factory=dict)
    taken: dict[str, list[datetime]] = field(default_factory=dict)
    known: dict[str, dict[str, str]] = field(default_factory=dict)
    fired: dict[tuple[str, str], list[datetime]] = field(default_factory=dict)
    evaluated: dict[str, list[Evaluated]] = field(default_factory=dict)
    looked: dict[str, list[datetime]] = field(default_factory=dict)
    last: datetime | None = None
    left: set[str] = field(default_factory=set)
    unheard: set[str] = field(default_factory=set)

    def take(self, event: Event) -> None:
        """Fold one more event."""
        history.take(self.runs, event)
        if event.at:
            at = datetime.fromisoformat(event.at)
            self.last = at if self.last is None else max(at, self.last)
        self._take_signal(event)
        run = self.runs.get(event.run)
        if run is None or not run.job:
            return
        _keep(self.open, run, is_open(run))
        _keep(self.failed, run, run.status == "failed" and not is_open(run))
        if isinstance(event, RunQueued | RunSkipped):
            if run.trigger == "schedule":
                tick = datetime.fromisoformat(run.scheduled_at)
                insort(self.taken.setdefault(run.job, []), tick)
            before = [old for old in self.failed.values() if old.first == run.first]
            for old in before:
                if old.attempt < run.attempt:
                    del self.failed[old.id]

    def _take_signal(self, event: Event) -> None:
        if isinstance(event, DataSeen):
            self.known.setdefault(event.job, {}).update(event.files)
        elif isinstance(event, Evaluated):
            self.evaluated.setdefault(event.job, []).append(event)
            insort(self.looked.setdefault(event.job, []), datetime.fromisoformat(event.at))
        elif isinstance(event, RunQueued):
            self.known.setdefault(event.job, {}).update(event.signal.get("files", {}))
            self.evaluated.pop(event.job, None)  # the run trains on the data of these evaluations
            if event.attempt == 1:
                at = datetime.fromisoformat(event.scheduled_at)
                insort(self.fired.setdefault((event.job, event.trigger), []), at)

    def busy(self, job: str) -> Run | None:
        """Return the run of a job that its other runs wait for, None if there is none."""
        return next((r for r in self.open.values() if r.job == job and takes_turns(r)), None)

    def overlapping(self, job: str) -> Run | None:
        """Return the run of a job that a tick overlaps with, None if there is none.

        A run that a killed scheduler had queued does not count, as no process works on it.
        """
        runs = (r for r in self.open.values() if r.job == job and takes_turns(r))
        return next((r for r in runs if at_work(r) or r.id not in self.left), None)


def _keep(kept: dict[str, Run], run: Run, belongs: bool) -> None:  # noqa: FBT001  the condition itself
    if belongs:
        kept[run.id] = run
    else:
        kept.pop(run.id, None)


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
    came = sorted(board.fired.get((job.name, "data"), ()))
    if len(came) < ENOUGH:
        return None
    apart = [(b - a).total_seconds() for a, b in pairwise(came)]
    return came[-1], timedelta(seconds=median(apart))


def ready(board: Board, now: datetime) -> list[Run]:
    """Return the runs that may start now: one of each job without a running one, oldest first.

    A backfill starts its first tries itself.
    """
    busy = {run.job for run in board.open.values() if at_work(run) and takes_turns(run)}
    waiting = sorted(
        (
            r
            for r in board.open.values()
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
