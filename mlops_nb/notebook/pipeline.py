"""Builds the pipeline of a notebook: its steps, and the edges between them."""

from collections.abc import Collection, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any

from msgspec.structs import replace

from mlops_nb.errors import NotebookError
from mlops_nb.notebook import dataflow_observed
from mlops_nb.notebook import parameters as params
from mlops_nb.notebook.dataflow import Flow, missing_names, trace
from mlops_nb.notebook.markers import age, lookups_in, names_in
from mlops_nb.notebook.model import (
    Cell,
    CellFacts,
    Edge,
    HowServed,
    Mark,
    Names,
    Notebook,
    Pipeline,
    Step,
    Warned,
)
from mlops_nb.notebook.static_names import TOO_DEEP, names
from mlops_nb.notebook.steps import SKIPPED, Placed, place, read_marks


def pipeline(
    notebook: Notebook,
    seen: Mapping[int, dataflow_observed.Seen] | None = None,
    *,
    with_text: bool = False,
) -> Pipeline:
    """Return the pipeline of a notebook, from its text and from what a run showed.

    seen: index of a cell → what the observer reported
    with_text: keep also the dependencies that only the text of an observed cell shows, as another
               run may take another branch

    Raises NotebookError for invalid markers and for steps that form a cycle.
    """
    marked = read_marks(notebook)
    by_text = _cell_names(notebook, marked)
    static = trace(by_text)
    found, flows = by_text, static
    if seen is not None:
        found, flows = dataflow_observed.observed(by_text, static, seen, with_text=with_text)
    watched = {i: cell for i, cell in (seen or {}).items() if "lost" not in cell}
    found = [_with_functions(seen, flow) for seen, flow in zip(found, flows, strict=True)]
    placed = place(notebook, found, marked)
    index = next((i for i, p in enumerate(placed) if p.kind == "parameters"), None)
    known = () if index is None else params.parameters(notebook.cells[index].source)
    edges = _edges(found, flows, placed)
    steps = _steps(notebook, found, flows, placed, marked, edges, {p.name for p in known})
    _refuse_cycles(notebook, steps, edges)
    facts = _facts(notebook, found, flows, placed)
    return Pipeline(
        notebook=notebook.name,
        parameters=known,
        steps=steps,
        edges=edges,
        cells=facts,
        warnings=(
            *_warnings(notebook, found, static, placed, watched),
            *_unevaluated(notebook, marked),
            *dataflow_observed.differences(
                notebook, static, flows, seen or {}, [n.imports for n in found]
            ),
        ),
        **_marked_goals(marked),
        logged=tuple(sorted({name for n in found for name in n.logged})),
    )


def _cell_names(notebook: Notebook, marked: Sequence[tuple[Mark, ...]]) -> list[Names]:
    imports: dict[str, str] = {}
    found = []
    for cell, cell_marks in zip(notebook.cells, marked, strict=True):
        seen = Names() if SKIPPED in cell.tags else names(cell.source, imports)
        imports |= seen.imports
        for mark in cell_marks:
            reads = [n for n in names_in(mark.options.get("--in")) if n not in seen.reads]
            makes = frozenset(names_in(mark.options.get("--out")))
            seen = replace(
                seen,
                reads=(*seen.reads, *reads),
                writes=seen.writes | makes,
                sure=seen.sure | makes,
            )
        found.append(seen)
    return found


def _with_functions(seen: Names, flow: Flow) -> Names:
    """Merge the names that called functions bind into the names of the cell."""
    shows = seen.only_shows and not (flow.binds - seen.writes) and not (flow.changes - seen.writes)
    first = seen.first or min(flow.binds - seen.imports.keys(), default="")
    return replace(seen, writes=flow.binds, only_shows=shows, first=first)


def _edges(
    found: Sequence[Names], flows: Sequence[Flow], placed: Sequence[Placed]
) -> tuple[Edge, ...]:
    carried: dict[tuple[str, str], set[str]] = {}
    for reader, flow in enumerate(flows):
        target = placed[reader].step
        for name, writers in flow.sources.items():
            for writer in writers:
                source = placed[writer].step
                if target and source and source != target and name not in found[writer].imports:
                    carried.setdefault((source, target), set()).add(name)
    order = list(dict.fromkeys(p.step for p in placed if p.step))
    return tuple(
        Edge(source=a, target=b, names=tuple(sorted(carried[a, b])))
        for a, b in sorted(carried, key=lambda e: (order.index(e[0]), order.index(e[1])))
    )


