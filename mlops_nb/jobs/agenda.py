"""What is to be done about jobs now: which runs are due, which are tried again, which may start."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import median

from mlops_nb.events import DataSeen, Evaluated, Event, RunQueued, RunSkipped
from mlops_nb.jobs import schedule
from mlops_nb.jobs.model import Job
from mlops_nb.runs import history
from mlops_nb.runs.history import Run, at_work, is_open, takes_turns

FIRST_PAUSE = 5.0  # s between a failed try and the next; it doubles each time
LONGEST_PAUSE = 600.0  # s
ENOUGH = 4  # arrivals of data, from which on it is known how far apart they usually are
SIGNALS = (DataSeen, Evaluated)  # what a board takes in besides the course of runs
LOST_TRIES = 3  # of a run whose process was killed, which is no fault of the job


def tick_key(job: str, at: datetime) -> str:
    """Return what names one tick of a job, in any time zone.

    >>> tick_key("a", datetime.fromisoformat("2026-01-01T03:00:00+09:00"))
    'a@2025-12-31T18:00:00+00:00'
    """
    return f"{job}@{at.astimezone(UTC).isoformat()}"


@dataclass(slots=True)
class Board:
    """What is known of jobs' runs, kept so that a look takes no longer after ten thousand of them.

    runs:   every run
    open:   those that wait for their process, or are at work
    failed: those that failed and were not tried again yet
    taken:  job → the time up to which its ticks were taken
    known:  job → the files that its data triggers know: path → sha256
    fired:  (job, kind of trigger) → when that queued a run
    evaluated: job → how its champion did on data as it was, since a run was queued last
    looked: job → when its champion was held against the data last
    """

    runs: dict[str, Run] = field(default_factory=dict)
    open: dict[str, Run] = field(default_factory=dict)
    failed: dict[str, Run] = field(default_factory=dict)
    taken: dict[str, datetime] = field(default_factory=dict)
    known: dict[str, dict[str, str]] = field(default_factory=dict)
    fired: dict[tuple[str, str], list[datetime]] = field(default_factory=dict)
    evaluated: dict[str, list[Evaluated]] = field(default_factory=dict)
    looked: dict[str, datetime] = field(default_factory=dict)

    def take(self, event: Event) -> None:
        """Take one more event in."""
        history.take(self.runs, event)
        self._take_signal(event)
        run = self.runs.get(event.run)
        if run is None or not run.job:
            return
        _keep(self.open, run, is_open(run))
        _keep(self.failed, run, run.status == "failed" and not is_open(run))
        if isinstance(event, RunQueued | RunSkipped):
            if run.trigger == "schedule" or run.status == "skipped":
                tick = datetime.fromisoformat(run.scheduled_at)
                self.taken[run.job] = max(tick, self.taken.get(run.job, tick))
            before = [old for old in self.failed.values() if old.first == run.first]
            for old in before:
                if old.attempt < run.attempt:
                    del self.failed[old.id]

    def _take_signal(self, event: Event) -> None:
        if isinstance(event, DataSeen):
            self.known.setdefault(event.job, {}).update(event.files)
        elif isinstance(event, Evaluated):
            self.evaluated.setdefault(event.job, []).append(event)
            self.looked[event.job] = datetime.fromisoformat(event.at)
        elif isinstance(event, RunQueued):
            self.known.setdefault(event.job, {}).update(event.signal.get("files", {}))
            self.evaluated.pop(event.job, None)  # the run learns from what was seen before
            if event.attempt == 1:
                at = datetime.fromisoformat(event.scheduled_at)
                self.fired.setdefault((event.job, event.trigger), []).append(at)

    def busy(self, job: str) -> Run | None:
        """Return the run of a job that others have to wait for, None where there is none."""
        return next((r for r in self.open.values() if r.job == job and takes_turns(r)), None)


def _keep(kept: dict[str, Run], run: Run, belongs: bool) -> None:  # noqa: FBT001  what is asked
    if belongs:
        kept[run.id] = run
    else:
        kept.pop(run.id, None)


def due(
    job: Job, applied: datetime, board: Board, now: datetime, *, rested: datetime | None = None
) -> Iterator[RunQueued | RunSkipped]:
    """Yield an event for each tick of a job that is due and was not taken.

    applied: since when its schedule counts
    rested:  until when it was paused, None where it never was

    Ticks that were missed count by `missed`, and one event tells of those that do not; where a
    run is open, a tick is left out or waits for its turn, by `overlap`.
    """
    if job.schedule is None:
        return
    busy = board.busy(job.name)
    since = max(applied, board.taken.get(job.name, applied))
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
    """Return the event that a run of a job is due at a time, about the interval before it."""
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
    """Return how long to wait after a try that failed, s.

    >>> [pause_after(n) for n in (1, 2, 3, 20)]
    [5.0, 10.0, 20.0, 600.0]
    """
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(attempt - 1, 30))


def next_try(job: Job, run: Run, now: datetime) -> RunQueued | None:
    """Return the event that tries a run again, None where it is not to be.

    A run that failed is tried again as often as the job says, after a pause; one whose process
    was killed at once, and at least twice. Data that does not fit its schema would not fit again.
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
    """Return when new data came for a job last, and how far apart that usually is: the median.

    None where it came too seldom to tell, or nothing waits for it.
    """
    if not any("data" in trigger for trigger in job.triggers):
        return None
    came = sorted(board.fired.get((job.name, "data"), ()))
    if len(came) < ENOUGH:
        return None
    apart = [(b - a).total_seconds() for a, b in pairwise(came)]
    return came[-1], timedelta(seconds=median(apart))


def ready(board: Board, now: datetime) -> list[Run]:
    """Return the runs that may start now: one of each job that has none at work, oldest first.

    The first tries of a backfill are started by whoever asks for it.
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
        early = run.not_before and datetime.fromisoformat(run.not_before) > now
        if run.job not in busy and not early:
            busy.add(run.job)
            found.append(run)
    return found
