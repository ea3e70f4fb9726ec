"""Runs a job for past ticks of its schedule, in parallel, in the pools of sweeps."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from pathlib import Path

from msgspec.structs import replace

from mlops_nb import git
from mlops_nb.context import Context, ignore, of_process
from mlops_nb.errors import JobError
from mlops_nb.jobs import agenda, execute, schedule, trigger
from mlops_nb.jobs.bundle import job_yaml
from mlops_nb.jobs.model import Job
from mlops_nb.runs import history, process, resources
from mlops_nb.runs.history import Run, read_run
from mlops_nb.runs.interrupts import Interrupts, deferred, stoppable

LOOK_EVERY = 0.4  # s: how soon an interrupt is seen
MOST = 10_000  # ticks: more is probably a mistake
DONE = {"finished", "refused"}
Watch = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """One past tick of a job, as it is submitted to a pool."""

    root: Path
    settings: tuple[tuple[str, str], ...]
    job: str
    tick: datetime


def backfill(
    ctx: Context,
    name: str,
    since: datetime,
    until: datetime,
    *,
    workers: int | None = None,
    watch: Watch = lambda _: None,
) -> list[Run]:
    """Run a job for each tick from `since` to `until`, both included; return those runs.

    Ticks with a finished run, of the schedule or of an earlier backfill, are left out. A backfill
    releases nothing.

    Raises JobError if there is no such tick, or the job has no schedule.
    """
    job = execute.live(ctx, name)[1].job
    ticks = _ticks(ctx, job, since, until)
    runs = history.runs(ctx.journal.read(job=name, kinds=history.COURSE)).values()
    done = {
        datetime.fromisoformat(r.scheduled_at)
        for r in runs
        if r.trigger in {"schedule", "backfill"} and r.status in DONE
    }
    left = [tick for tick in ticks if tick not in done]
    watch(f"{name}: {len(ticks)} ticks, {len(ticks) - len(left)} of them done already")
    size = min(workers or resources.cores(), max(1, len(left)))
    with deferred() as interrupts, resources.pool("processes")(size) as pool:
        active = Backfill(ctx, name, pool, left)
        return active.run(interrupts, watch)


class Backfill:
    """A backfill in progress: a task in the pool for each tick that is left."""

    def __init__(self, ctx: Context, name: str, pool: Executor, left: Sequence[datetime]) -> None:
        self.ctx, self.name = ctx, name
        settings = tuple((k, v) for k, v in ctx.environment.items() if k.startswith(resources.OURS))
        self.futures = [
            pool.submit(run_past, Past(root=ctx.root, settings=settings, job=name, tick=tick))
            for tick in left
        ]

    def run(self, interrupts: Interrupts, watch: Watch) -> list[Run]:
        """Wait for all runs and return them; end them if one cannot begin or a signal comes."""
        found = []
        try:
            for number, future in enumerate(self.futures, 1):
                while not future.done():
                    interrupts.check()
                    wait([future], timeout=LOOK_EVERY)
                run = read_run(self.ctx.journal, future.result())
                found.append(run)
                place = f"{number} of {len(self.futures)}"
                watch(f"{self.name}: {place}: {run.data_end} {run.status}")
        except BaseException:
            self._stop()
            raise
        return found

    def _stop(self) -> None:
        """End the runs that are at work, and wait until their tasks have ended."""
        asked: set[str] = set()
        for future in self.futures:
            future.cancel()
        while left := [future for future in self.futures if not future.done()]:
            events = self.ctx.journal.read(job=self.name, kinds=history.COURSE)
            for run in history.runs(events).values():
                is_ours = run.trigger == "backfill" and run.id not in asked
                if is_ours and history.at_work(run) and process.end(run.process):
                    asked.add(run.id)
            wait(left, timeout=LOOK_EVERY)


def _ticks(ctx: Context, job: Job, since: datetime, until: datetime) -> list[datetime]:
    if job.schedule is None:
        raise JobError(
            f"job {job.name!r} has no schedule, and so no past dates",
            fix="promote it with --schedule CRON --replace",
        )
    if until > ctx.now():
        raise JobError(f"{until.isoformat()} is yet to come", fix="give a past time for --until")
    ticks = schedule.ticks(job.schedule, since - timedelta(seconds=1))
    found: list[datetime] = []
    for tick in takewhile(lambda t: t <= until, ticks):
        found.append(tick)
        if len(found) > MOST:
            raise JobError(
                f"there are more than {MOST} ticks from {since} to {until}",
                fix="give a shorter interval",
            )
    if not found:
        raise JobError(
            f"job {job.name!r} is never due from {since.isoformat()} to {until.isoformat()}",
            fix=f"its schedule is {job.schedule.cron!r} in {job.schedule.timezone}",
        )
    return found


def run_past(past: Past) -> str:
    """Run one past tick with all its tries; return the run id of the last one."""
    with stoppable():
        return _run_past(past)


def _run_past(past: Past) -> str:
    ctx = of_process(past.root, past.settings)
    job = job_yaml.of_definition(dict(execute.state_of(ctx, past.job).definition))
    runs = history.runs(ctx.journal.read(job=past.job, kinds=history.COURSE)).values()
    earlier = [
        r
        for r in runs
        if r.trigger == "backfill" and datetime.fromisoformat(r.scheduled_at) == past.tick
    ]
    waits = [r.id for r in earlier if history.is_open(r)]
    if waits:  # another backfill runs it, or was killed before it began
        return trigger.carry_through(ctx, job, waits[-1], ignore).id
    queued = agenda.queued(job, "backfill", past.tick, because="a backfill of past dates")
    queued = replace(queued, run=ctx.new_run(), commit=git.of(ctx.root))
    once = f"backfill:{agenda.tick_key(past.job, past.tick)}:{len(earlier)}"
    if ctx.journal.append(queued, once=once) is None:
        return _run_past(past)  # another process was faster: wait for its run
    return trigger.carry_through(ctx, job, queued.run, ignore).id