def _steps(  # noqa: PLR0913  all of them are indexed by cell
    notebook: Notebook,
    found: Sequence[Names],
    flows: Sequence[Flow],
    placed: Sequence[Placed],
    marked: Sequence[tuple[Mark, ...]],
    edges: Sequence[Edge],
    known: set[str],
) -> tuple[Step, ...]:
    cells: dict[str, list[int]] = {}
    for index, where in enumerate(placed):
        if where.step:
            cells.setdefault(where.step, []).append(index)
    parameter_cell = {i for i, p in enumerate(placed) if p.kind == "parameters"}
    steps = []
    for name, members in cells.items():
        options = _options(members, marked)
        makes = {n for i in members for n in (found[i].writes | flows[i].changes)}
        makes -= {n for i in members for n in found[i].imports}
        reads = {n: set(flows[i].sources.get(n, ())) for i in members for n in flows[i].reads}
        after = _predecessors(name, options, cells, notebook.name)
        steps.append(
            Step(
                name=name,
                title=placed[members[0]].title,
                cells=tuple(members),
                uses=tuple(sorted({n for e in edges if e.target == name for n in e.names})),
                makes=tuple(sorted(makes)),
                parameters=tuple(
                    sorted(n for n, w in reads.items() if n in known and w & parameter_cell)
                ),
                after=after,
                retries=int(options.get("--retries", "0")),
                timeout=float(options["--timeout"]) if "--timeout" in options else None,
                reuse="--no-reuse" not in options,
                snapshot=age(options["--snapshot"]) if "--snapshot" in options else None,
            )
        )
    return tuple(steps)


def _predecessors(
    name: str, options: Mapping[str, str], known: Collection[str], where: str
) -> tuple[str, ...]:
    """Return the steps that must run before a step, according to its marker."""
    after = names_in(options.get("--after"))
    if lost := [step for step in after if step not in known]:
        raise NotebookError(
            f"step {name!r} is to run after {lost[0]!r}, which is no step of this notebook",
            fix=f"name one of {', '.join(known)}",
            where=where,
        )
    return after


def _options(members: Sequence[int], marked: Sequence[tuple[Mark, ...]]) -> dict[str, str]:
    options: dict[str, str] = {}
    for index in members:
        for mark in marked[index]:
            if mark.word == "step":
                options |= mark.options
    return options


def _refuse_cycles(notebook: Notebook, steps: Sequence[Step], edges: Sequence[Edge]) -> None:
    needs: dict[str, set[str]] = {step.name: set(step.after) for step in steps}
    for edge in edges:
        needs[edge.target].add(edge.source)
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        circle = " → ".join(reversed(error.args[1]))
        cells = {s.name: [notebook.cells[i].label for i in s.cells] for s in steps}
        where = "; ".join(f"{n}: {', '.join(cells[n])}" for n in error.args[1][1:])
        raise NotebookError(
            f"the steps form a circle: {circle}",
            fix="give the separate groups of cells of one step different step names",
            where=where,
        ) from None


def _facts(
    notebook: Notebook, found: Sequence[Names], flows: Sequence[Flow], placed: Sequence[Placed]
) -> tuple[CellFacts, ...]:
    return tuple(
        CellFacts(
            index=cell.index,
            position=cell.position,
            id=cell.id,
            kind=where.kind,
            step=where.step,
            reads=(*flow.reads, *sorted(seen.channels_read)),
            writes=tuple(sorted(seen.writes)),
            changes=(*sorted(flow.changes), *sorted(seen.channels_changed)),
            depends_on=flow.depends_on,
            assumed=seen.assumed,
        )
        for cell, seen, flow, where in zip(notebook.cells, found, flows, placed, strict=True)
    )


