"""Checks a notebook for everything that would stop its promotion, with a remedy for each."""

import ast
import os
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mlops_nb import files
from mlops_nb.errors import Refused
from mlops_nb.notebook import local_modules, slicing
from mlops_nb.notebook.cells import UNPARSABLE, is_injected, python_of
from mlops_nb.notebook.model import Cell, Pipeline, Source, Warned
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
OURS = {"MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "MPLBACKEND"}


def check(  # noqa: PLR0913  each option is for one of the checks
    source: Source,
    *,
    root: Path,
    kept: Collection[int] | None = None,
    variable: str | None = None,
    champion_gate: bool = False,
    declared: Collection[str] = (),
    installed: Collection[str] | None = None,
) -> list[Warned]:
    """Return the findings that stop a promotion of a notebook, and further warnings.

    root:      the project's folder; a job has no files outside of it
    kept:      indexes of the cells that the job contains; None for all
    variable:  the name of the model, if there is one
    declared:  environment variables that are declared as secrets
    installed: top-level modules that the kernel's interpreter has; None to skip this check
    """
    pipeline = source.pipeline
    cells = [c for c in source.notebook.cells if kept is None or c.index in kept]
    inside = {c.index for c in cells}
    found = [
        w
        for w in pipeline.warnings
        if w.cell is None or w.cell in inside or w.kind in {"syntax", "too-deep"}
    ]
    found += _no_extension(source)
    found += _out_of_order(source)
    for cell in cells:
        found += _hazard_warnings(cell, source.path.parent, root, set(declared) | OURS)
    if installed is not None:
        found += _not_installed(cells, source.path.parent, root, installed)
    if variable is None:
        found += several_models(pipeline, source.path.name)
    else:
        found += _model_warnings(source, variable, champion_gate=champion_gate)
    return found + _no_parameters(source)


def readable(source: Source) -> list[Warned]:
    """Return the findings that need nothing but the notebook, besides those of its pipeline."""
    return [*_no_extension(source), *_out_of_order(source), *_no_parameters(source)]


def several_models(pipeline: Pipeline, notebook: str) -> list[Warned]:
    """Return a finding if a notebook marks several models, of which a job has one.

    notebook: the name of its file
    """
    if len(pipeline.model) < 2:  # noqa: PLR2004
        return []
    first, *others = pipeline.model
    also = ", and ".join(f"--name {name} --model {name}" for name in others)
    return [
        Warned(
            kind="several-models",
            what=f"{notebook} marks {len(pipeline.model)} models, and a job has one of them",
            fix=f"make a job for each: mlops-nb promote {notebook} --name {first} --model {first}; "
            f"again with {also}",
            stops=True,
        )
    ]


def _out_of_order(source: Source) -> list[Warned]:
    """Return a warning for each cell that ran before a later run of a cell that it depends on."""
    code = [c for c in source.document["cells"] if c["cell_type"] == "code" and not is_injected(c)]
    ran = {
        i: c["execution_count"]
        for i, c in enumerate(code)
        if isinstance(c.get("execution_count"), int)
    }
    found = []
    for cell in source.pipeline.cells:
        late = [d for d in cell.depends_on if ran.get(d, 0) > ran.get(cell.index, 10**9)]
        if late:
            here, maker = (source.notebook.cells[i].label for i in (cell.index, late[0]))
            what = f"{here} ran before {maker}, which it reads, was run again"
            fix = f"run {here} again, or all cells from the top, and save"
            found.append(Warned(kind="out-of-order", what=what, fix=fix, cell=cell.index))
    return found


def refuse(found: Iterable[Warned], where: str) -> None:
    """Raise the first finding that stops a promotion, with the number of the others."""
    stops = [w for w in found if w.stops]
    if stops:
        more = f"; {len(stops) - 1} more: mlops-nb check {where}" if len(stops) > 1 else ""
        raise Refused(stops[0].what, fix=stops[0].fix + more, where=where)


def _hazard_warnings(
    cell: Cell, folder: Path, root: Path, declared: Collection[str]
) -> list[Warned]:
    found = []
    at = f"in {cell.label}"
    for hazard in hazards(cell.source):
        if hazard.kind == "secret":
            what = f"{hazard.what!r} {at} looks like a secret written into the notebook"
            fix = "read it with os.environ['NAME'] and declare it: promote --secret NAME"
            found.append(_stop("secret", what, fix, cell))
        elif hazard.kind == "environment" and hazard.what not in declared:
            what = f"the environment variable {hazard.what!r}, read {at}, is not declared"
            fix = f"declare it: mlops-nb promote … --secret {hazard.what}"
            if hazard.what == "*":
                what = f"an environment variable whose name is computed is read {at}"
                fix = "write the variable's name out, so that it can be declared"
            found.append(_stop("environment", what, fix, cell))
        elif hazard.kind == "prompt":
            what = f"{hazard.what}() {at} waits for a person, and a job has none"
            fix = "read it with os.environ['NAME'] and declare it: promote --secret NAME"
            found.append(_stop("prompt", what, fix, cell))
        elif hazard.kind == "path" and (outside := _path_outside(hazard.what, folder, root)):
            what = f"the path {hazard.what!r} {at} lies outside the project"
            fix = f"copy {outside.name or outside} into {root.name}/ and name it relatively"
            found.append(_stop("outside-path", what, fix, cell))
    return found


def _stop(kind: str, what: str, fix: str, cell: Cell) -> Warned:
    return Warned(kind=kind, what=what, fix=fix, cell=cell.index, stops=True)


def _path_outside(text: str, folder: Path, root: Path) -> Path | None:
    """Return the path that a literal refers to, if it exists outside the project, else None."""
    path = Path(os.path.expanduser(text))
    absolute = Path(os.path.normpath(path if path.is_absolute() else folder / path))
    if absolute.is_relative_to(root) or absolute.is_relative_to(folder):
        return None
    if text.startswith(("~", "..")):
        return absolute
    parent = absolute.parent
    return absolute if absolute.exists() or (parent != Path("/") and parent.exists()) else None


def _not_installed(
    cells: Iterable[Cell], folder: Path, root: Path, installed: Collection[str]
) -> list[Warned]:
    found = []
    for cell in cells:
        for name in sorted(local_modules.surely_imported(python_of(cell.source))):
            if name in installed or files.local_module(name, (folder, root)) is not None:
                continue
            what = f"{cell.label} imports {name!r}, which the notebook's kernel does not have"
            found.append(_stop("missing-module", what, f"install it: pip install {name}", cell))
    return found


def _model_warnings(source: Source, variable: str, *, champion_gate: bool) -> list[Warned]:
    pipeline = source.pipeline
    if not slicing.model_cells(pipeline, variable):
        made = sorted({n for s in pipeline.steps for n in s.makes})
        return [
            Warned(
                kind="no-model",
                what=f"no step makes {variable!r}, which is to be the model",
                fix=f"use a name that a step makes: {', '.join(made) or 'there is none yet'}",
                stops=True,
            )
        ]
    shared = slicing.shares_step(pipeline, variable)
    if not shared:
        return []
    return [
        Warned(
            kind="shared-step",
            what=f"step {shared!r} both trains {variable!r} and judges it, so that its cells "
            "cannot judge a champion",
            fix=f"split {shared!r}: start the judging cells with `%mlops step evaluate`",
            cell=pipeline.step(shared).cells[0],
            stops=champion_gate,
        )
    ]


def _no_extension(source: Source) -> list[Warned]:
    loaded = False
    for cell in source.notebook.cells:
        loaded = loaded or "%load_ext mlops_nb" in cell.source
        if not loaded and any(
            line.startswith(("%mlops", "%%mlops")) for line in cell.source.splitlines()
        ):
            return [
                Warned(
                    kind="no-extension",
                    what=f"{cell.label} uses %mlops and no cell above loads the extension",
                    fix="put `%load_ext mlops_nb` into the first cell",
                    cell=cell.index,
                )
            ]
    return []


def _no_parameters(source: Source) -> list[Warned]:
    pipeline = source.pipeline
    if not pipeline.steps or any(c.kind == "parameters" for c in pipeline.cells):
        return []
    constants = [c.index for c in source.pipeline.cells if c.kind == "setup" and c.writes]
    cell = constants[0] if constants else None
    return [
        Warned(
            kind="no-parameters",
            what="no cell is tagged 'parameters', so every run computes the same",
            fix="put what should vary into one cell (`depth = 3`) and tag it `parameters`",
            cell=cell,
        )
    ]


@dataclass(frozen=True, slots=True)
class Hazard:
    """A literal or a call in a cell that a reviewer of the job must know.

    kind: secret, path, host, file, environment or prompt
    what: the name, the path or the host
    """

    kind: str
    what: str
    line: int = 0


def hazards(source: str, imports: dict[str, str] | None = None) -> list[Hazard]:
    """Return the secrets, paths, hosts, variables and prompts in the text of a cell.

    >>> [h.kind for h in hazards("password = 'hunter22'")]
    ['secret']
    >>> [h.what for h in hazards("import os; key = os.environ['DB']")]
    ['DB']
    """
    try:
        tree = ast.parse(python_of(source))
    except UNPARSABLE:
        return []
    known = {**USUAL_ALIASES, "os": "os", "getpass": "getpass", **(imports or {})}
    return list(_find_hazards(tree, known))


def _find_hazards(tree: ast.AST, imports: dict[str, str]) -> Iterator[Hazard]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                module = node.module if isinstance(node, ast.ImportFrom) else ""
                imports[alias.asname or alias.name.split(".")[0]] = (
                    f"{module}.{alias.name}" if module else alias.name
                )
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            yield from _assigned_secrets(node)
        elif isinstance(node, ast.Call):
            yield from _call_hazards(node, imports)
        elif isinstance(node, ast.Dict | ast.arguments):
            yield from _paired_secrets(node)
        elif isinstance(node, ast.Subscript):
            if resolved(dotted(node.value), imports) == "os.environ":
                yield Hazard("environment", _literal(node.slice) or "*", node.lineno)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from _text_hazards(node.value, node.lineno)


def _assigned_secrets(node: ast.Assign | ast.AnnAssign) -> Iterator[Hazard]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    for target in targets:
        name = (dotted(target) or ("",))[-1]
        if isinstance(target, ast.Subscript):
            name = _literal(target.slice) or name
        if node.value is not None and _is_secret(name, _literal(node.value)):
            yield Hazard("secret", name, node.lineno)


def _paired_secrets(node: ast.Dict | ast.arguments) -> Iterator[Hazard]:
    """Yield the secrets in the values of a dict and the defaults of a function."""
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


def _call_hazards(node: ast.Call, imports: dict[str, str]) -> Iterator[Hazard]:
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


def _text_hazards(text: str, line: int) -> Iterator[Hazard]:
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
