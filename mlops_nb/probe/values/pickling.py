"""Finds which values share memory, and pickles them so that loading brings the sharing back.

What pickle reaches is what a value consists of, so a pickle into nothing tells it: every mutable
object that it passes, and the memory of every array. Values that have any of it in common are one
group. Arrays that overlap are written as views of one stretch of bytes.
"""

import contextlib
import ctypes
import datetime
import decimal
import enum
import functools
import gc
import io
import pathlib
import pickle
import re
import sys
import types
from collections.abc import Iterable, Mapping
from typing import Any

from ..observe.bytecode import code_of
from .array_memory import ArrayMemory, Groups

PROTOCOL = 5
ATOMS = frozenset({type(None), bool, int, float, complex, str, bytes, range, slice, type(...)})
IMMUTABLE = (
    tuple,
    frozenset,
    types.ModuleType,
    types.BuiltinFunctionType,
    types.CodeType,
    enum.Enum,
    re.Pattern,
    decimal.Decimal,
    pathlib.PurePath,
    datetime.date,
    datetime.time,
    datetime.timedelta,
    datetime.tzinfo,
)
FILES = (io.TextIOWrapper, io.RawIOBase, io.BufferedReader, io.BufferedWriter, io.BufferedRandom)
LIBRARIES = frozenset({"numpy", "pandas", "pyarrow", "polars"})
NOTEBOOK: dict[str, Any] = {}  # stands for the notebook's own globals in a pickle
NOTEBOOK_MARK = "notebook"
CLASS_MARK = "class:"


class _Nothing:
    """Takes bytes and keeps none."""

    def write(self, data: Any) -> int:
        return memoryview(data).nbytes


class _Plain(pickle.Pickler):
    """What there is without cloudpickle: a notebook's own code cannot be written."""

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, types.FunctionType | type) and obj.__module__ == "__main__":
            raise pickle.PicklingError(
                f"{obj.__qualname__!r} is defined in the notebook, and this kernel has no "
                "cloudpickle"
            )
        return NotImplemented


class _Code:
    """Writes functions of the notebook such that they read the globals of where they are loaded."""

    space: dict[str, Any]
    found: "Sharing"

    def _dynamic_function_reduce(self, func: Any) -> Any:
        made, arguments, state, *rest = super()._dynamic_function_reduce(func)  # type: ignore[misc]
        if func.__globals__ is self.space:
            arguments = (arguments[0], NOTEBOOK, *arguments[2:])
            state[1]["__globals__"] = {}
        return (made, arguments, state, *rest)

    def persistent_id(self, obj: Any) -> str | None:
        return NOTEBOOK_MARK if obj is NOTEBOOK else class_mark(obj, self.found)


def class_mark(obj: Any, found: "Sharing") -> str | None:
    """Return the mark that replaces a class or function in a pickle, None to write its value."""
    name = found.marks.get(id(obj))
    return None if name is None else CLASS_MARK + name


class _Looking(_Code):
    """Passes what pickle passes, notes it, and keeps nothing."""

    found: "Sharing"
    name: str
    frame: Any = None  # the copy-on-write frame that is being looked at

    def persistent_id(self, obj: Any) -> str | None:
        if type(obj) in ATOMS:
            return None
        if obj is NOTEBOOK:
            self.found.has_code = True
            return NOTEBOOK_MARK
        if (mark := class_mark(obj, self.found)) is not None:
            self.found.has_code = True
            self.found.refers.setdefault(self.name, set()).add(mark.removeprefix(CLASS_MARK))
            return mark
        if _can_be_shared(obj, self.frame):
            self.found.holders.setdefault(id(obj), set()).add(self.name)
        return None

    def _dynamic_function_reduce(self, func: Any) -> Any:
        self.found.note_code(self.name, func.__code__, func.__globals__)
        return super()._dynamic_function_reduce(func)

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, functools._lru_cache_wrapper):
            raise pickle.PicklingError("the contents of a cache cannot be written")
        if isinstance(obj, FILES):  # cloudpickle would write what can still be read from it
            raise pickle.PicklingError(f"a {type(obj).__name__} has no content of its own")
        numpy: Any = sys.modules.get("numpy")
        pandas: Any = sys.modules.get("pandas")
        if numpy is not None and isinstance(obj, numpy.ndarray):
            frame = 0 if self.frame is None else id(self.frame)
            self.found.memory.add(obj, self.name, frame)
            if type(obj) is numpy.ndarray and not obj.dtype.hasobject:
                return list, ()
        elif _copies_on_write(pandas):
            if isinstance(obj, pandas.Index):
                return list, ()  # nobody can change one
            if isinstance(obj, pandas.DataFrame | pandas.Series) and obj is not self.frame:
                self.found.look(self.name, obj, frame=obj)
                return list, ()
        if type(obj).__module__.startswith("polars.") and type(obj).__name__ == "DataFrame":
            return list, ()
        return super().reducer_override(obj)  # type: ignore[misc]


