"""Notes what a call does besides returning a value: hidden channels, files, changed objects."""

import ast
import re
from contextlib import suppress
from typing import TYPE_CHECKING

from mlops_nb.notebook.cells import python_of
from mlops_nb.probe.syntax import known_calls
from mlops_nb.probe.syntax.known_calls import dotted, resolved

if TYPE_CHECKING:
    from mlops_nb.notebook.scan import Scan

TIMED = "timed"  # an inner scope whose names nobody else knows
SHELL_NAME = re.compile(r"(?<!\$)\$([A-Za-z_]\w*)|(?<!\{)\{([A-Za-z_]\w*)[^{}]*\}(?!\})")


def note(scan: "Scan", node: ast.Call) -> None:
    """Note what a call does besides returning a value."""
    path = dotted(node.func)
    if isinstance(node.func, ast.Name):
        scan.called.append((node.func.id, _given(node)))
    full = resolved(path, scan.modules) or ".".join(path[-1:] if len(path) == 1 else ())
    _note_argument(scan, full, node)
    _note_channel(scan, full)
    _note_file(scan, node, full)
    if isinstance(node.func, ast.Attribute):
        _note_method(scan, node, node.func)
    _note_ipython(scan, node)
    if full in {"exec", "eval"} and node.args and (text := _text(node.args[0])):
        _python(scan, text.strip())  # what it says is known, after all
    if full in {"mlflow.log_metric", "log_metric"} and node.args:
        scan.logged |= {text for text in [_text(node.args[0])] if text}


def _note_argument(scan: "Scan", full: str, node: ast.Call) -> None:
    place = known_calls.CHANGES_ARGUMENT.get(full)
    if place is not None and place < len(node.args):
        scan.change(node.args[place])
    for keyword in node.keywords:
        if keyword.arg == "out":
            scan.change(keyword.value)


def _note_channel(scan: "Scan", full: str) -> None:
    channel, reads, changes = known_calls.channel_of(full)
    if channel and reads:
        scan.channels_read.add(channel)
    if channel and changes:
        scan.channels_changed.add(channel)


def _note_method(scan: "Scan", node: ast.Call, func: ast.Attribute) -> None:
    inplace = any(
        k.arg == "inplace" and isinstance(k.value, ast.Constant) and k.value.value is True
        for k in node.keywords
    )
    root = dotted(func.value)
    if not root or not (inplace or known_calls.mutates(func.attr)):
        return
    module = resolved(root, scan.modules)
    if module and (len(root) == 1 or "." not in module):
        return  # a function of a module, not a method of an object
    scan.change(func.value)


def _note_file(scan: "Scan", node: ast.Call, full: str) -> None:
    method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    way, place = known_calls.FILES_OF_MODULES.get(full, ("", 0))
    if full in {"open", "io.open"}:
        mode = _text(node.args[1]) if len(node.args) > 1 else ""
        mode = mode or next((_text(k.value) for k in node.keywords if k.arg == "mode"), "")
        way = "write" if set(mode or "r") & set("wax+") else "read"
    elif method in known_calls.READS_FILE:
        way, place = "read", known_calls.READS_FILE[method]
    elif method in known_calls.WRITES_FILE:
        way, place = "write", known_calls.WRITES_FILE[method]
    if not way:
        return
    literal = _text(node.args[place]) if 0 <= place < len(node.args) else ""
    if way == "write" and (literal or node.args):
        scan.channels_changed.add(f"file:{literal or '*'}")
    elif way == "read" and literal:
        scan.channels_read.add(f"file:{literal}")


def _note_ipython(scan: "Scan", node: ast.Call) -> None:
    method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    words = [_text(arg) for arg in node.args]
    if method in {"system", "getoutput"} and words:
        _shell(scan, words[0])
    elif method == "run_line_magic" and len(words) > 1:
        if words[0] == "timeit":
            _timed(scan, words[1])
        elif words[0] in {"time", "prun"}:
            _python(scan, words[1])
        elif words[0] in {"run", "pylab", "store", "load"}:
            scan.star_import = scan.reads_anything = True
        elif words[0] in known_calls.CHANNELS_OF_MAGICS:
            scan.channels_changed.add(known_calls.CHANNELS_OF_MAGICS[words[0]])
    elif method == "run_cell_magic" and len(words) > 1:
        if words[0] in {"bash", "sh", "script", "writefile", "file", "system", "sx", "!"}:
            expands = words[0] in {"system", "sx", "!"}  # the others only their own line
            _shell(scan, "\n".join(words[1:]) if expands else words[1])
        elif words[0] == "timeit":
            _timed(scan, *words[1:])
        else:
            scan.reads_anything = True


def _python(scan: "Scan", text: str) -> None:
    """Walk the statement that a magic runs, its options left out: `%timeit -n1 f(x)`."""
    for start in (0, *(match.end() for match in re.finditer(r"\s+", text))):
        if text[start : start + 1] == "-":
            continue
        with suppress(SyntaxError, ValueError):
            tree = ast.parse(text[start:])
            for child in tree.body:
                scan.visit(child)
            return


def _timed(scan: "Scan", *texts: str) -> None:
    """Walk the statements that `%timeit` runs in a function of its own, where they bind nothing."""
    scan.scopes.append((TIMED, set()))
    for text in texts:
        _python(scan, python_of(text))
    scan.scopes.pop()


def _shell(scan: "Scan", text: str) -> None:
    scan.channels_changed.add("shell")
    scan.channels_read.add("shell")
    for match in SHELL_NAME.finditer(text):
        name = match[1] or match[2]
        if name not in scan.bound:
            scan.reads.setdefault(name)
            scan.maybe.add(name)


def _text(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _given(node: ast.Call) -> tuple[str, ...]:
    given = [".".join(dotted(arg)[:1]) for arg in node.args]
    given += [f"{k.arg}={'.'.join(dotted(k.value)[:1])}" for k in node.keywords if k.arg]
    return tuple(given)
