"""Works out what one cell did, from the state before it and the state after it."""

import builtins
import types
from typing import Any

from ..introspect import is_own, is_same, words
from ..syntax.names import Use
from . import entropy, external, package_state
from .closure import Reach
from .dynamic_names import may_read_any, names_in_texts
from .evidence import CellStart, Evidence
from .figures import holds_artists
from .memory import Memory, print_of
from .side_effects import Hidden

SHOWS_ITSELF = words(
    "_repr_html_ _repr_mimebundle_ _repr_markdown_ _repr_png_ _repr_svg_ _repr_latex_ "
    "_ipython_display_"
)
ANY_USE = Use(0, maybe=False)  # it may be called in any way
ANY_USE.called = ANY_USE.escapes = True


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
        reads |= self._reached_from(names_in_texts(self))
        if not self.cell.trees and bound:
            self.assumed.append("it ran code that could not be read")
        touched = {n for n in (reads | writes | set(self.used)) if n in self.now}
        anew = {f"cache:{n}" for n in touched if self.memory.asked_anew(n, self.now[n])}
        hidden = Hidden(self, self.memory)
        changes = self._changes(touched, writes)
        if not hidden.draws():
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
            "entropy": entropy.words_of(
                self.attrs, self.named, {*self.loads, *self.reach.builtins} - self.both.keys()
            ),
            "assumed": self.assumed,
            "reads_any": may_read_any(self),
            "sets_package": self._sets_package(),
            "exits": isinstance(result.error_in_exec, SystemExit),
            "failed": result.error_in_exec is not None or result.error_before_exec is not None,
        }

    def _sets_package(self) -> bool:
        setters = self.memory.setters
        setters |= package_state.setters_in(self)
        return package_state.is_set(self, setters)

    # names

    def _from_code(self) -> set[str]:
        """Names that are read by the code behind the names that the cell uses."""
        if is_own(self.result.result):
            self.attrs |= SHOWS_ITSELF
        reach = self.reach = Reach(self.shell.user_ns, self.attrs, self.before)
        first: dict[str, int] = {}
        last = self.last_line
        for line, names in self.cell.early:  # of what the cell may have dropped by now
            if last is None or line <= last:
                first |= dict.fromkeys(names - first.keys(), line)
        for early in self.cell.reaches if last is None else ():
            reach.join(early)
        reach.names |= first.keys()
        for name, use in sorted(self.used.items(), key=lambda item: item[1].line):
            if name in self.now:
                reach.take(self.now[name], use)
            for reached in reach.names - first.keys():
                first[reached] = use.line
        first = dict.fromkeys(reach.names, 0) | first
        self._take_in(reach)
        self.reached = reach.names
        found = set()
        for name, line in first.items():
            stored = self.stores.get(name)
            if name in self.before and (stored is None or stored[1] or line <= stored[0]):
                found.add(name)
        return found

    def _take_in(self, reach: Reach) -> None:
        self.attrs |= reach.attrs
        self.texts += reach.texts
        reach.texts = []
        for told in ("named", "tops", "known_texts"):  # by fewer names than there are now
            self.__dict__.pop(told, None)

    def _reached_from(self, named: set[str]) -> set[str]:
        """Names that texts name, and those that are read by the code behind them."""
        known = set(self.reach.names)
        for name in named if len(named) < len(self.before) else ():  # else any name may be meant
            for space in (self.before, self.now):
                if name in space:
                    self.reach.take(space[name], ANY_USE)
        self._take_in(self.reach)
        new = {n for n in self.reach.names - known if n in self.before and n not in self.stores}
        return named | new

    # changes

    def _changes(self, touched: set[str], writes: set[str]) -> set[str]:
        """Names whose value is another one than before, databases behind connections included."""
        changes, guesses = self.memory.changed(touched, writes, self.now)
        if external.writes_database(self.texts, self.attrs):
            ids = {one for n in touched for one in self.memory.shares.get(n, ())}
            handles = {
                n for n in self.before.keys() & self.now.keys() if external.is_handle(self.now[n])
            }
            changes |= {n for n in handles if not ids.isdisjoint(self.memory.shares.get(n, ()))}
        changes |= {
            n
            for n in self.used
            if issubclass(type(self.now.get(n)), types.ModuleType) and "reload" in self.attrs
        }
        if guesses:
            self.assumed.append("the content of " + ", ".join(sorted(guesses)) + " cannot be told")
        if self.cell.lost:
            self.assumed.append(f"its text could not be read ({self.cell.lost})")
        return changes
