"""Lets MLflow catch up behind a run's back, in a process of its own, so that nobody waits."""

import os
import socket
import sys
from pathlib import Path
from urllib.parse import urlsplit

from mlops_nb import files
from mlops_nb.context import Workshop, real_time
from mlops_nb.errors import MlopsError
from mlops_nb.governance import prune

# importing it takes seconds; a warm parent has done so
MODULES = ("mlflow", "mlflow.entities", "mlflow.store.tracking.sqlalchemy_store", "sqlalchemy")
START = frozenset({"PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONPATH", "TMPDIR", "TZ"})
FAILED = "mirror.error"
PREPARED = "mlflow-experiment"


def prepare(shop: Workshop) -> None:
    """Make MLflow's experiment for cells that log by themselves, once for each address.

    Raises Unreachable where MLflow does not answer.
    """
    address = f"{shop.settings.mlflow} {shop.settings.experiment}"
    file = Path(shop.settings.mlflow.removeprefix("sqlite:///"))
    gone = shop.settings.mlflow.startswith("sqlite:///") and not file.exists()
    if gone or shop.journal.place(PREPARED) != address:
        shop.mirror.prepare()
        shop.journal.place(PREPARED, address)


def behind(shop: Workshop) -> None:
    """See that MLflow learns what the journal holds, and that the store keeps its bound, soon.

    At once where there is no way to wait; `MLOPS_NB_MIRROR=wait` has it done before this returns.
    """
    prune.limit(shop)  # refuses what is no size: nobody would hear of it behind our back
    if shop.environment.get("MLOPS_NB_MIRROR") == "wait":
        _tidy(shop)
        return
    shop.warnings += _complaints(shop)
    if shop.warnings:
        prune.bounded(shop)
    elif not _handed_over(shop):
        _tidy(shop)


def _tidy(shop: Workshop) -> None:
    shop.mirror_now()
    prune.bounded(shop)


def _complaints(shop: Workshop) -> list[MlopsError]:
    """Return what is wrong with MLflow, as far as that can be told in no time."""
    uri = shop.settings.mlflow
    server = urlsplit(uri)
    if server.scheme in {"http", "https"} and server.hostname:
        try:
            port = server.port or (443 if server.scheme == "https" else 80)
            socket.create_connection((server.hostname, port), timeout=1.0).close()
        except OSError as error:
            return [_unreachable(uri, error)]
    note = shop.settings.folder / FAILED
    if note.is_file():  # the last time, behind somebody's back; it is tried again
        what = note.read_text(encoding="utf-8")
        note.unlink()
        return [_unreachable(uri, OSError(what.removeprefix("MLflow does not answer: ")))]
    return []


def _unreachable(uri: str, error: OSError) -> MlopsError:
    from mlops_nb.integrations.mlflow.mirror import unreachable  # seldom needed, and slow to import

    return unreachable(uri, error)


def _handed_over(shop: Workshop) -> bool:
    from mlops_nb.engine.environments import packages_digest
    from mlops_nb.engine.warm.client import Unwarm, Wanted, call, possible

    if possible():
        return False
    start = {k: v for k, v in shop.environment.items() if k in START}  # one parent for all projects
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
        "arguments": [str(shop.root)],
        "environment": shop.environment,
        "folder": str(shop.root),
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
    shop = Workshop(Path(root), os.environ, real_time)
    shop.mirror_now()
    note = shop.settings.folder / FAILED
    if shop.warnings:
        files.write_text(note, "\n".join(w.what for w in shop.warnings))
    else:
        note.unlink(missing_ok=True)
    prune.bounded(shop)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
