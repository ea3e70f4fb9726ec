"""What calling a function of the notebook touches: its globals, and the arguments it changes."""

import ast
import symtable
from collections.abc import Callable, Iterator

from mlops_nb.notebook.model import Function

Changed = Callable[[list[ast.stmt]], frozenset[str]]


def function_of(node: ast.AST, changed_in: Changed) -> Function:
    """Return what a def, lambda or class of the notebook touches once it is called or used.

    changed_in: names whose object a list of statements changes in place
    """
    if isinstance(node, ast.Lambda):
        top = symtable.symtable(ast.unparse(node), "<lambda>", "eval")
        body: list[ast.stmt] = [ast.Expr(value=node.body)]
    else:
        assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        top = symtable.symtable(ast.unparse(node), "<def>", "exec")
        body = node.body
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
    if isinstance(node, ast.ClassDef):
        changed = frozenset[str]().union(*(changed_in([m]) for m in _methods(node)), frozenset())
    else:
        changed = changed_in(body)
    parameters = [] if isinstance(node, ast.ClassDef) else _parameters(node)
    return Function(
        reads=frozenset(reads),
        writes=frozenset(writes),
        changes=frozenset((changed & reads) - local),
        mutates=frozenset((i, p) for i, p in enumerate(parameters) if p in changed),
        is_class=isinstance(node, ast.ClassDef),
    )


def _is_global(symbol: symtable.Symbol) -> bool:
    """Say whether a symbol is a global; `symtable` takes any table called "top" for a module's."""
    return symbol.is_declared_global() or (symbol.is_global() and not symbol.is_local())


def _inside(top: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    for child in top.get_children():
        yield child
        yield from _inside(child)


def _methods(node: ast.ClassDef) -> Iterator[ast.stmt]:
    for child in node.body:
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from child.body


def _parameters(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.AST) -> list[str]:
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    return [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
