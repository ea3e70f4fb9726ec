"""How the standard library's own kinds of values are written."""

import array
import datetime
import decimal
import io
import itertools
import marshal
import pathlib
import re
import types
import uuid
from collections.abc import Callable
from typing import Any

from .walk import SCALARS, Rule, Unknown, Walk, has_nan, settled

FLAT = frozenset({tuple})


def write_list(walk: Walk, value: list[Any]) -> None:
    """Take in a list."""
    walk.raw(b"list", b"%d" % len(value))
    walk.items(value)


def write_tuple(walk: Walk, value: tuple[Any, ...]) -> None:
    """Take in a tuple: one of scalars by value alone, so that equal constants agree."""
    if not SCALARS.issuperset(map(type, value)) and walk.again(value):
        return
    walk.raw(b"tuple", b"%d" % len(value))
    walk.items(value)


def write_set(walk: Walk, value: set[Any] | frozenset[Any]) -> None:
    """Take in a set in an order that depends on its items alone."""
    kind = type(value)
    if kind is not set and kind is not frozenset:
        walk.value(kind)
    walk.raw(b"frozenset" if isinstance(value, frozenset) else b"set", b"%d" % len(value))
    kinds = set(map(type, value))
    if kinds in ({int}, {str}, {bytes}):
        walk.items(sorted(value))
    elif kinds <= SCALARS:
        walk.raw(b"sorted", b"".join(sorted(marshal.dumps(settled(v), 2) for v in value)))
    elif kinds <= FLAT and SCALARS.issuperset(map(type, itertools.chain.from_iterable(value))):
        # tuples of scalars; a NaN in one of them is settled in a list of its items
        told = (marshal.dumps([settled(v) for v in one], 2) for one in value)
        walk.raw(b"tuples", b"".join(sorted(told)))
    else:
        walk.raw(b"apart", b"".join(sorted(walk.apart(v) for v in value)))
    if kind is not set and kind is not frozenset:
        walk.pairs(getattr(value, "__dict__", {}))


def write_slice(walk: Walk, value: "slice[Any, Any, Any]") -> None:
    """Take in a slice."""
    walk.raw(b"slice")
    walk.value((value.start, value.stop, value.step))


def _clock(value: datetime.datetime | datetime.time) -> bytes:
    return f"{value.replace(tzinfo=None).isoformat()} {value.fold}".encode()


def write_clock(walk: Walk, value: datetime.datetime | datetime.time) -> None:
    """Take in a datetime or a time with its zone."""
    walk.raw(type(value).__name__.encode(), _clock(value))
    walk.value(value.tzinfo)


def write_clocks(walk: Walk, values: Any) -> None:
    """Take in many datetimes or times; those of no zone at once."""
    if any(value.tzinfo is not None for value in values):
        walk.raw(b"zoned")
        for value in values:
            write_clock(walk, value)
        return
    walk.raw(b"clocks", type(values[0]).__name__.encode())
    walk.raw(b"data", marshal.dumps(list(map(_clock, values)), 2))


def write_numbers(walk: Walk, value: "array.array[Any]") -> None:
    """Take in an `array.array`."""
    if value.typecode in "fd" and has_nan(value, {float}):
        value = array.array(value.typecode, map(settled, value))
    walk.raw(b"numbers", value.typecode.encode())
    walk.raw(b"data", memoryview(value).cast("B"))


def write_view(walk: Walk, value: memoryview) -> None:
    """Take in what a memoryview shows."""
    walk.raw(b"view", f"{value.format}{value.shape}".encode())
    walk.raw(b"data", value.tobytes())


def write_stream(walk: Walk, value: io.StringIO | io.BytesIO) -> None:
    """Take in a stream in memory: its content, its place, what was hung on it."""
    walk.raw(b"stream", type(value).__name__.encode())
    walk.value(value.__getstate__())


def write_nothing(_: Walk, value: object) -> None:
    """Refuse what has an identity and no content."""
    raise Unknown(f"{value!r} has no content")


PLAIN: dict[type, Callable[[Any], bytes]] = {
    type(...): lambda _: b"",
    type(NotImplemented): lambda _: b"",
    range: lambda v: b"%d:%d:%d" % (v.start, v.stop, v.step),
    decimal.Decimal: lambda v: str(v).encode(),
    datetime.date: lambda v: v.isoformat().encode(),
    datetime.timedelta: lambda v: repr(v).encode(),
    datetime.timezone: lambda v: repr(v).encode(),
    uuid.UUID: lambda v: v.bytes,
    pathlib.PosixPath: lambda v: str(v).encode("utf-8", "surrogatepass"),
    pathlib.WindowsPath: lambda v: str(v).encode("utf-8", "surrogatepass"),
    pathlib.PurePosixPath: lambda v: str(v).encode("utf-8", "surrogatepass"),
    pathlib.PureWindowsPath: lambda v: str(v).encode("utf-8", "surrogatepass"),
}


def _plainly(kind: type, told: Callable[[Any], bytes]) -> Rule:
    tag = kind.__name__.encode()

    def write(walk: Walk, value: Any) -> None:
        walk.raw(tag, told(value))

    def many(walk: Walk, values: Any) -> None:
        walk.raw(tag, marshal.dumps(list(map(told, values)), 2))

    return Rule(write, tracked=False, many=many)


RULES: dict[type, Rule] = {
    **{kind: _plainly(kind, told) for kind, told in PLAIN.items()},
    list: Rule(write_list),
    tuple: Rule(write_tuple, tracked=False),
    dict: Rule(Walk.pairs),
    set: Rule(write_set),
    frozenset: Rule(write_set),
    bytearray: Rule(lambda walk, value: walk.raw(b"bytearray", bytes(value))),
    slice: Rule(write_slice),
    datetime.datetime: Rule(write_clock, tracked=False, many=write_clocks),
    datetime.time: Rule(write_clock, tracked=False, many=write_clocks),
    array.array: Rule(write_numbers),
    memoryview: Rule(write_view),
    io.StringIO: Rule(write_stream),
    io.BytesIO: Rule(write_stream),
    re.Pattern: Rule(
        lambda walk, v: walk.raw(b"pattern", f"{v.flags}:{v.pattern!r}".encode()), tracked=False
    ),
    types.ModuleType: Rule(lambda walk, v: walk.raw(b"module", v.__name__.encode()), tracked=False),
    object: Rule(write_nothing),
}
