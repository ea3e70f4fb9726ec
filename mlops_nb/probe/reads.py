"""Reads a cell's syntax tree in the order its statements execute.

Bodies of functions are left for when they are reached; decorators, defaults, class bodies,
comprehensions and lambdas handed to a call belong to the cell itself.
"""

import ast
import re
from typing import Any

from .uses import TIMED_SCOPE, Uses

LONGEST_TEXT = 20_000
LEAVES = (ast.Raise, ast.Return, ast.Continue, ast.Break)
IPYTHON = {"system", "getoutput", "run_line_magic", "run_cell_magic"}
SHELLS = {"bash", "sh", "script", "system", "sx", "sc", "run", "cd", "writefile", "pushd",
          "cat", "cp", "less", "ll", "ls", "mkdir", "more", "mv", "rm", "rmdir"}  # fmt: skip
TIMED = {"time", "timeit", "capture"}  # their trees are seen by themselves
KEPT_SCOPES = {"class", TIMED_SCOPE}
LINE = 2  # words that a line magic is called with: its name, and the rest of its line
PYTHON = {"prun", "lprun", "memit", "mprun", "debug", "pinfo", "pinfo2", "pdoc", "pdef", "psource",
          "pfile"}  # fmt: skip
# what keeps the functions that it is given, to be called some other time
KEEPERS = frozenset({
    "dict", "list", "tuple", "set", "defaultdict", "partial", "property", "staticmethod",
    "classmethod", "make_scorer", "cmp_to_key", "create_function", "create_aggregate", "finalize",
    "isinstance", "issubclass", "callable", "hasattr", "id", "getsource", "signature", "getdoc",
    "vectorize", "frompyfunc", "observe", "on_click", "mpl_connect", "FunctionTransformer",
})  # fmt: skip
LAZY = frozenset({"map", "filter"})  # call what they are given when somebody asks for an item


class Reads(Uses, ast.NodeVisitor):
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
        if isinstance(node.value, ast.Call):
            node.value.bound = True  # type: ignore[attr-defined]
        self.visit(node.value)
        for target in node.targets:
            self.visit(target)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.visit(node.value)
        if isinstance(node.target, ast.Name):
            self.load(node.target.id, node.lineno)
        self.visit(node.target)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if not isinstance(node.annotation, ast.Constant):
            self.visit(node.annotation)
        if node.value is not None:
            self.visit(node.value)
            self.visit(node.target)

    def visit_If(self, node: ast.If) -> None:
        self.visit(node.test)
        if isinstance(node.test, ast.Constant):
            for child in node.body if node.test.value else node.orelse:
                self.visit(child)
        else:
            self._ways([node.body, node.orelse])

    def _ways(self, ways: list[list[ast.stmt]]) -> None:
        """Walk ways of which one is taken; what all of them bind is bound afterwards."""
        start, ends = set(self.bound), []
        self.branches += 1
        for way in ways:
            self.bound = set(start)
            for child in way:
                self.visit(child)
            if not (way and isinstance(way[-1], LEAVES)):
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
        self._loop([*node.body])
        self.bound = before
        for child in node.orelse:
            self.visit(child)

    def visit_AsyncFor(self, node: ast.AsyncFor) -> None:
        self.visit_For(node)

    def visit_While(self, node: ast.While) -> None:
        if isinstance(node.test, ast.Constant) and not node.test.value:
            return
        self.loops += 1
        self.visit(node.test)
        self.loops -= 1
        before = set(self.bound)
        self._loop(node.body)
        if not isinstance(node.test, ast.Constant):
            self.bound = before
        for child in node.orelse:
            self.visit(child)

    def _loop(self, body: list[ast.stmt]) -> None:
        self.loops += 1
        for child in body:
            self.visit(child)
        self.loops -= 1

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
        for child in node.body:
            self.visit(child)
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
        if isinstance(node, ast.GeneratorExp) and not getattr(node, "handed_on", False):
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
        self.visit(node.value)
        scopes, self.scopes = self.scopes, [s for s in self.scopes if s[0] in KEPT_SCOPES]
        self.store(node.target.id, node.lineno)
        self.scopes = scopes

    # calls and texts

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Name):
            looks_inside = node.func.id in {"vars", "dir"} and bool(node.args)
            known = self.dynamic.copy()
            use = self.load(node.func.id, node.lineno)
            if use is not None:
                use.called = True
                use.passed |= not getattr(node, "bound", False)
            if looks_inside:
                self.dynamic = known
            if node.func.id in {"setattr", "delattr"}:
                self._set_by_text(node)
        else:
            self.callees.append("")
            self.visit(node.func)
            self.callees.pop()
            if isinstance(node.func, ast.Attribute) and node.func.attr in IPYTHON:
                self._ipython(node, node.func.attr)
        name = _last_name(node.func)
        lazy = name in LAZY and isinstance(node.func, ast.Name)
        self.callees.append(name if not lazy else "partial" if hasattr(node, "bound") else "")
        for argument in (*node.args, *(k.value for k in node.keywords)):
            if isinstance(argument, ast.GeneratorExp):
                argument.handed_on = True  # type: ignore[attr-defined]
            self.visit(argument)
        self.callees.pop()

    def _set_by_text(self, node: ast.Call) -> None:
        """Note the attribute that `setattr(a, "b", 1)` sets."""
        if len(node.args) > 1 and isinstance(root := node.args[0], ast.Name):
            name = getattr(node.args[1], "value", None)
            self.attr_stores.append((node.lineno, root.id, (name if type(name) is str else "*",)))

    def _ipython(self, node: ast.Call, method: str) -> None:
        words = [a.value for a in node.args
                 if isinstance(a, ast.Constant) and isinstance(a.value, str)]  # fmt: skip
        if method in {"system", "getoutput"}:
            self.shell += words
        elif words and words[0] in TIMED:
            self._timed(node.lineno, words)
        elif words:
            self.attrs.add(f"%{words[0]}")
            kept = self.shell if words[0] in SHELLS else self.magics
            kept += [w for w in words[1:] if len(w) < LONGEST_TEXT]
            if words[0] in PYTHON and len(words) > 1:
                self._python(words[1].split("\n")[0])

    def _timed(self, line: int, words: list[str]) -> None:
        """Note what is bound by the time that a line has a statement timed, and what that binds."""
        self.timed[line] = frozenset(self.bound)
        if words[0] == "time" and len(words) == LINE:
            inner = Reads()
            inner._python(words[1])
            for name, (_, maybe) in inner.stores.items():
                if not maybe:
                    self.store(name, line)

    def _python(self, text: str) -> None:
        """Walk the statement that a magic such as `%prun` runs by itself."""
        for start in [0, *(m.end() for m in re.finditer(r"\s", text))]:
            if text[start : start + 1] == "-":
                continue  # an option
            try:
                tree = ast.parse(text[start:])
            except (SyntaxError, ValueError):
                continue
            self.visit(tree)
            return

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str) and len(node.value) < LONGEST_TEXT:
            self.texts.append(node.value)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        self.generic_visit(node)
        parts = [str(v.value) if isinstance(v, ast.Constant) else "*" for v in node.values]
        self.texts.append("".join(parts))  # as a pattern: `f"part{i}.csv"` → part*.csv


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
