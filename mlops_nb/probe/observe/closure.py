"""Which globals the code behind a value may touch."""

import collections
import functools
import gc
import itertools
import types
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ..introspect import inside, lineage, module_of
from ..syntax.known_calls import SHOWING
from ..syntax.names import Use
from .aliasing import PLAIN, SUSPENDED, filled, in_slots, items_of, objects_in, own
from .bytecode import code_of
from .paths import NO_DATA

MANY = 200  # functions are looked for among this many items of a container
CACHE = functools._lru_cache_wrapper
DEEP = 8
LAZY = 0x20 | 0x80 | 0x200  # flags of code that calling does not run: generators, coroutines
MAKING = frozenset(
    {
        "__new__",
        "__init__",
        "__post_init__",
        "__init_subclass__",
        "__set_name__",
        "__prepare__",
        "__class_getitem__",
    }
)
# modules of kinds that keep what they were given out of sight: `map`, a task, what compares keys
HOLDERS = frozenset({"builtins", "itertools", "functools", "_functools", "_asyncio", "operator"})
NAMED = (types.FunctionType, type)  # what is shown by its name
ABSENT = object()
MADE = frozenset({"__init_subclass__", "__set_name__"})  # of a class, what its subclasses run
RUNS = frozenset({"__call__", "__get__", "__wrapped__"})  # asking a function for it may run it


