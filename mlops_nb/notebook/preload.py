"""Finds the imports that a process may make before a notebook runs, with the same result."""

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from mlops_nb.notebook.cells import UNPARSABLE
from mlops_nb.notebook.local_modules import imported, roots
from mlops_nb.notebook.model import Preload

ENVIRONMENT = frozenset({"environ", "environb"})
SEARCH = frozenset({"path", "meta_path", "path_hooks", "modules"})  # of `sys`
METHODS = frozenset(
    {
        "setdefault",
        "update",
        "pop",
        "popitem",
        "clear",
        "insert",
        "remove",
        "reverse",
        "sort",
        "__setitem__",
        "__delitem__",
    }
)
FUNCTIONS = frozenset({"putenv", "unsetenv", "load_dotenv"})
MAGICS = frozenset({"env", "set_env", "dotenv", "pip", "conda", "mamba", "uv", "run"})
INSTALL = re.compile(r"\b(pip3?|conda|mamba|uv)\s([^\n;&|]*\s)?(install|add|sync)\b")


def preload(cells: Iterable[str], local: Iterable[str] = ()) -> Preload:
    """Return the imports of cells, given as plain Python, that may be made in advance.

    An import depends on the environment, the module search path and the installed packages. The
    imports after the first statement that may change one of these are left out. An environment
    variable that is set to a literal before any package is imported is returned instead.

    local: top-level modules that the user may edit, which are never imported in advance

    >>> preload(["import os\\nos.environ['A'] = '1'", "import b.c"])
    Preload(modules=('b.c', 'os'), variables={'A': '1'}, folder='/')
    >>> preload(["import a", "%env", "os.environ.update(found)\\nimport b"]).modules
    ('a',)
    """
    edited = set(local)
    names: set[str] = set()
    variables: dict[str, str] = {}
    for statement in _statements(cells):
        setting = _variable(statement)
        if setting is not None and roots(names) <= sys.stdlib_module_names:
            variables |= dict([setting])
            continue
        early, changed = _imports_before_change(statement)
        names |= early
        if changed or roots(early) & edited:  # the code of a local module may change anything
            break
    ready = sorted(n for n in names if n.partition(".")[0] not in edited)
    return Preload(modules=tuple(ready), variables=variables)


def _statements(cells: Iterable[str]) -> Iterator[ast.stmt]:
    for cell in cells:
        try:
            yield from ast.parse(cell).body
        except UNPARSABLE:
            continue  # the cell fails and changes nothing


def _imports_before_change(statement: ast.stmt) -> tuple[set[str], bool]:
    """Return the names that a statement imports before a change, and whether there is a change."""
    names: set[str] = set()
    placed = [n for n in ast.walk(statement) if hasattr(n, "lineno")]
    for node in sorted(placed, key=lambda n: (n.lineno, n.col_offset)):  # type: ignore[attr-defined]
        if isinstance(node, ast.Import | ast.ImportFrom):
            if any(a.name in ENVIRONMENT and a.asname for a in node.names):
                return names, True
            names |= imported(ast.unparse(node))
        elif _may_change_imports(node):
            return names, True
    return names, False


def _variable(statement: ast.stmt) -> tuple[str, str] | None:
    """Return the name and the value set by `os.environ["NAME"] = "value"` or `%env NAME=value`."""
    match statement:
        case ast.Assign(
            targets=[ast.Subscript(value=held, slice=ast.Constant(value=str(name)))],
            value=ast.Constant(value=str(value)),
        ) if _last_name(held) in ENVIRONMENT:
            return name, value
        case ast.Expr(
            value=ast.Call(
                func=ast.Attribute(attr="run_line_magic"),
                args=[ast.Constant(value="env" | "set_env"), ast.Constant(value=str(text))],
            )
        ):
            name, equals, value = (part.strip() for part in text.partition("="))
            if equals and not set("${ ") & set(name + value):
                return name, value
    return None


def _may_change_imports(node: ast.AST) -> bool:
    """Say whether a node may change the result of later imports."""
    if isinstance(node, ast.Call):
        return _call_may_change_imports(node)
    if isinstance(node, ast.Assign):  # later changes through another name are not recognized
        return _last_name(node.value) in ENVIRONMENT and not isinstance(node.value, ast.Call)
    stored = isinstance(getattr(node, "ctx", None), ast.Store | ast.Del)
    return stored and (
        _affects_imports(node) or (isinstance(node, ast.Subscript) and _affects_imports(node.value))
    )


def _call_may_change_imports(call: ast.Call) -> bool:
    name = _last_name(call.func)
    parts = [part for given in call.args for part in ast.walk(given)]
    texts = [p.value for p in parts if isinstance(p, ast.Constant) and type(p.value) is str]
    if name in {"run_line_magic", "run_cell_magic"} and texts and texts[0] in MAGICS:
        return texts[0] != "env" or bool(set("= ") & set(" ".join(texts[1:])))
    if name in FUNCTIONS or any(INSTALL.search(text) for text in (*texts, " ".join(texts))):
        return True
    return (
        name in METHODS
        and isinstance(call.func, ast.Attribute)
        and _affects_imports(call.func.value)
    )


def _affects_imports(node: Any) -> bool:
    """Say whether imports depend on the object that a node refers to, such as `sys.path`."""
    if _last_name(node) in ENVIRONMENT:
        return True
    return (
        isinstance(node, ast.Attribute) and node.attr in SEARCH and _last_name(node.value) == "sys"
    )


def _last_name(node: Any) -> str:
    """Return the last part of a name or an attribute, or "" for other nodes."""
    return str(getattr(node, "attr", "") or getattr(node, "id", ""))
