"""Computes metrics that functions of the notebook define, of (truth, pred, score, rows)."""

import json
import numbers
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..inspect.predictions import array
from ..introspect import namespace
from ..values.pickling import one_line
from .tables import first_of

ROLES = ("truth", "pred", "score")


def measure(request: str) -> str:
    """Compute metrics on what a run is judged on; answer metric → {"value", "by"} or {"error"}.

    functions: metric → the name of its function
    names:  truth, pred, score → a name of the notebook
    rows:   names that may hold the rows of the evaluation, the likeliest first
    slices: name of a slicing → its slices, none without; "by" answers slicing → slice → value,
            null if it failed
    """
    asked = json.loads(request)
    space = namespace()
    found: dict[str, dict[str, Any]] = {}
    for metric, name in asked["functions"].items():
        try:
            given = [_given(space, asked["names"].get(role), role) for role in ROLES]
            rows, function = _rows(space, asked), space[name]
            found[metric] = {"value": value_of(function, given, rows)}
            for by, slices in asked.get("slices", {}).items():
                of = array(space[by], by, "by")
                made = _by(function, given, rows, of, slices)
                found[metric].setdefault("by", {})[by] = made
        except Exception as error:  # noqa: BLE001  the notebook's own function
            found[metric] = {"error": one_line(error)}
    return json.dumps(found)


def _by(
    function: Callable[..., Any], given: Sequence[Any], rows: Any, of: Any, slices: Sequence[str]
) -> dict[str, float | None]:
    """Return slice → what a function computes of its rows, None if it fails.

    of: (n,) the slice of each row
    """
    import numpy

    found: dict[str, float | None] = {}
    for one in slices:
        mine = numpy.asarray(of, object) == one
        part = [None if values is None else numpy.asarray(values)[mine] for values in given]
        try:
            found[one] = value_of(function, part, None if rows is None else rows[mine])
        except Exception:  # noqa: BLE001  the notebook's own function, which took the whole
            found[one] = None
    return found


def value_of(function: Callable[..., Any], given: Sequence[Any], rows: Any) -> float:
    """Return what a function computes, as a number. Raises whatever it raises.

    >>> value_of(lambda truth, pred, score, rows: sum(truth), ([0, 1], [1, 1], None), [])
    1.0
    """
    found = function(*given, rows)
    if hasattr(found, "item") and getattr(found, "size", 0) == 1:
        found = found.item()
    if not isinstance(found, numbers.Real):
        raise TypeError(f"it returned {type(found).__name__}, which is no number")
    value = float(found)
    if value != value or value in {float("inf"), float("-inf")}:  # noqa: PLR0124  NaN
        raise ValueError(f"it returned {value}")
    return value


def of_columns(function: Callable[..., Any], asked: Mapping[str, Any], rows: Any) -> float:
    """Return what a function computes of labelled rows that were answered.

    asked: truth, pred and score as JSON values, one a row; score may be None
    """
    import numpy

    given = []
    for role in ROLES:
        made: Any = None if asked[role] is None else numpy.asarray(asked[role])
        texts = made is not None and made.dtype.kind == "U"
        given.append(made.astype(object) if texts else made)  # as those of the notebook
    return value_of(function, given, rows)


def _given(space: Mapping[str, Any], name: str | None, role: str) -> Any:
    return array(space[name], name, role) if name else None


def _rows(space: Mapping[str, Any], asked: Mapping[str, Any]) -> Any:
    """Return the rows of the evaluation, None where none are at hand."""
    found = first_of(space, asked["rows"], len(space[asked["names"]["truth"]]))
    return None if found is None else found[1]
