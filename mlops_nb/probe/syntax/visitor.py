"""Reads a cell's syntax tree in the order its statements execute.

Bodies of functions are left for when they are reached; decorators, defaults, class bodies,
comprehensions and lambdas handed to a call belong to the cell itself.
"""

import ast
from typing import Any

from .branches import BranchReads
from .calls import KEEPERS, is_namespace
from .names import ARITHMETIC, TIMED_SCOPE

KEPT_SCOPES = {"class", TIMED_SCOPE}


class Reads(BranchReads):
    """Walks one tree."""

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            use = self.load(node.id, node.lineno)
            if use is not None and self.callees:
                use.escapes = True  # what is only looked into or called goes another way
                use.given.add(self.callees[-1])
                use.around.update(self.callees[:-1])
        elif isinstance(node.ctx, ast.Store):
            self.store(node.id, node.lineno)
        elif not self.scopes:
            self.load(node.id, node.lineno)
            self.deletes[node.id] = node.lineno
            self.bound.discard(node.id)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self.attrs.add(node.attr)
        path, root = [node.attr], node.value
        while isinstance(root, ast.Attribute | ast.Subscript):
            if isinstance(root, ast.Attribute):
                path.append(root.attr)
                self.attrs.add(root.attr)
            else:
                self.visit(root.slice)
            root = root.value
        if not isinstance(root, ast.Name):
            self.visit(root)
            return
        use = self.load(root.id, root.lineno)
        if use is not None:
            use.attrs.add(path[-1])
        self.paths.append((node.lineno, root.id, tuple(reversed(path))))
        if not isinstance(node.ctx, ast.Load) and not self._hidden(root.id):
            self.attr_stores.append((node.lineno, root.id, tuple(reversed(path))))

    def visit_Subscript(self, node: ast.Subscript) -> None:
        named = self._named_by_text(node)
        if named:
            ctx = type(node.ctx)()
            self.visit(ast.copy_location(ast.Name(named, ctx), node))
            return
        self.visit(node.slice)
        if isinstance(node.value, ast.Name):
            use = self.load(node.value.id, node.lineno)
            if use is not None:
                use.attrs.add("__getitem__" if isinstance(node.ctx, ast.Load) else "__setitem__")
        elif isinstance(node.value, ast.Attribute) and not isinstance(node.ctx, ast.Load):
            self._item_of_attribute(node.value, node.ctx)
        else:
            self.visit(node.value)

    def _item_of_attribute(self, node: ast.Attribute, ctx: ast.expr_context) -> None:
        """`a.b[0] = 1`: something behind `a` is changed; `os.environ[…] = …` reads nothing."""
        known = node.attr in self.attrs
        self.visit(node)
        if not known and node.attr == "environ" and isinstance(ctx, ast.Store):
            self.attrs.discard("environ")
        line, root, path = self.paths[-1] if self.paths else (0, "", ())
        if line == node.lineno and path[-1:] == (node.attr,) and not self._hidden(root):
            self.attr_stores.append((line, root, (*path, "[]")))

    def _named_by_text(self, node: ast.expr) -> str:
        """Return the name that `globals()["name"]` stands for, "" for anything else."""
        if self.scopes or not isinstance(node, ast.Subscript) or not is_namespace(node.value):
            return ""
        found = getattr(node.slice, "value", "")
        return found if type(found) is str else ""

    # statements

    def visit_Assign(self, node: ast.Assign) -> None:
        if isinstance(node.value, ast.Dict) or getattr(_func(node.value), "id", "") == "dict":
            self.dicts |= {t.id for t in node.targets if isinstance(t, ast.Name)}
        if isinstance(node.value, ast.Call | ast.GeneratorExp | ast.Lambda):
            self._bound(node.value, node.targets)
        else:
            self.visit(node.value)
        for target in node.targets:
            self.visit(target)

    def _bound(self, value: ast.expr, targets: list[ast.expr]) -> None:
        """Walk what may run later: now, where it is gone through, or gone by the cell's end."""
        kept = all(_takes_as_is(target) for target in targets)
        again = any(self.bindings[t.id] > 1 for t in targets if isinstance(t, ast.Name))
        if isinstance(value, ast.Call) and kept and not again:
            value.bound = True  # type: ignore[attr-defined]
        elif isinstance(value, ast.Call):
            value.again = again  # type: ignore[attr-defined]
        elif isinstance(value, ast.GeneratorExp) and kept and not again:
            self._keep(value)
        elif isinstance(value, ast.Lambda) and again:
            self.callees.append("")
            self.visit(value)
            self.callees.pop()
            return
        self.visit(value)

    def _keep(self, *nodes: ast.expr | None) -> None:
        """Note that generator expressions are bound or put somewhere, and not gone through."""
        for node in nodes if not self.callees else ():
            if isinstance(node, ast.GeneratorExp):
                node.kept = True  # type: ignore[attr-defined]

    def visit_List(self, node: ast.List | ast.Tuple | ast.Set) -> None:
        self._keep(*node.elts)
        self.generic_visit(node)

    visit_Tuple = visit_List
    visit_Set = visit_List

    def visit_Dict(self, node: ast.Dict) -> None:
        self._keep(*node.values)
        self.generic_visit(node)

    def visit_Return(self, node: ast.Return) -> None:
        self._keep(node.value)
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        self.attrs.add(ARITHMETIC)
        if isinstance(node.op, ast.Mod) and isinstance(getattr(node.left, "value", None), str):
            self.shows = True  # `"%s" % frame`
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.attrs.add(ARITHMETIC)
        self.visit(node.value)
        name = getattr(node.target, "id", "") or self._named_by_text(node.target)
        if name:
            self.load(name, node.lineno)
        self.visit(node.target)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if not isinstance(node.annotation, ast.Constant):
            self.visit(node.annotation)
        if node.value is not None:
            self._keep(node.value)
            self.visit(node.value)
            self.visit(node.target)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self.imports.add(alias.name)
            self.store(alias.asname or alias.name.split(".")[0], node.lineno)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        self.imports.add("." * node.level + (node.module or ""))
        for alias in node.names:
            if alias.name == "*":
                self.star = True
            else:
                self.attrs.add(alias.name)
                self.store(alias.asname or alias.name, node.lineno)

    # functions, classes, inner scopes

    def _defaults(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> None:
        for default in (*node.args.defaults, *(d for d in node.args.kw_defaults if d)):
            self.visit(default)

    def _decorators(self, nodes: list[ast.expr]) -> None:
        """Walk what is called with a function or a class as soon as that is made."""
        self.callees.append("")
        for node in nodes:
            self.visit(node)
        self.callees.pop()

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._decorators(node.decorator_list)
        self._defaults(node)
        for argument in ast.walk(node.args):
            if isinstance(argument, ast.arg) and argument.annotation is not None:
                self._annotation(argument.annotation)
        if node.returns is not None:
            self._annotation(node.returns)
        self.store(node.name, node.lineno)

    def _annotation(self, node: ast.expr) -> None:
        if not isinstance(node, ast.Constant):
            self.visit(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self.visit_FunctionDef(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._decorators([*node.decorator_list, *(k.value for k in node.keywords)])
        for base in node.bases:
            use = self.load(base.id, base.lineno) if isinstance(base, ast.Name) else None
            if use is not None:
                use.attrs.add("__init_subclass__")  # nothing else of a base class runs
            elif not isinstance(base, ast.Name):
                self.visit(base)
        self.scopes.append(("class", set()))
        for child in node.body:
            self.visit(child)
        self.scopes.pop()
        self.store(node.name, node.lineno)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._defaults(node)
        if KEEPERS.issuperset(self.callees):
            return  # it is kept, not handed on: whoever calls it reads what it reads
        self.scopes.append(
            ("function", {a.arg for a in ast.walk(node.args) if isinstance(a, ast.arg)})
        )
        self.visit(node.body)
        self.scopes.pop()

    def _comprehension(self, node: Any, *results: ast.expr) -> None:
        self.visit(node.generators[0].iter)  # the first iterable belongs to the scope around
        if isinstance(node, ast.GeneratorExp) and hasattr(node, "kept"):
            return  # nothing else of it runs before somebody asks for its items
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
        scopes, self.scopes = self.scopes, [s for s in self.scopes if s[0] in KEPT_SCOPES]
        self.store(node.target.id, node.lineno)
        self.scopes = scopes


def _func(node: ast.expr) -> ast.expr | None:
    return node.func if isinstance(node, ast.Call) else None


def _takes_as_is(target: ast.expr) -> bool:
    """Say whether a value is bound to a target, rather than gone through: `a, b = …`."""
    if isinstance(target, ast.Subscript):
        return not isinstance(target.slice, ast.Slice)
    return isinstance(target, ast.Name | ast.Attribute)
