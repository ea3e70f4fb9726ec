"""Stores bundles by their digest: jobs run from there, never from the working tree."""

import shutil
from collections.abc import Mapping

from mlops_nb import files
from mlops_nb.context import Context
from mlops_nb.jobs.bundle import manifest


def keep(ctx: Context, digest: str, contents: Mapping[str, bytes]) -> None:
    """Store a bundle; a stored one that was damaged is written again."""
    folder, kept = ctx.bundle_folder(digest), bundle(ctx, digest)
    if not kept or kept.get(manifest.NAME) != contents.get(manifest.NAME):
        part = folder.with_name(f".{folder.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        files.write_folder(part, contents)
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)


def bundle(ctx: Context, digest: str) -> dict[str, bytes]:
    """Return the files of a stored bundle, nothing if they are gone or damaged."""
    folder = ctx.bundle_folder(digest)
    found = files.read_folder(folder) if digest and folder.is_dir() else {}
    return found if manifest.digest(found) == digest else {}


def live(ctx: Context, name: str, digest: str) -> dict[str, bytes]:
    """Return the files of a live bundle: the stored ones, else those of jobs/NAME if they equal."""
    if found := bundle(ctx, digest):
        return found
    folder = ctx.root / "jobs" / name
    found = files.read_folder(folder) if folder.is_dir() else {}
    return found if manifest.digest(found) == digest else {}
