"""Walks the calls and the texts of a cell: their arguments, shell commands and magics."""

import ast
import re

from .effects import Effects
from .known_calls import (
    EXPANDED,
    IPYTHON,
    LITERAL,
    PYTHON,
    SHELLS,
    SHOWING,
    TIMED,
    WRITES,
)
from .names import TIMED_SCOPE, shell_names

LONGEST_TEXT = 20_000
LINE = 2  # words that a line magic is called with: its name, and the rest of its line
AT_NAME = re.compile(r"@([A-Za-z_]\w*)")  # df.query("age > @limit")


class CallVisitor(Effects):
    """Walks calls and texts."""

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Name):
            self._load_callee(node, node.func)
        else:
            self.calls += 1
            self.visit(node.func)
            self.calls -= 1
        name = _last_name(node.func)
        self.shows |= name in SHOWING or (name in WRITES and isinstance(node.func, ast.Attribute))
        self.calls += 1
        for argument in (*node.args, *(k.value for k in node.keywords)):
            self.visit(argument)
        self.calls -= 1
        if self.static is not None:
            self._note_call(node)
        if isinstance(node.func, ast.Attribute) and node.func.attr in IPYTHON:
            self._ipython(node, node.func.attr)

    def _load_callee(self, node: ast.Call, func: ast.Name) -> None:
        """Record that a function is called by its name."""
        inspects = func.id in {"vars", "dir"} and bool(node.args)
        inspects |= func.id in {"eval", "exec"} and self._has_own_names(node)
        known = self.dynamic.copy()
        use = self.load(func.id, node.lineno)
        if use is not None:
            use.called = True
        if inspects:
            self.dynamic = known

    def visit_FormattedValue(self, node: ast.FormattedValue) -> None:
        self.shows = True
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            for name in AT_NAME.findall(node.value) if "@" in node.value else ():
                self.mention(name, node.lineno)
            if len(node.value) < LONGEST_TEXT:
                self.texts.append(node.value)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        self.generic_visit(node)
        parts = [str(v.value) if isinstance(v, ast.Constant) else "*" for v in node.values]
        self.texts.append("".join(parts))  # as a pattern: `f"part{i}.csv"` → part*.csv

    # IPython

    def _ipython(self, node: ast.Call, method: str) -> None:
        """Record a shell command or a magic, which IPython runs through a method of the shell."""
        words = [
            a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)
        ]
        if words[:1] == ["mlops"]:
            return  # a verb is no part of the pipeline
        if method in {"system", "getoutput"}:
            self.shell += words
            self._expand(node.lineno, words)
            if node.args:
                self._note_shell()
        elif words and words[0] in TIMED:
            self._timed(node.lineno, *words)
        elif words:
            self._magic(node.lineno, *words)
        if self.static is not None and method == "run_line_magic" and len(words) == LINE:
            self._note_line_magic(words[0])
        elif self.static is not None and method == "run_cell_magic" and len(words) > 1:
            self._note_cell_magic(words[0])

    def _magic(self, at: int, name: str, line: str = "", body: str = "") -> None:
        """Record the texts of a magic: the rest of its line, and the text below a cell magic."""
        self.attrs.add(f"%{name}")
        texts = [t for t in (line, "" if name in LITERAL else body) if 0 < len(t) < LONGEST_TEXT]
        kept = self.shell if name in SHELLS else self.magics
        kept += texts
        literal = name in SHELLS - EXPANDED  # to the shell, `$x` is a variable of its own
        self._expand(at, [line] if literal else texts)
        if name in PYTHON:
            self._python(body or line.split("\n", 1)[0])

    def _expand(self, at: int, texts: list[str]) -> None:
        """Record texts in which IPython replaces `$name` and `{name}` by values."""
        self.expanded += texts
        for text in texts:
            for name in shell_names(text):
                self.mention(name, at)

    def _timed(self, line: int, name: str, *texts: str) -> None:
        """Walk the statements that `%time` and `%timeit` run; those of `%timeit` bind nothing."""
        outer, self.at = self.at, self.at or line
        self.scopes += [(TIMED_SCOPE, set())] if name == "timeit" else []
        for text in texts if name != "capture" else ():
            self._python(self.python_of(text))
        if name == "timeit":
            self.scopes.pop()
        self.at = outer


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
