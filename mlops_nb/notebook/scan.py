"""Walks a cell's syntax tree in the order it executes and notes what it touches."""

import ast
import re
from collections.abc import Iterable, Mapping

from mlops_nb.notebook import calls
from mlops_nb.notebook.functions import function_of
from mlops_nb.notebook.model import Function
from mlops_nb.probe.syntax import known_calls
from mlops_nb.probe.syntax.known_calls import dotted, resolved

DYNAMIC = {"exec", "eval", "globals", "locals", "vars", "dir"}
AT_NAME = re.compile(r"@([A-Za-z_]\w*)")


class Scan(ast.NodeVisitor):
    """Notes reads, writes and changes; function bodies are left for when they are called."""

    def __init__(self, imports: Mapping[str, str], *, in_function: bool = False) -> None:
        self.in_function = in_function  # looks for what a body changes, and at nothing else
        self.branches = 0
        self.imports_before = dict(imports)
        self.imports: dict[str, str] = {}
        self.reads: dict[str, None] = {}
        self.maybe: set[str] = set()
        self.bound: set[str] = set()
        self.order: dict[str, None] = {}
        self.writes: set[str] = set()
        self.changes: set[str] = set()
        self.deletes: set[str] = set()
        self.channels_read: set[str] = set()
        self.channels_changed: set[str] = set()
        self.functions: dict[str, Function] = {}
        self.instances: dict[str, str] = {}
        self.aliases: set[tuple[str, str]] = set()
        self.called: list[tuple[str, tuple[str, ...]]] = []
        self.logged: set[str] = set()
        self.star_import = self.reads_anything = self.assumed = False
        self.scopes: list[tuple[str, set[str]]] = []  # inner scopes: (class | function, names)
        self.last: ast.stmt | None = None

    def run(self, tree: ast.Module) -> None:
        """Walk a whole cell."""
        self.last = tree.body[-1] if tree.body else None
        for node in tree.body:
            self.visit(node)

    # names

    def _hidden(self, name: str) -> bool:
        inner = bool(self.scopes) and self.scopes[-1][0] == "function"
        for depth, (kind, known) in enumerate(reversed(self.scopes)):
            if name in known and not (kind == "class" and inner and depth):
                return True
        return False

    def load(self, name: str) -> None:
        """Note that a name is read."""
        if self._hidden(name):
            return
        if name in DYNAMIC and name not in self.writes:
            self.reads_anything = True
        if name not in self.bound:
            self.reads.setdefault(name)
            if name in self.writes:
                self.maybe.add(name)
        function = self.functions.get(name)
        if function is not None:
            for read in sorted(function.reads - {name}):
                if read not in self.bound:
                    self.reads.setdefault(read)
            self.writes |= function.writes
            self.changes |= function.changes

    def store(self, name: str) -> None:
        """Note that a name is bound."""
        if self.scopes:
            self.scopes[-1][1].add(name)
            return
        self.bound.add(name)
        self.writes.add(name)
        self.order.setdefault(name)
        self.deletes.discard(name)
        for known in (self.functions, self.instances, self.imports):
            known.pop(name, None)

    def change(self, node: ast.expr) -> None:
        """Note that the object at the root of `a.b[0]` is changed in place."""
        path = dotted(node)
        if not path or self._hidden(path[0]):
            return
        module = resolved(path, self.modules)
        if module:
            self.channels_changed.add(f"module:{module}")
        elif path[0] not in self.changes:
            self.changes.add(path[0])

    @property
    def modules(self) -> dict[str, str]:
        """Names that stand for modules here."""
        before = {n: m for n, m in self.imports_before.items() if n not in self.writes}
        return before | self.imports

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self.load(node.id)
        elif isinstance(node.ctx, ast.Store):
            self.store(node.id)
        elif not self.scopes:
            if node.id not in self.bound:
                self.reads.setdefault(node.id)
            self.bound.discard(node.id)
            if self.branches:
                self.writes.add(node.id)  # it may be gone afterwards, or may not
            else:
                self.writes.discard(node.id)
                self.deletes.add(node.id)

    # statements

    def visit_Assign(self, node: ast.Assign) -> None:
        if isinstance(node.value, ast.Lambda):
            self._define(node.value, [t.id for t in node.targets if isinstance(t, ast.Name)])
            return
        self.visit(node.value)
        for target in node.targets:
            self._assign(target)
            if isinstance(target, ast.Name) and not self.scopes:
                if isinstance(node.value, ast.Name):
                    self.aliases.add((target.id, node.value.id))
                elif isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Name):
                    self.instances[target.id] = node.value.func.id

    def _assign(self, target: ast.expr) -> None:
        if isinstance(target, ast.Attribute | ast.Subscript):
            self.visit(target.value)
            if isinstance(target, ast.Subscript):
                self.visit(target.slice)
            path = resolved(dotted(target), self.modules)
            if path.startswith("os.environ"):
                self.channels_changed.add("env")
            elif path.startswith(("matplotlib.pyplot.rcParams", "matplotlib.rcParams")):
                self.channels_changed.add("matplotlib")
            else:
                self.change(target)
        elif isinstance(target, ast.Tuple | ast.List):
            for part in target.elts:
                self._assign(part)
        elif isinstance(target, ast.Starred):
            self._assign(target.value)
        else:
            self.visit(target)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.visit(node.value)
        if isinstance(node.target, ast.Name):
            self.load(node.target.id)
            if not self._hidden(node.target.id):
                self.changes.add(node.target.id)
            self.store(node.target.id)
        else:
            self._assign(node.target)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.visit(node.annotation)
        if node.value is not None:
            self.visit(node.value)
            self._assign(node.target)

    def visit_Delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            if isinstance(target, ast.Name):
                self.visit(target)
            else:
                self._assign(target)

    def visit_Expr(self, node: ast.Expr) -> None:
        self.visit(node.value)
        call = node.value
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
            return
        path = dotted(call.func.value)
        if not path or resolved(path, self.modules) or node is self.last:
            return
        if call.func.attr not in known_calls.SHOWS and path[0] not in self.changes:
            self.assumed = True  # why else would it be called and its value thrown away?
            self.change(call.func.value)

    def visit_If(self, node: ast.If) -> None:
        self.visit(node.test)
        if isinstance(node.test, ast.Constant):
            for child in node.body if node.test.value else node.orelse:
                self.visit(child)
        else:
            self._branches([node.body, node.orelse])

    def _branches(self, branches: Iterable[list[ast.stmt]]) -> None:
        """Walk ways of which one is taken; what all of them bind is bound."""
        start, ends = set(self.bound), []
        self.branches += 1
        for body in branches:
            self.bound = set(start)
            for child in body:
                self.visit(child)
            leaves = bool(body) and isinstance(
                body[-1], ast.Raise | ast.Return | ast.Continue | ast.Break
            )
            if not leaves:
                ends.append(self.bound)
        self.branches -= 1
        self.bound = set.intersection(*ends) if ends else start

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        self.visit(node.iter)
        before = set(self.bound)
        self._assign(node.target)
        self._branches([node.body])
        self.bound = before
        for child in node.orelse:
            self.visit(child)

    def visit_AsyncFor(self, node: ast.AsyncFor) -> None:
        self.visit_For(node)

    def visit_While(self, node: ast.While) -> None:
        self.visit(node.test)
        before = set(self.bound)
        for child in node.body:
            self.visit(child)
        if not (isinstance(node.test, ast.Constant) and node.test.value):
            self.bound = before
        for child in node.orelse:
            self.visit(child)

    def visit_Try(self, node: ast.Try) -> None:
        self._branches([[*node.body, *node.orelse], *([h] for h in node.handlers)])  # type: ignore[list-item]
        for child in node.finalbody:
            self.visit(child)

    visit_TryStar = visit_Try  # type: ignore[assignment]

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.type is not None:
            self.visit(node.type)
        inner: set[str] = {node.name} if node.name else set()
        had = inner & self.bound
        self.bound |= inner
        for child in node.body:
            self.visit(child)
        self.bound -= inner - had

    def visit_Match(self, node: ast.Match) -> None:
        self.visit(node.subject)
        before = set(self.bound)
        for case in node.cases:
            self.bound = set(before)
            for part in ast.walk(case.pattern):
                for name in (getattr(part, "name", None), getattr(part, "rest", None)):
                    if isinstance(name, str):
                        self.store(name)
                if isinstance(part, ast.expr):
                    self.visit(part)
            if case.guard is not None:
                self.visit(case.guard)
            for child in case.body:
                self.visit(child)
        self.bound = before

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            name = alias.asname or alias.name.split(".")[0]
            self.store(name)
            self.imports[name] = alias.name if alias.asname else name

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            if alias.name == "*":
                self.star_import = self.assumed = True
                continue
            name = alias.asname or alias.name
            self.store(name)
            self.imports[name] = f"{'.' * node.level}{node.module or ''}.{alias.name}"

    # functions, classes, inner scopes

    def _define(self, node: ast.AST, targets: list[str]) -> None:
        arguments = getattr(node, "args", None)
        if isinstance(arguments, ast.arguments):
            for default in (*arguments.defaults, *(d for d in arguments.kw_defaults if d)):
                self.visit(default)
        if self.in_function:
            body = getattr(node, "body", [])
            for child in body if isinstance(body, list) else [body]:
                self.visit(child)
        for name in targets:
            self.store(name)
            if not self.scopes and not self.in_function:
                self.functions[name] = function_of(node, self._changed_in)

    def _changed_in(self, body: list[ast.stmt]) -> frozenset[str]:
        inner = Scan(self.imports_before | self.imports, in_function=True)
        for node in body:
            inner.visit(node)
        return frozenset(inner.changes)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for decorator in node.decorator_list:
            self.visit(decorator)
        for annotation in (
            node.returns,
            *(a.annotation for a in ast.walk(node.args) if isinstance(a, ast.arg)),
        ):
            if annotation is not None:
                self.visit(annotation)
        self._define(node, [node.name])

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self.visit_FunctionDef(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for part in (*node.decorator_list, *node.bases, *(k.value for k in node.keywords)):
            self.visit(part)
        self.scopes.append(("class", set()))
        for child in node.body:
            self.visit(child)
        self.scopes.pop()
        self.store(node.name)
        if not self.scopes and not self.in_function:
            self.functions[node.name] = function_of(node, self._changed_in)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._define(node, [])
        self.scopes.append(
            ("function", {a.arg for a in ast.walk(node.args) if isinstance(a, ast.arg)})
        )
        self.visit(node.body)
        self.scopes.pop()

    def _comprehension(self, node: ast.expr, *results: ast.expr) -> None:
        generators: list[ast.comprehension] = node.generators  # type: ignore[attr-defined]
        self.visit(generators[0].iter)  # the first iterable belongs to the scope around
        self.scopes.append(("function", set()))
        for place, generator in enumerate(generators):
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
        self.visit(node.value)
        scopes = self.scopes
        self.scopes = [s for s in scopes if s[0] in {"class", calls.TIMED}]
        self.store(node.target.id)
        self.scopes = scopes

    # calls

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        calls.note(self, node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str) and "@" in node.value:
            for match in AT_NAME.finditer(node.value):  # df.query("age > @limit")
                if match[1] not in self.bound and not self._hidden(match[1]):
                    self.reads.setdefault(match[1])
                    self.maybe.add(match[1])
