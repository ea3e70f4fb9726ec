"""Divides a notebook into units, which run or are reused as a whole, and digests their code."""

import ast
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from mlops_nb.notebook.markers import frozen
from mlops_nb.notebook.model import Notebook, Pipeline

MAKERS = {
    "namedtuple",
    "NamedTuple",
    "TypedDict",
    "Enum",
    "IntEnum",
    "make_dataclass",
    "NewType",
    "TypeVar",
}
DEFINES = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A stretch of a step's cells that nothing of another step interrupts, or one display cell.

    step:     its step's name, "" for a display cell
    cells:    indexes of code cells, ascending; display cells between them belong to it
    reuse:    False if its mark has `--no-reuse`
    snapshot: maximal age of data loaded from outside, s; None if its mark sets no limit
    """

    name: str
    step: str
    cells: tuple[int, ...]
    reuse: bool = True
    snapshot: float | None = None


def units(pipeline: Pipeline) -> tuple[Unit, ...]:
    """Return the units of a pipeline, in notebook order; set-up belongs to none."""
    groups: list[tuple[str, list[int]]] = []
    between: list[int] = []
    last = ""
    for cell in pipeline.cells:
        if cell.kind == "scratch":
            between.append(cell.index)
        elif cell.kind == "step":
            step = cell.step or ""
            if step == last and groups:
                groups[-1][1].extend([*between, cell.index])
            else:
                groups += [("", [index]) for index in between]
                groups.append((step, [cell.index]))
            between, last = [], step
    groups += [("", [index]) for index in between]
    return _named(pipeline, groups)


def _named(pipeline: Pipeline, groups: Sequence[tuple[str, list[int]]]) -> tuple[Unit, ...]:
    count: dict[str, int] = {}
    found = []
    for step, cells in groups:
        if not step:
            found.append(Unit(name=f"cell {cells[0]}", step="", cells=tuple(cells)))
            continue
        count[step] = count.get(step, 0) + 1
        declared = pipeline.step(step)
        name = step if count[step] == 1 else f"{step}#{count[step]}"
        found.append(
            Unit(
                name=name,
                step=step,
                cells=tuple(cells),
                reuse=declared.reuse,
                snapshot=declared.snapshot,
            )
        )
    return tuple(found)


@lru_cache(maxsize=4096)
def meaning(source: str) -> str:
    """Return what a cell's text means: comments, layout and marks left out.

    >>> meaning("x = 1  # one") == meaning("%mlops step a\\nx=1")
    True
    """
    text = frozen(source)
    try:
        return ast.dump(ast.parse(text))
    except (SyntaxError, ValueError, RecursionError):
        return text.strip()


def setup_of(pipeline: Pipeline, unit: Unit, names: Iterable[str]) -> list[int]:
    """Return the set-up cells above a unit's end that bind its reads, directly or indirectly.

    names: observed reads, in addition to those in the unit's text
    """
    wanted = {*names, *(n for i in unit.cells for n in pipeline.cells[i].reads)}
    cells = [
        c for c in pipeline.cells if c.kind in {"setup", "parameters"} and c.index < unit.cells[-1]
    ]
    found: set[int] = set()
    while True:
        more = {c.index for c in cells if c.kind == "setup" and wanted & set(c.writes)} - found
        if not more:
            return sorted(found)
        found |= more
        wanted |= {n for i in more for n in pipeline.cells[i].reads}


def code(notebook: Notebook, pipeline: Pipeline, unit: Unit, names: Iterable[str]) -> str:
    """Return the sha256 of a unit's code: its own cells and the set-up that they need."""
    indexes = [*setup_of(pipeline, unit, names), *unit.cells]
    parts = [meaning(notebook.cells[i].source) for i in indexes]
    computed = {p.name for p in pipeline.parameters if p.type == "any"}
    if computed & set(names):
        parts += [
            meaning(notebook.cells[c.index].source)
            for c in pipeline.cells
            if c.kind == "parameters"
        ]
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def _makes_code(node: ast.expr) -> bool:
    """Return whether an expression makes a function or a class: `lambda: 1`, `namedtuple(…)`."""
    called = node.func if isinstance(node, ast.Call) else None
    name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
    return isinstance(node, ast.Lambda) or name in MAKERS


def definitions(source: str) -> tuple[str, frozenset[str]]:
    """Return the imports, functions and classes of a cell as text, and the names that they bind.

    >>> definitions("import os\\nx = f()\\ndef f(): pass")[1] == {"os", "f"}
    True
    """
    try:
        tree = ast.parse(frozen(source))
    except (SyntaxError, ValueError, RecursionError):
        return "", frozenset()
    kept: list[ast.stmt] = []
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.Assign) and _makes_code(node.value):
            kept.append(node)
            names |= {t.id for t in node.targets if isinstance(t, ast.Name)}
        elif isinstance(node, DEFINES):
            kept.append(node)
            if isinstance(node, ast.Import | ast.ImportFrom):
                names |= {(a.asname or a.name).split(".")[0] for a in node.names}
            else:
                names.add(node.name)
    module = ast.Module(body=kept, type_ignores=[])
    return ast.unparse(module) if kept else "", frozenset(names)
