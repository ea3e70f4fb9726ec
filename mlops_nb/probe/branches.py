"""Reads the ways that a cell may take: branches, loops, handlers; what is ruled out is not read."""

import ast
import builtins
from collections import Counter
from functools import cached_property
from typing import Any

from .calls import CallReads, calls, is_namespace
from .codes import bound_by_code
from .conditions import UNKNOWN, decides, matches, outcome
from .fp_walk import SCALARS
from .marks import Mark, Marked
from .uses import Use

BUILTINS = {"len": len, "range": range}  # as they were
SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
LEAVES = (ast.Raise, ast.Return, ast.Continue, ast.Break)


class BranchReads(CallReads):
    """Walks statements of which not all may run."""

    def visit(self, node: ast.AST) -> Any:
        """Walk a node; of a whole tree, remember it: what it binds later may matter before."""
        if self.tree is None:
            self.tree = node
        return super().visit(node)

    @cached_property
    def bindings(self) -> Counter[str]:
        """How often the tree binds or removes each name, anywhere in it."""
        nodes = [] if self.tree is None else list(ast.walk(self.tree))
        found = [n.id for n in nodes if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)]
        found += [n.name for n in nodes if isinstance(n, SCOPES)]
        return Counter(
            found + [name for n in nodes if isinstance(n, ast.Global) for name in n.names]
        )

    @cached_property
    def bound_by_calls(self) -> set[str]:
        """Names that code of the notebook may bind when it is called."""
        return bound_by_code(self.values)

    def _outcome(self, node: ast.expr) -> Any:
        return outcome(node, self._value_of) if self.values else outcome(node, _no_value)

    def _value_of(self, name: str) -> Any:
        """Return what a name stands for at this place of the cell, UNKNOWN where that is open."""
        if name == "__name__":
            return "__main__"
        if name in BUILTINS and name not in self.values:
            still = getattr(builtins, name) is BUILTINS[name] and name not in self.bindings
            return UNKNOWN if still else name
        late = name in self.stores or (self.loops and name in self.bindings)
        if late or self.star or self.dynamic or name not in self.values or self._hidden(name):
            return UNKNOWN
        value = self.values[name]
        if type(value) not in SCALARS and (self.used or self.stores or self.loops or self.scopes):
            return UNKNOWN  # whatever ran before may have changed it
        if self.used and (name in self.bindings or name in self.bound_by_calls):
            return UNKNOWN
        self.settled.add(name)
        return value

    def plain(self, name: str) -> Any:
        """Return the value of a name that stands while the tree runs, UNKNOWN for any other."""
        changes = name in self.bindings or self.star or self.dynamic or name in self.bound_by_calls
        return UNKNOWN if changes else self.values.get(name, UNKNOWN)

    def _went(self, way: list[ast.stmt]) -> Any:
        """Say whether a way was taken, UNKNOWN where nothing tells."""
        mark = _mark_of(way[0]) if way else None
        return UNKNOWN if mark is None or self.ways is None else mark.way in self.ways

    def visit_Mark(self, node: Mark) -> None:
        """Leave a mark: it is not the cell's own."""

    def visit_Marked(self, node: Marked) -> None:
        mark, value = node.values
        if self.ways is None or (isinstance(mark, Mark) and mark.way in self.ways):
            self.visit(value)

    def note_call(self, use: Use, node: ast.Call) -> None:
        """Note what a name is called with, where no part of it is unpacked."""
        if any(isinstance(a, ast.Starred) for a in node.args) or None in {
            k.arg for k in node.keywords
        }:
            return
        given = [self._outcome(a) for a in node.args]
        use.calls.append((given, {str(k.arg): self._outcome(k.value) for k in node.keywords}))

    def visit_If(self, node: ast.If) -> None:
        taken = self._went(node.body)
        if taken is UNKNOWN:
            taken = self._outcome(node.test)
        self.visit(node.test)
        if taken is UNKNOWN:
            self._ways([node.body, node.orelse])
            return
        self._block(node.body if taken else node.orelse)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        taken = self._outcome(node.test)
        self.visit(node.test)
        for way, part in ((True, node.body), (False, node.orelse)):
            if taken is UNKNOWN or bool(taken) is way:
                self.visit(part)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        for part in node.values:
            found = self._outcome(part)
            self.visit(part)
            if decides(node.op, found):
                break

    def _is_there(self, node: ast.Compare) -> bool:
        """Note the name that `"name" in globals()` asks for; say whether it is that."""
        name, names = getattr(node.left, "value", None), node.comparators[0]
        if self.scopes or type(name) is not str or not isinstance(node.ops[0], ast.In | ast.NotIn):
            return False
        there = len(node.ops) == 1 and (is_namespace(names) or calls(names, "dir"))
        if there:
            self.load(name, node.lineno)
        return there

    def visit_Compare(self, node: ast.Compare) -> None:
        if self._is_there(node):
            return
        self.visit(node.left)
        for place, part in enumerate(node.comparators):
            self.visit(part)
            so_far = ast.Compare(node.left, node.ops[: place + 1], node.comparators[: place + 1])
            if place + 1 < len(node.ops) and self._outcome(so_far) is False:
                break

    def visit_Assert(self, node: ast.Assert) -> None:
        holds = self._outcome(node.test)
        self.visit(node.test)
        if node.msg is not None and (holds is UNKNOWN or not holds):
            self.visit(node.msg)

    def _ways(self, ways: list[list[ast.stmt]]) -> None:
        """Walk ways of which one is taken; what all of them bind is bound afterwards."""
        start, ends = set(self.bound), []
        self.branches += 1
        for way in ways:
            self.bound = set(start)
            self._block(way)
            if not (way and isinstance(way[-1], LEAVES)):
                ends.append(self.bound)
        self.branches -= 1
        self.bound = set.intersection(*ends) if ends else start
        for name in self.bound - start:
            if name in self.stores:
                self.stores[name] = (self.stores[name][0], self.branches > 0)

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        items = self._outcome(node.iter)
        self.visit(node.iter)
        if items is not UNKNOWN and not items:
            self._block(node.orelse)
            return
        before = set(self.bound)
        self.visit(node.target)
        self._loop(node.body)
        self.bound = before
        self._block(node.orelse)

    def visit_AsyncFor(self, node: ast.AsyncFor) -> None:
        self.visit_For(node)

    def visit_While(self, node: ast.While) -> None:
        taken = self._outcome(node.test)
        self.loops += 1
        self.visit(node.test)
        self.loops -= 1
        before = set(self.bound)
        if taken is UNKNOWN or taken:
            self._loop(node.body)
        if not isinstance(node.test, ast.Constant):
            self.bound = before
        self._block(node.orelse)

    def _loop(self, body: list[ast.stmt]) -> None:
        self.loops += 1
        self._block(body)
        self.loops -= 1

    def _block(self, body: list[ast.stmt]) -> None:
        """Walk statements until one that lets none of the rest run, or that was not come to."""
        for child in body:
            if self._went([child]) is False:
                break
            self.visit(child)
            if isinstance(child, LEAVES):
                break

    def visit_Try(self, node: ast.Try) -> None:
        before = set(self.bound)
        self._block(node.body)
        self._block(node.orelse)
        after = self.bound
        self.branches += 1
        for handler in self._asked(node):
            taken = self._went(handler.body) is True
            self.bound = set(after if taken else before)
            self.visit(handler)
            after = self.bound if taken else after
        self.branches -= 1
        self.bound = after
        for child in node.finalbody:
            self.visit(child)

    def _asked(self, node: ast.Try) -> list[ast.ExceptHandler]:
        """Return the handlers that were asked whether they take an error."""
        went = [self._went(handler.body) for handler in node.handlers]
        if UNKNOWN in went:
            return node.handlers
        return node.handlers[: went.index(True) + 1] if True in went else []

    visit_TryStar = visit_Try  # type: ignore[assignment]

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.type is not None:
            self.visit(node.type)
        self.caught.append(node.name or "")
        self._block(node.body)
        self.caught.pop()

    def visit_With(self, node: ast.With | ast.AsyncWith) -> None:
        for item in node.items:
            self.visit(item)
        self._block(node.body)

    def visit_AsyncWith(self, node: ast.AsyncWith) -> None:
        self.visit_With(node)

    def _cases(self, node: ast.Match) -> list[ast.match_case]:
        """Return the cases of a `match` that may be taken."""
        value, found = self._outcome(node.subject), []
        for case in node.cases:
            taken = matches(case.pattern, value) if type(value) in SCALARS else UNKNOWN
            if taken is not False:
                found.append(case)
            if taken is True and case.guard is None:
                break
        return found

    def visit_Match(self, node: ast.Match) -> None:
        cases = self._cases(node)
        self.visit(node.subject)
        before = set(self.bound)
        self.branches += 1
        for case in cases:
            self.bound = set(before)
            for part in ast.walk(case.pattern):
                for name in (getattr(part, "name", None), getattr(part, "rest", None)):
                    if isinstance(name, str):
                        self.store(name, node.lineno)
                if isinstance(part, ast.expr):
                    self.visit(part)
            if case.guard is not None:
                self.visit(case.guard)
            self._block(case.body)
            if self._went(case.body) is True:
                before = self.bound
                break
        self.branches -= 1
        self.bound = before


def _mark_of(statement: ast.stmt) -> Mark | None:
    found = statement.value if isinstance(statement, ast.Expr) else None
    return found if isinstance(found, Mark) else None


def _no_value(_: str) -> Any:
    return UNKNOWN
