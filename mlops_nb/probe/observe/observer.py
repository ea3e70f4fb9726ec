"""Watches a shell's cells run and tells what each one read, bound and changed.

The namespace stays the exact dict that it is. Reads come from the trees that ran and from the code
that they reach; writes from identity and content before and after.
"""

import ast
import json
import re
import sys
from typing import Any

from ..introspect import Gone, words
from ..syntax.known_calls import TIMED
from ..syntax.visitor import Visitor
from . import audit_hook, entropy, global_state, local_modules, paths
from .aliasing import own
from .cell import Facts
from .closure import Reach
from .displays import Displays, shown_before
from .evidence import CellStart
from .memory import Memory, print_of

SKIPPED = words("In Out get_ipython exit quit open _ __ ___ _i _ii _iii _ih _oh _dh")
FROM_IPYTHON = ("In", "Out", "exit", "quit", "open")  # by IPython: the notebook may bind them anew
SHOWN_LAST = ("_", "__", "___")  # by IPython, too: it leaves alone what the notebook binds
HISTORY = re.compile(r"_i?\d+$")


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
        self.from_ipython = {n: shell.user_ns[n] for n in FROM_IPYTHON if n in shell.user_ns}
        self.memory = Memory()
        self.kinds: dict[str, bool] = {}  # name → whether it is the notebook's own
        self.cell: CellStart | None = None
        self.on_cell: Any = None  # called with each cell's facts

    # hooks

    def install(self) -> None:
        """Follow the shell from now on."""
        self.shell.events.register("pre_run_cell", self.before)
        self.shell.events.register("post_run_cell", self.after)
        self.shell.ast_transformers.append(self)
        self.displays = Displays(self.shell)
        entropy.install()
        for name, value in self.space().items():
            self.memory.take_print(name, value)

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
            folder, space, memory = paths.folder_now(), self.space(), self.memory
            self.cell = CellStart(
                info=info,
                count=self.shell.execution_count,
                typed=len(self.shell.history_manager.input_hist_parsed),
                folder=folder,
                space=space,
                state=global_state.state(memory.state),
                modules=len(sys.modules),
                shown=list(self.shell.user_ns.get("_oh", ())),
            )
            memory.opened.watch(folder)
            memory.opened.take()  # what happened between cells is nobody's
            audit_hook.listen()
            self.displays.take()
            entropy.take()
        except BaseException as error:  # noqa: BLE001  watching must never stop a cell
            self.cell = None
            self._lost(info, error)

    def visit(self, tree: ast.AST) -> ast.AST:
        """Read a tree that is about to run (IPython's hook for transformers); leave it as it is."""
        cell = self.cell
        is_part = sys._getframe(2).f_code.co_name in TIMED  # of a cell that was read as a whole
        if cell is None or (cell.trees and is_part):
            return tree
        try:
            local_modules.forget()
            reads = Visitor(python_of=self.shell.transform_cell)
            reads.visit(tree)
            cell.trees.append((tree, reads))
            bound = {n for n in reads.stores if n.startswith("__") and n not in SKIPPED}
            self.kinds.update(dict.fromkeys(bound, True))  # `__version__`, `import __main__`
            for name in reads.loads:
                if name in cell.space and name not in self.memory.prints:
                    self.memory.take_print(name, cell.space[name])
            self._look_ahead(cell, reads)
            asked = reads.loads.keys() - reads.stores.keys() - cell.space.keys()
            for count, value in shown_before(cell.info.raw_cell, self.shell.user_ns, asked):
                cell.outs.setdefault(count, (value, print_of(value)))
        except Exception as error:  # noqa: BLE001  watching must never stop a cell
            cell.lost = f"{type(error).__name__}: {error}"
        return tree

    def _look_ahead(self, cell: CellStart, reads: Visitor) -> None:
        """Note what the values before a tree may run, and hold no value that the tree drops.

        A file that is dropped is written, an object's `__del__` prints, the memory of a frame is
        free: all that happens at once if nothing else holds them.
        """
        reach = Reach(self.shell.user_ns, reads.attrs)
        for name, use in sorted(reads.loads.items(), key=lambda item: item[1].line):
            before = set(reach.names)
            if name in cell.space:
                reach.take(cell.space[name], use)
            cell.early.append((use.line, reach.names - before))
        self._watch_named(cell, reads, reach)
        reach.later.clear()
        cell.reaches.append(reach)
        for name in {*reads.deletes, *reads.stores} & cell.space.keys():
            cell.space[name] = Gone(cell.space[name])

    def _watch_named(self, cell: CellStart, reads: Visitor, reach: Reach) -> None:
        """Watch the folders that texts and values name, in the cell and in the code it reaches."""
        texts = [t for t in (*reads.texts, *reach.texts) if paths.looks_like_path(t)]
        for name in (reads.loads.keys() | reach.names) & cell.space.keys():
            texts += paths.paths_in(cell.space[name])
        self.memory.opened.watch_near(paths.as_path(text, cell.folder) for text in texts)

    def after(self, result: Any) -> None:
        """Tell what the cell did."""
        cell = self.cell
        if cell is None or result.info is not cell.info:
            return
        self.cell = None
        events = audit_hook.stop()
        try:
            drawn, (updated, shown) = entropy.take(), self.displays.take()
            seen = Facts(self.shell, self.memory, cell, result, events, self.space()).tell()
            seen["entropy"] = drawn or seen["entropy"]
            seen["channels_read"] = sorted({*seen["channels_read"], *updated})
            seen["channels_changed"] = sorted({*seen["channels_changed"], *shown})
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
