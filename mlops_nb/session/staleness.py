"""The state of each step of a live notebook, with the reason: one place for magics and panel."""

import os
from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

from msgspec import Struct

from mlops_nb.notebook.model import Source, Step, Warned
from mlops_nb.reuse.texts import meaning
from mlops_nb.session.cells import LiveCells, Ran, stamp

StepStatus: TypeAlias = Literal["never", "finished", "reused", "stale", "failed"]
OUTSIDE = frozenset({"empty", "scratch"})  # kinds of cells whose state concerns no step


class StepState(Struct, frozen=True, kw_only=True):
    """How a step stands in a kernel.

    because: why it is not up to date, one sentence; "" if it is
    seconds: how long its cells took when they ran last, None if one did not
    ids:     ids of its cells
    """

    step: str
    state: StepStatus
    because: str = ""
    seconds: float | None = None
    ids: tuple[str, ...] = ()


class CellState(Struct, frozen=True):
    """Why a cell is not up to date, and in which way."""

    state: StepStatus
    because: str


def step_states(source: Source, live: LiveCells) -> list[StepState]:
    """Return the state of each step."""
    outdated = outdated_cells(source, live)
    return [_state(source, live, step, outdated) for step in source.pipeline.steps]


def outdated_cells(source: Source, live: LiveCells) -> dict[int, CellState]:
    """Return the cells that are not up to date: index → why."""
    found: dict[int, CellState] = {}
    for cell in source.pipeline.cells:
        if cell.kind not in OUTSIDE and (why := _outdated(source, live, cell.index, found)):
            found[cell.index] = why
    return found


def stale_ids(source: Source, live: LiveCells) -> list[str]:
    """Return the ids of the cells to run so that every step is up to date, in notebook order."""
    return [source.notebook.cells[index].id for index in sorted(outdated_cells(source, live))]


def _state(
    source: Source,
    live: LiveCells,
    step: Step,
    outdated: Mapping[int, CellState],
) -> StepState:
    reasons = [outdated[index] for index in step.cells if index in outdated]
    ran = [live.ran(source, index) for index in step.cells]
    cells = source.notebook.cells
    restored = any(cells[index].id in live.restored for index in step.cells)
    return StepState(
        step=step.name,
        state=_folded(reasons, len(step.cells), restored=restored),
        because=_first(reasons),
        seconds=None if None in ran else sum(one.seconds for one in ran if one is not None),
        ids=tuple(cells[index].id for index in step.cells),
    )


def _folded(reasons: Sequence[CellState], cells: int, *, restored: bool) -> StepStatus:
    """Return the state of a step with some cells that are not up to date."""
    states = [one.state for one in reasons]
    if "failed" in states:
        return "failed"
    if states.count("never") == cells:
        return "never"
    if states:
        return "stale"
    return "reused" if restored else "finished"


def _first(reasons: Sequence[CellState]) -> str:
    failed = [one.because for one in reasons if one.state == "failed"]
    return next(iter([*failed, *(one.because for one in reasons)]), "")


def _outdated(
    source: Source, live: LiveCells, index: int, found: Mapping[int, CellState]
) -> CellState | None:
    """Return why a cell is not up to date, None if it is."""
    cell = source.notebook.cells[index]
    if cell.id in live.restored:
        return None
    ran, label = live.ran(source, index), live.label(source, index)
    if ran is None:
        return CellState("never", f"{cell.label} has not run in this kernel")
    if meaning(ran.source) != meaning(cell.source):
        return CellState("stale", f"{label} was edited since it ran")
    if ran.failed:
        return CellState("failed", f"{label} failed")
    if why := _inputs(ran, live, label):
        return CellState("stale", why)
    for upstream in source.pipeline.cells[index].depends_on:
        if upstream in found:
            step = source.pipeline.cells[upstream].step
            why = f"`{step}` is not up to date" if step else found[upstream].because
            return CellState("stale", why)
    return None


def _inputs(ran: Ran, live: LiveCells, label: str) -> str:
    """Return which input of a cell changed since it ran, "" if none did."""
    for name, version in ran.read.items():
        if live.versions.get(name, 0) not in {version, ran.left.get(name)}:
            return f"`{name}` was set again since {label} read it"
    for path, seen in ran.files.items():
        if stamp(path) != seen:
            return f"file {os.path.basename(path)!r} changed since {label} read it"
    return ""


def followers(source: Source) -> dict[str, list[str]]:
    """Return for each step those that depend on it, directly or not, in notebook order."""
    steps = source.pipeline.steps
    reached: dict[str, set[str]] = {step.name: set() for step in steps}
    known = {(edge.source, edge.target) for edge in source.pipeline.edges}
    known |= {(before, step.name) for step in steps for before in step.after}
    targets: dict[str, set[str]] = {step.name: set() for step in steps}
    for before, name in known:
        targets.setdefault(before, set()).add(name)
    for step in reversed(steps):
        for name in targets[step.name]:
            reached[step.name] |= {name, *reached.get(name, ())}
    return {n: [s.name for s in steps if s.name in found] for n, found in reached.items()}


def hazards(source: Source, live: LiveCells) -> list[Warned]:
    """Return warnings for results that depend on the order in which cells were run."""
    place = {c.id: c.index for c in source.notebook.cells}
    place |= {meaning(c.source): c.index for c in source.notebook.cells}
    found = []
    for cell in source.notebook.cells:
        ran, here = live.ran(source, cell.index), live.label(source, cell.index)
        for name in () if ran is None else ran.read:
            maker = live.maker.get(name, "")
            if maker and maker not in place:
                what = f"{here} reads `{name}`, whose cell is no longer there"
                fix = f"put a cell that makes `{name}` above {here}"
                found.append(
                    Warned(kind="deleted-cell", what=what, fix=fix, cell=cell.index, stops=True)
                )
            elif maker and place[maker] > cell.index:
                below = live.label(source, place[maker])
                what = f"{here} read `{name}` of {below}, which is below it"
                fix = f"move {below} above {here}, and run both again"
                found.append(Warned(kind="out-of-order", what=what, fix=fix, cell=cell.index))
    return found
