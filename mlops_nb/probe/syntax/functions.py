"""Finds what a function or class of a notebook reads, binds and changes, from its source."""

import ast
import symtable
from collections.abc import Callable, Iterator
from dataclasses import dataclass

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Changed = Callable[[list[ast.stmt]], frozenset[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """What a call of a function (or the creation and use of a class) of the notebook touches.

    reads:   global names that its code may read
    writes:  global names that it binds (`global` statements)
    changes: global names whose object it changes in place
    mutates: parameters whose object it changes in place, as (position, name)
    """

    reads: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()
    changes: frozenset[str] = frozenset()
    mutates: frozenset[tuple[int, str]] = frozenset()
    is_class: bool = False


def function_of(node: FunctionNode | ast.ClassDef, changed_in: Changed) -> Function:
    """Return what a def, lambda or class touches when it is called or used.

    changed_in: returns the names whose object a list of statements changes in place
    """
    kind = ("<lambda>", "eval") if isinstance(node, ast.Lambda) else ("<def>", "exec")
    top = symtable.symtable(ast.unparse(node), *kind)
    reads, writes, local = set(), set(), set()
    for table in _inside(top):
        for symbol in table.get_symbols():
            if _is_global(symbol):
                if symbol.is_referenced():
                    reads.add(symbol.get_name())
                if symbol.is_assigned():
                    writes.add(symbol.get_name())
            elif table.get_type() == "function":
                local.add(symbol.get_name())
    changed = frozenset(name for body in _bodies(node) for name in changed_in(body))
    parameters = [] if isinstance(node, ast.ClassDef) else _parameters(node)
    return Function(
        reads=frozenset(reads),
        writes=frozenset(writes),
        changes=frozenset((changed & reads) - local),
        mutates=frozenset((i, p) for i, p in enumerate(parameters) if p in changed),
        is_class=isinstance(node, ast.ClassDef),
    )


def _is_global(symbol: symtable.Symbol) -> bool:
    """Say whether a symbol is global; `symtable` takes any scope named "top" for the module."""
    return symbol.is_declared_global() or (symbol.is_global() and not symbol.is_local())


def _inside(top: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    for child in top.get_children():
        yield child
        yield from _inside(child)


def _bodies(node: FunctionNode | ast.ClassDef) -> Iterator[list[ast.stmt]]:
    """Yield the body of a function, and the bodies of the methods of a class."""
    if isinstance(node, ast.Lambda):
        yield [ast.Expr(value=node.body)]
    elif isinstance(node, ast.ClassDef):
        for child in node.body:
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                yield child.body
    else:
        yield node.body


def _parameters(node: FunctionNode) -> list[str]:
    return [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
