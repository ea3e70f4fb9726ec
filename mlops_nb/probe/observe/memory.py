"""Keeps what earlier cells left: content of names, shared memory, caches, files, settings."""

import functools
import io
from collections.abc import Iterable
from typing import Any

from ..introspect import module_of, name_of, top_of
from . import external, local_modules
from .aliasing import ITERATORS, PLAIN, bases, own, shares
from .change_detection import is_quiet, print_of
from .inotify import Opened
from .library_state import LibraryState

MISSING = object()
CACHE = functools._lru_cache_wrapper


class Memory:
    """The state that the cells of one shell have left so far."""

    def __init__(self, shell: Any) -> None:
        self.prints: dict[str, bytes | None] = {}
        self.opened = Opened()
        self.marks: dict[str, Any] = {}
        self.shares: dict[str, frozenset[int]] = {}
        self.bases: dict[str, frozenset[int]] = {}  # of frames → arrays that they lie in
        self.misses: dict[int, int] = {}
        self.caches: set[str] = set()  # names of `lru_cache` wrappers
        self.open: set[str] = set()  # names of files that are open, and of arrays that lie in one
        self.settings = LibraryState(shell)
        self.gone: set[str] = set()  # names that were removed at one time or another
        self.ever_set: set[str] = set()  # channels that one cell or another has changed
        self.limits: set[tuple[Any, ...]] = set()  # of pandas, as they have been
        self.state: dict[str, Any] | None = None  # of the channels, after the last cell
        self.files: dict[str, None] = {}
        self.writing: list[str] = []  # files that cells wrote last, and may still be open
        self.filled: dict[str, set[tuple[int, str]]] = {}  # name → known `cached_property` values

    def take_print(self, name: str, value: Any, parts: frozenset[int] | None = None) -> None:
        """Record the content of a name's value.

        parts: ids of the changeable objects in it, if they are known
        """
        kind = type(value)
        if kind in PLAIN:
            self.shares.pop(name, None)
        else:
            self.shares[name] = shares(value) if parts is None else parts
            mark = external.database_mark(value)
            if mark is not None:
                self.marks[name] = mark
            if module_of(kind) == "__main__" and type(own(value, "__dict__")) is dict:
                self.filled[name] = {(id(value), key) for key in own(value, "__dict__")}
        self.bases.pop(name, None)
        if top_of(value) == "pandas" and (below := bases(value)):
            self.bases[name] = below
        self.prints[name] = print_of(value)
        self.open.discard(name)
        if issubclass(kind, io.IOBase) or name_of(kind) == "memmap":
            self.open.add(name)
        self.caches.discard(name)
        if is_cache(value):
            self.caches.add(name)
            self.misses[id(value)] = value.cache_info().misses

    def changed_answers(self, changes: set[str]) -> set[str]:
        """Return the names of caches that will answer with something that has changed."""
        ids = frozenset().union(*(self.shares.get(name, frozenset()) for name in changes))
        return {n for n in self.caches if not ids.isdisjoint(self.shares.get(n, frozenset()))}

    def known_values(self, names: Iterable[str]) -> list[set[tuple[int, str]]]:
        """Return the attributes of the notebook's objects whose values are known, of each name."""
        return [self.filled[name] for name in names if name in self.filled]

    def answered_from_cache(self, value: Any) -> bool:
        """Say whether an `lru_cache` was asked in this cell and called nothing."""
        known = self.misses.get(id(value))
        return known is not None and is_cache(value) and value.cache_info().misses == known

    def asked_anew(self, value: Any) -> bool:
        """Say whether an `lru_cache` called what it wraps in this cell."""
        known = self.misses.get(id(value))
        return known is not None and is_cache(value) and value.cache_info().misses != known

    def changed(
        self, touched: set[str], writes: set[str], space: dict[str, Any]
    ) -> tuple[set[str], set[str]]:
        """Return the names whose value is another one than before, and those that are a guess.

        touched: names the cell had to do with; whatever shares memory with them is looked at, too
        """
        local_modules.forget()
        now = {name: _parts(space[name]) for name in touched}
        changes: set[str] = set()
        guesses: set[str] = set()
        for name in self._group(touched, now, space):
            value, old = space[name], self.prints.get(name, MISSING)
            self.take_print(name, value, now.get(name))
            new = self.prints[name]
            if name in writes or name in self.caches:
                continue  # the answers of a cache are a channel of their own
            if new is None:
                if name in touched and not external.is_handle(value) and not is_quiet(value):
                    changes.add(name)
                    guesses.add(name)
            elif old is not MISSING and old != new:
                changes.add(name)
        return changes | self._go_through(changes - writes, space), guesses

    def _go_through(self, changes: set[str], space: dict[str, Any]) -> set[str]:
        """Return the names of unknown content that go through what has changed: an iterator."""
        ids = frozenset().union(*(self.shares.get(name, frozenset()) for name in changes))
        return {
            name
            for name, known in (self.shares.items() if ids else ())
            if name in space
            and self.prints.get(name) is None
            and not ids.isdisjoint(known)
            and module_of(type(space[name])) in ITERATORS
        }

    def _group(
        self, touched: set[str], now: dict[str, frozenset[int]], space: dict[str, Any]
    ) -> set[str]:
        """Return the names that were touched, and those that share memory with them.

        now: ids of the changeable objects in those that were touched, after the cell
        """
        ids: set[int] = set()
        for name in self.shares.keys() - space.keys():  # what is gone shows in weak references
            ids |= self.shares[name]
        for name in touched:
            ids |= self.shares.get(name, frozenset()) | now[name]
        group = set(touched)
        if ids:
            for name, known in self.shares.items():
                if name in space and name not in group and not ids.isdisjoint(known):
                    group.add(name)
        below = frozenset().union(*(self.bases[n] for n in touched & self.bases.keys()))
        found = {n for n, known in self.bases.items() if not ids.isdisjoint(known)}
        if below:
            found |= {n for n, known in self.shares.items() if not below.isdisjoint(known)}
        return group | (found & space.keys())

    def forget(self, name: str) -> None:
        """Forget a name that is gone, but for its being gone."""
        self.gone.add(name)
        for known in (self.prints, self.shares, self.bases, self.marks, self.filled):
            known.pop(name, None)


def _parts(value: Any) -> frozenset[int]:
    """Return the ids of the changeable objects in a value, its own included."""
    return frozenset() if type(value) in PLAIN else shares(value)


def is_cache(value: Any) -> bool:
    """Say whether a value is what `functools.lru_cache` makes of a function."""
    return issubclass(type(value), CACHE)
