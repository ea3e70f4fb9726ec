"""Digests of values: different values have different digests, in every process the same.

It needs the standard library alone and imports nothing of this package, since it also runs in
kernels that have never heard of it; numpy and pandas are looked up only where they are loaded.
"""

import datetime
import decimal
import dis
import functools
import hashlib
import re
import struct
import sys
import types
from collections.abc import Callable
from typing import Any

VERSION = b"mlops-nb/1"
MAX_DEPTH = 200


class Unknown(Exception):
    """A value whose content cannot be told."""


class _Digest:
    """One walk over one value. Objects seen before are written as their number."""

    def __init__(self) -> None:
        self.hash = hashlib.sha256(VERSION)
        self.seen: dict[int, int] = {}
        self.alive: list[object] = []  # keeps ids from being used twice
        self.depth = 0

    def raw(self, tag: str, data: bytes | memoryview = b"") -> None:
        """Take in a tagged, length-prefixed stretch of bytes."""
        size = data.nbytes if isinstance(data, memoryview) else len(data)
        self.hash.update(f"{tag}:{size};".encode())
        self.hash.update(data)

    def value(self, value: Any) -> None:
        """Take in any value."""
        kind = type(value)
        plain = PLAIN.get(kind)
        if plain is not None:
            self.raw(kind.__name__, plain(value))
            return
        if id(value) in self.seen:
            self.raw("again", str(self.seen[id(value)]).encode())
            return
        self.seen[id(value)] = len(self.seen)
        self.alive.append(value)
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Unknown("nested too deep")
        self._composite(value, kind)
        self.depth -= 1

    def _composite(self, value: Any, kind: type) -> None:
        if kind in (list, tuple):
            self.raw(kind.__name__, str(len(value)).encode())
            for item in value:
                self.value(item)
        elif kind is dict:
            self._pairs("dict", value)
        elif kind in (set, frozenset):
            self.raw(kind.__name__, "".join(sorted(digest(item) for item in value)).encode())
        elif isinstance(value, types.ModuleType):
            self.raw("module", value.__name__.encode())
        elif isinstance(value, types.FunctionType):
            self._function(value)
        elif isinstance(value, types.BuiltinFunctionType | types.MethodType):
            self.raw("method", value.__qualname__.encode())
            owner = getattr(value, "__self__", None)
            if owner is not None and not isinstance(owner, types.ModuleType):
                self.value(owner)
        elif isinstance(value, type):
            self._class(value)
        elif isinstance(value, DESCRIBED):
            self._described(value)
        elif isinstance(value, types.CodeType):
            self._code(value)
        elif isinstance(value, re.Pattern):
            self.raw("pattern", f"{value.flags}:{value.pattern!r}".encode())
        elif not (self._numpy(value) or self._pandas(value)):
            self._object(value)

    def _pairs(self, tag: str, pairs: dict[Any, Any]) -> None:
        self.raw(tag, str(len(pairs)).encode())
        for key, item in pairs.items():
            self.value(key)
            self.value(item)

    def _code(self, code: types.CodeType) -> None:
        self.raw("code")
        self.value(_instructions(code))
        nested = 0x10  # the same function, defined inside another one, does the same
        flags = code.co_flags & ~nested
        self.value((code.co_names, code.co_varnames, code.co_freevars, flags))
        self.value(code.co_consts)

    def _function(self, function: types.FunctionType) -> None:
        self.raw("function", function.__name__.encode())
        self._code(function.__code__)
        self.value(function.__defaults__)
        self.value(function.__kwdefaults__)
        for cell in function.__closure__ or ():
            try:
                self.value(cell.cell_contents)
            except ValueError:  # an empty cell
                self.raw("empty")

    def _class(self, value: type) -> None:
        self.raw("class", f"{value.__module__}.{value.__qualname__}".encode())
        if value.__module__ == "__main__":
            self.value(value.__bases__)
            for name, item in sorted(vars(value).items()):
                if name not in UNWRITTEN:
                    self.value(name)
                    self.value(item)

    def _described(self, value: Any) -> None:
        """Take in what stands in a class for a function or a dict of it."""
        self.raw("described", type(value).__name__.encode())
        if isinstance(value, types.MappingProxyType):
            self._pairs("dict", dict(value))
        elif isinstance(value, property):
            self.value((value.fget, value.fset, value.fdel))
        elif isinstance(value, functools.cached_property):
            self.value(value.func)
        else:
            self.value(value.__func__)

    def _numpy(self, value: Any) -> bool:
        numpy = sys.modules.get("numpy")
        if numpy is None:
            return False
        if isinstance(value, numpy.ma.MaskedArray):
            self.raw("masked")
            self._array(numpy.ma.getdata(value), numpy)
            self._array(numpy.ma.getmaskarray(value), numpy)
            self.value(value.fill_value)
            return True
        if isinstance(value, numpy.ndarray | numpy.generic):
            if isinstance(value, numpy.matrix | numpy.recarray):  # the same data, other meaning
                self.raw("kind", type(value).__name__.encode())
            self._array(numpy.asarray(value), numpy, scalar=isinstance(value, numpy.generic))
            return True
        if isinstance(value, numpy.dtype):
            self.raw("dtype", repr(value.descr if value.fields else value.str).encode())
            return True
        if isinstance(value, numpy.random.Generator):
            self.raw("generator")
            self.value(value.bit_generator.state)
            return True
        return False

    def _array(self, array: Any, numpy: Any, *, scalar: bool = False) -> None:
        kind = "scalar" if scalar else "array"
        self.raw(kind, f"{array.dtype.str}{array.shape}".encode())
        if array.dtype.fields:
            for name in array.dtype.names:  # field by field: padding bytes are no content
                self.raw("field", name.encode())
                self._array(array[name], numpy)
        elif array.dtype.hasobject:
            for item in array.ravel().tolist():
                self.value(item)
        else:
            if array.dtype.kind in "fc" and numpy.isnan(array).any():
                array = numpy.where(numpy.isnan(array), array.dtype.type("nan"), array)
            flat = numpy.ascontiguousarray(array).reshape(-1).view(numpy.uint8)
            self.raw("data", flat.data)

    def _pandas(self, value: Any) -> bool:
        pandas = sys.modules.get("pandas")
        if pandas is None or not hasattr(pandas, "DataFrame"):
            return False
        if isinstance(value, pandas.DataFrame):
            self.raw("frame", f"{value.shape}".encode())
            self.value(list(value.columns))
            self.value([list(value.columns.names), list(value.index.names)])
            self._column(value.index, pandas)
            for place in range(value.shape[1]):
                self._column(value.iloc[:, place], pandas)
            self.value(dict(value.attrs))
        elif isinstance(value, pandas.Series):
            self.raw("series")
            self.value([value.name, list(value.index.names)])
            self._column(value.index, pandas)
            self._column(value, pandas)
            self.value(dict(value.attrs))
        elif isinstance(value, pandas.Index):
            self.raw("index")
            self.value(list(value.names))
            self._column(value, pandas)
        elif value is pandas.NaT or value is pandas.NA:
            self.raw("missing", str(value).encode())
        elif isinstance(value, pandas.Timestamp | pandas.Timedelta):
            told = f"{value.isoformat()} {value.unit} {getattr(value, 'tz', '')}"
            self.raw(type(value).__name__, told.encode())
        else:
            return False
        return True

    def _column(self, column: Any, pandas: Any) -> None:
        self.raw("column", f"{type(column).__name__} {column.dtype!r}".encode())
        if isinstance(column, pandas.MultiIndex):
            for level in range(column.nlevels):
                self._column(column.get_level_values(level), pandas)
            return
        values = column.array
        if isinstance(values, pandas.Categorical):
            self._column(values.categories, pandas)
            self.raw("ordered", str(values.ordered).encode())
            self._array(values.codes, sys.modules["numpy"])
            return
        numpy = sys.modules["numpy"]
        dtype = column.dtype
        if isinstance(dtype, numpy.dtype) and not dtype.hasobject:
            self._array(numpy.asarray(values), numpy)
        elif hasattr(values, "_data") and hasattr(values, "_mask"):  # nullable numbers
            mask = numpy.asarray(values._mask)
            self._array(mask, numpy)
            self._array(numpy.where(mask, values._data.dtype.type(0), values._data), numpy)
        elif getattr(dtype, "tz", None) is not None:
            self.raw("zone", str(dtype.tz).encode())
            self._array(numpy.asarray(values.asi8), numpy)
        elif hasattr(values, "_pa_array"):
            self._arrow(values._pa_array)
        else:
            self._objects(values, pandas)

    def _arrow(self, chunks: Any) -> None:
        """Take in an Arrow column, whatever its chunks: codes by first appearance, then values."""
        array = chunks.combine_chunks()
        for part in getattr(array, "chunks", [array]):
            if part.type.num_fields:  # lists and structs have no dictionary
                self.value(part.to_pylist())
                continue
            coded = part if hasattr(part, "dictionary") else part.dictionary_encode()
            self._array(coded.indices.fill_null(-1).to_numpy(zero_copy_only=False),
                        sys.modules["numpy"])  # fmt: skip
            self.value(coded.dictionary.to_pylist())

    def _objects(self, values: Any, pandas: Any) -> None:
        """Take in a column of texts or objects: kinds first, then lengths and bytes at once."""
        items = list(values)
        if all(type(item) is str for item in items):
            data = [item.encode("utf-8", "surrogatepass") for item in items]
            self.raw("texts", struct.pack(f"<{len(data)}q", *map(len, data)))
            self.raw("data", b"".join(data))
            return
        for item in items:
            if item is None or item is pandas.NA or item is pandas.NaT or item != item:  # noqa: PLR0124
                self.raw("missing", type(item).__name__.encode())
            else:
                self.value(item)

    def _object(self, value: Any) -> None:
        kind = type(value)
        if isinstance(value, types.GeneratorType | types.CoroutineType) or hasattr(value, "fileno"):
            raise Unknown(f"a {kind.__name__} has no content of its own")
        self.raw("object", f"{kind.__module__}.{kind.__qualname__}".encode())
        if kind.__module__ == "__main__":
            self._class(kind)
        try:
            reduced = value.__reduce_ex__(4)
        except Exception as error:  # noqa: BLE001  the value's own code
            raise Unknown(f"a {kind.__name__} cannot be taken apart ({error})") from None
        if isinstance(reduced, str):
            self.raw("global", reduced.encode())
            return
        self.value(reduced[0])
        self.value(reduced[1])
        state = reduced[2] if len(reduced) > 2 else None  # noqa: PLR2004
        if isinstance(state, dict):
            state = {k: v for k, v in state.items() if k != "_sklearn_version"}
        self.value(state)
        for part in reduced[3:5]:
            if part is not None:
                self.value(list(part))


