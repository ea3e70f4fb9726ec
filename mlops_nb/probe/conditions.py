"""What a condition comes to where plain values decide it: which way a cell is about to take."""

import ast
import operator
from collections.abc import Callable
from typing import Any

from .fp_walk import SCALARS

UNKNOWN = object()
SIZED = frozenset({list, tuple, dict, set, frozenset})
FEW = 100  # items of a container that is searched
COMPARED: dict[type, Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le,
    ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Is: operator.is_, ast.IsNot: operator.is_not,
    ast.In: lambda a, b: a in b, ast.NotIn: lambda a, b: a not in b,
}  # fmt: skip
ValueOf = Callable[[str], Any]


def outcome(node: ast.expr, value_of: ValueOf) -> Any:
    """Return the value of an expression, UNKNOWN where more than plain values decides it.

    value_of: returns a name's value, UNKNOWN where that may be another one by then

    >>> outcome(ast.parse("n > 1 and not s", mode="eval").body, {"n": 2, "s": ""}.get)
    True
    """
    rule = RULES.get(type(node))
    try:
        return UNKNOWN if rule is None else rule(node, value_of)
    except Exception:  # noqa: BLE001  an order that values do not have, a text that is too deep
        return UNKNOWN


def decides(op: ast.boolop, value: Any) -> bool:
    """Say whether what follows a value in a chain of `and` or of `or` is not asked for."""
    return value is not UNKNOWN and bool(value) is isinstance(op, ast.Or)


def matches(pattern: ast.pattern, value: Any) -> Any:
    """Say whether a pattern of `match` takes a plain value, UNKNOWN where its text does not tell.

    >>> case = ast.parse("match v:\\n case 1 | 2: pass").body[0].cases[0]
    >>> matches(case.pattern, 2), matches(case.pattern, 3)
    (True, False)
    """
    if isinstance(pattern, ast.MatchAs):
        return True if pattern.pattern is None else matches(pattern.pattern, value)
    if isinstance(pattern, ast.MatchSingleton):
        return value is pattern.value
    if isinstance(pattern, ast.MatchValue):
        wanted = outcome(pattern.value, lambda _: UNKNOWN)
        return UNKNOWN if wanted is UNKNOWN else bool(value == wanted)
    if isinstance(pattern, ast.MatchOr):
        found = [matches(one, value) for one in pattern.patterns]
        sure = True in found or UNKNOWN not in found
        return True in found if sure else UNKNOWN
    return UNKNOWN if isinstance(pattern, ast.MatchClass) else False  # of what has parts


def _named(node: ast.Name, value_of: ValueOf) -> Any:
    found = value_of(node.id)
    return found if type(found) in SCALARS or type(found) in SIZED else UNKNOWN


def _written(node: ast.List | ast.Tuple | ast.Dict, _: ValueOf) -> Any:
    return UNKNOWN if (node.keys if isinstance(node, ast.Dict) else node.elts) else ()


def _opposite(node: ast.UnaryOp, value_of: ValueOf) -> Any:
    found = outcome(node.operand, value_of) if isinstance(node.op, ast.Not) else UNKNOWN
    return UNKNOWN if found is UNKNOWN else not found


def _length(node: ast.Call, value_of: ValueOf) -> Any:
    asked = isinstance(node.func, ast.Name) and node.func.id == "len"
    if not asked or value_of("len") is not UNKNOWN or len(node.args) != 1 or node.keywords:
        return UNKNOWN
    found = outcome(node.args[0], value_of)
    return len(found) if type(found) in SIZED | {str, bytes} else UNKNOWN


def _called(node: ast.Call, value_of: ValueOf) -> Any:
    """Return what `len(…)` of a plain value, or `range(…)` of plain numbers, gives."""
    name = getattr(node.func, "id", "")
    return _counted(node, value_of) if name == "range" else _length(node, value_of)


def _counted(node: ast.Call, value_of: ValueOf) -> Any:
    found = [outcome(part, value_of) for part in node.args]
    known = {int}.issuperset(map(type, found)) and value_of("range") is UNKNOWN
    return range(*found) if known and not node.keywords else UNKNOWN


def _either(node: ast.BoolOp, value_of: ValueOf) -> Any:
    found: Any = UNKNOWN
    for part in node.values:
        found = outcome(part, value_of)
        if found is UNKNOWN or decides(node.op, found):
            return found
    return found


def _compared(node: ast.Compare, value_of: ValueOf) -> Any:
    values = [outcome(part, value_of) for part in (node.left, *node.comparators)]
    for op, left, right in zip(node.ops, values, values[1:], strict=False):
        known = type(right) in SCALARS or (isinstance(op, ast.In | ast.NotIn) and _is_plain(right))
        if type(left) not in SCALARS or not known:
            return UNKNOWN
        if not COMPARED[type(op)](left, right):
            return False
    return True


def _is_plain(values: Any) -> bool:
    """Say whether a short container holds nothing whose own code is asked when it is searched."""
    return type(values) in SIZED and len(values) < FEW and SCALARS.issuperset(map(type, values))


RULES: dict[type, Callable[[Any, ValueOf], Any]] = {
    ast.Constant: lambda node, _: node.value,
    ast.Name: _named,
    ast.List: _written,
    ast.Tuple: _written,
    ast.Dict: _written,
    ast.UnaryOp: _opposite,
    ast.BoolOp: _either,
    ast.Compare: _compared,
    ast.Call: _called,
}
