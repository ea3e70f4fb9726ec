"""Decides the kind of each cell, and the step that it belongs to."""

import ast
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlops_nb.notebook.cells import UNPARSABLE
from mlops_nb.notebook.markers import MARKS, marks
from mlops_nb.notebook.model import Cell, Kind, Mark, Names, Notebook
from mlops_nb.probe.syntax.known_calls import PLOTTING, dotted, resolved

SKIPPED = "skip-execution"
MANY = 4  # cells: a step of fewer is not divided, whatever its share of the notebook
QUIET_MAGICS = {
    "matplotlib",
    "load_ext",
    "reload_ext",
    "autoreload",
    "config",
    "precision",
}


@dataclass(frozen=True, slots=True)
class Placed:
    """The kind of a cell, and the name and title of its step."""

    kind: Kind
    step: str | None = None
    title: str = ""


def slug(text: str) -> str:
    """Convert a heading to a name in its own letters, or "" if it has no letters and digits.

    >>> slug("2. Train the *model*"), slug("데이터 적재"), slug("!")
    ('train-the-model', '데이터-적재', '')
    """
    plain = unicodedata.normalize("NFKC", text)
    plain = re.sub(r"^\s*\d+([.)]\d*)*\s+", "", plain).lower()
    kept = "".join(c if unicodedata.category(c)[0] in "LMN" or c == "_" else "-" for c in plain)
    return re.sub(r"-+", "-", kept).strip("-_")


def place(
    notebook: Notebook, names: Sequence[Names], marked: Sequence[tuple[Mark, ...]]
) -> list[Placed]:
    """Return the kind and step of every code cell, in notebook order.

    A mark names its own cell. The other cells that compute belong to the heading above them; where
    there is none, to the marked step before them, else to a step named by what the cell makes.
    """
    kinds = [_kind(c, n, m) for c, n, m in zip(notebook.cells, names, marked, strict=True)]
    first = next((i for i, kind in enumerate(kinds) if kind == "parameters"), None)
    kinds = ["setup" if k == "parameters" and i != first else k for i, k in enumerate(kinds)]
    own = {i: mark.args[0] for i, cell in enumerate(marked) for mark in cell if mark.word == "step"}
    sections = _sections(notebook.cells, [k == "step" for k in kinds], own)
    if not own and not sections:
        return _by_written_names(names, kinds)
    called = _names_of(sections, own)
    placed: list[Placed] = []
    current, titles = "", dict[str, str]()
    for cell, kind, cell_names in zip(notebook.cells, kinds, names, strict=True):
        if kind != "step":
            placed.append(Placed(kind))
        elif cell.index in own:
            current = own[cell.index]
            titles.setdefault(current, cell.headings[-1][1] if cell.headings else current)
            placed.append(Placed("step", current, titles[current]))
        elif cell.index in sections:
            ordinal, title = sections[cell.index]
            placed.append(Placed("step", called[ordinal], title))
        else:
            name = current or slug(cell_names.first) or "start"
            placed.append(Placed("step", name, titles.get(name, name)))
    return placed


def _names_of(sections: Mapping[int, tuple[int, str]], own: Mapping[int, str]) -> dict[int, str]:
    """Return the name of each heading's step: no other's, unless a cell below is marked with it.

    sections: cell → the ordinal and the text of its heading
    own:      cell → the step that its mark names
    """
    named: dict[int, str] = {}
    for ordinal, title in dict.fromkeys(v for i, v in sections.items() if i not in own):
        base = slug(title) or f"step-{len(named) + 1}"
        inside = {own[i] for i, (other, _) in sections.items() if other == ordinal and i in own}
        named[ordinal] = _unique(base, {*named.values(), *(set(own.values()) - inside)})
    return named


def _kind(cell: Cell, names: Names, cell_marks: tuple[Mark, ...]) -> Kind:
    if SKIPPED in cell.tags:
        return "empty"  # it never runs
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


def _sections(
    cells: Sequence[Cell], computes: Sequence[bool], own: Mapping[int, str]
) -> dict[int, tuple[int, str]]:
    """Return the heading that each computing cell belongs to, as (ordinal, text).

    own: the cells that a mark names

    Headings of one level count, and those below one that holds most of the cells.
    """
    work = [cell for cell, one in zip(cells, computes, strict=True) if one]
    level = _heading_level(cells, work)
    found = {
        cell.index: heading for cell in work for heading in cell.headings if heading[0] == level
    }
    counted = [i for i in found if i not in own]
    while counted:
        level, ordinal = Counter((found[i][0], found[i][2]) for i in counted).most_common(1)[0][0]
        large = [c for c in work if c.index in found and found[c.index][2] == ordinal]
        below = {c.index: h for c in large for h in [_below(c, level)] if h is not None}
        if len(large) < MANY or 2 * len(large) <= len(work) or not below:
            break
        found |= below
    ordinals = {found[i][2] for i in counted}
    if level == 1 and len(ordinals) == 1:
        return {}  # it is the title
    return {index: (ordinal, text) for index, (_, text, ordinal) in found.items()}


def _below(cell: Cell, level: int) -> tuple[int, str, int] | None:
    """Return the highest heading above a cell that lies below a level."""
    return min((h for h in cell.headings if h[0] > level), default=None)


