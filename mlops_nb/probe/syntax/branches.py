"""Walks the branches, loops and exception handlers of a cell; each of them may run or not."""

import ast
from typing import Any

from .calls import CallVisitor

LEAVES = (ast.Raise, ast.Return, ast.Continue, ast.Break)


class BranchVisitor(CallVisitor):
    """Walks statements that may not all run."""

    def visit(self, node: ast.AST) -> Any:
        """Walk a node; keep the first one as the tree."""
        if self.tree is None:
            self.tree = node
        return super().visit(node)

    def visit_If(self, node: ast.If) -> None:
        self.visit(node.test)
        if isinstance(node.test, ast.Constant):
            self._block(node.body if node.test.value else node.orelse)
        else:
            self._branches([node.body, node.orelse])

    def _branches(self, bodies: list[list[ast.stmt]]) -> None:
        """Walk branches of which one runs; a name that all of them bind is bound afterwards."""
        start, ends = set(self.bound), []
        self.branches += 1
        for body in bodies:
            self.bound = set(start)
            self._block(body)
            if not (body and isinstance(body[-1], LEAVES)):
                ends.append(self.bound)
        self.branches -= 1
        self.bound = set.intersection(*ends) if ends else start
        for name in self.bound - start:
            if name in self.stores:
                self.stores[name] = (self.stores[name][0], self.branches > 0)

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        self.visit(node.iter)
        before = set(self.bound)
        self.visit(node.target)
        self._loop(node.body)
        self.bound = before
        self._block(node.orelse)

    def visit_AsyncFor(self, node: ast.AsyncFor) -> None:
        self.visit_For(node)

    def visit_While(self, node: ast.While) -> None:
        self.loops += 1
        self.visit(node.test)
        self.loops -= 1
        before = set(self.bound)
        self._loop(node.body)
        if not (isinstance(node.test, ast.Constant) and node.test.value):
            self.bound = before
        self._block(node.orelse)

    def _loop(self, body: list[ast.stmt]) -> None:
        self.loops += 1
        self._block(body)
        self.loops -= 1

    def _block(self, body: list[ast.stmt]) -> None:
        """Walk statements up to the first that leaves the block."""
        for child in body:
            self.visit(child)
            if isinstance(child, LEAVES):
                break

    def visit_Try(self, node: ast.Try) -> None:
        before, ends = set(self.bound), []
        self.tries += 1
        self._block(node.body)
        self._block(node.orelse)
        self.tries -= 1
        if not isinstance((node.orelse or node.body)[-1], LEAVES):
            ends.append(self.bound)
        self.branches += 1
        for handler in node.handlers:
            self.bound = set(before)
            self.visit(handler)
            if not isinstance(handler.body[-1], LEAVES):
                ends.append(self.bound)
        self.branches -= 1
        self.bound = set.intersection(*ends) if ends else before
        self._block(node.finalbody)

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

    def visit_Match(self, node: ast.Match) -> None:
        self.visit(node.subject)
        before = set(self.bound)
        self.branches += 1
        for case in node.cases:
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
        self.branches -= 1
        self.bound = before