def _warnings(
    notebook: Notebook,
    found: Sequence[Names],
    flows: Sequence[Flow],
    placed: Sequence[Placed],
    watched: Mapping[int, dataflow_observed.Seen],
) -> list[Warned]:
    warned = [
        warning
        for cell, seen in zip(notebook.cells, found, strict=True)
        for warning in _cell_warnings(cell, seen, notebook.name)
        if not (warning.kind == "needs-a-run" and cell.index in watched)
    ]
    if not any(p.step for p in placed):
        warned.append(
            Warned(
                kind="no-steps",
                what="no cell of this notebook computes anything yet",
                fix="start a cell with `%mlops step NAME`, or put code under a heading",
                stops=True,
            )
        )
    ran = {i for i, cell in watched.items() if not cell.get("failed")}  # and found all their names
    unsure = [cell for cell in notebook.cells if cell.index not in ran]
    return warned + missing_names(notebook, unsure, flows, found)


def _cell_warnings(cell: Cell, seen: Names, notebook: str) -> list[Warned]:
    """Return the warnings about the text of one cell."""
    warned = []
    if seen.error:
        deep = seen.error == TOO_DEEP
        warned.append(
            Warned(
                kind="too-deep" if deep else "syntax",
                what=f"{cell.label} cannot be read: {seen.error}"
                if deep
                else f"{cell.label} is no Python: {seen.error}",
                fix=f"correct {cell.label}",
                cell=cell.index,
                stops=True,
            )
        )
    if seen.reads_anything and not seen.error:
        warned.append(
            Warned(
                kind="needs-a-run",
                what=f"what {cell.label} reads and binds shows only when it runs",
                fix=f"look at it: mlops-nb graph {notebook} --observe",
                cell=cell.index,
            )
        )
    if seen.star_import and not seen.reads_anything:
        warned.append(
            Warned(
                kind="star-import",
                what=f"{cell.label} brings in names that its text does not show",
                fix="import the names that are used, one by one",
                cell=cell.index,
            )
        )
    return warned


def _marked_goals(marked: Sequence[tuple[Mark, ...]]) -> dict[str, Any]:
    models: dict[str, str] = {}
    served: dict[str, HowServed] = {}
    metrics: dict[str, None] = {}
    evaluations: list[Mapping[str, str]] = []
    functions: dict[str, str] = {}
    for mark in (m for cell in marked for m in cell):
        if mark.word == "model" and mark.args:
            models[mark.args[0]] = mark.options.get("--name", mark.args[0])
            served[mark.args[0]] = HowServed(
                features=mark.options.get("--features", ""),
                decide=mark.options.get("--decide", ""),
                lookups=lookups_in(mark.options.get("--lookup")),
            )
        elif mark.word == "metric" and "--from" in mark.options:
            functions[mark.args[0]] = mark.options["--from"]
        elif mark.word == "metric":
            metrics |= dict.fromkeys(name for arg in mark.args for name in names_in(arg))
        elif mark.word == "evaluate":
            evaluations.append({k.removeprefix("--"): v for k, v in mark.options.items()})
    return {
        "model": models,
        "served": served,
        "metrics": tuple(metrics),
        "evaluations": tuple({**mark, **_computed(functions)} for mark in evaluations),
    }


def _unevaluated(notebook: Notebook, marked: Sequence[tuple[Mark, ...]]) -> list[Warned]:
    """Return a warning for each metric of a function where no mark says what it is computed of."""
    if any(m.word == "evaluate" and "--truth" in m.options for found in marked for m in found):
        return []
    return [
        Warned(
            kind="not-evaluated",
            what=f"{mark.options['--from']} computes {mark.args[0]}, and nothing is evaluated",
            fix="say on what: %mlops evaluate --truth y_test --pred predicted",
            cell=cell.index,
            stops=True,
        )
        for cell, found in zip(notebook.cells, marked, strict=True)
        for mark in found
        if mark.word == "metric" and "--from" in mark.options
    ]


def _computed(functions: Mapping[str, str]) -> dict[str, str]:
    """Return what an evaluation says of the metrics that functions compute: names, and of what."""
    if not functions:
        return {}
    return {"computed": ",".join(functions), "from": ",".join(functions.values())}
