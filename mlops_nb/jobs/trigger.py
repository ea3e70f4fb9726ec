"""Starts runs of jobs by hand, with all their tries."""

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from mlops_nb import git
from mlops_nb.context import Context, Notify, ignore
from mlops_nb.jobs import agenda, execute, schedule, score_files, worker
from mlops_nb.jobs.model import Job
from mlops_nb.jobs.triggers import data
from mlops_nb.notebook.model import Value
from mlops_nb.runs import history, reap
from mlops_nb.runs.board import read_board
from mlops_nb.runs.history import Run, read_run

LOOK_EVERY = 0.2  # s
SETTLE = data.SETTLE + 2.0  # s, for which files to score may still grow
LEFT: list[Any] = []  # detached processes


def trigger(
    ctx: Context,
    name: str,
    given: Mapping[str, Value],
    *,
    detach: bool = False,
    notify: Notify = ignore,
) -> Run:
    """Queue a run of a job and execute it with its tries, here or in a detached process.

    Raises Refused before anything is written.
    """
    bundle = execute.live(ctx, name)[1]
    job = bundle.job
    values = execute.values_of(bundle, schedule.interval(job.schedule, ctx.now()), given)
    queued = replace(
        agenda.queued(job, "hand", ctx.now(), because="by hand"),
        run=ctx.new_run(),
        given={name: values[name] for name in given},
        commit=git.of(ctx.root),
    )
    ctx.journal.append(queued)
    if detach:
        LEFT.append(worker.launch(ctx, queued.run))
        return read_run(ctx.journal, queued.run)
    done = carry_through(ctx, job, queued.run, notify)
    score_new(ctx, job)
    return done


def score_new(ctx: Context, job: Job) -> None:
    """Score what is new for a job, in a process of its own, and wait for it.

    Files that still grow are waited for, a few seconds at most.
    """
    if job.score is None:
        return
    until = time.monotonic() + SETTLE
    while True:
        if score_files.is_due(ctx, job, read_board(ctx)):
            worker.launch_scoring(ctx, job.name).wait()
            return
        if not score_files.settling(ctx, [job.name]) or time.monotonic() > until:
            return
        time.sleep(LOOK_EVERY)


def carry_through(ctx: Context, job: Job, run_id: str, notify: Notify) -> Run:
    """Execute a queued run and its further tries; return the last one.

    If another process executes it, or another run of the job, wait for that.
    """
    while True:
        done = _finish(ctx, run_id, notify)
        again = queue_next(ctx, job, done)
        if again is None:
            return done
        run_id = again


def _finish(ctx: Context, run_id: str, notify: Notify) -> Run:
    while True:
        run = read_run(ctx.journal, run_id)
        if not history.is_open(run):
            return run
        early = run.not_before and ctx.now() < datetime.fromisoformat(run.not_before)
        if run.status == "queued" and not early and worker.work(ctx, run_id, notify) is not None:
            continue
        reap.reap(ctx)
        time.sleep(LOOK_EVERY)


def queue_next(ctx: Context, job: Job, done: Run) -> str | None:
    """Queue the next try of a failed run; return its id, None if there is none."""
    again = agenda.next_try(job, done, ctx.now())
    if again is None:
        return None
    queued = replace(again, run=ctx.new_run())
    once = history.try_key(done.first, queued.attempt)
    written = ctx.journal.append(queued, once=once) or ctx.journal.written(once)
    return written.run if written else None