def _classes_beside(values: dict[str, Any], space: dict[str, Any]) -> dict[int, str]:
    """Return the classes of the notebook that are not among the values, by their ids."""
    written = {id(value) for value in values.values()}
    return {
        id(value): name
        for name, value in list(space.items())
        if isinstance(value, type)
        and value.__module__ == "__main__"
        and value.__name__ == name
        and id(value) not in written
    }


def _copies_on_write(pandas: Any) -> bool:
    if pandas is None or not hasattr(pandas, "DataFrame"):
        return False
    return int(pandas.__version__.partition(".")[0]) >= 3  # noqa: PLR2004


def _can_be_shared(obj: Any, frame: Any) -> bool:
    """Say whether two values that hold this object hold more than equal content.

    frame: what it is part of, where that is copied on write: its own parts are nobody's alias
    """
    if isinstance(obj, IMMUTABLE):
        return False
    if isinstance(obj, types.FunctionType | type):
        return obj.__module__ == "__main__"
    if callable(obj) and _is_importable(obj):
        return False
    kind = type(obj)
    if frame is not None:
        own = kind.__module__.partition(".")[0] in LIBRARIES
        other = isinstance(obj, type(frame)) and obj is not frame
        return other or not (own or obj is frame._metadata)
    numpy = sys.modules.get("numpy")
    return numpy is None or not isinstance(obj, numpy.dtype | numpy.generic | numpy.ufunc)


def _is_importable(obj: Any) -> bool:
    """Say whether pickle would write no more of it than where it is found."""
    home, name = getattr(obj, "__module__", None), getattr(obj, "__name__", None)
    if not isinstance(home, str) or not isinstance(name, str):
        return False
    return getattr(sys.modules.get(home), name, None) is obj


class _Writing:
    """Writes overlapping arrays as views of one stretch, and frames that share lazily as copies."""

    found: "Sharing"

    def reducer_override(self, obj: Any) -> Any:
        if id(obj) in self.found.views:
            return self.found.views[id(obj)]
        if id(obj) in self.found.copied:
            return obj.copy().__reduce_ex__(PROTOCOL)
        return super().reducer_override(obj)  # type: ignore[misc]


class _WritingCode(_Code, _Writing):
    """Writes functions of the notebook too."""


@functools.cache
def _with_pickler(rules: type) -> Any:
    base: type = _Plain
    with contextlib.suppress(ImportError):
        import cloudpickle

        base = cloudpickle.Pickler
    return type(rules.__name__, (rules, base), {})


