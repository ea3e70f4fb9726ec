"""Finds the tables among the values of a notebook."""

import sys
from collections.abc import Iterable, Mapping
from typing import Any


def is_table(value: Any) -> bool:
    """Return whether a value is a frame, a series, or an array of two dimensions."""
    pandas, numpy = (sys.modules.get(n) for n in ("pandas", "numpy"))
    if pandas is not None and isinstance(value, pandas.DataFrame | pandas.Series):
        return True
    return numpy is not None and isinstance(value, numpy.ndarray) and value.ndim == 2  # noqa: PLR2004


def first_of(
    space: Mapping[str, Any], names: Iterable[str], length: int | None
) -> tuple[str, Any] | None:
    """Return the first of some names that holds a table of so many rows, with the table.

    length: None for any but an empty one
    """
    for name in names:
        if name in space and is_table(space[name]) and len(space[name]):
            table = space[name]
            if length is None or len(table) == length:
                return name, table
    return None
