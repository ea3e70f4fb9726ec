"""Frees the space of what killed processes left and of old runs; it works on a full disk.

What it does not understand stays: other names, links, and runs that the journal does not know.
"""

import contextlib
import math
import os
import re
import shutil
import stat
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mlops_nb import config
from mlops_nb.context import Context
from mlops_nb.engine.warm import leftovers
from mlops_nb.governance import packages, prediction_days, retention
from mlops_nb.runs import history
from mlops_nb.runs.history import Run
from mlops_nb.storage import scratch
from mlops_nb.storage.ports import MLFLOW_PLACE

RUN = re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}")
# folders of incomplete files, which `files` renames when they are whole
PARTS_IN = (".", "reuse", "locks", "bundles/*")
CACHE = re.compile(r"[0-9a-f]{24}\.json")
ENVIRONMENT = re.compile(r"[0-9a-f]{24}")
LOGS = ("alerts.log", "evaluations.log")
LONGEST_LOG = 10 << 20  # bytes, after which a log is put aside in place of the one before
GIVEN_UP = 24 * 3600.0  # s without a change, after which an incomplete file is given up
STARTING = 3600.0  # s; a folder that changed since may be of a run that `known` is too old for
UNUSED = 30 * 24 * 3600.0  # s without a change, after which a cache is removed

Freed = dict[str, dict[str, int]]


def size(ctx: Context) -> Freed:
    """Return the number of entries and the bytes of each folder that is kept in order."""
    found = {
        name: _measured(ctx.settings.folder.joinpath(name).glob("*"))
        for name in ("tmp", "runs", "mlartifacts", "envs", "reuse")
    }
    return {
        **found,
        "packages": packages.size(ctx),
        "predictions": prediction_days.size(ctx),
        "sockets": _measured(leftovers.files()),
    }


def tidy(ctx: Context) -> Freed:
    """Remove what killed processes left: scratch, incomplete files, and dead sockets.

    It needs neither the journal nor any space.
    """
    now = time.time()
    freed = {"tmp": {"removed": 0, "bytes": 0}}
    for folder, lock in scratch.left_over(ctx.settings.folder / "tmp", now):
        try:
            _add(freed["tmp"], _remove(folder))
        finally:
            scratch.release(lock)
    freed["parts"] = _removed(_parts(ctx.settings.folder, now))
    freed["parts"]["bytes"] += ctx.store.tidy()
    freed["logs"] = _put_aside(ctx.settings.folder)
    count, bytes_ = leftovers.remove(now)
    freed["sockets"] = {"removed": count, "bytes": bytes_}
    return freed


def prune(
    ctx: Context,
    runs: Mapping[str, Run],
    keep: timedelta | None = None,
    *,
    logs: Mapping[str, timedelta],
) -> Freed:
    """Remove the folders of old runs, caches, unneeded environments and packages, old answers.

    runs: those that the journal knows
    keep: how old a run may be; None: what the setting `retention` says
    logs: model → how old the answers in its prediction log may be

    Raises Refused if the journal may be a new one: see `refuse_younger`.
    """
    born = retention.born(ctx.journal)
    refuse_younger(ctx, runs, born)
    keep = config.span(ctx.settings.retention, "retention") if keep is None else keep
    now = time.time()
    synced = int(ctx.journal.place(MLFLOW_PLACE) or 0)
    since = now - keep.total_seconds()
    return {
        "runs": _removed(
            folder
            for name in _run_folders(ctx)
            if _newest(folder := ctx.settings.folder / "runs" / name) < since
            and _is_over(runs.get(name), since, synced, unknown=born is not None)
        ),
        "reuse": _removed(_caches(ctx.settings.folder / "reuse", now)),
        "envs": _removed(_environments(ctx, now)),
        "packages": packages.prune(ctx),
        "predictions": prediction_days.prune(ctx, logs, datetime.fromtimestamp(now, UTC)),
    }


def refuse_younger(ctx: Context, known: Collection[str], born: float | None) -> None:
    """Raise Refused if the journal does not know a run that it must know, and so may be another.

    That is a run whose folder is older than the journal, or has an executed notebook, as the
    journal has the start of a run before its cells are executed. The journal may be a new one, or
    an older copy.

    known: the ids of all runs of the journal
    born:  when the journal was made, s since 1970
    """
    settled = time.time() - STARTING
    for name in _run_folders(ctx):
        if name in known or born is None:
            continue
        folder = ctx.settings.folder / "runs" / name
        changed = _newest(folder)
        if changed <= settled and (changed < born or any(folder.glob("*.ipynb"))):
            raise retention.younger(folder, born)


