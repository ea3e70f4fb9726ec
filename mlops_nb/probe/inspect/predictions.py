"""Writes what a run was judged on: truth, predictions, scores, and which slice each row is of."""

import json
import sys
from typing import Any

from ..introspect import namespace
from ..values.pickling import one_line
from .columns import save


def write(request: str) -> str:
    """Write the arrays that an evaluation mark names; answer {"file", "format", …} or {"error"}.

    names: truth, pred, score, query → a name of the notebook; by: names, each a slicing of the rows
    """
    asked = json.loads(request)
    space = namespace()
    kinds: dict[str, str] = {}
    arrays: dict[str, Any] = {}
    named = {**asked["names"], **{f"by {name}": name for name in asked["by"]}}
    gone = [repr(name) for name in named.values() if name not in space]
    if gone:
        return json.dumps({"error": f"there is no {', '.join(gone)}"})
    try:
        for role, name in named.items():
            arrays[role] = array(space[name], name, role)
            kinds[role] = "number" if _holds_numbers(arrays[role]) else "text"
        lengths = {name: len(arrays[role]) for role, name in named.items()}
        if len(set(lengths.values())) > 1:
            told = ", ".join(f"{name} has {length}" for name, length in lengths.items())
            return json.dumps({"error": f"they are not of the same rows: {told}"})
        rows = next(iter(lengths.values()), 0)
        return json.dumps({**save(arrays, kinds, asked["file"]), "rows": rows})
    except Exception as error:  # noqa: BLE001  whatever the notebook bound to those names
        return json.dumps({"error": one_line(error)})


def array(value: Any, name: str, role: str) -> Any:
    """Return a value as (n,) numbers, truth values, or texts as objects; a list without numpy."""
    numpy: Any = sys.modules.get("numpy")
    if numpy is None:
        known = list(value)
        is_label = role[:2] == "by" or role == "query"
        return known if _are_numbers(known) and not is_label else [str(one) for one in known]
    made = numpy.asarray(value)
    if role == "score" and made.ndim == 2 and made.shape[1] == 2:  # noqa: PLR2004  predict_proba
        made = made[:, 1]
    if made.ndim == 2 and made.shape[1] == 1:  # noqa: PLR2004
        made = made[:, 0]
    if made.ndim != 1:
        raise ValueError(f"{name!r} has {made.ndim} dimensions where one is needed")
    if made.dtype.kind == "O" and _are_numbers(made.tolist()):
        made = numpy.array(made.tolist())
    if role[:2] == "by" or role == "query" or made.dtype.kind not in "biuf":
        texts = numpy.empty(len(made), dtype=object)
        texts[:] = [str(one) for one in made.tolist()]
        return texts
    return made.astype("float64") if made.dtype.itemsize > 8 else made  # noqa: PLR2004  bytes


def _holds_numbers(array: Any) -> bool:
    return _are_numbers(array) if isinstance(array, list) else array.dtype.kind != "O"


def _are_numbers(values: list[Any]) -> bool:
    kinds = {type(one) for one in values}
    return kinds == {bool} or (bool(kinds) and kinds <= {int, float})
