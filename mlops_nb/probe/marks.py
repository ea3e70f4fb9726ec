"""Puts marks into a cell's syntax tree that tell, once it ran, which of its ways it took.

A mark is a call, `get_ipython()._way(7)`, at the beginning of a way that is taken once at most:
loops, functions and comprehensions are left as they are. It has the place of what follows it, so
that errors are shown as they would be.
"""

import ast
from collections.abc import Iterator
from typing import Any, TypeVar

SHELL = "get_ipython"
WAY = "_way"  # the attribute of the shell that marks call
T = TypeVar("T", bound=ast.AST)


class Mark(ast.Call):
    """Tells that a cell came to this place."""

    way: int


class Marked(ast.BoolOp):
    """`mark or value`, which is the value, as marks give nothing."""


class Marks(ast.NodeTransformer):
    """Marks one tree.

    numbers: those that no other mark has
    found:   how many marks there are
    """

    def __init__(self, numbers: Iterator[int]) -> None:
        self.numbers = numbers
        self.found = 0

    def _mark(self, near: ast.AST) -> Mark:
        self.found += 1
        way = next(self.numbers)
        asked = ast.Call(ast.Name(SHELL, ast.Load()), [], [])
        mark = Mark(ast.Attribute(asked, WAY, ast.Load()), [ast.Constant(way)], [])
        mark.way = way
        for node in ast.walk(mark):
            ast.copy_location(node, near)
        return mark

    def _before(self, statement: ast.stmt) -> ast.stmt:
        return ast.copy_location(ast.Expr(self._mark(statement)), statement)

    def _way(self, body: list[ast.stmt]) -> list[ast.stmt]:
        """Mark a block that may be taken."""
        return [self._before(body[0]), *self._rest(body)] if body else body

    def _rest(self, body: list[ast.stmt]) -> list[ast.stmt]:
        """Mark the statements of a block from the second on: an error may end it before."""
        marked: list[ast.stmt] = []
        for statement in body:
            if marked:
                marked.append(self._before(statement))
            marked.append(self.visit(statement))
        return marked

    def _value(self, node: ast.expr) -> ast.expr:
        """Mark a part of an expression that may not be asked for."""
        if not any(isinstance(part, ast.Name) for part in ast.walk(node)):
            return node
        mark = self._mark(node)
        return ast.copy_location(Marked(ast.Or(), [mark, self.visit(node)]), node)

    # statements

    def visit_If(self, node: ast.If) -> ast.If:
        node.test = self.visit(node.test)
        node.body, node.orelse = self._way(node.body), self._way(node.orelse)
        return node

    def visit_For(self, node: T) -> T:
        loop: Any = node
        loop.orelse = self._way(loop.orelse)
        return node

    visit_AsyncFor = visit_For
    visit_While = visit_For

    def visit_With(self, node: T) -> T:
        block: Any = node
        block.items = [self.visit(item) for item in block.items]
        block.body = self._rest(block.body)
        return node

    visit_AsyncWith = visit_With

    def visit_Try(self, node: T) -> T:
        block: Any = node
        block.body = self._rest(block.body)
        for handler in block.handlers:
            handler.body = self._way(handler.body)
        block.orelse = self._way(block.orelse)
        block.finalbody = self._rest(block.finalbody)
        return node

    visit_TryStar = visit_Try

    def visit_Match(self, node: ast.Match) -> ast.Match:
        node.subject = self.visit(node.subject)
        for case in node.cases:
            case.body = self._way(case.body)
        return node

    def visit_Assert(self, node: ast.Assert) -> ast.Assert:
        node.test = self.visit(node.test)
        if node.msg is not None:
            node.msg = self._value(node.msg)
        return node

    # expressions

    def visit_IfExp(self, node: ast.IfExp) -> ast.IfExp:
        node.test = self.visit(node.test)
        node.body, node.orelse = self._value(node.body), self._value(node.orelse)
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.BoolOp:
        first, *rest = node.values
        node.values = [self.visit(first), *map(self._value, rest)]
        return node

    # what runs at another time, or again and again

    def _left(self, node: T) -> T:
        return node

    visit_FunctionDef = _left
    visit_AsyncFunctionDef = _left
    visit_ClassDef = _left
    visit_Lambda = _left
    visit_ListComp = _left
    visit_SetComp = _left
    visit_DictComp = _left
    visit_GeneratorExp = _left