DESCRIBED = (staticmethod, classmethod, property, functools.cached_property, types.MappingProxyType)
# what Python keeps in a class beside what its author wrote, some of it only once it was asked for
UNWRITTEN = {"__dict__", "__weakref__", "__doc__", "__module__", "_abc_impl", "__slotnames__",
             "__annotations__", "__firstlineno__", "__static_attributes__"}  # fmt: skip


# instructions that depend on where a function stands: `np.log(x)` is compiled in another way
# where `import numpy as np` stands in the same file
PLACED = {"CACHE", "RESUME", "PUSH_NULL", "PRECALL", "NOP", "EXTENDED_ARG", "NOT_TAKEN"}
SAME = {"LOAD_METHOD": "LOAD_ATTR", "CALL_METHOD": "CALL", "CALL_FUNCTION": "CALL"}


def _instructions(code: types.CodeType) -> list[Any]:
    """Return what a code object does, without what depends on where it was compiled."""
    kept = [i for i in dis.get_instructions(code) if i.opname not in PLACED]
    jumps = {*dis.hasjrel, *dis.hasjabs}
    found: list[Any] = []
    for one in kept:
        argument = one.argval
        if one.opcode in jumps:  # a target is counted in what is kept
            argument = sum(other.offset < argument for other in kept)
        elif one.opcode in dis.hasconst:
            argument = one.arg  # a place among the constants, which are taken in by themselves
        found += [SAME.get(one.opname, one.opname), argument]
    return found


