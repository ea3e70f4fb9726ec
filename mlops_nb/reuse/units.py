"""Divides a notebook into units, which run or are reused as a whole, and digests their code."""

import ast
import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from mlops_nb.notebook.cells import UNPARSABLE
from mlops_nb.notebook.markers import frozen
from mlops_nb.notebook.model import Notebook, Pipeline
from mlops_nb.reuse.rules import Rules
from mlops_nb.reuse.setup import imported, plain
from mlops_nb.reuse.texts import meaning


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A stretch of a step's cells that nothing else interrupts, or a display or set-up cell.

    step:     its step's name, "" for a cell of none
    cells:    indexes of code cells, ascending; display cells between them belong to it
    reuse:    False if its mark has `--no-reuse`
    snapshot: maximal age of data loaded from outside, s; None if its mark sets no limit
    """

    name: str
    step: str
    cells: tuple[int, ...]
    reuse: bool = True
    snapshot: float | None = None
    setup: bool = False


def units(notebook: Notebook, pipeline: Pipeline) -> tuple[Unit, ...]:
    """Return the units of a notebook, in its order; set-up that holds no state belongs to none.

    setup: the unit is set-up that may hold state, which runs whenever anything else does
    """
    groups: list[tuple[str, list[int]]] = []
    between: list[int] = []
    last = ""
    stateless = plain(notebook, pipeline)
    for cell in pipeline.cells:
        if cell.kind == "scratch":
            between.append(cell.index)
        elif cell.kind == "setup" and cell.index not in stateless:
            groups += [("", [index]) for index in (*between, cell.index)]
            between, last = [], ""
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
            facts = pipeline.cells[cells[0]]
            setup = facts.kind == "setup"
            base = f"set-up of {min(facts.writes, default='')}" if setup else f"cell {cells[0]}"
            count[base] = count.get(base, 0) + 1
            name = base if count[base] == 1 else f"{base}#{count[base]}"
            found.append(Unit(name=name, step="", cells=tuple(cells), setup=setup))
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


def setup_of(
    pipeline: Pipeline, unit: Unit, names: Iterable[str], stateless: Collection[int]
) -> list[int]:
    """Return the set-up cells above a unit's end that bind its reads, directly or indirectly.

    names:     observed reads, in addition to those in the unit's text
    stateless: the set-up cells that hold no state
    """
    wanted = {*names, *(n for i in unit.cells for n in pipeline.cells[i].reads)}
    cells = [c for c in pipeline.cells if c.index in stateless and c.index < unit.cells[-1]]
    found: set[int] = set()
    while True:
        more = {c.index for c in cells if wanted & set(c.writes)} - found
        if not more:
            return sorted(found)
        found |= more
        wanted |= {n for i in more for n in pipeline.cells[i].reads}


def code(
    notebook: Notebook,
    pipeline: Pipeline,
    unit: Unit,
    names: Iterable[str],
    stateless: Collection[int],
) -> str:
    """Return the sha256 of a unit's code: its own cells and the set-up that they need."""
    indexes = [*setup_of(pipeline, unit, names, stateless), *unit.cells]
    parts = [meaning(notebook.cells[i].source) for i in indexes]
    computed = {p.name for p in pipeline.parameters if p.type == "any"}
    if computed & set(names):
        parts += [
            meaning(notebook.cells[c.index].source)
            for c in pipeline.cells
            if c.kind == "parameters"
        ]
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def imports(source: str) -> tuple[str, frozenset[str]]:
    """Return the imports of a cell as text, and the names that they bind.

    >>> imports("import os\\nfrom math import pi as p\\nx = 1")[1] == {"os", "p"}
    True
    """
    try:
        tree = ast.parse(frozen(source))
    except UNPARSABLE:
        return "", frozenset()
    kept: list[ast.stmt] = [n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)]
    text = ast.unparse(ast.Module(body=kept, type_ignores=[])) if kept else ""
    return text, frozenset(name for name, _ in imported(source))


def needed(pipeline: Pipeline, units: Sequence[Unit], rules: Rules) -> set[int]:
    """Return the first cell of each unit that the run needs.

    These are all, or those that some steps depend on.
    """
    steps = rules.steps or ((rules.only,) if rules.only else ())
    if not steps:
        return {unit.cells[0] for unit in units}
    of_cell = {i: unit for unit in units for i in unit.cells}
    queue = [cell for step in steps for cell in pipeline.step(step).cells]
    queue += [i for unit in units if unit.setup for i in unit.cells]
    found: set[int] = set()
    while queue:
        cell = queue.pop()
        unit = of_cell.get(cell)
        members = unit.cells if unit else (cell,)
        if found.isdisjoint(members):
            found |= set(members)
            queue += [d for m in members for d in pipeline.cells[m].depends_on]
    return {unit.cells[0] for unit in units if unit.cells[0] in found}
