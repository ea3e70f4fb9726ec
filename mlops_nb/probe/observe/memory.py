"""Keeps what earlier cells left: content of names, shared memory, files, settings."""

import functools
import io
import itertools
import types
from typing import Any

from ..fingerprint.digest import quick
from ..introspect import module_of
from . import external, local_modules
from .aliasing import LOOKS, PLAIN, own, shares
from .figures import holds_artists
from .opened import Opened

MISSING = object()
CACHE = functools._lru_cache_wrapper
# values that no method changes: files that are read, plans that every call makes anew
FIXED = ("polars.lazyframe", "polars.expr", "pyarrow.lib", "pyarrow.compute", "numpy.lib")
_numbers = itertools.count()


class Memory:
    """The state that the cells of one shell have left so far."""

    def __init__(self) -> None:
        self.prints: dict[str, bytes | None] = {}
        self.opened = Opened()
        self.shares: dict[str, frozenset[int]] = {}
        self.misses: dict[str, int] = {}  # of `lru_cache` wrappers
        self.ever_set: set[str] = set()  # channels that cells have changed
        self.gone: set[str] = set()  # names that were removed at one time or another
        self.state: dict[str, Any] | None = None  # of the channels, after the last cell
        self.values: dict[str, set[str]] = {}  # channel → what it has been
        self.files: dict[str, None] = {}
        self.setters: dict[str, bool] = {}  # functions → whether they set a package's state

    def take_print(self, name: str, value: Any, parts: frozenset[int] | None = None) -> None:
        """Record the content of a name's value.

        parts: ids of the changeable objects in it, if they are known
        """
        if type(value) in PLAIN:
            self.shares.pop(name, None)
        else:
            self.shares[name] = shares(value) if parts is None else parts
        self.prints[name] = print_of(value)
        self.misses.pop(name, None)
        if issubclass(type(value), CACHE):
            self.misses[name] = value.cache_info().misses

    def asked_anew(self, name: str, value: Any) -> bool:
        """Say whether an `lru_cache` called its function in this cell."""
        known = self.misses.get(name)
        is_cache = known is not None and issubclass(type(value), CACHE)
        return is_cache and value.cache_info().misses != known

    def changed_answers(self, changes: set[str]) -> set[str]:
        """Return the names of caches that will answer with something that has changed."""
        ids = set().union(*(self.shares.get(name, ()) for name in changes))
        return _that_share(self.shares, ids) & self.misses.keys()

    def changed(
        self, touched: set[str], writes: set[str], space: dict[str, Any]
    ) -> tuple[set[str], set[str]]:
        """Return the names whose value is another one than before, and those that are a guess.

        touched: names that the cell used; those that share memory with them are compared, too
        """
        local_modules.forget()
        now = {name: _parts(space[name]) for name in touched}
        changes: set[str] = set()
        guesses: set[str] = set()
        for name in self._group(touched, now, space):
            value, old = space[name], self.prints.get(name, MISSING)
            self.take_print(name, value, now.get(name))
            new = self.prints[name]
            if name in writes or name in self.misses:
                continue  # the answers of a cache are a channel of their own
            if new is None:
                if name in touched and not external.is_handle(value):
                    changes.add(name)
                    guesses.add(name)
            elif old is not MISSING and old != new:
                changes.add(name)
        return changes, guesses

    def _group(
        self, touched: set[str], now: dict[str, frozenset[int]], space: dict[str, Any]
    ) -> set[str]:
        """Return the names that were touched, and those that share memory with them.

        now: ids of the changeable objects in those that were touched, after the cell
        """
        ids: set[int] = set()
        for name in touched:
            ids |= self.shares.get(name, frozenset()) | now[name]
        return touched | (_that_share(self.shares, ids) & space.keys())

    def forget(self, name: str) -> None:
        """Forget a name that is gone, but for its being gone."""
        self.gone.add(name)
        self.prints.pop(name, None)
        self.shares.pop(name, None)


def _that_share(known: dict[str, frozenset[int]], ids: set[int]) -> set[str]:
    return {name for name, its in (known.items() if ids else ()) if not ids.isdisjoint(its)}


def _parts(value: Any) -> frozenset[int]:
    """Return the ids of the changeable objects in a value, its own included."""
    return frozenset() if type(value) in PLAIN else shares(value)


def print_of(value: Any) -> bytes | None:
    """Return a few bytes that tell whether a value changed, None where that cannot be told."""
    kind = type(value)
    if issubclass(kind, types.ModuleType):
        name = own(value, "__name__")
        return quick(local_modules.state(name)) if local_modules.is_local(name) else b"module"
    if external.draws_from_channel(value):
        return b"channel"
    if module_of(kind).startswith(FIXED):
        return b"fixed"
    if module_of(kind).startswith(LOOKS) and (held := own(value, "obj")) is not None:
        return quick(held)  # what it remembers of it by now is no change
    if holds_artists(value):
        return b"artist %d" % next(_numbers)  # each use counts as a change
    if kind in (io.StringIO, io.BytesIO) and not value.closed:
        return quick((value.getvalue(), value.tell()))
    return quick(value)
