"""Records, in a static reading, what calls and assignments do besides returning a value.

An observed reading records none of this: the observer sees the effects themselves.
"""

import ast
import re
from contextlib import suppress
from typing import Any

from . import known_calls
from .known_calls import dotted, resolved
from .names import NameUses


class Effects(NameUses, ast.NodeVisitor):
    """The channels, files and objects that a cell changes, as far as its text shows."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.channels_read: set[str] = set()
        self.channels_changed: set[str] = set()
        self.called: list[tuple[str, tuple[str, ...]]] = []  # (function, names passed to it)
        self.logged: set[str] = set()  # metrics logged to MLflow
        self.assumed = False  # a change is only likely

    def _resolved(self, path: tuple[str, ...]) -> str:
        """Return a dotted path with its first name replaced by the dotted path of its import."""
        root = path[0] if path else ""
        if self.static is None or root in self.imports or root in self.writes:
            return resolved(path, self.imports)
        return resolved(path, self.static.imports)

    def change(self, node: ast.expr) -> None:
        """Record that the object at the root of `a.b[0]` is changed in place."""
        path = dotted(node)
        if self.static is None or not path or self._hidden(path[0]):
            return
        module = self._resolved(path)
        if module:
            self.channels_changed.add(f"module:{module}")
        else:
            self.changes.add(path[0])

    def _set(self, node: ast.Attribute | ast.Subscript) -> None:
        """Record that an attribute or an item is set or deleted."""
        if self.static is None:
            return
        path = self._resolved(dotted(node))
        if path.startswith("os.environ"):
            self.channels_changed.add("env")
        elif path.startswith(("matplotlib.pyplot.rcParams", "matplotlib.rcParams")):
            self.channels_changed.add("matplotlib")
        else:
            self.change(node)

    def visit_Expr(self, node: ast.Expr) -> None:
        self.visit(node.value)
        func = node.value.func if isinstance(node.value, ast.Call) else None
        if self.static is None or not isinstance(func, ast.Attribute):
            return
        path = dotted(func.value)
        is_last = isinstance(self.tree, ast.Module) and node is self.tree.body[-1]
        if not path or is_last or self._resolved(path) or path[0] in self.changes:
            return
        if func.attr not in known_calls.SHOWS:
            self.assumed = True  # the result is not used, so the call probably changes the object
            self.change(func.value)

    def _note_call(self, node: ast.Call) -> None:
        """Record the effects of a call."""
        path = dotted(node.func)
        if isinstance(node.func, ast.Name):
            self.called.append((node.func.id, _passed(node)))
        full = self._resolved(path) or (path[0] if len(path) == 1 else "")
        self._note_arguments(full, node)
        channel, reads, changes = known_calls.channel_of(full)
        self.channels_read |= {channel} if channel and reads else set()
        self.channels_changed |= {channel} if channel and changes else set()
        self._note_file(node, full)
        if isinstance(node.func, ast.Attribute):
            self._note_method(node, node.func)
        literal = _text(node.args[0]) if node.args else ""
        if full in {"exec", "eval"} and literal and not self._has_own_names(node):
            self._python(literal.strip())
        if full in {"mlflow.log_metric", "log_metric"} and literal:
            self.logged.add(literal)

    def _has_own_names(self, node: ast.Call) -> bool:
        """Say whether `eval` or `exec` is passed a dict of its own for its names."""
        names = node.args[1] if len(node.args) > 1 else None
        return isinstance(names, ast.Dict) or getattr(names, "id", "") in self.dicts

    def _note_arguments(self, full: str, node: ast.Call) -> None:
        place = known_calls.CHANGES_ARGUMENT.get(full)
        if place is not None and place < len(node.args):
            self.change(node.args[place])
        for keyword in node.keywords:
            if keyword.arg == "out":
                self.change(keyword.value)

    def _note_method(self, node: ast.Call, func: ast.Attribute) -> None:
        inplace = any(
            k.arg == "inplace" and isinstance(k.value, ast.Constant) and k.value.value is True
            for k in node.keywords
        )
        root = dotted(func.value)
        if not root or not (inplace or known_calls.mutates(func.attr)):
            return
        module = self._resolved(root)
        if not module or (len(root) > 1 and "." in module):  # else a function of a module
            self.change(func.value)

    def _note_file(self, node: ast.Call, full: str) -> None:
        method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        access, place = known_calls.FILES_OF_MODULES.get(full, ("", 0))
        if full in {"open", "io.open"}:
            mode = _text(node.args[1]) if len(node.args) > 1 else ""
            mode = mode or next((_text(k.value) for k in node.keywords if k.arg == "mode"), "")
            access = "write" if set(mode or "r") & set("wax+") else "read"
        elif method in known_calls.READS_FILE:
            access, place = "read", known_calls.READS_FILE[method]
        elif method in known_calls.WRITES_FILE:
            access, place = "write", known_calls.WRITES_FILE[method]
        literal = _text(node.args[place]) if 0 <= place < len(node.args) else ""
        if access == "write" and node.args:
            self.channels_changed.add(f"file:{literal or '*'}")
        elif access == "read" and literal:
            self.channels_read.add(f"file:{literal}")

    def _note_line_magic(self, name: str) -> None:
        """Record the effects of a line magic."""
        if name in {"run", "pylab", "store", "load"}:
            self.star = True
            self.dynamic.add(f"%{name}")
        elif name in known_calls.CHANNELS_OF_MAGICS:
            self.channels_changed.add(known_calls.CHANNELS_OF_MAGICS[name])

    def _note_cell_magic(self, name: str) -> None:
        """Record the effects of a cell magic."""
        if name in known_calls.SHELL_CELLS:
            self._note_shell()
        elif name not in known_calls.TIMED - {"capture"}:
            self.dynamic.add(f"%%{name}")

    def _note_shell(self) -> None:
        self.channels_read.add("shell")
        self.channels_changed.add("shell")

    def _python(self, text: str) -> None:
        """Walk the statement that a magic runs, without the options before it: `%prun -q f(x)`."""
        for start in [0, *(m.end() for m in re.finditer(r"\s+", text))]:
            if text[start : start + 1] == "-":
                continue  # an option
            with suppress(SyntaxError, ValueError, MemoryError):
                self.visit(ast.parse(text[start:]))
                return


def _text(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _passed(node: ast.Call) -> tuple[str, ...]:
    """Return the names passed by position, and "key=name" for those passed by keyword."""
    by_place = [".".join(dotted(arg)[:1]) for arg in node.args]
    by_key = [f"{k.arg}={'.'.join(dotted(k.value)[:1])}" for k in node.keywords if k.arg]
    return (*by_place, *by_key)
