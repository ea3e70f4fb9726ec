"""Tells what kind each cell is, and which step it belongs to."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from mlops_nb.notebook.markers import marks
from mlops_nb.notebook.model import Cell, Kind, Mark, Names, Notebook

SKIPPED = "skip-execution"


@dataclass(frozen=True, slots=True)
class Placed:
    """A cell with its kind, and its step's name and title."""

    kind: Kind
    step: str | None = None
    title: str = ""


def slug(text: str) -> str:
    """Return a heading as an ASCII name, "" if nothing of it is left.

    >>> slug("2. Train the *model*"), slug("적재")
    ('train-the-model', '')
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    plain = re.sub(r"^\s*\d+([.)]\d*)*\s+", "", plain)
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")


def place(
    notebook: Notebook, names: Sequence[Names], marked: Sequence[tuple[Mark, ...]]
) -> list[Placed]:
    """Return the place of every code cell, in notebook order."""
    kinds = [_kind(c, n, m) for c, n, m in zip(notebook.cells, names, marked, strict=True)]
    first = next((i for i, kind in enumerate(kinds) if kind == "parameters"), None)
    kinds = ["setup" if k == "parameters" and i != first else k for i, k in enumerate(kinds)]
    if any(mark.word == "step" for cell in marked for mark in cell):
        return _by_marks(notebook, names, marked, kinds)
    level = _heading_level(notebook, kinds)
    if level is not None:
        return _by_headings(notebook, names, kinds, level)
    return _by_what_is_made(names, kinds)


def _kind(cell: Cell, names: Names, cell_marks: tuple[Mark, ...]) -> Kind:
    if SKIPPED in cell.tags:
        return "empty"  # no kernel is ever given it
    if "parameters" in cell.tags:
        return "parameters"
    if any(mark.word == "step" for mark in cell_marks):
        return "step"
    lines = [line for line in cell.source.splitlines() if line.strip()]
    if all(line.lstrip().startswith("#") for line in lines):
        return "empty"
    if names.only_sets_up:
        return "setup"
    if names.only_shows:
        return "scratch"
    return "step"


def _by_marks(
    notebook: Notebook,
    names: Sequence[Names],
    marked: Sequence[tuple[Mark, ...]],
    kinds: Sequence[Kind],
) -> list[Placed]:
    placed: list[Placed] = []
    current = ""
    titles: dict[str, str] = {}
    for cell, kind, cell_marks, cell_names in zip(
        notebook.cells, kinds, marked, names, strict=True
    ):
        own = next((mark.args[0] for mark in cell_marks if mark.word == "step"), "")
        if own and kind == "step":
            current = own
            titles.setdefault(own, cell.headings[-1][1] if cell.headings else own)
        if kind != "step":
            placed.append(Placed(kind))
        elif current:
            placed.append(Placed("step", current, titles[current]))
        else:  # it computes, and stands above the first mark
            name = slug(cell_names.first) or "start"
            placed.append(Placed("step", name, name))
    return placed


def _heading_level(notebook: Notebook, kinds: Sequence[Kind]) -> int | None:
    """Level 2, else the deepest level that has code under each of its headings."""
    under: dict[int, set[int]] = {}
    seen: dict[int, set[int]] = {}
    for cell, kind in zip(notebook.cells, kinds, strict=True):
        for level, _, ordinal in cell.headings:
            seen.setdefault(level, set()).add(ordinal)
            if kind == "step":
                under.setdefault(level, set()).add(ordinal)
    if under.get(2):
        return 2
    full = [level for level in under if under[level] == seen[level] and level > 1]
    if full:
        return max(full)
    return 1 if len(under.get(1, ())) > 1 else None


def _by_headings(
    notebook: Notebook, names: Sequence[Names], kinds: Sequence[Kind], level: int
) -> list[Placed]:
    placed: list[Placed] = []
    named: dict[int, str] = {}
    for cell, kind, cell_names in zip(notebook.cells, kinds, names, strict=True):
        heading = next((h for h in cell.headings if h[0] == level), None)
        if kind != "step":
            placed.append(Placed(kind))
        elif heading is None:
            name = slug(cell_names.first) or "start"
            placed.append(Placed("step", name, name))
        else:
            if heading[2] not in named:
                base = slug(heading[1]) or f"step-{len(named) + 1}"
                named[heading[2]] = _fresh(base, set(named.values()))
            placed.append(Placed("step", named[heading[2]], heading[1]))
    return placed


def _by_what_is_made(names: Sequence[Names], kinds: Sequence[Kind]) -> list[Placed]:
    placed: list[Placed] = []
    taken: set[str] = set()
    for kind, cell_names in zip(kinds, names, strict=True):
        if kind != "step":
            placed.append(Placed(kind))
            continue
        made = cell_names.first or next(iter(sorted(cell_names.changes)), "")
        name = _fresh(slug(made) or f"step-{len(taken) + 1}", taken)
        taken.add(name)
        placed.append(Placed("step", name, name))
    return placed


def _fresh(base: str, taken: set[str]) -> str:
    name, number = base, 1
    while name in taken:
        number += 1
        name = f"{base}-{number}"
    return name


def read_marks(notebook: Notebook) -> list[tuple[Mark, ...]]:
    """Return the marks of every code cell."""
    return [() if SKIPPED in cell.tags else marks(cell) for cell in notebook.cells]
