"""Decides the kind of each cell, and the step that it belongs to."""

import ast
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlops_nb.notebook.markers import MARKS, marks
from mlops_nb.notebook.model import Cell, Kind, Mark, Names, Notebook
from mlops_nb.probe.syntax.known_calls import PLOTTING, dotted, resolved

SKIPPED = "skip-execution"
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
    """Convert a heading to an ASCII name, or "" if it has no ASCII letters and digits.

    >>> slug("2. Train the *model*"), slug("적재")
    ('train-the-model', '')
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    plain = re.sub(r"^\s*\d+([.)]\d*)*\s+", "", plain)
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")


def place(
    notebook: Notebook, names: Sequence[Names], marked: Sequence[tuple[Mark, ...]]
) -> list[Placed]:
    """Return the kind and step of every code cell, in notebook order."""
    kinds = [_kind(c, n, m) for c, n, m in zip(notebook.cells, names, marked, strict=True)]
    first = next((i for i, kind in enumerate(kinds) if kind == "parameters"), None)
    kinds = ["setup" if k == "parameters" and i != first else k for i, k in enumerate(kinds)]
    if any(mark.word == "step" for cell in marked for mark in cell):
        return _by_markers(notebook, names, marked, kinds)
    level = _heading_level(notebook, kinds)
    if level is not None:
        return _by_headings(notebook, names, kinds, level)
    return _by_written_names(names, kinds)


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


def _by_markers(
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
        else:  # a computing cell above the first marker
            name = slug(cell_names.first) or "start"
            placed.append(Placed("step", name, name))
    return placed


def _heading_level(notebook: Notebook, kinds: Sequence[Kind]) -> int | None:
    """Return level 2, or else the deepest level with code under each of its headings."""
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
                named[heading[2]] = _unique(base, set(named.values()))
            placed.append(Placed("step", named[heading[2]], heading[1]))
    return placed


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
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
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
    words = " ".join(str(getattr(a, "value", "")) for a in getattr(node.value, "args", [])).split()
    return magic in QUIET_MAGICS or (magic == "mlops" and words[1:2] != [] and words[1] in MARKS)


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
    except SyntaxError:
        return []


def _draws(value: ast.expr, imports: Mapping[str, str]) -> bool:
    while isinstance(value, ast.Subscript):
        value = value.value
    if not isinstance(value, ast.Call):
        return False
    return resolved(dotted(value.func), imports).startswith(PLOTTING)