class Sharing:
    """What some values have in common.

    groups: names that are written together
    errors: name → why it cannot be written
    refers: name → names that its value finds in the notebook when its code runs, or when it is read
    """

    def __init__(
        self, values: dict[str, Any], space: dict[str, Any], marks: Mapping[int, str] | None = None
    ) -> None:
        """Look at values of the namespace `space`.

        marks: id of a class or function that is written as its name → that name; None: those of
               all classes of the notebook that are not among the values
        """
        self.space = space
        self.has_code = False
        self.marks = _classes_beside(values, space) if marks is None else marks
        self.refers: dict[str, set[str]] = {}
        self.memory = ArrayMemory()
        self.holders: dict[int, set[str]] = {}  # id of a mutable object → names that reach it
        self.views: dict[int, Any] = {}  # id of an array → how it is made from a stretch of bytes
        self.copied: set[int] = set()
        self.errors: dict[str, str] = {}
        self._alive: list[Any] = [values]  # what was seen keeps its id until all is written
        for name, value in values.items():
            try:
                self.look(name, value)
            except Exception as error:  # noqa: BLE001  the value's own code
                self.errors[name] = one_line(error)
                self._look_closer(name, value)
        self.refused: list[list[str]] = []
        self._overlaps = self.memory.overlaps()
        self.groups = self._grouped([*values])

    def look(self, name: str, value: Any, frame: Any = None) -> None:
        """Note what a value consists of; `frame`: the value, where it is copied on write."""
        walk = _with_pickler(_Looking)(_Nothing(), PROTOCOL, buffer_callback=lambda _: False)
        walk.found, walk.name, walk.space, walk.frame = self, name, self.space, frame
        self._alive.append(walk)
        walk.dump(value)

    def _look_closer(self, name: str, value: Any) -> None:
        """Note what a value that cannot be pickled consists of, as garbage collection sees it."""
        queue, seen = [value], {id(self.space), id(sys.modules)}
        while queue:
            one = queue.pop()
            if type(one) in ATOMS or id(one) in seen or isinstance(one, types.ModuleType):
                continue
            seen.add(id(one))
            self._alive.append(one)
            if (mark := self.marks.get(id(one))) is not None:
                self.refers.setdefault(name, set()).add(mark)
                continue
            if isinstance(one, type) and one.__module__ != "__main__":
                continue
            for begins in ("gi", "cr", "ag"):
                if code := getattr(one, f"{begins}_code", None):
                    self.note_code(name, code, self.space)
            if isinstance(one, types.FunctionType):
                self.note_code(name, one.__code__, one.__globals__)
                queue += [
                    one.__defaults__,
                    one.__kwdefaults__,
                    one.__dict__,
                    *(one.__closure__ or ()),
                ]
            else:
                queue += gc.get_referents(one)
            numpy: Any = sys.modules.get("numpy")
            if numpy is not None and isinstance(one, numpy.ndarray):
                self.memory.add(one, name, 0)
                queue += one.ravel().tolist() if one.dtype.hasobject else []
            if _can_be_shared(one, None):
                self.holders.setdefault(id(one), set()).add(name)

    def note_code(self, name: str, code: types.CodeType, space: dict[str, Any]) -> None:
        """Note the names that code of the notebook, which a value holds, looks up."""
        if space is self.space:
            self.refers.setdefault(name, set()).update(code_of(code).globals)

    def refers_of(self, names: list[str]) -> list[str]:
        """Return the names that the values of a group refer to."""
        found = {n for name in names for n in self.refers.get(name, ())}
        return sorted(found.difference(names))

    def layout_of(self, names: Iterable[str]) -> list[Any]:
        """Return where the arrays of a group that share memory lie in it."""
        known = set(names)
        return [
            [
                [self.memory.arrays[key][0].ctypes.data - low, *self.memory.arrays[key][0].strides]
                for key in sorted(keys, key=self.memory.places.__getitem__)
            ]
            for low, _, keys in self._overlaps
            if known & {name for key in keys for name in self.memory.names[key]}
        ]

    def _grouped(self, names: list[str]) -> list[list[str]]:
        together = Groups()
        overlaps = self._overlaps
        shared = list(self.holders.values())
        for low, high, keys in overlaps:
            shared.append({name for key in keys for name in self.memory.names[key]})
            self._make_views(low, high, keys)
        for first, *others in ([*found] for found in shared):
            for other in others:
                together.join(first, other)
        for keys in [[key] for key in self.memory.owners] + [keys for _, _, keys in overlaps]:
            self._part_frames(keys, together)
        return [group for group in together.of(names) if not self._is_refused(group)]

    def _part_frames(self, keys: list[int], together: Groups) -> None:
        """Have frames of a file that share memory until one is written to written as copies."""
        kept: dict[Any, int] = {}
        for key in sorted(
            keys, key=self.memory.places.__getitem__
        ):  # the first named stays what it is
            for frame, name in self.memory.owners.get(key, {}).items():
                if kept.setdefault(together.root(name), frame) != frame:
                    self.copied.add(frame)

    def _make_views(self, low: int, high: int, keys: list[int]) -> None:
        numpy: Any = sys.modules["numpy"]
        arrays = [self.memory.arrays[key][0] for key in keys]
        if any(type(a) is not numpy.ndarray or a.dtype.hasobject for a in arrays):
            for name in {name for key in keys for name in self.memory.names[key]}:
                self.errors[name] = "its arrays share memory, and not all of them are plain numbers"
            return
        stretch = numpy.frombuffer((ctypes.c_char * (high - low)).from_address(low), numpy.uint8)
        self._alive.append(stretch)
        for array in arrays:
            place = array.ctypes.data - low
            made = (array.shape, array.dtype, stretch, place, array.strides)
            fixed = () if array.flags.writeable else (False, None, None, numpy.ndarray.setflags)
            self.views[id(array)] = (numpy.ndarray, made, *fixed)

    def _is_refused(self, group: list[str]) -> bool:
        why = next((self.errors[name] for name in group if name in self.errors), "")
        for name in group if why else ():
            self.errors[name] = why
        if why:
            self.refused.append(group)
        return bool(why)

    def forget(self) -> None:
        """Hold no value any more: whoever drops one may expect it to end."""
        for known in (self._alive, self.memory.arrays, self.views):
            known.clear()

    def pickler(self, file: Any, buffer_callback: Any) -> Any:
        """Return what writes a group to a file."""
        rules = _WritingCode if self.has_code else _Writing  # the former asks for each object
        made = _with_pickler(rules)(file, PROTOCOL, buffer_callback=buffer_callback)
        made.found, made.space = self, self.space
        return made


def one_line(error: BaseException) -> str:
    """Return what an error says, in one line.

    >>> one_line(ValueError("two\\nlines"))
    'ValueError: two lines'
    """
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]
