"""What in a cell's text would hurt a job: secrets, paths outside, environment variables."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from mlops_nb.notebook.cells import python_of
from mlops_nb.probe.syntax.known_calls import USUAL_ALIASES, dotted, resolved

SECRET_NAME = re.compile(
    r"(^|_)(password|passwd|pwd|secret|token|api_?key|access_?key|private_?key|credentials?)"
    r"(_|$)",
    re.IGNORECASE,
)
SECRET_TEXT = re.compile(
    r"AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{30,}|sk-[A-Za-z0-9_-]{20,}|xox[abprs]-[\w-]{10,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----|eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}"
    r"|AIza[0-9A-Za-z_-]{35}|://[^/\s:@]+:[^/\s:@{}$]+@"
)
PLACEHOLDER = re.compile(
    r"^(\W*|x+|\.+|changeme|your[-_ ].*|<.*>|\$?\{.*\}|none|null)$", re.IGNORECASE
)
PATH = re.compile(r"^(~|\.{1,2}|[A-Za-z]:)?[/\\][^\n]*$|^\.\.$")
HOST = re.compile(r"^[a-z][a-z0-9+.-]*://([^/\s@]+@)?([^/\s:?#]+)", re.IGNORECASE)
SHORTEST_SECRET = 6


@dataclass(frozen=True, slots=True)
class Hazard:
    """kind: secret, path, host, file, environment or prompt; `what` names it."""

    kind: str
    what: str
    line: int = 0


def hazards(source: str, imports: dict[str, str] | None = None) -> list[Hazard]:
    """Return what of a cell a job's reviewer must know of.

    >>> [h.kind for h in hazards("password = 'hunter22'")]
    ['secret']
    >>> [h.what for h in hazards("import os; key = os.environ['DB']")]
    ['DB']
    """
    try:
        tree = ast.parse(python_of(source))
    except (SyntaxError, ValueError, RecursionError):
        return []
    known = {**USUAL_ALIASES, "os": "os", "getpass": "getpass", **(imports or {})}
    return list(_found(tree, known))


def _found(tree: ast.AST, imports: dict[str, str]) -> Iterator[Hazard]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                module = node.module if isinstance(node, ast.ImportFrom) else ""
                imports[alias.asname or alias.name.split(".")[0]] = (
                    f"{module}.{alias.name}" if module else alias.name
                )
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            yield from _assigned(node)
        elif isinstance(node, ast.Call):
            yield from _called(node, imports)
        elif isinstance(node, ast.Dict | ast.arguments):
            yield from _paired(node)
        elif isinstance(node, ast.Subscript):
            if resolved(dotted(node.value), imports) == "os.environ":
                yield Hazard("environment", _literal(node.slice) or "*", node.lineno)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from _text(node.value, node.lineno)


def _assigned(node: ast.Assign | ast.AnnAssign) -> Iterator[Hazard]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    for target in targets:
        name = (dotted(target) or ("",))[-1]
        if isinstance(target, ast.Subscript):
            name = _literal(target.slice) or name
        if node.value is not None and _is_secret(name, _literal(node.value)):
            yield Hazard("secret", name, node.lineno)


def _paired(node: ast.Dict | ast.arguments) -> Iterator[Hazard]:
    """Yield secrets among a dict's values and a function's defaults."""
    pairs: list[tuple[str, ast.expr | None]]
    if isinstance(node, ast.Dict):
        pairs = [(_literal(k), v) for k, v in zip(node.keys, node.values, strict=True) if k]
    else:
        places = [*node.posonlyargs, *node.args]
        pairs = [
            (a.arg, d) for a, d in zip(reversed(places), reversed(node.defaults), strict=False)
        ]
        pairs += [(a.arg, d) for a, d in zip(node.kwonlyargs, node.kw_defaults, strict=True)]
    for name, value in pairs:
        if value is not None and _is_secret(name, _literal(value)):
            yield Hazard("secret", name, value.lineno)


def _is_secret(name: str, text: str) -> bool:
    return bool(
        SECRET_NAME.search(name)
        and len(text) >= SHORTEST_SECRET
        and not PLACEHOLDER.match(text)
        and " " not in text
    )


def _called(node: ast.Call, imports: dict[str, str]) -> Iterator[Hazard]:
    for keyword in node.keywords:
        if keyword.arg and _is_secret(keyword.arg, _literal(keyword.value)):
            yield Hazard("secret", keyword.arg, node.lineno)
    path = resolved(dotted(node.func), imports)
    if path in {"os.getenv", "os.environ.get", "os.environ.pop", "os.environ.setdefault"}:
        yield Hazard(
            "environment", (_literal(node.args[0]) if node.args else "") or "*", node.lineno
        )
    elif path in {"getpass.getpass", "getpass"} or (
        isinstance(node.func, ast.Name) and node.func.id == "input"
    ):
        yield Hazard("prompt", dotted(node.func)[-1], node.lineno)


def _text(text: str, line: int) -> Iterator[Hazard]:
    if SECRET_TEXT.search(text):
        yield Hazard("secret", "a literal that looks like a credential", line)
    host = HOST.match(text)
    if host and not text.lower().startswith("file:"):
        yield Hazard("host", host[2], line)
    elif PATH.match(text):
        yield Hazard("path", text, line)
    elif re.fullmatch(r"[\w./-]+\.(csv|parquet|json|xlsx?|feather|pkl|pickle|txt|npy|npz)", text):
        yield Hazard("file", text, line)


def _literal(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