class Reach:
    """Walks from values to the code behind them, and from there to the globals it reads.

    space:  the notebook's namespace
    before: what it was before the cell, which may have removed names
    attrs:  names of attributes that the cell, or code found so far, looks up
    cached: wrappers of `functools.lru_cache` that answered without calling what they wrap
    filled: sets of (id, name) of `cached_property` values that were known before
    """

    def __init__(
        self,
        space: Mapping[str, Any],
        attrs: Iterable[str],
        cached: Iterable[int] = (),
        filled: Iterable[set[tuple[int, str]]] = (),
        before: Mapping[str, Any] = types.MappingProxyType({}),
    ) -> None:
        self.space, self.before = space, before
        self.attrs = set(attrs)
        self.cached = set(cached)
        self.filled = list(filled)
        self.names: set[str] = set()
        self.texts: list[str] = []
        self.stores: set[tuple[str, tuple[str, ...]]] = set()  # attributes that code sets
        self.shows = False  # code writes out values
        self.builtins: set[str] = set()
        self.seen: set[Any] = set()
        self.pending: list[Any] = []  # what code names by its globals
        self.later: list[tuple[str, Any]] = []  # methods nobody has asked for yet

    def join(self, other: "Reach") -> None:
        """Take in what another one has found."""
        self.names |= other.names
        self.attrs |= other.attrs
        self.texts += other.texts
        self.stores |= other.stores
        self.shows |= other.shows
        self.builtins |= other.builtins

    def take(self, value: Any, use: Use, *, kept: bool = False) -> None:
        """Walk from one value that the cell uses.

        kept: whatever it was handed to keeps it without calling it
        """
        if type(value) in NAMED and use.is_shown and not use.given & self.space.keys():
            kept = True  # by its name
        escapes = use.escapes and not kept
        if type(value) is types.FunctionType:
            lazy = value.__code__.co_flags & LAZY and not (use.passed or escapes)
            if (use.called and not lazy) or escapes or use.attrs & RUNS:
                self._function(value, 0)
            for name in use.attrs & value.__dict__.keys():
                self._walk(value.__dict__[name], 1)
        elif issubclass(type(value), type):
            if type(value) is not type:
                self._class(type(value), 0, None, all=False)  # whatever is asked asks it
            if use.called or escapes or use.attrs:
                runs = MADE if not (use.called or escapes) else MAKING
                self._class(value, 0, None if use.passed or escapes else runs, all=escapes)
        else:
            self._walk(value, 0, escapes=escapes, called=use.called)
        while self._goes_on():
            pass

    def _goes_on(self) -> bool:
        """Walk what code names and methods asked for since; say whether there was any."""
        named, self.pending = self.pending, []
        asked = [item for name, item in self.later if name in self.attrs]
        self.later = [one for one in self.later if one[0] not in self.attrs]
        for value in named:
            self._walk(value, 0, called=True)
        for item in asked:
            self._walk(item, 0, escapes=False)
        return bool(named or asked)

    def _walk(self, value: Any, depth: int, *, escapes: bool = True, called: bool = False) -> None:
        kind = type(value)
        if kind in PLAIN or kind is types.ModuleType or depth > DEEP:
            return
        if issubclass(kind, type):
            self._class(value, depth, None, all=escapes)
            return
        if kind is not types.FunctionType:
            if (id(value), escapes) in self.seen:
                return
            self.seen.add((id(value), escapes))
        walk = WALKS.get(kind)
        if walk is not None:
            walk(self, value, depth)
        elif issubclass(kind, CACHE):
            if id(value) not in self.cached:
                self._walk(own(value, "__wrapped__"), depth + 1)
        elif module_of(kind) == "__main__":
            self._instance(value, depth, escapes=escapes, called=called)
        else:
            self._foreign(value, depth)

    def _items(self, values: Iterable[Any], depth: int) -> None:
        for item in list(itertools.islice(values, MANY)):
            self._walk(item, depth + 1)

    def _defaults(self, value: Any, depth: int) -> None:
        self._walk(value.default_factory, depth + 1)
        self._values(value, depth)

    def _values(self, value: Any, depth: int) -> None:
        self._items(value.values(), depth)

    def _target(self, value: Any, depth: int) -> None:
        self._walk(value(), depth + 1)

    def _suspended(self, value: Any, depth: int) -> None:
        """Walk a generator or a coroutine: whoever goes on with it runs its code."""
        begins = SUSPENDED[type(value)]
        code, frame = getattr(value, f"{begins}_code"), getattr(value, f"{begins}_frame")
        if frame is None and not code.co_filename.startswith(NO_DATA):
            self._code(code)  # it has ended by now
        elif frame is not None and frame.f_globals is self.space:
            self._code(code)
            self._items(frame.f_locals.values(), depth)

    def _partial(self, value: Any, depth: int) -> None:
        self._walk(value.func, depth + 1)
        self._items((*value.args, *value.keywords.values()), depth)

    def _method(self, value: Any, depth: int) -> None:
        self._walk(getattr(value, "__func__", None), depth + 1)
        self._walk(value.__self__, depth + 1)

    def _foreign(self, value: Any, depth: int) -> None:
        """Walk an object of a library: what of the notebook it holds may be called by it."""
        wrapped = own(value, "__wrapped__")
        if type(wrapped) is types.FunctionType:
            self._function(wrapped, depth + 1)
        for item in _inside(value):
            kind = type(item)
            if kind in WALKS or module_of(kind) in {"__main__", *HOLDERS} or callable(item):
                self._walk(item, depth + 1)

    def _function(self, function: Any, depth: int) -> None:
        if id(function) in self.seen:
            return
        self.seen.add(id(function))
        if function.__globals__ is self.space:
            self._code(function.__code__)
        for cell in function.__closure__ or ():
            if filled(cell):
                self._walk(cell.cell_contents, depth + 1)
        self._walk(function.__dict__.get("__wrapped__"), depth + 1)

    def _code(self, code: types.CodeType) -> None:
        found = code_of(code)
        self.attrs |= found.attrs
        self.texts += found.texts
        self.stores |= found.stores
        self.shows |= not SHOWING.isdisjoint(found.globals)
        self.builtins |= found.globals - self.space.keys()
        for name in found.globals - self.names:
            value = self.space.get(name, self.before.get(name, ABSENT))
            if value is not ABSENT:
                self.names.add(name)
                self.pending.append(value)

    def _class(self, value: type, depth: int, runs: frozenset[str] | None, *, all: bool) -> None:  # noqa: A002
        """Walk a class of the notebook.

        runs: its methods with underscores that run by themselves, None for any of them
        all:  whether every other method may be called, rather than those that are asked for
        """
        if module_of(value) != "__main__" or (id(value), runs, all) in self.seen:
            return
        self.seen.add((id(value), runs, all))
        if type(value) is not type:
            self._class(type(value), depth + 1, None, all=all)
        for owner in lineage(value):
            if module_of(owner) != "__main__":
                continue
            meta = issubclass(owner, type) and "__call__"  # what calling one of its classes runs
            for name, function in self._behind_all(owner, depth):
                runs_now = runs is None or name in runs or name == meta
                if all or name in self.attrs or (_special(name) and runs_now):
                    self._function(function, depth + 1)
                elif not _special(name):
                    self.later.append((name, function))

    def _behind_all(self, owner: type, depth: int) -> Iterator[tuple[str, Any]]:
        """Yield the functions that stand in a class by name; walk whatever else it holds."""
        for name, item in list(inside(owner).items()):
            functions = _behind(item)
            for function in functions:
                yield name, function
            if functions:
                continue
            if callable(item):
                self._walk(item, depth + 1)
            elif module_of(type(item)) == "__main__":  # a descriptor, an object that all share
                self.later.append((name, item))

    def _instance(self, value: Any, depth: int, *, escapes: bool, called: bool) -> None:
        kind = type(value)
        foreign = any(module_of(o) not in {"__main__", "builtins"} for o in lineage(kind))
        asked = self.attrs | ({"__call__"} if called else set())
        mine = {name for o in lineage(kind) if module_of(o) == "__main__" for name in inside(o)}
        handed_over = foreign and any(
            name not in mine and name not in inside(object) and has(kind, name) for name in asked
        )
        self._members(kind, value, depth, asked, all=escapes or handed_over)
        held = own(value, "__dict__")
        for known in (held if type(held) is dict else {}, dict(in_slots(value))):
            for name, item in list(known.items())[:MANY]:
                if type(item) is types.FunctionType and name not in self.attrs and not escapes:
                    self.later.append((name, item))
                else:
                    self._walk(item, depth + 1, escapes=False)

    def _members(self, kind: type, value: Any, depth: int, asked: set[str], *, all: bool) -> None:  # noqa: A002
        """Walk the methods of an object that was made before: what makes it does not run.

        asked: names of what is looked up on it, `__call__` where it is called itself
        """
        if (id(value), "members", all) in self.seen:
            return
        self.seen.add((id(value), "members", all))
        for owner in lineage(kind):
            if module_of(owner) != "__main__":
                continue
            for name, function in self._behind_all(owner, depth):
                made = name in MAKING or (name == "__call__" and not all)
                known = any((id(value), name) in one for one in self.filled)
                if known or (made and name not in asked):
                    continue
                if all or name in asked or _special(name):
                    self._function(function, depth + 1)
                else:
                    self.later.append((name, function))


