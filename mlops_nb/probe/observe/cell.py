"""Works out what one cell did, from how things stood before it and how they stand after."""

import builtins
import sys
import types
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..syntax.names import Use
from ..syntax.visitor import Visitor
from . import audit_hook, external, paths
from .aliasing import shares
from .change_detection import print_of
from .closure import Reach
from .display_options import written_by
from .dynamic_names import Texts
from .figures import holds_artists
from .library_state import Target, listeners
from .lifetimes import keeps
from .side_effects import Hidden

if TYPE_CHECKING:
    from .observer import Observer

SHOWS_ITSELF = frozenset(
    {
        "_repr_html_",
        "_repr_mimebundle_",
        "_repr_markdown_",
        "_repr_png_",
        "_repr_svg_",
        "_repr_latex_",
        "_ipython_display_",
    }
)


ANYHOW = Use(0, maybe=False)  # what somebody calls, in whatever way
ANYHOW.called = ANYHOW.escapes = True


@dataclass(slots=True)
class CellStart:
    """How things stood before a cell.

    typed:   its place among all that was typed, as in `In[1]`
    tasks:   those that go on wherever the cell awaits something
    writing: files that may still be open → when they were written to, and their size
    """

    info: Any
    count: int
    typed: int
    folder: str
    space: dict[str, Any]
    state: dict[str, Any]
    stats: paths.Stats | None
    modules: int
    writing: dict[str, Any]
    start: int
    tasks: list[Any]
    shown: list[int]
    trees: list[tuple[Any, Visitor]] = field(default_factory=list)
    lost: str = ""
    timed: set[str] | None = None  # names that the set-up of the `%timeit` under way binds
    existing: set[Target] = field(default_factory=set)  # attributes it sets that were there before
    early: list[tuple[int, set[str]]] = field(default_factory=list)  # (line, names that it reads)
    reaches: list[Reach] = field(default_factory=list)  # which told them
    outs: dict[int, tuple[Any, Any]] = field(default_factory=dict)  # shown before, and asked for
    contents: dict[tuple[str, str], tuple[Any, Any]] = field(default_factory=dict)  # of modules