def _heading_level(cells: Sequence[Cell], work: Sequence[Cell]) -> int:
    """Return level 2, or else the deepest level with code under each of its headings, or else 1."""
    seen = {(level, ordinal) for cell in cells for level, _, ordinal in cell.headings}
    under = {(level, ordinal) for cell in work for level, _, ordinal in cell.headings}
    empty = {level for level, _ in seen - under}
    levels = {level for level, _ in under} - {1}
    return 2 if 2 in levels else max(levels - empty, default=1)  # noqa: PLR2004


def _by_written_names(names: Sequence[Names], kinds: Sequence[Kind]) -> list[Placed]:
    placed: list[Placed] = []
    taken: set[str] = set()
    for kind, cell_names in zip(kinds, names, strict=True):
        if kind != "step":
            placed.append(Placed(kind))
            continue
        made = cell_names.first or next(iter(sorted(cell_names.changes)), "")
        name = _unique(slug(made) or f"step-{len(taken) + 1}", taken)
        taken.add(name)
        placed.append(Placed("step", name, name))
    return placed


def _unique(base: str, taken: set[str]) -> str:
    name, number = base, 1
    while name in taken:
        number += 1
        name = f"{base}-{number}"
    return name


def read_marks(notebook: Notebook) -> list[tuple[Mark, ...]]:
    """Return the markers of every code cell."""
    return [() if SKIPPED in cell.tags else marks(cell) for cell in notebook.cells]


def only_sets_up(tree: ast.Module) -> bool:
    """Say whether a cell contains only imports, definitions and constants.

    >>> only_sets_up(ast.parse("import os\\nROOT = 'data'\\ndef f(): return 1"))
    True
    """
    return bool(tree.body) and all(_sets_up(node) for node in tree.body)


def _sets_up(node: ast.stmt) -> bool:
    if isinstance(
        node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    ):
        return True
    if isinstance(node, ast.Assign):
        plain = all(_is_name(target) for target in node.targets)  # `df["a"] = 0` computes
        return plain and (_is_constant(node.value) or isinstance(node.value, ast.Lambda))
    if isinstance(node, ast.AnnAssign):
        return _is_name(node.target) and (node.value is None or _is_constant(node.value))
    if isinstance(node, ast.Expr):
        return _is_quiet(node)
    if isinstance(node, ast.Try):  # `try: import x / except ImportError: x = None`
        parts = [*node.body, *node.orelse, *node.finalbody]
        parts += [child for handler in node.handlers for child in handler.body]
        return all(_sets_up(child) for child in parts)
    return isinstance(node, ast.Pass)


def _is_name(node: ast.expr) -> bool:
    parts = node.elts if isinstance(node, ast.Tuple | ast.List) else [node]
    return all(isinstance(part, ast.Name) for part in parts)


def _is_constant(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except (*UNPARSABLE, TypeError):
        return False
    return True


def magic_of(node: ast.expr) -> str:
    """Return the line magic that an expression calls, or "".

    >>> magic_of(ast.parse("get_ipython().run_line_magic('time', 'f()')", mode="eval").body)
    'time'
    """
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"run_line_magic", "run_cell_magic"}
        and node.args
        and isinstance(node.args[0], ast.Constant)
    ):
        return str(node.args[0].value)
    return ""


def only_shows(tree: ast.Module, imports: Mapping[str, str]) -> bool:
    """Say whether a cell only displays values: by expressions, loops over them, and plots.

    imports: names that are bound to modules → dotted path

    >>> only_shows(ast.parse("df.describe()"), {})
    True
    """
    work = [node for node in tree.body if not isinstance(node, ast.Import | ast.ImportFrom)]
    work = [node for node in work if not _is_quiet(node)]
    return bool(work) and all(_shows(node, imports) for node in work)


def _is_quiet(node: ast.stmt) -> bool:
    """Return whether a statement shows nothing: a text, a setting, a mark."""
    if not isinstance(node, ast.Expr):
        return False
    if isinstance(node.value, ast.Constant):
        return True
    magic = magic_of(node.value)
    if magic != "mlops":
        return magic in QUIET_MAGICS
    line = node.value.args[1]  # type: ignore[attr-defined]
    return str(getattr(line, "value", "")).split(" ")[0] in MARKS


def _shows(node: ast.stmt, imports: Mapping[str, str]) -> bool:
    if isinstance(node, ast.Expr):
        timed = _timed_statements(node.value)
        if timed is not None:
            return all(_shows(child, imports) for child in timed)
        return not any(isinstance(child, ast.NamedExpr) for child in ast.walk(node))
    if isinstance(node, ast.Assign):
        return _draws(node.value, imports)
    if isinstance(node, ast.For | ast.With | ast.If):
        parts = [*node.body, *getattr(node, "orelse", [])]
        return all(_shows(child, imports) for child in parts)
    return isinstance(node, ast.Pass)


def _timed_statements(node: ast.expr) -> list[ast.stmt] | None:
    """Return the statements of `%time STATEMENT`, or None for other expressions."""
    if magic_of(node) != "time":
        return None
    text = node.args[-1] if isinstance(node, ast.Call) else None
    try:
        return ast.parse(str(text.value)).body if isinstance(text, ast.Constant) else []
    except UNPARSABLE:
        return []


def _draws(value: ast.expr, imports: Mapping[str, str]) -> bool:
    while isinstance(value, ast.Subscript):
        value = value.value
    if not isinstance(value, ast.Call):
        return False
    return resolved(dotted(value.func), imports).startswith(PLOTTING)
