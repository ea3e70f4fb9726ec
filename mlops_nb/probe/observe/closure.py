"""Finds which globals the code behind a value may touch."""

import functools
import types
from collections.abc import Iterable, Mapping
from typing import Any

from ..introspect import inside, lineage, module_of, words
from ..syntax.names import Use
from .aliasing import PLAIN, SUSPENDED, parts
from .bytecode import code_of
from .paths import NO_DATA

MANY = 200  # functions are looked for among this many items of a container
DEEP = 16
OWN = words("__main__ builtins collections functools")  # whose code calls no methods by itself
ABSENT = object()


class Reach:
    """Walks from values to the code behind them, and from there to the globals it reads.

    space:  the notebook's namespace
    before: what it was before the cell, which may have removed names
    attrs:  names of attributes that the cell, or code found so far, looks up
    """

    def __init__(
        self,
        space: Mapping[str, Any],
        attrs: Iterable[str],
        before: Mapping[str, Any] = types.MappingProxyType({}),
    ) -> None:
        self.space, self.before = space, before
        self.attrs = set(attrs)
        self.names: set[str] = set()
        self.texts: list[str] = []
        self.builtins: set[str] = set()
        self.seen: set[tuple[int, bool]] = set()
        self.pending: list[Any] = []  # values of the globals that code names
        self.later: list[tuple[str, Any]] = []  # methods whose names no code looks up so far

    def join(self, other: "Reach") -> None:
        """Take in what another one has found."""
        self.names |= other.names
        self.attrs |= other.attrs
        self.texts += other.texts
        self.builtins |= other.builtins

    def take(self, value: Any, use: Use) -> None:
        """Walk from one value that the cell uses; code that it only names does not run."""
        is_code = issubclass(type(value), types.FunctionType | type)
        if not is_code or use.called or use.escapes or use.attrs:
            self._walk(value, 0, all=use.escapes and not is_code)
        while self._goes_on():
            pass

    def _goes_on(self) -> bool:
        """Walk what code names and methods asked for since; say whether there was any."""
        found, self.pending = self.pending, []
        found += [item for name, item in self.later if name in self.attrs]
        self.later = [one for one in self.later if one[0] not in self.attrs]
        for value in found:
            self._walk(value, 0)
        return bool(found)

    def _walk(self, value: Any, depth: int, *, all: bool = False) -> None:  # noqa: A002
        """Walk from a value; all: every method of its class may be called, by a library say."""
        kind = type(value)
        is_plain = kind in PLAIN or kind is types.ModuleType or value is self.space
        if is_plain or (id(value), all) in self.seen or depth > DEEP:
            return
        self.seen.add((id(value), all))
        if issubclass(kind, type):
            self._class(value, depth, all=all)
            return
        if kind is types.FunctionType and value.__globals__ is self.space:
            self._code(value.__code__)
        elif kind in SUSPENDED:
            self._suspended(value)
        is_foreign = module_of(kind) not in OWN
        for item in parts(value, set())[:MANY]:
            self._walk(item, depth + 1, all=all or is_foreign)

    def _suspended(self, value: Any) -> None:
        """Walk the code of a generator or a coroutine: whatever resumes it runs its code."""
        begins = SUSPENDED[type(value)]
        code, frame = getattr(value, f"{begins}_code"), getattr(value, f"{begins}_frame")
        has_ended = frame is None and not code.co_filename.startswith(NO_DATA)
        if has_ended or getattr(frame, "f_globals", None) is self.space:
            self._code(code)

    def _code(self, code: types.CodeType) -> None:
        found = code_of(code)
        self.attrs |= found.attrs
        self.texts += found.texts
        self.builtins |= found.globals - self.space.keys()
        for name in found.globals - self.names:
            value = self.space.get(name, self.before.get(name, ABSENT))
            if value is not ABSENT:
                self.names.add(name)
                self.pending.append(value)

    def _class(self, value: type, depth: int, *, all: bool) -> None:  # noqa: A002
        """Walk the methods of a class of the notebook that may run by themselves; note the rest.

        A method of a base class of a library may call any of them.
        """
        own = {
            name for one in lineage(value) if module_of(one) == "__main__" for name in inside(one)
        }
        foreign = [inside(one) for one in lineage(value) if module_of(one) not in OWN]
        all = all or any(name in one for one in foreign for name in self.attrs - own)  # noqa: A001
        for owner in (*lineage(value), *lineage(type(value))):
            if module_of(owner) != "__main__":
                continue
            for name, item in list(inside(owner).items()):
                for one in _behind(item):
                    if all or name in self.attrs or name.startswith("__"):
                        self._walk(one, depth + 1)
                    else:
                        self.later.append((name, one))


def has(kind: type, name: str) -> bool:
    """Say whether a class or one of its bases has an attribute, without asking it."""
    return any(name in inside(owner) for owner in lineage(kind))


def _behind(item: Any) -> list[Any]:
    """Return the functions behind an attribute of a class, such as a property; else itself."""
    kind = type(item)
    if kind in (staticmethod, classmethod):
        return [item.__func__]
    if kind is property:
        return [item.fget, item.fset, item.fdel]
    if kind in (functools.cached_property, functools.partialmethod):
        return [item.func]
    return [item]
