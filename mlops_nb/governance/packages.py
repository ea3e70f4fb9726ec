"""Measures model packages, and removes those of versions that can no longer be released."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from mlops_nb.context import Context
from mlops_nb.models import package
from mlops_nb.models.registry import Model, read_models
from mlops_nb.storage import scratch

# files that only a server needs, the manifest first: without it there is no package.
# The others describe the rows that the version answered, which are compared with them later.
OF_SERVERS = (package.MANIFEST, package.MODEL, package.GOLDEN, package.LOCK)


def size(ctx: Context) -> dict[str, int]:
    """Return the number of packages and the bytes of their files."""
    count = bytes_ = 0
    for folder in _folders(ctx):
        with contextlib.suppress(FileNotFoundError):  # it is removed at this moment
            bytes_ += sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
            count += 1
    return {"files": count, "bytes": bytes_}


def prune(ctx: Context) -> dict[str, int]:
    """Remove the packages of versions that can no longer be released.

    Their model is gone from the store, no rollback or approval comes to them, and no server of
    this machine answers with them. If the store has no version of a model, it may be another
    store, and all packages stay. Files that describe the answers of a version stay as well.
    """
    freed = {"removed": 0, "bytes": 0}
    for model in read_models(ctx).values():
        for number in _unreleasable(ctx, model):
            bytes_ = _removed(package.folder(ctx, model.name, number))
            if bytes_ is not None:
                freed["removed"] += 1
                freed["bytes"] += bytes_
    return freed


def _folders(ctx: Context) -> Iterator[Path]:
    """Yield the folders of packages, those with a manifest."""
    for manifest in ctx.settings.folder.glob(f"packages/*/*/{package.MANIFEST}"):
        yield manifest.parent


def _unreleasable(ctx: Context, model: Model) -> list[int]:
    held = {n for n, v in model.versions.items() if ctx.store.holds(v.artifact)}
    if not held:
        return []
    return sorted(set(model.versions) - held - {*model.releases, *model.waiting})


def _removed(folder: Path) -> int | None:
    """Remove a package; return its bytes, None if there is none, or if it is in use."""
    lock = None
    with contextlib.suppress(OSError):  # there is no such folder, or this disk has no locks
        lock = scratch.lock_of(folder)
    if lock is None:
        return None
    freed = None
    try:
        for name in OF_SERVERS:
            with contextlib.suppress(FileNotFoundError):
                bytes_ = (folder / name).lstat().st_size
                (folder / name).unlink()
                freed = (freed or 0) + bytes_
        with contextlib.suppress(OSError):  # what describes the answers is left
            folder.rmdir()
    except OSError:  # another user's; the next time goes on with what is left
        return None
    finally:
        scratch.release(lock)
    return freed
