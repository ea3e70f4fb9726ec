"""Selects the cells that a job needs for its model, metrics, evaluation and files."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mlops_nb.notebook.model import Pipeline

KEEPS = ("rng:", "env", "cwd", "warnings", "pandas.options", "matplotlib", "numpy.", "module:")


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """The cells of a notebook that a job contains, and the reason to leave out each other cell.

    kept:     indexes of code cells, ascending
    left_out: (index, reason)
    after:    the steps after the step of the model, which run again to score another model
    """

    kept: tuple[int, ...]
    left_out: tuple[tuple[int, str], ...]
    model_step: str = ""
    after: tuple[str, ...] = ()


def last_writers(pipeline: Pipeline, name: str) -> tuple[int, ...]:
    """Return the cell that last bound or changed `name`, or no cell if there is none."""
    found = [c.index for c in pipeline.cells if name in c.writes or name in c.changes]
    return tuple(found[-1:])


def downstream(pipeline: Pipeline, cells: Iterable[int]) -> set[int]:
    """Return the other cells that depend, directly or not, on `cells`."""
    found = set(cells)
    start = set(found)
    for cell in pipeline.cells:
        if found & set(cell.depends_on):
            found.add(cell.index)
    return found - start


def model_cells(pipeline: Pipeline, variable: str) -> set[int]:
    """Return the cells that bind or change the model."""
    return {
        c.index
        for c in pipeline.cells
        if (variable in c.writes or variable in c.changes) and c.kind != "scratch"
    }


def evaluation_of(pipeline: Pipeline, variable: str | None) -> Mapping[str, str]:
    """Return the evaluation mark of a model, {} without one: role → name.

    Of several it is the last whose predictions or scores depend on the model, else the last.
    """
    marks = pipeline.evaluations
    if len(marks) > 1 and variable:
        trained = model_cells(pipeline, variable)
        below = trained | downstream(pipeline, trained)
        answers = {name for i in below for name in pipeline.cells[i].writes}
        marks = tuple(m for m in marks if answers & {m.get("pred"), m.get("score")}) or marks
    return marks[-1] if marks else {}


def cut(pipeline: Pipeline, *, variable: str | None, wanted: Iterable[str]) -> Slice:
    """Return the slice for a job that makes the model `variable` and the `wanted` names.

    Without a model and wanted names, the job contains every step.
    """
    goals: set[int] = set()
    made = model_cells(pipeline, variable) if variable else set()
    goals |= made
    for name in wanted:
        goals |= set(last_writers(pipeline, name))
    if variable:
        goals |= {i for i in downstream(pipeline, made) if _makes_something(pipeline, i)}
    elif not goals:
        goals |= {c.index for c in pipeline.cells if c.kind == "step"}
    goals |= {c.index for c in pipeline.cells if any(x.startswith("file:") for x in c.changes)}
    kept = _needed(pipeline, goals)
    first_step = min((i for i in kept if pipeline.cells[i].kind == "step"), default=0)
    channels = {
        c.index
        for c in pipeline.cells
        if any(x.startswith(KEEPS) for x in c.changes) and c.index <= max(kept, default=-1)
        if c.kind != "scratch" or c.index < first_step
    }
    kept |= _needed(pipeline, channels)
    kept |= {c.index for c in pipeline.cells if c.kind == "parameters"}
    step = max(made, default=-1)
    return Slice(
        kept=tuple(sorted(kept)),
        left_out=tuple(
            (c.index, _reason(pipeline, c.index))
            for c in pipeline.cells
            if c.index not in kept and c.kind != "empty"
        ),
        model_step=(pipeline.cells[step].step or "") if step >= 0 else "",
        after=_scoring_steps(pipeline, made, kept),
    )


def _makes_something(pipeline: Pipeline, index: int) -> bool:
    cell = pipeline.cells[index]
    return cell.kind == "step" and bool(cell.writes or cell.changes)


def _needed(pipeline: Pipeline, goals: Iterable[int]) -> set[int]:
    needed: set[int] = set()
    queue = sorted(goals)
    while queue:
        index = queue.pop()
        if index not in needed:
            needed.add(index)
            queue.extend(pipeline.cells[index].depends_on)
    return needed


def _reason(pipeline: Pipeline, index: int) -> str:
    cell = pipeline.cells[index]
    if cell.kind == "scratch":
        return "only shows something"
    if cell.kind == "setup":
        return "sets up what nothing kept uses"
    makes = ", ".join((*cell.writes, *cell.changes)[:3])
    return f"the model, metrics and evaluation do not need {makes or 'it'}"


def _scoring_steps(pipeline: Pipeline, made: set[int], kept: set[int]) -> tuple[str, ...]:
    """Return the later steps that depend on the model and run again to score another model."""
    below = downstream(pipeline, made) & kept if made else set()
    own = {pipeline.cells[i].step for i in made}
    found = dict.fromkeys(
        pipeline.cells[i].step or "" for i in sorted(below) if pipeline.cells[i].step not in own
    )
    return tuple(name for name in found if name)


def shares_step(pipeline: Pipeline, variable: str) -> str:
    """Return the step that contains both training and evaluation, or ""."""
    made = model_cells(pipeline, variable)
    own = {pipeline.cells[i].step for i in made}
    for index in sorted(downstream(pipeline, made)):
        if pipeline.cells[index].step in own and _makes_something(pipeline, index):
            return pipeline.cells[index].step or ""
    return ""


def held_names(pipeline: Pipeline, cut_: Slice, variable: str) -> tuple[str, ...]:
    """Return the names, except the model, that the steps after it read from earlier cells."""
    cells = [pipeline.cells[i] for i in cut_.kept if pipeline.cells[i].step in cut_.after]
    own = {name for cell in cells for name in cell.writes}
    names: dict[str, None] = {}
    indexes = {cell.index for cell in cells}
    for cell in cells:
        for name in cell.reads:
            outside = any(
                name in (*pipeline.cells[d].writes, *pipeline.cells[d].changes)
                for d in cell.depends_on
                if d not in indexes
            )
            if outside and name != variable and (name not in own or outside):
                names.setdefault(name)
    return tuple(names)
