"""Finds the columns of the rows that have the values by which an evaluation cut them."""

from collections.abc import Iterable
from typing import Any

FIRST = 20  # rows


def columns_of(
    space: dict[str, Any], by: Iterable[str], raw: Any, signature: dict[str, Any]
) -> dict[str, str]:
    """Return slicing → the column of the rows that has its values in every row.

    One that the model takes comes before others, and of these one of the same name.
    """
    if not hasattr(raw, "columns"):
        return {}
    taken = {column["name"] for column in signature["columns"]}
    found = {}
    for name in by:
        order = sorted(raw.columns, key=lambda c: (str(c) not in taken, str(c) != name))
        texts = _texts(space.get(name))
        column = next((str(c) for c in order if _holds(raw[c], texts)), None)
        if column is not None:
            found[name] = column
    return found


def _holds(column: Any, texts: list[str]) -> bool:
    """Return whether a column of a frame has these values; most differ in the first rows."""
    if getattr(column, "ndim", 0) != 1 or len(column) != len(texts):
        return False
    return _texts(column[:FIRST]) == texts[:FIRST] and _texts(column) == texts


def _texts(values: Any) -> list[str]:
    """Return values as the evaluation has its slices, none of what holds no values."""
    if not hasattr(values, "__iter__"):
        return []
    listed = values.tolist() if hasattr(values, "tolist") else list(values)
    return [str(one) for one in listed]
