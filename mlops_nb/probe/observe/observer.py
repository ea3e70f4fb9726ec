"""Watches a shell's cells run and tells what each one read, bound and changed.

The namespace stays the exact dict that it is. Reads come from the trees that ran and from the code
that they reach; writes from identity and content before and after.
"""

import ast
import functools
import io
import json
import re
import sys
import time
import types
from collections.abc import Iterable
from typing import Any

from ..syntax.visitor import Visitor
from . import audit_hook, external, global_state, local_modules, paths
from .aliasing import ITERATORS, PLAIN, bases, own, pending, shares
from .cell import CellStart, Facts
from .change_detection import is_quiet, print_of
from .display_options import shown_before
from .files import NATIVE
from .inotify import Opened
from .library_state import LibraryState
from .lifetimes import look_ahead

SKIPPED = frozenset(
    {
        "In",
        "Out",
        "get_ipython",
        "exit",
        "quit",
        "open",
        "_",
        "__",
        "___",
        "_i",
        "_ii",
        "_iii",
        "_ih",
        "_oh",
        "_dh",
    }
)
FROM_IPYTHON = ("In", "Out", "exit", "quit", "open")  # by IPython: the notebook may bind them anew
SHOWN_LAST = ("_", "__", "___")  # by IPython, too: it leaves alone what the notebook binds
HISTORY = re.compile(r"_i?\d+$")
MISSING = object()
CACHE = functools._lru_cache_wrapper


def is_user(name: str) -> bool:
    """Say whether a name of the namespace is the notebook's own."""
    return (
        type(name) is str
        and name not in SKIPPED
        and not name.startswith("__")
        and not HISTORY.match(name)
    )