def _float(value: float) -> bytes:
    return struct.pack("<d", value) if value == value else b"nan"  # noqa: PLR0124


PLAIN: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda _: b"",
    type(...): lambda _: b"",
    type(NotImplemented): lambda _: b"",
    bool: lambda v: b"1" if v else b"0",
    int: lambda v: str(v).encode(),
    float: _float,
    complex: lambda v: _float(v.real) + b"," + _float(v.imag),
    str: lambda v: v.encode("utf-8", "surrogatepass"),
    bytes: bytes,
    bytearray: bytes,
    range: lambda v: repr(v).encode(),
    slice: lambda v: repr(v).encode(),
    decimal.Decimal: lambda v: str(v).encode(),
    datetime.datetime: lambda v: f"{v.isoformat()} {v.tzinfo!r} {v.fold}".encode(),
    datetime.date: lambda v: v.isoformat().encode(),
    datetime.time: lambda v: f"{v.isoformat()} {v.tzinfo!r} {v.fold}".encode(),
    datetime.timedelta: lambda v: repr(v).encode(),
}


def digest(value: Any) -> str:
    """Return the sha256 of a value's content, as hex.

    Raises Unknown for a value whose content cannot be told, such as a generator.

    >>> digest([1, 2]) == digest([1, 2]), digest([1]) == digest((1,)), digest(1) == digest(1.0)
    (True, False, False)
    """
    walk = _Digest()
    try:
        walk.value(value)
    except RecursionError:
        raise Unknown("nested too deep") from None
    return walk.hash.hexdigest()


def digest_or_unknown(value: Any) -> str:
    """Return a value's digest, "unknown" where its content cannot be told."""
    try:
        return digest(value)
    except Exception:  # noqa: BLE001  Unknown, or whatever the value's own code raises
        return "unknown"
