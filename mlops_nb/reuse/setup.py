"""Tells set-up that cannot hold state from set-up that can, such as `CFG = {}` or a registry."""

import ast
import hashlib
from collections.abc import Iterable, Mapping
from functools import lru_cache

from mlops_nb.notebook.cells import UNPARSABLE
from mlops_nb.notebook.markers import frozen
from mlops_nb.notebook.model import CellFacts, Notebook, Pipeline, Value
from mlops_nb.reuse.state import Group
from mlops_nb.reuse.texts import builtins_in, meaning

METHODS = frozenset({"staticmethod", "classmethod", "property", "setter"})
CLASSES = frozenset({"dataclass", "dataclasses.dataclass"})
IMPORT = "i"  # what a binding by an import begins with; others begin with a node's name
CHANGEABLE = (ast.List, ast.Dict, ast.Set)
Binding = tuple[str, str]  # a name, and what binds it


def plain(notebook: Notebook, pipeline: Pipeline) -> frozenset[int]:
    """Return the set-up cells that bind only what never changes, each name in one way only.

    These are imports, functions, classes and constants: what a run may always define again.
    """
    bound: dict[str, set[str]] = {}
    found: dict[int, frozenset[Binding]] = {}
    for cell in pipeline.cells:
        source = notebook.cells[cell.index].source
        known = _bindings(source) if cell.kind == "setup" else None
        if known is not None:
            found[cell.index] = known
        for name, how in known or imported(source):
            bound.setdefault(name, set()).add(how)
        for name in set(cell.writes) - {name for name, _ in known or imported(source)}:
            bound.setdefault(name, set()).add(f"cell {cell.index}")
    own = {name for name, ways in bound.items() if any(way[:1] != IMPORT for way in ways)}
    return frozenset(
        index
        for index, known in found.items()
        if all(len(bound[name]) == 1 for name, _ in known)
        and own.isdisjoint(_bases(notebook.cells[index].source))
    )


def given(
    notebook: Notebook, pipeline: Pipeline, cell: CellFacts, parameters: Mapping[str, Value]
) -> list[Group]:
    """Return the groups of a cell of parameters, or of set-up that holds no state.

    parameters: every parameter's value
    """
    source = notebook.cells[cell.index].source
    text = hashlib.sha256(meaning(source).encode("utf-8", "surrogatepass")).hexdigest()
    found = dict.fromkeys(cell.writes, f"set-up {text}")
    if cell.kind == "parameters":
        typed = {p.name for p in pipeline.parameters if p.type != "any"}
        for name, value in parameters.items():
            if name in typed or name not in found:
                found[name] = f"parameter {type(value).__name__} {value!r}"
    refers = (*cell.reads, *builtins_in(source))
    return [
        Group(names=(name,), digest=digest, refers=refers, given=True)
        for name, digest in found.items()
    ]


@lru_cache(maxsize=4096)
def _bases(source: str) -> frozenset[str]:
    """Return the names that stand for base classes: one of the notebook may keep a registry."""
    bases = [b for node in _parsed(source) if isinstance(node, ast.ClassDef) for b in node.bases]
    return frozenset(n.id for b in bases for n in ast.walk(b) if isinstance(n, ast.Name))


@lru_cache(maxsize=4096)
def imported(source: str) -> frozenset[Binding]:
    """Return the names that the imports of a cell bind, and how."""
    return frozenset(
        binding
        for node in _parsed(source)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for binding in _of_import(node)
    )


@lru_cache(maxsize=4096)
def _bindings(source: str) -> frozenset[Binding] | None:
    """Return the names that a set-up cell binds, and how; None if it may hold state."""
    found: set[Binding] = set()
    for node in _parsed(source):
        if isinstance(node, ast.Import | ast.ImportFrom):
            if any(alias.name == "*" for alias in node.names):
                return None
            found |= _of_import(node)
        elif not _is_plain(node):
            return None
        else:
            found |= {(name, ast.dump(node) + source) for name in _names(node)}
    return frozenset(found)


def _parsed(source: str) -> list[ast.stmt]:
    try:
        return ast.parse(frozen(source)).body
    except UNPARSABLE:
        return []


def _of_import(node: ast.Import | ast.ImportFrom) -> set[Binding]:
    module = f"{node.level}.{node.module}" if isinstance(node, ast.ImportFrom) else ""
    found = set()
    for alias in node.names:
        name = (alias.asname or alias.name).partition(".")[0]
        whole = alias.name if alias.asname or module else name
        found.add((name, f"{IMPORT}{module}:{whole}"))
    return found


def _names(node: ast.stmt) -> Iterable[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    return {
        n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    }


def _is_plain(node: ast.stmt) -> bool:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return not node.decorator_list and _is_function_plain(node.args)
    if isinstance(node, ast.ClassDef):
        decorated = all(ast.unparse(d) in CLASSES for d in node.decorator_list)
        return decorated and not node.keywords and all(map(_is_member, node.body))
    if isinstance(node, ast.Assign | ast.AnnAssign):
        if isinstance(node.value, ast.Lambda):
            return _is_function_plain(node.value.args)
        return node.value is None or not any(
            isinstance(n, CHANGEABLE) for n in ast.walk(node.value)
        )
    return isinstance(node, ast.Expr | ast.Pass)  # a magic, or a text that documents


def _is_member(node: ast.stmt) -> bool:
    """Return whether a statement of a class's body binds what never changes."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        words = {ast.unparse(d).rpartition(".")[2] for d in node.decorator_list}
        return words <= METHODS and _is_function_plain(node.args)
    if isinstance(node, ast.Assign | ast.AnnAssign):
        return node.value is None or isinstance(node.value, ast.Constant)
    return isinstance(node, ast.Expr | ast.Pass)


def _is_function_plain(arguments: ast.arguments) -> bool:
    """Return whether the defaults of a function are constants."""
    defaults = [*arguments.defaults, *(d for d in arguments.kw_defaults if d is not None)]
    return all(
        isinstance(d, ast.Constant)
        or (isinstance(d, ast.UnaryOp) and isinstance(d.operand, ast.Constant))
        for d in defaults
    )
