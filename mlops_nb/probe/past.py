"""Lets go of what a cell is about to drop, so that it ends when it would end with nobody watching.

A file that is dropped is written, an object's `__del__` prints, the memory of a frame is free: all
that happens at once where nobody else holds them.
"""

import collections
import io
import itertools
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .aliases import own
from .outside import Gone, is_code, is_own, top_of
from .reach import Reach, has

if TYPE_CHECKING:
    from .facts import Cell
    from .reads import Reads

LARGE = frozenset({"numpy", "pandas", "polars", "pyarrow", "scipy", "tensorflow", "torch"})
CONTAINERS = frozenset({list, dict, tuple, set, frozenset, collections.deque})
MOST_ITEMS = 100  # of a container that is looked into
DEEP = 3


def let_go(cell: "Cell", reads: "Reads", space: Mapping[str, Any]) -> None:
    """Hold no value any more that a tree drops, if its end may be noticed; note what it reaches."""
    for name in {*reads.deletes, *reads.stores} & cell.space.keys():
        value = cell.space[name]
        if not _is_noticed(value, 0):
            continue
        use = reads.used.get(name)
        if use is not None:
            reach = Reach(space, reads.attrs)
            reach.take(value, use)
            cell.early.append((use.line, reach))
        cell.space[name] = Gone(value)


def _is_noticed(value: Any, depth: int) -> bool:
    """Say whether anybody may notice when a value ends: by what it does then, or by its size."""
    kind = type(value)
    if is_code(value) or depth > DEEP:
        return False
    if kind in CONTAINERS:
        items = value.values() if kind is dict else value
        return any(_is_noticed(item, depth + 1) for item in itertools.islice(items, MOST_ITEMS))
    if issubclass(kind, io.IOBase) or has(kind, "__del__") or weakref.getweakrefcount(value):
        return True
    held = own(value, "__dict__") if is_own(value) else None
    if type(held) is dict:
        return _is_noticed(held, depth + 1)
    return top_of(value) in LARGE
