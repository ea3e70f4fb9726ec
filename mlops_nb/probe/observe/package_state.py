"""Says whether a cell may have set the state of a package, which no run can restore.

Nobody can list what every package keeps. But a statement that throws its value away is there for
its effect; where it calls into a package, is given none of the notebook's data and draws nothing,
that effect lies in the package. So does that of an attribute set on what a package owns.
"""

import ast
import builtins
import types
from collections.abc import Iterator, Mapping
from typing import Any

from ..introspect import is_code, is_own, is_own_code, top_of, words
from .evidence import Evidence

# what they change is seen otherwise: outputs, figures, files, generators; or it is nothing
SEEN = words(
    """
    IPython builtins gc io itertools json matplotlib mpl_toolkits os pathlib pickle plotly seaborn
    shutil subprocess time
    """
)
SHELL = words("system getoutput getoutputs run_cell")
# magics that leave nothing behind in the shell, or what is seen otherwise
QUIET = words(
    """
    bash cat cd capture env html javascript latex load_ext ls matplotlib mlops pip prun pwd sh
    system time timeit who whos writefile
    """
)
SETTERS = words("setattr delattr vars")
SIMPLE = (int, float, complex, str, bytes, type(None))


def is_set(facts: Evidence, setters: Mapping[str, bool]) -> bool:
    """Say whether a cell may have set the state of a package, directly or by a function.

    setters: functions of the notebook → whether they do
    """
    if any(setters.get(name) for name in {*facts.used, *facts.reached}):
        return True
    return any(_sets(node, facts) for tree, _ in facts.cell.trees for node in ast.walk(tree))


def setters_in(facts: Evidence) -> dict[str, bool]:
    """Return the functions that a cell defines, and whether they set the state of a package."""
    return {
        node.name: any(_sets(part, facts) for part in ast.walk(node))
        for tree, _ in facts.cell.trees
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def _sets(node: ast.AST, facts: Evidence) -> bool:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        return _is_effect(node.value, facts)
    if isinstance(node, ast.Call) and _root(node.func) in SETTERS and node.args:
        return _root(node.func) != "vars" and _is_of_package(node.args[0], facts)
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return any(_registers(decorator, facts) for decorator in node.decorator_list)
    targets = _targets(node)
    return any(_is_of_package(target, facts) for target in targets)


def _targets(node: ast.AST) -> Iterator[ast.expr]:
    """Yield the attributes and items that a statement sets or deletes."""
    found: list[ast.expr] = []
    if isinstance(node, ast.Assign | ast.Delete):
        found = node.targets
    elif isinstance(node, ast.AugAssign | ast.AnnAssign):
        found = [node.target]
    for target in found:
        parts = target.elts if isinstance(target, ast.Tuple | ast.List) else [target]
        yield from (p for p in parts if isinstance(p, ast.Attribute | ast.Subscript))


def _root(node: ast.AST) -> str:
    """Return the name that an expression starts from: `logging` in `logging.root.setLevel`."""
    while True:
        if isinstance(node, ast.Name):
            return node.id
        if isinstance(node, ast.Attribute | ast.Subscript | ast.Starred | ast.Await):
            node = node.value
        elif isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id in SETTERS and node.args:
                node = node.args[0]
                continue
            node = node.func
        else:
            return ""


def _is_of_package(node: ast.AST, facts: Evidence) -> bool:
    """Say whether an expression starts from what a package owns, not from the notebook's data."""
    name = _root(node)
    value = facts.both.get(name)
    if value is None:
        return hasattr(builtins, name) and name not in facts.both
    if is_own_code(value) or is_own(value):
        return False
    return is_code(value) or _is_by_name(value)


def _is_by_name(value: Any) -> bool:
    """Say whether pickle only refers to an object, such as a logger, whose state is elsewhere."""
    if isinstance(value, SIMPLE) or top_of(value) in {"", "numpy", "pandas"}:
        return False
    try:
        found = value.__reduce_ex__(2)
    except Exception:  # noqa: BLE001  the value's own code
        return False
    return isinstance(found, str) or (
        len(found) == 2 and bool(found[1]) and all(isinstance(part, SIMPLE) for part in found[1])  # noqa: PLR2004
    )


def _is_effect(call: ast.Call, facts: Evidence) -> bool:
    """Say whether a call whose value is thrown away has its effect in a package."""
    name = _root(call.func)
    if name == "get_ipython":
        return not _is_quiet(call)
    if name not in facts.both or not _is_of_package(call.func, facts):
        return False  # a builtin, such as `print`, or the notebook's own
    if top_of(facts.both[name]) in SEEN or "random" in ast.unparse(call.func):
        return False
    return not any(_is_data(part, facts) for part in _arguments(call))


def _is_quiet(call: ast.Call) -> bool:
    """Say whether a call of the shell, such as a magic, leaves nothing behind in it."""
    how = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    first = call.args[0] if call.args else None
    magic = first.value if isinstance(first, ast.Constant) else ""
    return how in SHELL if "magic" not in how else magic in QUIET


def _registers(decorator: ast.expr, facts: Evidence) -> bool:
    """Say whether a decorator gives a package what it decorates, to be found there later."""
    name = _root(decorator)
    text = ast.unparse(decorator).partition("(")[0].lower()
    return "regist" in text and name in facts.both and _is_of_package(decorator, facts)


def _arguments(call: ast.Call) -> Iterator[ast.AST]:
    for part in (*call.args, *(k.value for k in call.keywords)):
        yield from ast.walk(part)


def _is_data(node: ast.AST, facts: Evidence) -> bool:
    if not isinstance(node, ast.Name) or node.id not in facts.both:
        return False
    value = facts.both[node.id]
    immutable = isinstance(value, SIMPLE) or callable(value)
    return not immutable and not isinstance(value, types.ModuleType)
