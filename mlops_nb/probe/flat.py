"""Long lists and dicts of plain values: whether the very same items still stand in them.

Plain values cannot change, so a list stands as long as it holds the same objects in the same
order. Who keeps them alive can tell that by their addresses, which takes a third of the time that
it takes to look at each of them. The addresses are read in copies of our own, that no thread of
the notebook touches.
"""

import ctypes
import struct
import sys
from typing import Any

from .fingerprint import quick
from .fp_walk import SCALARS, TEXTS

FEW, MOST = 4_096, 2_000_000  # items: fewer are looked at one by one; more take too much memory
LONG = 100  # characters of a text, on average: such texts are not kept alive
AT = tuple.__basicsize__  # where a list keeps the place of its items
ADDRESS = struct.calcsize("P")


class Flat:
    """What stood in a long list or dict when it was looked at."""

    __slots__ = ("parts", "whole")

    def __init__(self, whole: Any, parts: list[list[Any]]) -> None:
        self.whole, self.parts = whole, parts

    def stands(self, value: Any) -> bool:
        """Say whether a value is the same list or dict, with the same items in the same order."""
        return self.whole is value and _same(self.parts, _parts(value))

    def __eq__(self, other: object) -> bool:
        if type(other) is not Flat or type(other.whole) is not type(self.whole):
            return False
        return _same(self.parts, other.parts) or quick(self.parts) == quick(other.parts)

    __hash__ = None  # type: ignore[assignment]


def flat(value: Any) -> Flat | None:
    """Return what stands in a long list or dict of plain values, None for any other value."""
    if type(value) not in (list, dict) or not FEW <= len(value) <= MOST or not WORKS:
        return None
    parts = _parts(value)
    for part in parts:
        kinds = set(map(type, part))
        if not kinds <= SCALARS or (kinds & TEXTS and _is_long(part)):
            return None
    return Flat(value, parts)


def _is_long(items: list[Any]) -> bool:
    return sum(len(item) for item in items if type(item) in TEXTS) > LONG * len(items)


def _parts(value: Any) -> list[list[Any]]:
    """Return copies: of a list's items; of a dict's keys and its values."""
    return [list(value), list(value.values())] if type(value) is dict else [list(value)]


def _same(one: list[list[Any]], other: list[list[Any]]) -> bool:
    return all(
        len(a) == len(b) and _addresses(a) == _addresses(b) for a, b in zip(one, other, strict=True)
    )


def _addresses(items: list[Any]) -> bytes:
    place = ctypes.c_void_p.from_address(id(items) + AT).value
    return ctypes.string_at(place, ADDRESS * len(items)) if place else b""


def _works() -> bool:
    """Say whether lists of this interpreter are laid out as `_addresses` takes them to be."""
    if sys.implementation.name != "cpython" or not getattr(sys, "_is_gil_enabled", lambda: True)():
        return False
    items = [object(), object(), object()]
    return _addresses(items) == struct.pack("3P", *map(id, items))


WORKS = _works()
