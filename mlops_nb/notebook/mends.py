"""Edits of a notebook that mend a finding of `check`, where a machine can know them."""

import ast
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from mlops_nb.notebook import check
from mlops_nb.notebook.cells import UNPARSABLE, python_of
from mlops_nb.notebook.model import Cell, Source, Warned
from mlops_nb.probe.syntax.known_calls import USUAL_ALIASES

LOADS = "%load_ext mlops_nb"
PARAMETERS = "parameters"


class FindingMend(Struct, frozen=True, kw_only=True):
    """What mends a finding, which is known by its kind, its cell and its sentence.

    edit:   insert (a first cell), source (of the cell), tag (the cell) or run (the cell again)
    before: the text that the cell must still have; after: its new one, or that of a new cell
    """

    kind: str
    cell: int | None
    what: str
    edit: str
    before: str = ""
    after: str = ""
    tag: str = ""


def mends(source: Source) -> list[FindingMend]:
    """Return the mends of what reading a notebook finds."""
    found = [*source.pipeline.warnings, *check.readable(source)]
    return [mend for warned in found for mend in _mends(source, warned)]


def as_json(mend: FindingMend) -> dict[str, Any]:
    """Return a mend for the panel."""
    return {name: getattr(mend, name) for name in mend.__struct_fields__}


def _mends(source: Source, warned: Warned) -> Iterator[FindingMend]:
    about: dict[str, Any] = {"kind": warned.kind, "cell": warned.cell, "what": warned.what}
    if warned.kind == "no-extension":
        yield FindingMend(**about, edit="insert", after=LOADS)
    if warned.cell is None:
        return
    cell = source.notebook.cells[warned.cell]
    if warned.kind == "out-of-order":
        yield FindingMend(**about, edit="run", before=cell.source)
    elif warned.kind == "no-parameters" and _is_constants(cell):
        yield FindingMend(**about, edit="tag", before=cell.source, tag=PARAMETERS)
    elif warned.kind == "undefined-name" and "%%" not in cell.source:
        name = warned.what.split("'")[1]
        line = _import_of(name, source.notebook.cells[warned.cell + 1 :])
        if line:
            after = _with_line(cell.source, line)
            yield FindingMend(**about, edit="source", before=cell.source, after=after)


def _is_constants(cell: Cell) -> bool:
    """Return whether a cell assigns literals to names, and does nothing else."""
    body = _parsed(cell)
    return bool(body) and all(
        isinstance(node, ast.Assign)
        and all(isinstance(target, ast.Name) for target in node.targets)
        and _is_literal(node.value)
        for node in body
    )


def _is_literal(value: ast.expr) -> bool:
    try:
        ast.literal_eval(value)
    except ValueError:
        return False
    return True


def _import_of(name: str, below: tuple[Cell, ...]) -> str:
    """Return a line that imports a name: as a cell below does, or as everybody does; else ""."""
    for cell in below:
        for node in _parsed(cell):
            if isinstance(node, ast.Import | ast.ImportFrom):
                for alias in node.names:
                    if (alias.asname or alias.name.split(".")[0]) == name:
                        node.names = [alias]
                        return ast.unparse(node)
    return f"import {USUAL_ALIASES[name]} as {name}" if name in USUAL_ALIASES else ""


def _parsed(cell: Cell) -> list[ast.stmt]:
    try:
        return ast.parse(python_of(cell.source)).body
    except UNPARSABLE:
        return []


def _with_line(text: str, line: str) -> str:
    """Return the text of a cell with a line more, below the marks and comments that it begins with.

    >>> _with_line("%mlops step load\\nframe = pd.DataFrame()", "import pandas as pd")
    '%mlops step load\\nimport pandas as pd\\nframe = pd.DataFrame()'
    """
    lines = text.split("\n")
    place = next((n for n, one in enumerate(lines) if one.strip()[:1] not in {"%", "#", ""}), 0)
    return "\n".join([*lines[:place], line, *lines[place:]])
