"""Runs a job for past ticks of its schedule, in parallel, in the pools of sweeps."""

from collections.abc import Callable
from concurrent.futures import wait
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
    settings = tuple((k, v) for k, v in ctx.environment.items() if k.startswith(resources.OURS))
    with resources.pool("processes")(min(workers or resources.cores(), max(1, len(left)))) as pool:
        futures = [
            pool.submit(run_past, Past(root=ctx.root, settings=settings, job=name, tick=t))
            for t in left
        ]
        try:
            for number, future in enumerate(futures, 1):
                run = read_run(ctx.journal, future.result())
                watch(f"{name}: {number} of {len(left)}: {run.data_end} {run.status}")
        except BaseException:
            for future in futures:
                future.cancel()
            for run in history.runs(ctx.journal.read(job=name, kinds=history.COURSE)).values():
                if history.at_work(run) and run.trigger == "backfill":
                    process.end(run.process)
            wait(futures)
            raise
    return [read_run(ctx.journal, future.result()) for future in futures]


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
        return run_past(past)  # another process was faster: wait for its run
    return trigger.carry_through(ctx, job, queued.run, ignore).id
