"""Works out what one cell did, from how things stood before it and how they stand after."""

import builtins
import sys
import types
from typing import Any

from ..introspect import is_own, is_same, may_run, top_of
from ..syntax.names import Use
from . import entropy, external
from .aliasing import shares
from .change_detection import print_of
from .closure import Reach
from .displays import written_by
from .dynamic_names import Texts, may_read_any
from .evidence import CellStart, Evidence
from .figures import holds_artists
from .library_state import listeners
from .lifetimes import keeps
from .memory import Memory
from .side_effects import Hidden

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


class Facts(Evidence):
    """Works out what one cell read, bound and changed."""

    def __init__(
        self,
        shell: Any,
        memory: Memory,
        cell: CellStart,
        result: Any,
        events: list[Any],
        now: dict[str, Any],
    ) -> None:
        super().__init__(shell, cell, now, result, events)
        self.memory = memory

    # the answer

    def tell(self) -> dict[str, Any]:
        """Return what the cell did, ready for JSON."""
        bound = self._bound()
        writes = bound | {n for n, (_, maybe) in self.stores.items() if n in self.now and not maybe}
        reads = {
            n
            for n, use in self.loads.items()
            if n in self.before and not (use.maybe and n in bound)
        }
        gone = self.memory.gone - self.before.keys() - vars(builtins).keys()
        reads |= {n for n in gone if n in self.loads or (self.dynamic and n in self.texts)}
        reads |= self._from_code()
        reads |= self._reached_from(Texts(self).names())
        reads |= self._through_shown() | self._standing_for(self._written_to())
        if not self.cell.trees and bound:
            self.assumed.append("it ran code that could not be read")
        touched = {n for n in (reads | writes | set(self.used)) if n in self.now}
        anew = {f"cache:{n}" for n in touched if self.memory.asked_anew(self.now[n])}
        hidden = Hidden(self, self.memory)
        changes = self._changes(touched, writes)
        if not hidden.may_redraw():
            changes = {n for n in changes if not holds_artists(self.now[n])}
        anew |= {f"cache:{n}" for n in self.memory.changed_answers(changes)}
        deletes = {n for n in self.before if n not in self.now}
        for name in deletes:
            self.memory.forget(name)
        told = hidden.tell()
        told["channels_changed"] |= anew | {
            f"Out[{n}]" for n, (value, old) in self.cell.outs.items() if print_of(value) != old
        }
        prints = self.memory.prints
        told |= {
            "reads": reads,
            "writes": writes,
            "changes": changes,
            "deletes": deletes,
            "unknown": {n for n in writes | changes if n in self.now and prints.get(n) is None},
        }
        return {**self._about(), **{name: sorted(found) for name, found in told.items()}}

    def _bound(self) -> set[str]:
        """Return the names that are bound to another object than before."""
        before = self.before
        return {n for n, v in self.now.items() if n not in before or not is_same(before[n], v)}

    def _about(self) -> dict[str, Any]:
        result = self.result
        return {
            "id": getattr(self.cell.info, "cell_id", None),
            "typed": self.cell.typed,
            "source": self.cell.info.raw_cell,
            "clock": external.tells_time(self.attrs, self.named),
            "entropy": entropy.words(
                self.attrs, self.named, {*self.loads, *self.reach.builtins} - self.both.keys()
            ),
            "assumed": self.assumed,
            "reads_any": may_read_any(self),
            "exits": isinstance(result.error_in_exec, SystemExit),
            "failed": result.error_in_exec is not None or result.error_before_exec is not None,
        }

    # names

    def _begun(self) -> Reach:
        """Return what walks from values to the code behind them, by what is known of this cell."""
        cached = [
            id(v)
            for n in self.memory.caches
            if n in self.both and self.memory.answered_from_cache(v := self.both[n])
        ]
        known = self.memory.known_values(self.used)
        return Reach(self.shell.user_ns, self.attrs, cached, known, self.before)

    def _from_code(self) -> set[str]:
        """Names that are read by the code behind the names that the cell uses."""
        if is_own(self.result.result):
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
                if name in space and may_run(space[name]):
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
        tops = {top_of(self.both[n]) for n in self.used if n in self.both}
        patched = self.memory.settings.names.get("builtins", set())
        magics = {a.lstrip("%") for a in attrs if a.startswith("%")}
        formatted = "display.formatters" in self.memory.ever_set
        return [
            *self.memory.settings.reached({*attrs, *(self.used.keys() & patched)}, tops),
            *(written_by(self.result.result) if formatted else ()),
            *self.memory.settings.finders(self.cell),
            *self.cell.tasks,
            *(self._listeners() if "logging" in tops else ()),
            *(
                known[name]
                for known in registry.values()
                for name in magics & known.keys()
                if getattr(known[name], "__globals__", None) is self.shell.user_ns
            ),
        ]

    def _through_shown(self) -> set[str]:
        """Names whose value is, or shares memory with, what an earlier cell showed: `_`."""
        ids = {one for value, _ in self.cell.outs.values() for one in shares(value)}
        known = self.memory.shares.items() if ids else ()
        return {n for n, its in known if n in self.before and not ids.isdisjoint(its)}

    def _written_to(self) -> list[Any]:
        """What `print` and loggers write to, or hand on to, where the notebook has set that."""
        found = self._listeners() if "logging" in self.tops else []
        if "print" in self.used and "sys" in self.memory.settings.names:
            found.append(sys.stdout)
        return found + self.cell.tasks

    def _listeners(self) -> list[Any]:
        return listeners() if "logging" in self.memory.settings.names else []

    def _standing_for(self, values: list[Any]) -> set[str]:
        """Names that stand for one of some values."""
        ids = {id(value) for value in values}
        return {name for name, value in self.before.items() if id(value) in ids} if ids else set()

    # changes

    def _changes(self, touched: set[str], writes: set[str]) -> set[str]:
        """Names whose value is another one than before, databases behind connections included."""
        marks = dict(self.memory.marks)
        changes, guesses = self.memory.changed(touched, writes, self.now)
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
                self.memory.marks[name] = mark
            if name in changes or name not in self.before:
                continue
            if (mark is not None and old is not None and mark != old) or (
                external.is_handle(value) and external.writes_database(self.texts, self.attrs)
            ):
                found.add(name)
        return found
