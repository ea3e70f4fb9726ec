"""Finds artists of matplotlib: a cell that uses one may change its figure."""

import itertools
import sys
from typing import Any

from .aliasing import items_of, objects_in

DEEP = 4


def holds_artists(value: Any) -> bool:
    """Return whether a value, or the first item of a container, is an artist."""
    artists: Any = sys.modules.get("matplotlib.artist")
    if not hasattr(artists, "Artist"):
        return False
    for _ in range(DEEP):
        first = next(itertools.chain(items_of(value), objects_in(value)), None)
        if first is None:
            break
        value = first
    return issubclass(type(value), artists.Artist)
