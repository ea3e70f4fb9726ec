"""Which values are, or hold, artists of matplotlib: a cell that uses one may change its figure."""

import sys
from collections.abc import Iterator
from typing import Any

DEEP = 4


def holds_artists(value: Any) -> bool:
    """Return whether a value, or the first item of a container, is an artist."""
    artists: Any = sys.modules.get("matplotlib.artist")
    for _ in range(DEEP):
        first = next(_items(value), None)
        if first is None:
            break
        value = first
    return hasattr(artists, "Artist") and issubclass(type(value), artists.Artist)


def _items(value: Any) -> Iterator[Any]:
    """Return the items of a list, a tuple, a dict or an array of objects, without calling it."""
    kind: Any = type(value)
    if kind is list:
        return iter(value)
    if kind is dict:
        return iter(value.values())
    if issubclass(kind, tuple):
        return tuple.__iter__(value)
    numpy: Any = sys.modules.get("numpy")
    if kind is getattr(numpy, "ndarray", None) and value.dtype.kind == "O":
        return iter(value.flat)
    return iter(())