class Facts:
    """One cell's work, told from both sides of it."""

    def __init__(
        self, observer: "Observer", cell: CellStart, result: Any, events: list[Any]
    ) -> None:
        self.observer, self.cell, self.result = observer, cell, result
        self.shell = observer.shell
        self.before, self.now = cell.space, observer.space()
        self.both = {**self.before, **self.now}
        self.touched = audit_hook.Touched(events, cell.folder)
        self.failing = self._failing()
        self.last_line = self.failing[0][1] if 0 in self.failing else None
        self.loads: dict[str, Use] = {}
        self.used: dict[str, Use] = {}
        self.stores: dict[str, tuple[int, bool]] = {}
        self.attrs: set[str] = set()
        self.texts: list[str] = []
        self.shell_texts: list[str] = []
        self.magic_texts: list[str] = []
        self.expanded: list[str] = []
        self.dynamic: set[str] = set()
        self.imports: set[str] = set()
        self.shows = False
        self.reached: set[str] = set()
        self.assumed: list[str] = []
        for place, (_, reads) in enumerate(cell.trees):
            self._merge(reads, self.failing.get(0 if reads.at else place))

    def _merge(self, reads: Visitor, failing: tuple[int, int] | None) -> None:
        first, last = failing or (None, None)
        for mine, theirs in ((self.loads, reads.loads), (self.used, reads.used)):
            for name, use in theirs.items():
                if last is None or use.line <= last:
                    mine.setdefault(name, use)
        for name, (line, conditional) in reads.stores.items():
            if first is None or line < first:  # what the failing one bound shows by itself
                self.stores.setdefault(name, (line, conditional))
        self.attrs |= reads.attrs
        self.texts += reads.texts
        self.shell_texts += reads.shell
        self.magic_texts += reads.magics
        self.expanded += reads.expanded
        self.dynamic |= reads.dynamic
        self.imports |= reads.modules
        self.shows |= reads.shows

    def _failing(self) -> dict[int, tuple[int, int]]:
        """Return the first and last line of the statement that raised, by its tree's place."""
        error, trees = self.result.error_in_exec, self.cell.trees
        if error is None or not trees:
            return {}
        trace, lines = error.__traceback__, []
        while trace is not None:
            frame = trace.tb_frame
            if frame.f_globals is self.shell.user_ns and frame.f_code.co_name == "<module>":
                lines.append(trace.tb_lineno)
            trace = trace.tb_next
        places = [0] if len(trees) == 1 else [0, len(trees) - 1]  # `%%time` runs a tree, too
        found = {p: _statement(trees[p][0], n) for p, n in zip(places, lines, strict=False)}
        return {place: span for place, span in found.items() if span is not None}

    # the answer

    def tell(self) -> dict[str, Any]:
        """Return what the cell did, ready for JSON."""
        bound = {
            n
            for n, v in self.now.items()
            if n not in self.before or not external.is_same(self.before[n], v)
        }
        writes = bound | {n for n, (_, maybe) in self.stores.items() if n in self.now and not maybe}
        reads = {
            n
            for n, use in self.loads.items()
            if n in self.before and not (use.maybe and n in bound)
        }
        gone = self.observer.gone - self.before.keys() - vars(builtins).keys()
        reads |= {n for n in gone if n in self.loads or (self.dynamic and n in self.texts)}
        reads |= self._from_code()
        reads |= self._reached_from(Texts(self).names())
        reads |= self._through_shown() | self._standing_for(self._written_to())
        if not self.cell.trees and bound:
            self.assumed.append("it ran code that could not be read")
        touched = {n for n in (reads | writes | set(self.used)) if n in self.now}
        anew = {f"cache:{n}" for n in touched if self.observer.asked_anew(self.now[n])}
        hidden = Hidden(self)
        changes = self._changes(touched, writes)
        if not hidden.may_redraw():
            changes = {n for n in changes if not holds_artists(self.now[n])}
        anew |= {f"cache:{n}" for n in self.observer.changed_answers(changes)}
        deletes = {n for n in self.before if n not in self.now}
        for name in deletes:
            self.observer.forget(name)
        told = hidden.tell()
        told["channels_changed"] |= anew | {
            f"Out[{n}]" for n, (value, old) in self.cell.outs.items() if print_of(value) != old
        }
        prints = self.observer.prints
        told |= {
            "reads": reads,
            "writes": writes,
            "changes": changes,
            "deletes": deletes,
            "unknown": {n for n in writes | changes if n in self.now and prints.get(n) is None},
        }
        return {**self._about(), **{name: sorted(found) for name, found in told.items()}}

    def _about(self) -> dict[str, Any]:
        result = self.result
        return {
            "id": getattr(self.cell.info, "cell_id", None),
            "typed": self.cell.typed,
            "source": self.cell.info.raw_cell,
            "clock": external.tells_time(self.attrs, self.named),
            "assumed": self.assumed,
            "failed": result.error_in_exec is not None or result.error_before_exec is not None,
        }

    # names

    @cached_property
    def named(self) -> list[tuple[str, Any]]:
        """Every name that the cell or the code it reaches uses, with its value."""
        return [(n, self.both[n]) for n in {*self.used, *self.reached} if n in self.both]

    @cached_property
    def tops(self) -> set[str]:
        """The packages that all these come from."""
        return {external.top_of(value) for _, value in self.named}

    def calls(self, *tops: str) -> list[tuple[Any, tuple[str, ...]]]:
        """Return (value, dotted path) of what the text looks up on names, in order.

        tops: the packages that the values come from, any where none is given
        """
        return [
            (self.both[root], path)
            for _, reads in self.cell.trees
            for _, root, path in reads.paths
            if root in self.both and (not tops or external.top_of(self.both[root]) in tops)
        ]

    def _begun(self) -> Reach:
        """Return what walks from values to the code behind them, by what is known of this cell."""
        cached = [
            id(v)
            for n in self.observer.caches
            if n in self.both and self.observer.answered_from_cache(v := self.both[n])
        ]
        known = self.observer.known_values(self.used)
        return Reach(self.shell.user_ns, self.attrs, cached, known, self.before)

    def _from_code(self) -> set[str]:
        """Names that are read by the code behind the names that the cell uses."""
        if external.is_own(self.result.result):
            self.attrs |= SHOWS_ITSELF
        reach = self.reach = self._begun()
        first: dict[str, int] = {}
        last = self.last_line
        for line, names in self.cell.early:  # of what the cell has dropped by now
            if last is not None and line > last:
                continue
            first |= dict.fromkeys(names - first.keys(), line)
        for early in self.cell.reaches:
            reach.join(early)
        for name, use in sorted(self.used.items(), key=lambda item: item[1].line):
            kept = use.is_kept(lambda callee: keeps(callee, self.both))
            for space in (self.before if name in self.loads else {}, self.now):
                if name in space:
                    reach.take(space[name], use, kept=kept)
            for reached in reach.names - first.keys():
                first[reached] = use.line
        for value in self._called_by_libraries(reach.attrs):
            reach.take(value, ANYHOW)
        first = dict.fromkeys(reach.names, 0) | first
        self.attrs |= reach.attrs
        self.texts += reach.texts
        self.reached = reach.names
        found = set()
        for name, line in first.items():
            stored = self.stores.get(name)
            if name in self.before and (stored is None or stored[1] or line <= stored[0]):
                found.add(name)
        return found

    def _reached_from(self, named: set[str]) -> set[str]:
        """Names that texts name, and those that are read by the code behind them."""
        known, texts = set(self.reach.names), len(self.reach.texts)
        for name in named if len(named) < len(self.before) else ():  # else any name may be meant
            for space in (self.before, self.now):
                if name in space and external.may_run(space[name]):
                    self.reach.take(space[name], ANYHOW)
        self.attrs |= self.reach.attrs
        self.texts += self.reach.texts[texts:]
        for told in ("named", "known_texts"):  # by fewer names than there are now
            self.__dict__.pop(told, None)
        new = {n for n in self.reach.names - known if n in self.before and n not in self.stores}
        return named | new

    def _called_by_libraries(self, attrs: set[str]) -> list[Any]:
        """Functions and classes of the notebook that libraries call by what the cell looks up."""
        registry = self.shell.magics_manager.magics
        tops = {external.top_of(self.both[n]) for n in self.used if n in self.both}
        patched = self.observer.settings.names.get("builtins", set())
        magics = {a.lstrip("%") for a in attrs if a.startswith("%")}
        formatted = "display.formatters" in self.observer.ever_set
        return [
            *self.observer.settings.reached({*attrs, *(self.used.keys() & patched)}, tops),
            *(written_by(self.result.result) if formatted else ()),
            *self.observer.settings.finders(self.cell),
            *self.cell.tasks,
            *(self._listeners() if "logging" in tops else ()),
            *(
                known[name]
                for known in registry.values()
                for name in magics & known.keys()
                if getattr(known[name], "__globals__", None) is self.shell.user_ns
            ),
        ]

    @cached_property
    def known_texts(self) -> list[str]:
        """The texts that stand in the cell and in the code it reaches, and those behind names."""
        return [*self.texts, *(v for _, v in self.named if type(v) is str)]

    def _through_shown(self) -> set[str]:
        """Names whose value is, or shares memory with, what an earlier cell showed: `_`."""
        ids = {one for value, _ in self.cell.outs.values() for one in shares(value)}
        known = self.observer.shares.items() if ids else ()
        return {n for n, its in known if n in self.before and not ids.isdisjoint(its)}

    def _written_to(self) -> list[Any]:
        """What `print` and loggers write to, or hand on to, where the notebook has set that."""
        found = self._listeners() if "logging" in self.tops else []
        if "print" in self.used and "sys" in self.observer.settings.names:
            found.append(sys.stdout)
        return found + self.cell.tasks

    def _listeners(self) -> list[Any]:
        return listeners() if "logging" in self.observer.settings.names else []

    def _standing_for(self, values: list[Any]) -> set[str]:
        """Names that stand for one of some values."""
        ids = {id(value) for value in values}
        return {name for name, value in self.before.items() if id(value) in ids} if ids else set()

    # changes

    def _changes(self, touched: set[str], writes: set[str]) -> set[str]:
        """Names whose value is another one than before, databases behind connections included."""
        marks = dict(self.observer.marks)
        changes, guesses = self.observer.changed(touched, writes, self.now)
        changes |= self._databases(touched, changes, marks)
        changes |= {
            n
            for n, use in self.used.items()
            if "reload" in use.given and issubclass(type(self.now.get(n)), types.ModuleType)
        }
        if guesses:
            self.assumed.append("the content of " + ", ".join(sorted(guesses)) + " cannot be told")
        if self.cell.lost:
            self.assumed.append(f"its text could not be read ({self.cell.lost})")
        return changes

    def _databases(self, touched: set[str], changes: set[str], marks: dict[str, Any]) -> set[str]:
        """Connections whose database this cell changed, and cursors that it moved.

        marks: name → what was told of a connection before the cell
        """
        found = {
            n
            for n in touched & self.before.keys()
            if external.is_cursor(self.now[n]) and self.attrs & external.MOVES_CURSORS
        }
        behind = [
            getattr(self.now[n], "connection", None)
            for n in touched
            if external.is_cursor(self.now[n])
        ]
        held = {n for n, value in self.now.items() if behind and any(value is b for b in behind)}
        for name in touched | held:
            value = self.now[name]
            mark, old = external.database_mark(value), marks.get(name)
            if mark is not None:
                self.observer.marks[name] = mark
            if name in changes or name not in self.before:
                continue
            if (mark is not None and old is not None and mark != old) or (
                external.is_handle(value) and external.writes_database(self.texts, self.attrs)
            ):
                found.add(name)
        return found


def _statement(tree: Any, line: int) -> tuple[int, int] | None:
    """Return the first and last line of the statement of a tree that a line belongs to."""
    for node in getattr(tree, "body", []):
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
        if first <= line <= (node.end_lineno or line):
            return first, int(node.end_lineno or line)
    return None
