"""Takes a few rows of what a model was fitted or evaluated on, as an example of its input."""

import json
import os
from typing import Any

from ..introspect import namespace
from .values import write_pickle

ROWS = 5
MOST_BYTES = 1_000_000  # of the example: an image, say, is larger


def write(request: str) -> str:
    """Write the first rows of the input of a model; answer {"of"} or {"error"}.

    name:  the model
    given: names that the cells pass to its methods, the likeliest first
    read:  other names that the step of the model reads or makes
    path:  the file for the rows, a pickle
    """
    asked = json.loads(request)
    space = namespace()
    try:
        name, rows = _found(space, space[asked["name"]], asked["given"], asked["read"])
        if rows is None:
            return json.dumps({"error": "no data that the model takes is known and loaded"})
        write_pickle(rows, asked["path"])
    except Exception as error:  # noqa: BLE001  the values are the notebook's own
        return json.dumps({"error": f"{type(error).__name__}: {error}"})
    if os.path.getsize(asked["path"]) > MOST_BYTES:
        os.unlink(asked["path"])
        return json.dumps({"error": f"{len(rows)} rows of {name} take more than 1 MB"})
    return json.dumps({"of": f"the first {len(rows)} rows of {name}"})


def _found(space: dict[str, Any], model: Any, given: list[str], read: list[str]) -> Any:
    """Return the name of the input and its first rows, or ("", None)."""
    names = _attribute(model, "feature_names_in_")
    count = _attribute(model, "n_features_in_")
    for name in [n for n in given if n in space]:
        rows = _rows(space[name], names, count)
        if rows is not None:
            return name, rows
    known = [n for n in read if n in space]
    if names is not None:  # a frame of just these columns comes before wider ones
        known.sort(key=lambda n: len(getattr(space[n], "columns", ())))
    fitting = [(n, _rows(space[n], names, count)) for n in known]
    fitting = [(n, rows) for n, rows in fitting if rows is not None]
    sure = names is not None or (count is not None and len(fitting) == 1)
    return fitting[0] if fitting and sure else ("", None)


def _attribute(model: Any, name: str) -> Any:
    try:
        return getattr(model, name)
    except Exception:  # noqa: BLE001  a property of the model, which may raise anything
        return None


def _rows(value: Any, names: Any, count: Any) -> Any:
    """Return the first rows of a value if a model could have been given it, else None.

    names, count: of the columns that the model was fitted on, None if it does not say
    """
    if names is not None:
        columns = list(names)
        held = set(value.columns) if hasattr(value, "iloc") and hasattr(value, "columns") else set()
        return value[columns].head(ROWS) if held.issuperset(columns) and len(value) else None
    shape = getattr(value, "shape", None)
    if shape is None:
        return value[:ROWS] if isinstance(value, list) and value and count is None else None
    if not shape or not shape[0] or (count is not None and tuple(shape[1:]) != (count,)):
        return None
    if hasattr(value, "iloc"):
        return value.head(ROWS)
    return value[:ROWS].copy() if type(value).__module__ == "numpy" else None
