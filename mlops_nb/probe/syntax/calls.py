"""Reads the calls and the texts of a cell: what they are given, the shell, magics."""

import ast
import re
from typing import Any

from .names import SHOWING, WRITES, Uses

LONGEST_TEXT = 20_000
IPYTHON = {"system", "getoutput", "run_line_magic", "run_cell_magic"}
SHELLS = {
    "bash",
    "sh",
    "script",
    "system",
    "sx",
    "sc",
    "run",
    "cd",
    "writefile",
    "pushd",
    "cat",
    "cp",
    "file",
    "less",
    "ll",
    "ls",
    "mkdir",
    "more",
    "mv",
    "rm",
    "rmdir",
    "perl",
    "ruby",
    "python",
    "python2",
    "python3",
    "pypy",
    "cmd",
}
EXPANDED = {"sx", "system", "!"}  # cell magics of IPython that put values into all of their text
LITERAL = {"html", "javascript", "js", "latex", "markdown", "svg"}  # just shown
TIMED = {"time", "timeit", "capture"}  # their trees are seen by themselves
LINE = 2  # words that a line magic is called with: its name, and the rest of its line
PYTHON = {
    "prun",
    "lprun",
    "memit",
    "mprun",
    "debug",
    "pinfo",
    "pinfo2",
    "pdoc",
    "pdef",
    "psource",
    "pfile",
}
LAZY = frozenset({"map", "filter"})  # call what they are given when somebody asks for an item


# what keeps the functions that it is given, to be called some other time
KEEPERS = frozenset(
    {
        "dict",
        "list",
        "tuple",
        "set",
        "defaultdict",
        "partial",
        "property",
        "staticmethod",
        "classmethod",
        "make_scorer",
        "cmp_to_key",
        "isinstance",
        "issubclass",
        "callable",
        "id",
        "getsource",
        "signature",
        "getdoc",
        "vectorize",
        "observe",
        "on_click",
        "mpl_connect",
        "FunctionTransformer",
        "loadTestsFromTestCase",
    }
)


class CallReads(Uses, ast.NodeVisitor):
    """Walks calls and texts, and what is in them."""

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Name):
            looks_inside = node.func.id in {"vars", "dir"} and bool(node.args)
            looks_inside |= node.func.id in {"eval", "exec"} and self._has_own_names(node)
            known = self.dynamic.copy()
            use = self.load(node.func.id, node.lineno)
            if use is not None:
                use.called = True
                use.passed |= not getattr(node, "bound", False)
            if looks_inside:
                self.dynamic = known
            if node.func.id in {"setattr", "delattr"}:
                self._set_by_text(node)
        elif self._binds_by_text(node) or self._asks_by_text(node):
            return
        else:
            self.callees.append("")
            self.visit(node.func)
            self.callees.pop()
            if isinstance(node.func, ast.Attribute) and node.func.attr in IPYTHON:
                self._ipython(node, node.func.attr)
        name = _last_name(node.func)
        self.shows |= name in SHOWING or (name in WRITES and isinstance(node.func, ast.Attribute))
        if name in LAZY and isinstance(node.func, ast.Name):
            name = "partial" if hasattr(node, "bound") and not self.callees else ""
        self.callees.append("" if getattr(node, "again", False) else name)
        for argument in (*node.args, *(k.value for k in node.keywords)):
            self.visit(argument)
        self.callees.pop()

    def visit_FormattedValue(self, node: ast.FormattedValue) -> None:
        self.shows = True
        self.generic_visit(node)

    def _has_own_names(self, node: ast.Call) -> bool:
        """Say whether `eval` or `exec` is given names of its own, in a dict."""
        names = node.args[1] if len(node.args) > 1 else None
        known = self.values.get(names.id) if isinstance(names, ast.Name) else None
        own = isinstance(names, ast.Name) and names.id in self.dicts
        own |= type(known) is dict and "get_ipython" not in known
        return isinstance(names, ast.Dict) or own

    def _binds_by_text(self, node: ast.Call) -> bool:
        """Note the names that `globals().update({"a": 1}, b=2)` binds; say whether it is that."""
        func = node.func
        if not isinstance(func, ast.Attribute) or self.scopes:
            return False
        pushes = func.attr == "push" and calls(func.value, "get_ipython")
        if not pushes and not (func.attr == "update" and is_namespace(func.value)):
            return False
        names: list[Any] = [k.arg for k in node.keywords if not pushes]
        for argument in node.args[:1]:
            keys = argument.keys if isinstance(argument, ast.Dict) else [None]
            names += [getattr(key, "value", None) for key in keys]
        if not all(type(name) is str for name in names):
            return False
        for part in (*node.args, *node.keywords):
            self.visit(part)
        for name in names:
            self.store(name, node.lineno)
        return True

    def _set_by_text(self, node: ast.Call) -> None:
        """Note the attribute that `setattr(a, "b", 1)` sets."""
        path: list[str] = []
        root = node.args[0] if len(node.args) > 1 else None
        while isinstance(root, ast.Attribute):
            path.insert(0, root.attr)
            root = root.value
        if isinstance(root, ast.Name):
            name = getattr(node.args[1], "value", None)
            path.append(name if type(name) is str else "*")
            self.attr_stores.append((node.lineno, root.id, tuple(path)))

    def _ipython(self, node: ast.Call, method: str) -> None:
        words = [
            a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)
        ]
        if method in {"system", "getoutput"}:
            self.shell += words
            self.expanded += words
        elif words and words[0] in TIMED:
            self._timed(node.lineno, words)
        elif words:
            self._magic(*words)

    def _magic(self, name: str, line: str = "", body: str = "") -> None:
        """Note what a magic is given: the rest of its line, and the text below a cell magic."""
        self.attrs.add(f"%{name}")
        texts = [t for t in (line, "" if name in LITERAL else body) if 0 < len(t) < LONGEST_TEXT]
        kept = self.shell if name in SHELLS else self.magics
        kept += texts
        literal = name in SHELLS - EXPANDED  # to the shell, `$x` is a variable of its own
        self.expanded += [line] if literal else texts
        if name in PYTHON:
            self._python(body or line.split("\n", 1)[0])

    def _timed(self, line: int, words: list[str]) -> None:
        """Note what is bound by the time that a line has a statement timed, and what that binds."""
        self.timed[line] = frozenset(self.bound)
        if words[0] == "time" and len(words) == LINE:
            inner = type(self)()
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

    def _asks_by_text(self, node: ast.Call) -> bool:
        """Note the name that `globals().get("name")` asks for; say whether it is that."""
        func, first = node.func, node.args[0] if node.args else None
        name = getattr(first, "value", None)
        if self.scopes or not isinstance(func, ast.Attribute) or type(name) is not str:
            return False
        if func.attr not in {"get", "pop"} or not is_namespace(func.value):
            return False
        self.load(name, node.lineno)
        if func.attr == "pop":
            self.deletes[name] = node.lineno
            self.bound.discard(name)
        for part in node.args[1:]:
            self.visit(part)
        return True


def is_namespace(node: ast.expr) -> bool:
    """Say whether an expression gives the notebook's namespace, where no function is around it."""
    if isinstance(node, ast.Attribute):
        return node.attr == "user_ns" and calls(node.value, "get_ipython")
    return any(calls(node, name) for name in ("globals", "locals", "vars"))


def calls(node: ast.expr, name: str) -> bool:
    """Say whether an expression calls a function by its name, without arguments."""
    named = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
    return named and not (node.args or node.keywords)  # type: ignore[attr-defined]


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
