"""Stops what runs, by the process that the journal names; and ends sweeps that were killed."""

import os
import time

from mlops_nb.context import Context
from mlops_nb.errors import Refused, Unreachable
from mlops_nb.events import SweepFinished, SweepStarted
from mlops_nb.runs import history, process, reap
from mlops_nb.runs.history import Run, read_run
from mlops_nb.runs.sweep_history import Fold, Sweep

LOOK_EVERY = 0.1  # s
PATIENCE = 120.0  # s: a kernel may end slowly, and the end is synced to MLflow


def sweeps(ctx: Context) -> dict[str, Sweep]:
    """Return every sweep by its id; those whose process is gone have ended."""
    if not ctx.knows_anything:
        return {}
    reap.reap(ctx)
    if next(ctx.journal.read(kinds=(SweepStarted,)), None) is None:
        return {}
    found = Fold(ctx.journal.read()).sweeps
    for sweep in found.values():
        if sweep.status == "running" and process.is_gone(sweep.process):
            error = f"the process that led it (pid {sweep.process[0]}) was killed"
            ended = SweepFinished(sweep=sweep.id, status="failed", seconds=0.0, error=error)
            ctx.journal.append(ended, once=f"buried:{sweep.id}:{sweep.process}")
            sweep.status, sweep.error = "failed", error
    return found


def stop(ctx: Context, name: str, patience: float = PATIENCE) -> Run | Sweep:
    """Stop a run or a sweep, wait until its end is in the journal, and return it.

    Raises Refused if it has ended or runs on another machine, NotFound if it does not exist, and
    Unreachable if it does not end in time.
    """
    found = _find(ctx, name)
    _refuse(name, found)
    process.end(found.process)
    until = time.monotonic() + patience
    while found.status in history.OPEN and time.monotonic() < until:
        time.sleep(LOOK_EVERY)
        found = _find(ctx, name)
    if found.status in history.OPEN:
        raise Unreachable(
            f"{name!r} was asked to stop and has not in {patience:.0f} s",
            fix=f"kill -9 {found.process[0]}",
        )
    return found


def _find(ctx: Context, name: str) -> Run | Sweep:
    known = sweeps(ctx)
    if name in known:
        return known[name]
    reap.reap(ctx)
    return read_run(ctx.journal, name)


def _refuse(name: str, found: Run | Sweep) -> None:
    if found.status not in history.OPEN:
        word = "sweep" if isinstance(found, Sweep) else "run"
        see = f"mlops-nb show {name}" if word == "run" else "mlops-nb runs"
        raise Refused(f"{word} {name!r} is over: it {_how(found.status)}", fix=see)
    if not found.process[0]:
        raise Refused(f"{name!r} has not begun yet", fix=f"wait, then: mlops-nb stop {name}")
    if not process.is_here(found.process):
        host = found.process[1].partition(" ")[0]
        raise Refused(
            f"{name!r} runs on another machine, {host}", fix=f"there: mlops-nb stop {name}"
        )
    if found.process[0] == os.getpid():
        raise Refused(f"{name!r} runs in this very process", fix="interrupt it: Ctrl-C")


def _how(status: str) -> str:
    return {"finished": "finished", "failed": "failed"}.get(status, f"was {status}")
