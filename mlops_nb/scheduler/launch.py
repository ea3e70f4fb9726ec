"""Starts the scheduler in a process of its own, which goes on when its parent ends."""

import time
from pathlib import Path
from typing import Any

from mlops_nb.context import Context
from mlops_nb.errors import Refused
from mlops_nb.jobs import views
from mlops_nb.runs import process

LOG = "scheduler.log"
PATIENCE = 30.0  # s until it must have been seen
LOOK_EVERY = 0.2  # s


def launch(ctx: Context) -> dict[str, Any]:
    """Start the scheduler of a project, and wait until it was seen; return its process and log.

    Raises Refused if one runs already, or if this one ends at once.
    """
    if views.is_running(ctx):
        raise Refused(
            "a scheduler was seen within the last two minutes", fix="look at it: mlops-nb jobs"
        )
    ctx.prepare_folder()
    log = ctx.settings.folder / LOG
    started = process.detached(["scheduler"], ctx.root, ctx.environment, log)
    until = time.monotonic() + PATIENCE
    while started.poll() is None and not views.is_running(ctx) and time.monotonic() < until:
        time.sleep(LOOK_EVERY)
    if started.returncode is not None:
        raise Refused(f"the scheduler ended at once: {_last_line(log)}", fix=f"read {log}")
    return {"version": 1, "pid": started.pid, "log": str(log)}


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "it printed nothing"
