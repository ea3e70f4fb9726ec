"""Reads a cell's syntax tree in the order its statements execute.

Bodies of functions are left for when they are reached; decorators, defaults, class bodies,
comprehensions and lambdas handed to a call belong to the cell itself.
"""

import ast
from typing import Any

from .calls import KEEPERS, CallReads
from .outcome import PLAIN, UNKNOWN, decides, outcome
from .uses import TIMED_SCOPE

LEAVES = (ast.Raise, ast.Return, ast.Continue, ast.Break)
KEPT_SCOPES = {"class", TIMED_SCOPE}


class Reads(CallReads):
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
        self.visit(node.slice)
        if isinstance(node.value, ast.Name):
            use = self.load(node.value.id, node.lineno)
            if use is not None:
                use.attrs.add("__getitem__" if isinstance(node.ctx, ast.Load) else "__setitem__")
        elif isinstance(node.value, ast.Attribute) and not isinstance(node.ctx, ast.Load):
            self._item_of_attribute(node.value)
        else:
            self.visit(node.value)

    def _item_of_attribute(self, node: ast.Attribute) -> None:
        """`a.b[0] = 1`: something behind `a` is changed; `os.environ[…] = …` reads nothing."""
        known = node.attr in self.attrs
        self.visit(node)
        if not known and node.attr == "environ":
            self.attrs.discard("environ")
        line, root, path = self.paths[-1] if self.paths else (0, "", ())
        if line == node.lineno and path[-1:] == (node.attr,) and not self._hidden(root):
            self.attr_stores.append((line, root, (*path, "[]")))

    # statements

    def visit_Assign(self, node: ast.Assign) -> None:
        named = all(_takes_as_is(target) for target in node.targets)
        if isinstance(node.value, ast.Call) and named:
            node.value.bound = True  # type: ignore[attr-defined]
        self._keep(node.value if named else None)
        self.visit(node.value)
        for target in node.targets:
            self.visit(target)

    def _keep(self, *nodes: ast.expr | None) -> None:
        """Note that generator expressions are bound or put somewhere, and not gone through."""
        for node in nodes:
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

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.visit(node.value)
        if isinstance(node.target, ast.Name):
            self.load(node.target.id, node.lineno)
        self.visit(node.target)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if not isinstance(node.annotation, ast.Constant):
            self.visit(node.annotation)
        if node.value is not None:
            self._keep(node.value)
            self.visit(node.value)
            self.visit(node.target)

    # ways that are taken

    def visit(self, node: ast.AST) -> Any:
        """Walk a node; of a whole tree, note first which names it binds anywhere."""
        if isinstance(node, ast.Module | ast.Interactive) and self.given:
            stored = (n for n in ast.walk(node) if isinstance(n, ast.Name))
            self.unstable = {n.id for n in stored if not isinstance(n.ctx, ast.Load)}
        return super().visit(node)

    def _outcome(self, node: ast.expr) -> Any:
        return outcome(node, self._value_of)

    def _value_of(self, name: str) -> Any:
        """Return what a name stands for at this place of the cell, UNKNOWN where that is open."""
        if name == "__name__":
            return "__main__"
        late = name in self.stores or (self.loops and name in self.unstable)
        if late or name not in self.given:
            return UNKNOWN
        value = self.given[name]
        if self._hidden(name) or (self.runs_code and type(value) not in PLAIN):
            return UNKNOWN
        self.settled.add(name)
        return value

    def visit_If(self, node: ast.If) -> None:
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

    def visit_Compare(self, node: ast.Compare) -> None:
        self.visit(node.left)
        for place, part in enumerate(node.comparators):
            self.visit(part)
            so_far = ast.Compare(node.left, node.ops[: place + 1], node.comparators[: place + 1])
            if place + 1 < len(node.ops) and self._outcome(so_far) is False:
                break

    def visit_Assert(self, node: ast.Assert) -> None:
        self.visit(node.test)  # its message is asked for where it fails

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
        """Walk statements until one that lets none of the rest run."""
        for child in body:
            self.visit(child)
            if isinstance(child, LEAVES):
                break

    def visit_Try(self, node: ast.Try) -> None:
        before = set(self.bound)
        for child in (*node.body, *node.orelse):
            self.visit(child)
        after = self.bound
        self.branches += 1
        for handler in node.handlers:
            self.bound = set(before)
            self.visit(handler)
        self.branches -= 1
        self.bound = after
        for child in node.finalbody:
            self.visit(child)

    visit_TryStar = visit_Try  # type: ignore[assignment]

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.type is not None:
            self.visit(node.type)
        self.caught.append(node.name or "")
        self._block(node.body)
        self.caught.pop()

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
            for child in case.body:
                self.visit(child)
        self.branches -= 1
        self.bound = before

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
        self.scopes.append(("function", {a.arg for a in ast.walk(node.args)
                                         if isinstance(a, ast.arg)}))  # fmt: skip
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


def _takes_as_is(target: ast.expr) -> bool:
    """Say whether a value is bound to a target, rather than gone through: `a, b = …`."""
    if isinstance(target, ast.Subscript):
        return not isinstance(target.slice, ast.Slice)
    return isinstance(target, ast.Name | ast.Attribute)
