"""Records the end of runs whose process is gone: killed, or the machine went down."""

from collections.abc import Iterable, Mapping

from mlops_nb.context import Context
from mlops_nb.errors import Unreachable
from mlops_nb.events import RunDone, RunFinished, RunLost
from mlops_nb.runs import history, process
from mlops_nb.runs.board import read_board
from mlops_nb.runs.history import Run, read_run

FINE = {"finished", "waiting", "skipped"}


def reap(
    ctx: Context, runs: Iterable[Run] | None = None, silent: Mapping[str, str] | None = None
) -> list[str]:
    """Record the end of runs whose process is gone, and return their ids.

    runs:   the open runs; None: read them
    silent: id of a run without a heartbeat → the error to record

    A run that was judged already is recorded as done.
    """
    if not ctx.knows_anything:
        return []
    known = read_board(ctx).open if runs is None else runs
    errors = silent or {}
    dead = [run for run in known if run.id in errors or _is_dead(run)]
    if not dead:
        return []
    with ctx.deciding():  # no run is judged meanwhile
        for run in dead:
            _end(ctx, read_run(ctx.journal, run.id), errors.get(run.id, ""))
    return [run.id for run in dead]


def reaped(ctx: Context) -> Context:
    """Record the end of runs whose process is gone, and return the context for a reader.

    If the journal cannot be written, the journal of that context has those ends in memory.
    """
    try:
        reap(ctx)
    except Unreachable:
        ctx = ctx.to_look()
        reap(ctx)
    return ctx


def _is_dead(run: Run) -> bool:
    goes_on = history.at_work(run) or run.status == "running"
    return goes_on and process.is_gone(run.process)


def _end(ctx: Context, run: Run, error: str) -> None:
    error = error or f"the process that ran it (pid {run.process[0]}) was killed"
    if not run.claimed:
        ended = RunFinished(run=run.id, job=run.job, status="failed", seconds=0.0, error=error)
        ctx.journal.append(ended, once=f"buried:{run.id}")
    elif run.judged or run.status == "stopped":
        ctx.journal.append(done(run), once=f"done:{run.id}")
    else:
        lost = RunLost(run=run.id, job=run.job, error=error)
        ctx.journal.append(lost, once=f"lost:{run.id}")


def done(run: Run) -> RunDone:
    """Return the event that ends the process of a run."""
    return RunDone(run=run.id, job=run.job, exit_status=0 if run.status in FINE else 1)
