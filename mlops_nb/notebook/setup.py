"""Tells cells that only set up or only show from cells that compute."""

import ast
from collections.abc import Mapping

from mlops_nb.probe.syntax.known_calls import PLOTTING, dotted, resolved

QUIET_MAGICS = {
    "matplotlib",
    "load_ext",
    "reload_ext",
    "autoreload",
    "config",
    "precision",
    "mlops",
}


def only_sets_up(tree: ast.Module) -> bool:
    """Say whether a cell holds imports, definitions and constants and nothing else.

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
        plain = all(_is_name(target) for target in node.targets)  # `df["a"] = 0` is work
        return plain and (_is_constant(node.value) or isinstance(node.value, ast.Lambda))
    if isinstance(node, ast.AnnAssign):
        return _is_name(node.target) and (node.value is None or _is_constant(node.value))
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) or magic_of(node.value) in QUIET_MAGICS
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
    """Say whether a cell shows what others made: expressions, loops over them, and drawings.

    imports: names that stand for modules → dotted path

    >>> only_shows(ast.parse("df.describe()"), {})
    True
    """
    work = [node for node in tree.body if not isinstance(node, ast.Import | ast.ImportFrom)]
    work = [node for node in work if not _is_quiet(node)]
    return bool(work) and all(_shows(node, imports) for node in work)


def _is_quiet(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and (
        isinstance(node.value, ast.Constant) or magic_of(node.value) in QUIET_MAGICS
    )


def _shows(node: ast.stmt, imports: Mapping[str, str]) -> bool:
    if isinstance(node, ast.Expr):
        timed = _timed(node.value)
        if timed is not None:
            return all(_shows(child, imports) for child in timed)
        return not any(isinstance(child, ast.NamedExpr) for child in ast.walk(node))
    if isinstance(node, ast.Assign):
        return _draws(node.value, imports)
    if isinstance(node, ast.For | ast.With | ast.If):
        parts = [*node.body, *getattr(node, "orelse", [])]
        return all(_shows(child, imports) for child in parts)
    return isinstance(node, ast.Pass)


def _timed(node: ast.expr) -> list[ast.stmt] | None:
    """Return the statements of `%time STATEMENT`, which binds what they bind; None elsewhere."""
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
