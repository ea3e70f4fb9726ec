"""Finds the file of the notebook that a kernel belongs to, also after it was renamed or moved."""

import json
import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from mlops_nb.config import find_root

MOST_NOTEBOOKS = 500  # that are searched
SKIPPED = {"node_modules", "jobs", "__pycache__"}


def given(variables: Mapping[str, Any]) -> str:
    """Return the path that the front end passed on, "" if it passed none.

    variables: of the notebook; VS Code keeps the path there, JupyterLab in the environment
    """
    return str(variables.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME", ""))


def find(path: str, cells: Collection[str]) -> str:
    """Return the path of the notebook; "" if there is no such file.

    path:  where it was when its kernel started
    cells: ids of cells that ran in the kernel; a renamed notebook is known by them
    """
    if not path or os.path.exists(path):
        return path
    if not cells:
        return ""
    folder = next((p for p in Path(path).parents if p.is_dir()), Path.cwd())
    counted = [(_shared(file, cells), str(file)) for file in _notebooks(folder)]
    count, found = max(counted, default=(0, ""))
    return found if count else ""


def _notebooks(folder: Path) -> Iterator[Path]:
    """Yield the notebooks of a folder, then those of its project."""
    yield from sorted(folder.glob("*.ipynb"))[:MOST_NOTEBOOKS]
    left = MOST_NOTEBOOKS
    for place, folders, files in os.walk(find_root(folder)):
        folders[:] = [f for f in folders if f not in SKIPPED and not f.startswith(".")]
        for name in files:
            if name.endswith(".ipynb") and Path(place) != folder and left:
                left -= 1
                yield Path(place, name)


def _shared(file: Path, cells: Collection[str]) -> int:
    """Return how many of the cells a notebook has."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))["cells"]
        return len({cell.get("id") for cell in found} & set(cells))
    except (OSError, ValueError, LookupError, AttributeError, TypeError):  # no notebook
        return 0
