"""What a condition comes to where plain values decide it: which way a cell is about to take."""

import ast
import operator
from collections.abc import Callable
from typing import Any

UNKNOWN = object()
PLAIN = frozenset({type(None), bool, int, float, str, bytes})
SIZED = frozenset({list, tuple, dict, set, frozenset})
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
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.List | ast.Tuple) and not node.elts:
        return ()
    if isinstance(node, ast.Name):
        found = value_of(node.id)
        return found if type(found) in PLAIN or type(found) in SIZED else UNKNOWN
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        found = outcome(node.operand, value_of)
        return UNKNOWN if found is UNKNOWN else not found
    if isinstance(node, ast.BoolOp):
        return _either(node, value_of)
    if isinstance(node, ast.Compare):
        return _compared(node, value_of)
    return UNKNOWN


def decides(op: ast.boolop, value: Any) -> bool:
    """Say whether what follows a value in a chain of `and` or of `or` is not asked for."""
    return value is not UNKNOWN and bool(value) is isinstance(op, ast.Or)


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
        among = isinstance(op, ast.In | ast.NotIn) and type(right) in {str, dict, set, frozenset}
        if type(left) not in PLAIN or not (type(right) in PLAIN or among):
            return UNKNOWN
        try:
            if not COMPARED[type(op)](left, right):
                return False
        except TypeError:  # an order that the values do not have
            return UNKNOWN
    return True