def _is_over(run: Run | None, since: float, synced: int, *, unknown: bool) -> bool:
    """Return whether a run is old, and neither a version, a proof, nor a process needs it.

    since:   s since 1970
    synced:  the last event that MLflow has
    unknown: what to return for a run without events: it was killed before the first one
    """
    if run is None:
        return unknown
    if history.is_open(run) or run.trigger == "promote" or run.model_version is not None:
        return False
    if run.mlflow_run is None and run.last_event > synced:
        return False
    last = run.finished or run.started or run.scheduled_at
    return not last or datetime.fromisoformat(last).timestamp() < since


def _run_folders(ctx: Context) -> list[str]:
    """Return the names of the folders of runs, fast after many runs."""
    parent = ctx.settings.folder / "runs"
    if parent.is_symlink() or not parent.is_dir():
        return []
    with os.scandir(parent) as entries:
        found = sorted(e.name for e in entries if e.is_dir(follow_symlinks=False))
    return [name for name in found if RUN.fullmatch(name)]


def _newest(folder: Path) -> float:
    try:
        return scratch.newest(folder)
    except OSError:  # another process was faster, or this one may not look
        return math.inf


def _parts(folder: Path, now: float) -> Iterator[Path]:
    for place in PARTS_IN:
        for path in folder.glob(f"{place}/.*.part"):
            linked = any(p.is_symlink() for p in path.parents if folder in p.parents)
            if not linked and _is_old(path, now - GIVEN_UP):
                yield path


def _put_aside(folder: Path) -> dict[str, int]:
    """Rename logs that have become long; each replaces the one before."""
    freed = {"removed": 0, "bytes": 0}
    for log in (folder / name for name in LOGS):
        with contextlib.suppress(OSError):
            if not log.is_symlink() and log.lstat().st_size > LONGEST_LOG:
                before = log.with_name(f"{log.name}.1")
                if before.exists():
                    _add(freed, _size(before))
                log.replace(before)
    return freed


def _caches(folder: Path, now: float) -> Iterator[Path]:
    if not folder.is_symlink() and folder.is_dir():
        for path in folder.iterdir():
            if CACHE.fullmatch(path.name) and _is_old(path, now - UNUSED):
                yield path


def _environments(ctx: Context, now: float) -> Iterator[Path]:
    """Yield environments whose build was killed, and those of locks that no bundle has."""
    folder = ctx.settings.folder / "envs"
    if folder.is_symlink() or not folder.is_dir():
        return
    locks = [
        *ctx.settings.folder.glob("bundles/*/requirements.lock"),
        *ctx.root.glob("jobs/*/requirements.lock"),
    ]
    try:
        used = {ctx.environments.home(lock.read_text(encoding="utf-8")).name for lock in locks}
    except (OSError, UnicodeDecodeError):
        return  # nobody knows which environment that bundle needs
    for home in folder.iterdir():
        if not ENVIRONMENT.fullmatch(home.name) or home.is_symlink() or not home.is_dir():
            continue
        killed = not (home / ".complete").exists() and _newest(home) < now - GIVEN_UP
        if killed or (home.name not in used and _is_old(home / ".complete", now - UNUSED)):
            yield home


def _is_old(path: Path, since: float) -> bool:
    try:
        found = path.lstat()
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_mtime < since


def _removed(paths: Iterable[Path]) -> dict[str, int]:
    freed = {"removed": 0, "bytes": 0}
    for path in paths:
        _add(freed, _remove(path))
    return freed


def _add(freed: dict[str, int], size: int | None) -> None:
    if size is not None:
        freed["removed"] += 1
        freed["bytes"] += size


def _remove(path: Path) -> int | None:
    """Remove a file or a folder, following no links; return its size, None if something is left."""
    size = _size(path)
    try:
        if path.is_symlink() or not path.is_dir():
            path.unlink()
        else:
            _make_writable(path)
            shutil.rmtree(path)
    except OSError:  # another process was faster, or may alone remove it
        return None
    return size


def _make_writable(folder: Path) -> None:
    """Let the owner write to the folders below one, which cells may have made read-only."""
    if os.geteuid() == 0:
        return  # root needs no permission, and must not follow a link that takes a folder's place
    if folder.stat().st_mode & 0o700 != 0o700:  # noqa: PLR2004  read, write and enter
        folder.chmod(0o700)
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                _make_writable(Path(entry.path))


def _measured(paths: Iterable[Path]) -> dict[str, int]:
    sizes = [_size(path) for path in paths]
    return {"files": len(sizes), "bytes": sum(sizes)}


def _size(path: Path) -> int:
    """Return the size of a file, or of all files below a folder; links count for nothing."""
    total = 0
    with contextlib.suppress(OSError):
        found = path.lstat()
        if stat.S_ISREG(found.st_mode):
            return found.st_size
        if stat.S_ISDIR(found.st_mode):
            with os.scandir(path) as entries:
                total = sum(_size(Path(entry.path)) for entry in entries)
    return total
