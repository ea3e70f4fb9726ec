"""Walks the syntax tree of a cell in the order in which its statements run.

Bodies of functions are left out: an observed reading follows the functions that the cell reaches,
and a static one analyzes each function by itself. Decorators, defaults, class bodies,
comprehensions and lambdas passed to a call belong to the cell itself.
"""

import ast
from dataclasses import replace
from typing import Any

from .branches import BranchVisitor
from .functions import FunctionNode, function_of
from .names import TIMED_SCOPE

OPEN_SCOPES = {"class", TIMED_SCOPE}  # scopes in which `:=` binds its name


class Visitor(BranchVisitor):
    """Walks one tree."""

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            use = self.load(node.id, node.lineno)
            if use is not None and self.calls:
                use.escapes = True  # attribute lookups and calls are recorded elsewhere
        elif isinstance(node.ctx, ast.Store):
            self.store(node.id, node.lineno)
        elif not self.scopes:
            self.delete(node.id, node.lineno)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self.attrs.add(node.attr)
        path, slices, root = [node.attr], [], node.value
        while isinstance(root, ast.Attribute | ast.Subscript):
            if isinstance(root, ast.Attribute):
                path.append(root.attr)
                self.attrs.add(root.attr)
            else:
                slices.append(root.slice)
            root = root.value
        use = None
        if isinstance(root, ast.Name):
            use = self.load(root.id, root.lineno)
        else:
            self.visit(root)
        for part in reversed(slices):
            self.visit(part)
        if use is not None:
            use.attrs.add(path[-1])
        if isinstance(root, ast.Name):
            self.paths.append((node.lineno, root.id, tuple(reversed(path))))
        if not isinstance(node.ctx, ast.Load):
            self._set(node)
            if isinstance(root, ast.Name) and not self._hidden(root.id):
                self.attr_stores.append((node.lineno, root.id, tuple(reversed(path))))

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if isinstance(node.value, ast.Name):
            use = self.load(node.value.id, node.lineno)
            if use is not None:
                use.attrs.add("__getitem__" if isinstance(node.ctx, ast.Load) else "__setitem__")
        elif isinstance(node.value, ast.Attribute) and not isinstance(node.ctx, ast.Load):
            self._item_of_attribute(node.value, node.ctx)
        else:
            self.visit(node.value)
        self.visit(node.slice)
        if not isinstance(node.ctx, ast.Load):
            self._set(node)

    def _item_of_attribute(self, node: ast.Attribute, ctx: ast.expr_context) -> None:
        """Record `a.b[0] = 1` as a change of `a.b`; `os.environ["A"] = "1"` reads no variable."""
        known = node.attr in self.attrs
        self.visit(node)
        if not known and node.attr == "environ" and isinstance(ctx, ast.Store):
            self.attrs.discard("environ")
        line, root, path = self.paths[-1] if self.paths else (0, "", ())
        if line == node.lineno and path[-1:] == (node.attr,) and not self._hidden(root):
            self.attr_stores.append((line, root, (*path, "[]")))

    # statements

    def visit_Assign(self, node: ast.Assign) -> None:
        value, names = node.value, [t.id for t in node.targets if isinstance(t, ast.Name)]
        if isinstance(value, ast.Dict) or _callee(value) == "dict":
            self.dicts.update(names)
        if all(isinstance(target, ast.Name | ast.Attribute) for target in node.targets):
            self._keep(value)
        self.visit(value)
        for target in node.targets:
            self.visit(target)
        for name in names if not self.scopes else ():
            if isinstance(value, ast.Name):
                self.aliases.add((name, value.id))
            elif isinstance(value, ast.Lambda):
                self._define(name, value)
            elif _callee(value):
                self.instances[name] = _callee(value)

    def _keep(self, node: ast.expr | None) -> None:
        """Mark code that runs when its value is used, not when it is bound or returned.

        A static reading analyzes the body of a lambda as a function.
        """
        if self.static is not None:
            kept = isinstance(node, ast.Lambda) and not self.static.in_function
        else:
            kept = isinstance(node, ast.GeneratorExp) and not self.calls
        if kept:
            node.kept = True  # type: ignore[union-attr]

    def visit_Return(self, node: ast.Return) -> None:
        self._keep(node.value)
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if isinstance(node.op, ast.Mod) and isinstance(getattr(node.left, "value", None), str):
            self.shows = True  # `"%s" % frame`
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.visit(node.value)
        name = getattr(node.target, "id", "")
        if name:
            self.load(name, node.lineno)
            self.change(node.target)
        self.visit(node.target)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._annotation(node.annotation)
        if node.value is not None:
            self._keep(node.value)
            self.visit(node.value)
            self.visit(node.target)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self.modules.add(alias.name)
            name = alias.asname or alias.name.split(".")[0]
            self.store(name, node.lineno)
            self.imports[name] = alias.name if alias.asname else name

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = "." * node.level + (node.module or "")
        self.modules.add(module)
        for alias in node.names:
            if alias.name == "*":
                self.star = True
                continue
            self.attrs.add(alias.name)
            name = alias.asname or alias.name
            self.store(name, node.lineno)
            self.imports[name] = f"{module}.{alias.name}"

    # functions, classes, inner scopes

    def _define(self, name: str, node: FunctionNode | ast.ClassDef) -> None:
        """Analyze, in a static reading, a function or class that the cell binds to a name."""
        if self.static is not None and not self.static.in_function and not self.scopes:
            self.functions[name] = function_of(node, self._changed_in)

    def _changed_in(self, body: list[ast.stmt]) -> frozenset[str]:
        """Return the names whose object the body of a function changes in place."""
        assert self.static is not None
        imports = {**self.static.imports, **self.imports}
        inner = Visitor(static=replace(self.static, imports=imports, in_function=True))
        for node in body:
            inner.visit(node)
        return frozenset(inner.changes)

    def _defaults(self, node: FunctionNode) -> None:
        for default in (*node.args.defaults, *(d for d in node.args.kw_defaults if d)):
            self.visit(default)

    def _inner(self, node: FunctionNode) -> None:
        """Walk the body of a function in a scope of its own."""
        parameters = {a.arg for a in ast.walk(node.args) if isinstance(a, ast.arg)}
        self.scopes.append(("function", parameters))
        for child in [node.body] if isinstance(node, ast.Lambda) else node.body:
            self.visit(child)
        self.scopes.pop()

    def _decorators(self, nodes: list[ast.expr]) -> None:
        """Walk expressions that are called with a function or a class when it is defined."""
        self.calls += 1
        for node in nodes:
            self.visit(node)
        self.calls -= 1

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._decorators(node.decorator_list)
        self._annotation(node.returns)
        for argument in ast.walk(node.args):
            if isinstance(argument, ast.arg):
                self._annotation(argument.annotation)
        self._defaults(node)
        if self.static is not None and self.static.in_function:
            self._inner(node)
        self.store(node.name, node.lineno)
        self._define(node.name, node)

    def _annotation(self, node: ast.expr | None) -> None:
        if node is not None and not isinstance(node, ast.Constant):
            self.visit(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self.visit_FunctionDef(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._decorators(node.decorator_list)
        for base in node.bases:
            use = self.load(base.id, base.lineno) if isinstance(base, ast.Name) else None
            if use is not None:
                use.attrs.add("__init_subclass__")  # the only code of a base class that runs
            elif not isinstance(base, ast.Name):
                self.visit(base)
        self._decorators([k.value for k in node.keywords])
        self.scopes.append(("class", set()))
        for child in node.body:
            self.visit(child)
        self.scopes.pop()
        self.store(node.name, node.lineno)
        self._define(node.name, node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._defaults(node)
        runs_later = getattr(node, "kept", False) if self.static is not None else not self.calls
        if not runs_later:
            self._inner(node)

    def _comprehension(self, node: Any, *results: ast.expr) -> None:
        self.visit(node.generators[0].iter)  # the first iterable belongs to the outer scope
        if isinstance(node, ast.GeneratorExp) and getattr(node, "kept", False):
            return  # the rest runs when the next item is asked for
        self.scopes.append(("function", set()))
        for place, generator in enumerate(node.generators):
            if place:
                self.visit(generator.iter)
            self.visit(generator.target)
            for condition in generator.ifs:
                self.visit(condition)
        for result in results:
            self.visit(result)
        self.scopes.pop()

    def visit_ListComp(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp) -> None:
        self._comprehension(node, node.elt)

    visit_SetComp = visit_ListComp
    visit_GeneratorExp = visit_ListComp

    def visit_DictComp(self, node: ast.DictComp) -> None:
        self._comprehension(node, node.key, node.value)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self._keep(node.value)
        self.visit(node.value)
        scopes, self.scopes = self.scopes, [s for s in self.scopes if s[0] in OPEN_SCOPES]
        self.store(node.target.id, node.lineno)
        self.scopes = scopes


def _callee(node: ast.expr) -> str:
    """Return the name that an expression calls, or "" for other expressions."""
    is_named = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    return node.func.id if is_named else ""  # type: ignore[attr-defined]