def _inside(value: Any) -> list[Any]:
    """Return what an object of a library holds: what is out of sight, items, attributes."""
    kind: Any = type(value)
    found: list[Any] = []
    if issubclass(kind, BaseException):
        return list(own(value, "args"))  # not the frames that it came through
    if module_of(kind) in HOLDERS:
        found += gc.get_referents(value)[:MANY]
    found += itertools.islice(itertools.chain(items_of(value), objects_in(value)), MANY)
    held = own(value, "__dict__")
    if type(held) is dict and len(held) < MANY:
        found += held.values()
    return found


def _special(name: str) -> bool:
    return name.startswith("__")


def has(kind: type, name: str) -> bool:
    """Say whether a class or one of its bases has an attribute, without asking it."""
    return any(name in inside(owner) for owner in lineage(kind))


def _behind(item: Any) -> list[Any]:
    """Return the functions behind what stands in a class: of a property, a class method."""
    kind = type(item)
    found = [item]
    if kind in (staticmethod, classmethod):
        found = [item.__func__]
    elif kind is property:
        found = [item.fget, item.fset, item.fdel]
    elif kind in (functools.cached_property, functools.partialmethod):
        found = [item.func]
    return [one for one in found if type(one) is types.FunctionType]


WALKS: dict[type, Callable[[Reach, Any, int], None]] = {
    types.FunctionType: Reach._function,
    types.MethodType: Reach._method,
    types.BuiltinFunctionType: Reach._method,
    **dict.fromkeys(SUSPENDED, Reach._suspended),
    functools.partial: Reach._partial,
    weakref.ReferenceType: Reach._target,
    collections.defaultdict: Reach._defaults,
    **dict.fromkeys((dict, collections.OrderedDict), Reach._values),
    **dict.fromkeys((list, tuple, set, frozenset, collections.deque), Reach._items),
}
