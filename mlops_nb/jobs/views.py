"""The public JSON of jobs and their history."""

import pickle
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from mlops_nb.context import Context, real_time
from mlops_nb.jobs import changes, clock, execute, schedule, score_files
from mlops_nb.jobs.bundle import job_yaml, trigger_text
from mlops_nb.jobs.model import Job, Schedule
from mlops_nb.jobs.registry import JobState, read_jobs
from mlops_nb.runs import history
from mlops_nb.runs.board import read_board

MOST_JOBS = 10_000  # whose definitions are kept in memory
GATE = ("gate", "passed", "value", "low", "high", "n", "champion", "because")


def local(at: str, when: Schedule | None) -> str | None:
    """Return a stored time in the job's zone, None if there is none."""
    if not at:
        return None
    zone = schedule.zone(when.timezone if when else "UTC")
    return datetime.fromisoformat(at).astimezone(zone).isoformat(timespec="seconds")


def history_row(run: history.Run, when: Schedule | None) -> dict[str, Any]:
    """Return one row of `history --json`."""
    return {
        "run": run.id,
        "job": run.job,
        "try": run.attempt,
        "trigger": run.trigger,
        "fired": run.fired,
        "scheduled_at": local(run.scheduled_at, when),
        "started": local(run.started, when),
        "finished": local(run.finished, when),
        "status": run.status,
        "because": run.error or run.because,
        "parameters": dict(run.parameters),
        "metrics": run.metrics,
        "gates": [{k: g.get(k) for k in GATE} for g in run.gates],
        "model_version": run.model_version,
    }


def schedule_of(state: JobState) -> Schedule | None:
    """Return a job's schedule, None if it has none."""
    job = job_of(state)
    return None if job is None else job.schedule


def job_of(state: JobState) -> Job | None:
    """Return the definition of a job's live bundle, None without one; each is read once."""
    return _read(pickle.dumps(dict(state.definition))) if state.definition else None


@lru_cache(MOST_JOBS)
def _read(definition: bytes) -> Job:
    return job_yaml.of_definition(pickle.loads(definition))  # noqa: S301  made by `job_of`


def job_history(ctx: Context, name: str, count: int | None = None) -> dict[str, Any]:
    """Return what `history --json` prints, oldest first.

    count: only the runs that began last
    """
    when = schedule_of(execute.state_of(ctx, name))
    if count is None:
        runs = [*history.runs(ctx.journal.read(job=name, kinds=history.COURSE)).values()]
    else:
        runs = history.latest_runs(ctx.journal, count, name)[::-1]
    return {"version": 1, "job": name, "runs": [history_row(r, when) for r in runs]}


def all_jobs(ctx: Context, known: Mapping[str, JobState] | None = None) -> dict[str, Any]:
    """Return what `jobs --json` prints. known: the jobs, if they were read already."""
    board = read_board(ctx)
    if (ahead := clock.ahead(board.last, ctx.now())) is not None:
        ctx.warnings.append(ahead)
    rows = []
    for state in (read_jobs(ctx) if known is None else known).values():
        last = board.runs.get(board.latest.get(state.name, ""))
        job = job_of(state)
        when = job.schedule if job is not None else None
        due = next_due(ctx, job, state) if job is not None else None
        rows.append(
            {
                "job": state.name,
                "status": state.status,
                "schedule": None if when is None else schedule.as_json(when),
                "triggers": [trigger_text.describe(t) for t in job.triggers] if job else [],
                "next": None if due is None else due.isoformat(),
                "last": history_row(last, when) if last else None,
                "differs_from_notebook": changes.differing_steps(ctx, state, job) if job else None,
            }
        )
    return {"version": 1, "scheduler": {"seen": seen(ctx)}, "jobs": rows}


def one_job(ctx: Context, name: str) -> dict[str, Any]:
    """Return what `job --json` prints: the row of `jobs`, its scores, and the definition."""
    state = execute.state_of(ctx, name)
    job = job_of(state)
    scores = score_files.summary(ctx, job, read_board(ctx)) if job else None
    row = next(r for r in all_jobs(ctx)["jobs"] if r["job"] == name)
    return {
        "version": 1,
        **row,
        "score": scores,
        "digest": state.digest,
        "definition": dict(state.definition),
    }


SEEN = "scheduler.seen"


FRESH = timedelta(minutes=2)


def seen(ctx: Context) -> str | None:
    """Return when a scheduler was last seen, None if none was."""
    noted = ctx.journal.place(SEEN) if ctx.knows_anything else ""
    try:
        return noted if noted and datetime.fromisoformat(noted).tzinfo else None
    except ValueError:  # a damaged note
        return None


def is_running(ctx: Context) -> bool:
    """Return whether a scheduler was seen within the last two minutes."""
    last = seen(ctx)
    return last is not None and real_time() - datetime.fromisoformat(last) < FRESH


def next_due(ctx: Context, job: Job, state: JobState) -> datetime | None:
    """Return when a job runs next, in its own zone, None without a schedule or if paused."""
    if job.schedule is None or state.status != "active":
        return None
    return next(schedule.ticks(job.schedule, ctx.clock()))
