"""Stores the installed packages of a run's interpreter in the folder of the run."""

import json
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from mlops_nb import files
from mlops_nb.context import Context

PACKAGES = "packages.json"


def packages_of(ctx: Context, run: str) -> Mapping[str, str] | None:
    """Return the packages stored for a run, None if there are none."""
    path = ctx.settings.folder / "runs" / run / PACKAGES
    if not path.is_file():
        return None
    try:
        found: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))["packages"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None  # a damaged file
    return found


def note(ctx: Context, run: str, python: str) -> None:
    """Store the packages of an interpreter in the folder of a run."""
    found = {"version": 1, "python": python, "packages": packages(python)}
    files.write_text(ctx.run_folder(run) / PACKAGES, json.dumps(found, indent=1) + "\n")


def packages(python: str) -> dict[str, str]:
    """Return the installed packages of an interpreter, name → version, read from folder names."""
    found = (_package(name) for place in _places(python) for name in sorted(os.listdir(place)))
    return dict(sorted(pair for pair in found if pair))


def _places(python: str) -> Iterable[Path]:
    """Return the folders of packages in reverse search order, so that the first folder wins."""
    prefix = Path(python).parent.parent
    if prefix == Path(sys.prefix) and prefix.exists():
        known = [Path(p) for p in reversed(sys.path) if p.endswith("-packages")]
    else:
        known = sorted(prefix.glob("lib/python*/site-packages"))
    return [place for place in known if place.is_dir()]


def _package(folder: str) -> tuple[str, str] | None:
    """Return name and version of a `*.dist-info` folder.

    >>> _package("scikit_learn-1.7.2.dist-info"), _package("sklearn")
    (('scikit-learn', '1.7.2'), None)
    """
    stem, dot, _ = folder.rpartition(".dist-info")
    name, dash, version = stem.rpartition("-")
    return (name.replace("_", "-").lower(), version) if dot and dash else None
