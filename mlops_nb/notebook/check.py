"""Check a notebook: everything that would stop a promotion, each with its mend."""

import os
from collections.abc import Collection, Iterable
from pathlib import Path

from mlops_nb import files
from mlops_nb.errors import Refused
from mlops_nb.notebook import hazards as hz
from mlops_nb.notebook import local_modules, slicing
from mlops_nb.notebook.cells import is_injected, python_of
from mlops_nb.notebook.model import Cell, Source, Warned

OURS = {"MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "MPLBACKEND"}


def check(  # noqa: PLR0913  each option is one thing that may stop a promotion
    source: Source,
    *,
    root: Path,
    kept: Collection[int] | None = None,
    variable: str | None = None,
    champion_gate: bool = False,
    declared: Collection[str] = (),
    installed: Collection[str] | None = None,
) -> list[Warned]:
    """Return what stops a promotion of a notebook, and what is worth a look.

    root:      the project's folder: paths outside it do not travel
    kept:      indexes of the cells that the job carries; all where None
    variable:  the model's name, where there is a model
    declared:  environment variables that are declared as secrets
    installed: top-level modules that the kernel's interpreter has; not looked at where None
    """
    pipeline = source.pipeline
    cells = [c for c in source.notebook.cells if kept is None or c.index in kept]
    inside = {c.index for c in cells}
    found = [
        w for w in pipeline.warnings if w.cell is None or w.cell in inside or w.kind == "syntax"
    ]
    found += _no_extension(source)
    found += _out_of_order(source)
    for cell in cells:
        found += _hazards(cell, source.path.parent, root, set(declared) | OURS)
    if installed is not None:
        found += _not_installed(cells, source.path.parent, root, installed)
    if variable is not None:
        found += _model(source, variable, champion_gate=champion_gate)
    if pipeline.steps and not any(c.kind == "parameters" for c in pipeline.cells):
        found.append(_no_parameters(source))
    return found


def _out_of_order(source: Source) -> list[Warned]:
    """Cells whose saved outputs are from before something that they read was run again."""
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
            what = f"cell {cell.index} ran before cell {late[0]}, which it reads, was run again"
            fix = f"run cell {cell.index} again, or all cells from the top, and save"
            found.append(Warned(kind="out-of-order", what=what, fix=fix, cell=cell.index))
    return found


def refuse(found: Iterable[Warned], where: str) -> None:
    """Raise the first finding that stops, with a word about the others."""
    stops = [w for w in found if w.stops]
    if stops:
        more = f"; {len(stops) - 1} more: mlops-nb check {where}" if len(stops) > 1 else ""
        raise Refused(stops[0].what, fix=stops[0].fix + more, where=where)


def _hazards(cell: Cell, folder: Path, root: Path, declared: Collection[str]) -> list[Warned]:
    found = []
    at = f"in cell {cell.index}"
    for hazard in hz.hazards(cell.source):
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
        elif hazard.kind == "path" and (outside := _outside(hazard.what, folder, root)):
            what = f"the path {hazard.what!r} {at} lies outside the project"
            fix = f"copy {outside.name or outside} into {root.name}/ and name it relatively"
            found.append(_stop("outside-path", what, fix, cell))
    return found


def _stop(kind: str, what: str, fix: str, cell: Cell) -> Warned:
    return Warned(kind=kind, what=what, fix=fix, cell=cell.index, stops=True)


def _outside(text: str, folder: Path, root: Path) -> Path | None:
    """Return where a path-like literal leads if that is a real place outside the project."""
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
        for name in sorted(local_modules.roots(local_modules.imported(python_of(cell.source)))):
            if name in installed or files.local_module(name, (folder, root)) is not None:
                continue
            what = f"cell {cell.index} imports {name!r}, which the notebook's kernel does not have"
            found.append(_stop("missing-module", what, f"install it: pip install {name}", cell))
    return found


def _model(source: Source, variable: str, *, champion_gate: bool) -> list[Warned]:
    pipeline = source.pipeline
    if not slicing.model_cells(pipeline, variable):
        made = sorted({n for s in pipeline.steps for n in s.makes})
        return [
            Warned(
                kind="no-model",
                what=f"no step makes {variable!r}, which is to be the model",
                fix=f"name what a step makes: {', '.join(made) or 'nothing is made yet'}",
                stops=True,
            )
        ]
    shared = slicing.shares_step(pipeline, variable)
    if not shared:
        return []
    return [
        Warned(
            kind="shared-step",
            what=f"step {shared!r} both trains {variable!r} and judges it, so that no champion "
            "can be judged by the same cells",
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
                    what=f"cell {cell.index} uses %mlops and no cell above loads the extension",
                    fix="put `%load_ext mlops_nb` into the first cell",
                    cell=cell.index,
                )
            ]
    return []


def _no_parameters(source: Source) -> Warned:
    constants = [c.index for c in source.pipeline.cells if c.kind == "setup" and c.writes]
    cell = constants[0] if constants else None
    return Warned(
        kind="no-parameters",
        what="no cell is tagged 'parameters', so every run is the same run",
        fix="put what should vary into one cell (`depth = 3`) and tag it `parameters`",
        cell=cell,
    )