class Observer:
    """Follows one shell. `facts` holds what was seen, one entry a cell that ran, in order."""

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        self.facts: list[dict[str, Any]] = []
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
        self.from_ipython = {n: shell.user_ns[n] for n in FROM_IPYTHON if n in shell.user_ns}
        self.ever_set: set[str] = set()  # channels that one cell or another has changed
        self.kinds: dict[str, bool] = {}  # name → whether it is the notebook's own
        self.limits: set[tuple[Any, ...]] = set()  # of pandas, as they have been
        self.state: dict[str, Any] | None = None  # of the channels, after the last cell
        self.files: dict[str, None] = {}
        self.writing: list[str] = []  # files that cells wrote last, and may still be open
        self.filled: dict[str, set[tuple[int, str]]] = {}  # name → known `cached_property` values
        self.cell: CellStart | None = None
        self.on_cell: Any = None  # called with each cell's facts

    # hooks

    def install(self) -> None:
        """Follow the shell from now on."""
        self.shell.events.register("pre_run_cell", self.before)
        self.shell.events.register("post_run_cell", self.after)
        self.shell.ast_transformers.append(self)
        for name, value in self.space().items():
            self._take_print(name, value)

    def remove(self) -> None:
        """Stop following."""
        self.shell.events.unregister("pre_run_cell", self.before)
        self.shell.events.unregister("post_run_cell", self.after)
        self.shell.ast_transformers.remove(self)

    def space(self) -> dict[str, Any]:
        """Return the notebook's own names and their values."""
        known, theirs = self.kinds, self.from_ipython
        theirs |= {n: v for n in SHOWN_LAST if (v := own(self.shell.displayhook, n)) is not None}
        return {
            name: value
            for name, value in self.shell.user_ns.copy().items()  # threads may add to it
            if (known[name] if name in known else known.setdefault(name, is_user(name)))
            or (name in theirs and theirs[name] is not value)
        }

    def before(self, info: Any) -> None:
        """Note how things stand before a cell; cells that a cell runs are part of it."""
        if self.cell is not None and self.cell.count == self.shell.execution_count:
            return
        try:
            folder, space = paths.folder_now(), self.space()
            self.cell = CellStart(
                info=info,
                count=self.shell.execution_count,
                typed=len(self.shell.history_manager.input_hist_parsed),
                folder=folder,
                space=space,
                state=global_state.state()
                if self.state is None
                else global_state.again(self.state),
                stats=paths.stats(folder, self.files) if self._may_write(info.raw_cell) else None,
                modules=len(sys.modules),
                writing={path: paths.told(path) for path in self.writing},
                start=time.time_ns(),
                tasks=pending(space.values()) if "await" in info.raw_cell else [],
                shown=list(self.shell.user_ns.get("_oh", ())),
            )
            self.opened.watch(folder)
            self.opened.take()  # what happened between cells is nobody's
            audit_hook.listen()
        except BaseException as error:  # noqa: BLE001  watching must never stop a cell
            self.cell = None
            self._lost(info, error)

    def _may_write(self, text: str) -> bool:
        """Say whether files may be touched without the interpreter noticing."""
        return (
            any(word in text for word in ("import", "!", "%", "sql", "process", "system", "log"))
            or any(name in text for name in self.open)
            or any(name in sys.modules for name in NATIVE)
        )

    def visit(self, tree: ast.AST) -> ast.AST:
        """Read a tree that is about to run (IPython's hook for transformers); leave it as it is."""
        cell = self.cell
        if cell is None:
            return tree
        try:
            local_modules.forget()
            reads = self._begun(cell)
            reads.visit(tree)
            cell.trees.append((tree, reads))
            bound = {n for n in reads.stores if n.startswith("__") and n not in SKIPPED}
            self.kinds.update(dict.fromkeys(bound, True))  # `__version__`, `import __main__`
            self._watch_named(cell, reads)
            self.settings.before(cell, reads)
            for name in reads.loads:
                if name in cell.space and name not in self.prints:
                    self._take_print(name, cell.space[name])
            look_ahead(self, cell, reads)
            asked = reads.loads.keys() - reads.stores.keys() - cell.space.keys()
            for count, value in shown_before(cell.info.raw_cell, self.shell.user_ns, asked):
                cell.outs.setdefault(count, (value, print_of(value)))
        except Exception as error:  # noqa: BLE001  watching must never stop a cell
            cell.lost = f"{type(error).__name__}: {error}"
        return tree

    def _begun(self, cell: CellStart) -> Visitor:
        """Return the reads of a tree that is about to run, by what of the cell runs it."""
        if not cell.trees:
            return Visitor(values=cell.space)
        local: set[str] | None = None
        if sys._getframe(3).f_code.co_name == "timeit":  # it asks for its set-up, then for the rest
            local = set() if cell.timed is None else cell.timed
            cell.timed = local if cell.timed is None else None
        line = self._line_now()
        bound = cell.trees[0][1].timed.get(line)
        whole = len(getattr(cell.trees[0][0], "body", ())) == 1  # `%%time`: lines of its own
        return Visitor(bound or (), local, at=None if bound is None or whole else line)

    def _line_now(self) -> int:
        """Return the line of the cell that is being run."""
        frame: types.FrameType | None = sys._getframe(3)
        line = 0
        while frame is not None:
            if frame.f_globals is self.shell.user_ns and frame.f_code.co_name == "<module>":
                line = frame.f_lineno  # the outermost one is the cell
            frame = frame.f_back
        return line

    def _watch_named(self, cell: CellStart, reads: Visitor) -> None:
        """Watch the folders that the cell's texts, and the values that it loads, name."""
        texts = [t for t in reads.texts if paths.looks_like_path(t)]
        for name in reads.loads:
            if name in cell.space:
                texts += paths.paths_in(cell.space[name])
        self.opened.watch_near(paths.as_path(text, cell.folder) for text in texts)

    def after(self, result: Any) -> None:
        """Tell what the cell did."""
        cell = self.cell
        if cell is None or result.info is not cell.info:
            return
        self.cell = None
        events = audit_hook.stop()
        try:
            seen = Facts(self, cell, result, events).tell()
        except BaseException as error:  # noqa: BLE001  nor an interrupt be taken for the next one's
            self._lost(cell.info, error)
            return
        self._add(seen)

    def _lost(self, info: Any, error: BaseException) -> None:
        why = f"it could not be watched ({type(error).__name__}: {error})"
        self._add({"id": getattr(info, "cell_id", None), "lost": why, "assumed": [why]})

    def _add(self, seen: dict[str, Any]) -> None:
        self.facts.append(seen)
        if self.on_cell is not None:
            self.on_cell(seen)

    # values

    def _take_print(self, name: str, value: Any, parts: frozenset[int] | None = None) -> None:
        kind = type(value)
        if kind in PLAIN:
            self.shares.pop(name, None)
        else:
            self.shares[name] = shares(value) if parts is None else parts
            mark = external.database_mark(value)
            if mark is not None:
                self.marks[name] = mark
            if external.module_of(kind) == "__main__" and type(own(value, "__dict__")) is dict:
                self.filled[name] = {(id(value), key) for key in own(value, "__dict__")}
        self.bases.pop(name, None)
        if external.top_of(value) == "pandas" and (below := bases(value)):
            self.bases[name] = below
        self.prints[name] = print_of(value)
        self.open.discard(name)
        if issubclass(kind, io.IOBase) or external.name_of(kind) == "memmap":
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
            self._take_print(name, value, now.get(name))
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
            and external.module_of(type(space[name])) in ITERATORS
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


_followed: dict[int, Observer] = {}


def start(_: str = "") -> str:
    """Follow this kernel's shell (once)."""
    shell = sys.modules["IPython"].get_ipython()
    if id(shell) not in _followed:
        _followed[id(shell)] = Observer(shell)
        _followed[id(shell)].install()
    return json.dumps({})


def seen(_: str = "") -> str:
    """Hand over what was seen since the last time."""
    shell = sys.modules["IPython"].get_ipython()
    observer = _followed[id(shell)]
    found, observer.facts = observer.facts, []
    return json.dumps({"seen": found}, default=str)
