"""The worker process of a job's run: claims the run, sends heartbeats, and records its end."""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_nb.context import Context, Notify, ignore, real_time
from mlops_nb.errors import MlopsError, NotFound
from mlops_nb.events import RunClaimed
from mlops_nb.jobs import execute
from mlops_nb.runs import history, process, reap
from mlops_nb.runs.board import read_board
from mlops_nb.runs.history import Run, read_run

if TYPE_CHECKING:
    import subprocess

BEAT_EVERY = 5.0  # s
LOG = "worker.log"


def launch(ctx: Context, run: str) -> "subprocess.Popen[bytes]":
    """Start the process of a queued run; it outlives its parent."""
    return _launched(ctx, [run], ctx.run_folder(run) / LOG)


def launch_evaluation(ctx: Context, job: str) -> "subprocess.Popen[bytes]":
    """Start the process that evaluates the champion of a job on current data."""
    return _launched(ctx, [job, "--evaluate"], ctx.settings.folder / "evaluations.log")


def launch_scoring(ctx: Context, job: str) -> "subprocess.Popen[bytes]":
    """Start the process that scores what is new for a job."""
    return _launched(ctx, [job, "--score"], ctx.settings.folder / "scoring.log")


def launch_watching(ctx: Context, job: str) -> "subprocess.Popen[bytes]":
    """Start the process that looks at the live model of a job."""
    return _launched(ctx, [job, "--watch"], ctx.settings.folder / "watching.log")


def _launched(ctx: Context, words: list[str], log: Path) -> "subprocess.Popen[bytes]":
    late = ["--late", str(ctx.late.total_seconds())]
    return process.detached(["work", *words, *late], ctx.root, ctx.environment, log)


def claim(ctx: Context, run_id: str) -> Run | None:
    """Claim a queued run for this process; return None if it cannot be claimed.

    Only one run of a job executes at a time.
    """
    reap.reap(ctx)
    with ctx.deciding():
        run = read_run(ctx.journal, run_id)
        if not run.job:
            raise NotFound(f"run {run_id!r} is of no job", fix="mlops-nb runs")
        if run.status != "queued" or history.superseded(ctx.journal, run):
            return None
        others = (r for r in read_board(ctx).open if r.job == run.job and history.takes_turns(r))
        if history.takes_turns(run) and any(map(history.at_work, others)):
            return None
        claimed = RunClaimed(run=run_id, job=run.job, process=process.mine())
        if ctx.journal.append(claimed, once=f"claim:{run_id}") is None:
            return None
    return run


def work(ctx: Context, run_id: str, notify: Notify = ignore) -> Run | None:
    """Claim a queued run, execute and judge it, and record its end; None if it was not claimed."""
    run = claim(ctx, run_id)
    if run is None:
        return None
    try:
        with heartbeat(ctx, run):
            execute.attempt(ctx, run, notify)
    finally:
        ctx.journal.append(reap.done(read_run(ctx.journal, run_id)), once=f"done:{run_id}")
    return read_run(ctx.journal, run_id)


@contextlib.contextmanager
def heartbeat(ctx: Context, run: Run) -> Iterator[None]:
    """Write a heartbeat to the journal every few seconds."""
    ended = threading.Event()

    def beat() -> None:
        while True:
            with contextlib.suppress(MlopsError):  # the database may be unreachable for a moment
                ctx.journal.place(beat_of(run.job), f"{run.id} {real_time().isoformat()}")
            if ended.wait(BEAT_EVERY):
                return

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def beat_of(job: str) -> str:
    """Return the key under which the journal stores the heartbeats of a job."""
    return f"beat:{job}"
