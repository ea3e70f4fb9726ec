"""Finds an adapter by name: a file of its folder, or an installed entry point."""

import importlib
import pkgutil
from typing import Any

SEAM = "base"  # the file of a folder with its Protocols


def names(package: str) -> list[str]:
    """Return the names of a folder's adapters and of the installed ones, sorted.

    >>> names("mlops_nb.jobs.triggers")
    ['data', 'drift', 'job', 'metric']
    """
    from importlib.metadata import entry_points  # slow to import

    folder = importlib.import_module(package).__path__
    own = {found.name for found in pkgutil.iter_modules(folder)} - {SEAM}
    return sorted(own | {found.name for found in entry_points(group=_group(package))})


def find(package: str, name: str, attribute: str) -> Any:
    """Return an adapter, None if there is none of that name.

    package:   the folder, such as `mlops_nb.jobs.triggers`; the entry points of other packages are
               in the group of its last part, `mlops_nb.triggers`
    attribute: what a file of the folder calls its adapter
    """
    folder = importlib.import_module(package).__path__
    if name != SEAM and name in {found.name for found in pkgutil.iter_modules(folder)}:
        return getattr(importlib.import_module(f"{package}.{name}"), attribute)
    from importlib.metadata import entry_points

    return next((e.load() for e in entry_points(group=_group(package)) if e.name == name), None)


def _group(package: str) -> str:
    return f"mlops_nb.{package.rpartition('.')[2]}"
