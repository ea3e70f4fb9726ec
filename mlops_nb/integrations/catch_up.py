"""Lets MLflow catch up behind a run's back, in a process of its own, so that nobody waits."""

import os
import socket
import sys
from pathlib import Path
from urllib.parse import urlsplit

from mlops_nb import files
from mlops_nb.context import Context, real_time
from mlops_nb.errors import MlopsError
from mlops_nb.governance import prune

# importing it takes seconds; a warm parent has done so
MODULES = ("mlflow", "mlflow.entities", "mlflow.store.tracking.sqlalchemy_store", "sqlalchemy")
START = frozenset({"PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONPATH", "TMPDIR", "TZ"})
FAILED = "mirror.error"
PREPARED = "mlflow-experiment"


def prepare(ctx: Context) -> None:
    """Make MLflow's experiment for cells that log by themselves, once for each address.

    Raises Unreachable where MLflow does not answer.
    """
    address = f"{ctx.settings.mlflow} {ctx.settings.experiment}"
    file = Path(ctx.settings.mlflow.removeprefix("sqlite:///"))
    gone = ctx.settings.mlflow.startswith("sqlite:///") and not file.exists()
    if gone or ctx.journal.place(PREPARED) != address:
        ctx.mirror.prepare()
        ctx.journal.place(PREPARED, address)


def behind(ctx: Context) -> None:
    """See that MLflow learns what the journal holds, and that the store keeps its bound, soon.

    At once where there is no way to wait; `MLOPS_NB_MIRROR=wait` has it done before this returns.
    """
    prune.limit(ctx)  # refuses what is no size: nobody would hear of it behind our back
    if ctx.environment.get("MLOPS_NB_MIRROR") == "wait":
        _tidy(ctx)
        return
    ctx.warnings += _complaints(ctx)
    if ctx.warnings:
        prune.bounded(ctx)
    elif not _handed_over(ctx):
        _tidy(ctx)


def _tidy(ctx: Context) -> None:
    ctx.mirror_now()
    prune.bounded(ctx)


def _complaints(ctx: Context) -> list[MlopsError]:
    """Return what is wrong with MLflow, as far as that can be told in no time."""
    uri = ctx.settings.mlflow
    server = urlsplit(uri)
    if server.scheme in {"http", "https"} and server.hostname:
        try:
            port = server.port or (443 if server.scheme == "https" else 80)
            socket.create_connection((server.hostname, port), timeout=1.0).close()
        except OSError as error:
            return [_unreachable(uri, error)]
    note = ctx.settings.folder / FAILED
    if note.is_file():  # the last time, behind somebody's back; it is tried again
        what = note.read_text(encoding="utf-8")
        note.unlink()
        return [_unreachable(uri, OSError(what.removeprefix("MLflow does not answer: ")))]
    return []


def _unreachable(uri: str, error: OSError) -> MlopsError:
    from mlops_nb.integrations.mlflow.mirror import unreachable  # seldom needed, and slow to import

    return unreachable(uri, error)


def _handed_over(ctx: Context) -> bool:
    from mlops_nb.engine.environments import packages_digest
    from mlops_nb.engine.warm.client import Unwarm, Wanted, call, possible

    if possible():
        return False
    start = {k: v for k, v in ctx.environment.items() if k in START}  # one parent for all projects
    wanted = Wanted(
        python=sys.executable,
        modules=MODULES,
        environment=start,
        packages=packages_digest(sys.executable),
    )
    request = {
        "do": "call",
        "module": __name__,
        "function": "catch_up",
        "arguments": [str(ctx.root)],
        "environment": ctx.environment,
        "folder": str(ctx.root),
        "umask": _umask(),
        "path": str(Path(__file__).parents[2]),
    }
    try:
        call(wanted, request)
    except Unwarm:
        return False
    return True


def catch_up(root: str) -> None:
    """Let the mirrors of a project catch up; what went wrong is kept to be told by the next run."""
    ctx = Context(Path(root), os.environ, real_time)
    ctx.mirror_now()
    note = ctx.settings.folder / FAILED
    if ctx.warnings:
        files.write_text(note, "\n".join(w.what for w in ctx.warnings))
    else:
        note.unlink(missing_ok=True)
    prune.bounded(ctx)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
