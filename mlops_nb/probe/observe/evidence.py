"""Collects what there was before a cell, and what trees, hooks and namespaces show of it."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..introspect import top_of
from ..syntax.names import Use
from ..syntax.visitor import Visitor
from . import audit_hook
from .closure import Reach


@dataclass(slots=True)
class CellStart:
    """The state before a cell, and what is recorded while it runs.

    typed:   the number of its input, as in `In[1]`
    """

    info: Any
    count: int
    typed: int
    folder: str
    space: dict[str, Any]
    state: dict[str, Any]
    modules: int
    shown: list[int]
    trees: list[tuple[Any, Visitor]] = field(default_factory=list)
    lost: str = ""
    early: list[tuple[int, set[str]]] = field(default_factory=list)  # (line, names that it reads)
    reaches: list[Reach] = field(default_factory=list)  # that found these names
    outs: dict[int, tuple[Any, Any]] = field(default_factory=dict)  # earlier outputs that it reads


class Evidence:
    """The names, texts and values of one cell, from its syntax trees and both namespaces.

    before, now: the notebook's names and values before and after the cell
    reach:       the code behind the values that the cell uses
    """

    reach: Reach

    def __init__(
        self,
        shell: Any,
        cell: CellStart,
        now: dict[str, Any],
        result: Any,
        events: list[Any],
    ) -> None:
        self.shell, self.cell, self.result = shell, cell, result
        self.before, self.now = cell.space, now
        self.both = {**self.before, **self.now}
        self.touched = audit_hook.Touched(events, cell.folder)
        self.failing = self._failing()
        self.last_line = None if self.failing is None else self.failing[1]
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
            self._merge(reads, None if place else self.failing)

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

    def _failing(self) -> tuple[int, int] | None:
        """Return the first and last line of the statement of the cell that raised."""
        error, trees = self.result.error_in_exec, self.cell.trees
        trace = None if error is None or not trees else error.__traceback__
        while trace is not None:
            frame = trace.tb_frame
            if frame.f_globals is self.shell.user_ns and frame.f_code.co_name == "<module>":
                return _statement(trees[0][0], trace.tb_lineno)
            trace = trace.tb_next
        return None

    @cached_property
    def named(self) -> list[tuple[str, Any]]:
        """Every name that the cell or the code it reaches uses, with its value."""
        return [(n, self.both[n]) for n in {*self.used, *self.reached} if n in self.both]

    @cached_property
    def tops(self) -> set[str]:
        """The packages that all these come from."""
        return {top_of(value) for _, value in self.named}

    def calls(self, *tops: str) -> list[tuple[Any, tuple[str, ...]]]:
        """Return (value, dotted path) of what the text looks up on names, in order.

        tops: the packages that the values come from, any where none is given
        """
        return [
            (self.both[root], path)
            for _, reads in self.cell.trees
            for _, root, path in reads.paths
            if root in self.both and (not tops or top_of(self.both[root]) in tops)
        ]

    @cached_property
    def known_texts(self) -> list[str]:
        """The texts that stand in the cell and in the code it reaches, and those behind names."""
        return [*self.texts, *(v for _, v in self.named if type(v) is str)]


def _statement(tree: Any, line: int) -> tuple[int, int] | None:
    """Return the first and last line of the statement of a tree that a line belongs to."""
    for node in getattr(tree, "body", []):
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
        if first <= line <= (node.end_lineno or line):
            return first, int(node.end_lineno or line)
    return None
