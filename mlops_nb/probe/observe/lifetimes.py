"""Lets go of what a cell is about to drop, so that it ends when it would end with nobody watching.

A file that is dropped is written, an object's `__del__` prints, the memory of a frame is free: all
that happens at once where nobody else holds them.
"""

import io
import itertools
import weakref
from collections.abc import Mapping
from typing import Any

from ..introspect import LARGE, Gone, is_code, top_of
from ..syntax.known_calls import KEEPERS
from ..syntax.visitor import Visitor
from .aliasing import CONTAINERS, SUSPENDED, items_of, own
from .closure import Reach, has
from .evidence import CellStart
from .memory import Memory

FEW = 50  # attributes of an object that is looked into
MOST_ITEMS = 100  # of a container that is looked into
DEEP = 3


def look_ahead(memory: Memory, cell: CellStart, reads: Visitor, user_ns: Mapping[str, Any]) -> None:
    """Note what a tree may run that is no longer there when it has ended.

    That is the code of objects that leave their containers, and of values that the tree drops:
    those are not held any more, if anybody may notice when they end.
    """
    known = memory.known_values(reads.loads)
    reach = Reach(user_ns, reads.attrs, memory.misses, known)
    dropped = {*reads.deletes, *reads.stores} & cell.space.keys()
    for name, use in sorted(reads.loads.items(), key=lambda item: item[1].line):
        value = cell.space.get(name)
        lives_on = name not in dropped
        if lives_on and not _may_lose(value, memory.shares.get(name, frozenset())):
            continue
        before = set(reach.names)
        reach.take(value, use, kept=use.is_kept(lambda callee: keeps(callee, cell.space)))
        cell.early.append((use.line, reach.names - before))
    cell.reaches.append(reach)
    for name in dropped:
        if _is_noticed(cell.space[name], 0):
            cell.space[name] = Gone(cell.space[name])


def keeps(callee: str, space: Mapping[str, Any]) -> bool:
    """Say whether a callee keeps what it is given: `partial`, an estimator's class."""
    value: Any = space.get(callee)
    return callee in KEEPERS or (issubclass(type(value), type) and has(value, "get_params"))


def _may_lose(value: Any, parts: frozenset[int]) -> bool:
    """Say whether a value may hold fewer objects afterwards, parts: ids of what it holds."""
    kind = type(value)
    return kind in SUSPENDED or len(parts) > 1


def _is_noticed(value: Any, depth: int) -> bool:
    """Say whether anybody may notice when a value ends: by what it does then, or by its size."""
    kind = type(value)
    if is_code(value) or depth > DEEP:
        return False
    if issubclass(kind, CONTAINERS):
        some = list(itertools.islice(items_of(value), MOST_ITEMS))
        return any(_is_noticed(item, depth + 1) for item in some)
    if issubclass(kind, io.IOBase) or has(kind, "__del__") or weakref.getweakrefcount(value):
        return True
    if top_of(value) in LARGE:
        return True
    held = own(value, "__dict__")
    return type(held) is dict and len(held) < FEW and _is_noticed(held, depth + 1)
