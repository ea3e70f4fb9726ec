"""Syncs MLflow and OpenLineage with the journal, in the background if possible."""

import itertools
import socket
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mlops_nb import config, files
from mlops_nb.context import Context
from mlops_nb.errors import MlopsError
from mlops_nb.events import Judged, Registered, Released, RunFinished
from mlops_nb.storage.ports import MLFLOW_PLACE, number_of

# importing MLflow takes seconds; a warm parent has imported it
MODULES = (
    "mlflow",
    "mlflow.entities",
    "mlflow.store.tracking.sqlalchemy_store",
    "mlflow.sklearn",
    "sqlalchemy",
    "sklearn.ensemble",
)
START = frozenset({"PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONPATH", "TMPDIR", "TZ"})
FAILED = "mirror.error"
PREPARED = "mlflow-experiment"
AGREE_WITHIN = 1.0  # s: the longest that a release waits for MLflow
VERDICT_WITHIN = 120.0  # s: the longest wait for the verdict on a finished run
LOOK_EVERY = 0.05  # s


def prepare(ctx: Context, experiments: Iterable[str] = ()) -> None:
    """Make MLflow's experiments for cells that log by themselves, once for each address.

    experiments: those that the cells name, besides the project's

    Raises Unreachable if MLflow does not answer.
    """
    wanted = {f"{ctx.settings.mlflow} {e}" for e in (ctx.settings.experiment, *experiments)}
    file = config.sqlite_file(ctx.settings.mlflow)
    gone = file is not None and not file.exists()
    made = set() if gone else set(ctx.journal.place(PREPARED).splitlines())
    if not wanted <= made:
        _mirror(ctx).prepare(experiments)
        ctx.journal.place(PREPARED, "\n".join(sorted(made | wanted)))


def is_behind(ctx: Context) -> bool:
    """Return whether a run that executed cells has ended since MLflow was last synced."""
    file = config.sqlite_file(ctx.settings.mlflow)
    gone = file is not None and not file.exists()
    place = 0 if gone else number_of(ctx.journal.place(MLFLOW_PLACE))
    ended = ctx.journal.read(after=place, kinds=(RunFinished,))
    return any(isinstance(e, RunFinished) and not e.stood for e in ended)


def sync(ctx: Context, *, prepared: bool = False) -> None:
    """Sync OpenLineage's log and MLflow now; an error becomes a warning of the context.

    prepared: make MLflow's experiment, even if there is nothing to sync
    """
    from mlops_nb.integrations.openlineage.events import OpenLineageLog

    try:
        log = ctx.settings.folder / "lineage.jsonl"
        OpenLineageLog(file=log, root=ctx.root, journal=ctx.journal).catch_up()
    except MlopsError as error:
        ctx.warnings.append(error)
    with ctx.journal.holding("mirror"):
        try:
            if prepared:
                prepare(ctx)
            mirror = _mirror(ctx)
            for event in itertools.chain(mirror.catch_up(), mirror.aliases()):
                ctx.journal.append(event)
        except MlopsError as error:
            ctx.warnings.append(error)


def sync_and_note(ctx: Context, *, prepared: bool = False) -> None:
    """Sync now, and store an error for the next command, which shows it."""
    sync(ctx, prepared=prepared)
    note = ctx.settings.folder / FAILED
    if ctx.warnings:
        files.write_text(note, "\n".join(w.what for w in ctx.warnings))
    else:
        note.unlink(missing_ok=True)


def has_finished(ctx: Context, run: str) -> bool:
    """Return whether the cells of a run have ended."""
    return any(True for _ in ctx.journal.read(run=run, kinds=(RunFinished,)))


def await_verdict(ctx: Context, run: str) -> bool:
    """Load what logging a model needs, and wait for the verdict on a run; return whether it came.

    What MLflow loads for its first model takes longer than to log a small one.
    """
    from mlops_nb.integrations.mlflow import models

    until = time.monotonic() + VERDICT_WITHIN
    models.warm_up()
    while not any(True for _ in ctx.journal.read(run=run, kinds=(Judged,))):
        if time.monotonic() >= until:
            return False
        time.sleep(LOOK_EVERY)
    return True


def agrees_on(ctx: Context, model: str) -> bool:
    """Return whether MLflow has the versions and the champion of a model; see `agrees`."""
    events = ctx.journal.read(kinds=(Registered, Released))
    latest = [e.id for e in events if isinstance(e, Registered | Released) and e.model == model]
    return agrees(ctx, max(latest, default=0))


def agrees(ctx: Context, event: int) -> bool:
    """Return whether MLflow has been synced up to an event, waiting a second at most."""
    until = time.monotonic() + AGREE_WITHIN
    while True:
        if number_of(ctx.journal.place(MLFLOW_PLACE)) >= event:
            return True
        if time.monotonic() >= until:
            return False
        time.sleep(LOOK_EVERY)


def problems(ctx: Context) -> list[MlopsError]:
    """Return what is wrong with MLflow, checking for a second at most."""
    if error := unreachable(ctx):
        return [_unreachable(ctx.settings.mlflow, error)]
    note = ctx.settings.folder / FAILED
    if note.is_file():  # the last sync failed in the background; it is tried again
        what = note.read_text(encoding="utf-8")
        note.unlink()
        return [
            _unreachable(
                ctx.settings.mlflow, OSError(what.removeprefix("MLflow does not answer: "))
            )
        ]
    return []


def unreachable(ctx: Context) -> OSError | None:
    """Return the error of a connection to MLflow's server, checking for a second at most."""
    server = urlsplit(ctx.settings.mlflow)
    if server.scheme in {"http", "https"} and server.hostname:
        try:
            port = server.port or (443 if server.scheme == "https" else 80)
            socket.create_connection((server.hostname, port), timeout=1.0).close()
        except OSError as error:
            return error
    return None


def hand_over(ctx: Context, module: str, function: str, *more: str) -> bool:
    """Call a function of the project's folder in a process that has imported MLflow already.

    Return False if this machine has no such process; the caller calls the function itself.
    """
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
        "module": module,
        "function": function,
        "arguments": [str(ctx.root), *more],
        "environment": ctx.environment,
        "folder": str(ctx.root),
        "umask": files.umask(),
        "path": str(Path(__file__).parents[2]),
    }
    try:
        call(wanted, request)
    except Unwarm:
        return False
    return True


def _unreachable(uri: str, error: OSError) -> MlopsError:
    from mlops_nb.integrations.mlflow.mirror import unreachable  # slow to import

    return unreachable(uri, error)


def _mirror(ctx: Context) -> Any:
    from mlops_nb.integrations.mlflow.mirror import MlflowMirror

    return MlflowMirror(
        uri=ctx.settings.mlflow,
        experiment=ctx.settings.experiment,
        artifacts=ctx.settings.artifacts,
        runs=ctx.settings.folder / "runs",
        journal=ctx.journal,
        store=ctx.store,
    )
