"""Observes a notebook in a fresh kernel, and checks it for promotion."""

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from mlops_nb.context import Context
from mlops_nb.engine.task import Executor, Task
from mlops_nb.events import CellFailed, CellObserved
from mlops_nb.notebook import check as check_verb
from mlops_nb.notebook import pipeline, slicing
from mlops_nb.notebook.model import Source, Warned
from mlops_nb.runs.run import kernel_environment


def observed(ctx: Context, source: Source) -> Source:
    """Run every cell of a notebook in a fresh kernel, past errors; return the observed notebook."""
    ctx.environments.interpreter(source.notebook.kernel)  # refuses one that is not there
    scratch = ctx.scratch("observe")
    try:
        task = Task(
            run=ctx.new_run(),
            document=source.document,
            folder=source.path.parent,
            output=scratch / source.path.name,
            source=str(source.path),
            environment=kernel_environment(ctx, source),
        )
        found, failed = observe(source, task, ctx.executor)
    finally:
        ctx.drop(scratch)
    warned = (*found.pipeline.warnings, *failed)
    return replace(found, pipeline=replace(found.pipeline, warnings=warned))


def check(ctx: Context, source: Source, model: str | None = None) -> list[Warned]:
    """Return everything that would stop a promotion of a notebook, each with its fix.

    model: the variable to promote; None for the one that the notebook marks. Cells that its job
           would leave out are not checked
    """
    python = ctx.environments.interpreter(source.notebook.kernel)
    look = ctx.environments.look(python)
    found = source.pipeline
    variable = model or (next(iter(found.model)) if len(found.model) == 1 else None)
    kept = None
    if variable is not None and slicing.model_cells(found, variable):
        marked = slicing.evaluation_of(found, variable)
        evaluated = (n for names in marked.values() for n in names.split(","))
        wanted = (*found.metrics, *evaluated)
        kept = set(slicing.cut(found, variable=variable, wanted=wanted).kept)
    return check_verb.check(
        source,
        root=ctx.root,
        kept=kept,
        variable=variable,
        installed={*look.modules, *look.stdlib},
    )


def observe(source: Source, task: Task, executor: Executor) -> tuple[Source, list[Warned]]:
    """Run every cell, past errors; return the notebook with its observed dataflow, and failures.

    Raises Unreachable if no kernel starts.
    """
    seen: dict[int, Mapping[str, Any]] = {}
    failed = []
    for event in executor.execute(replace(task, observe=True, go_on=True)):
        if isinstance(event, CellObserved):
            seen[event.cell] = event.seen
        elif isinstance(event, CellFailed):
            here = source.notebook.cells[event.cell].label
            what = f"{here} failed when it was run: {event.error}"
            fix = f"correct {here}"
            failed.append(Warned(kind="failed", what=what, fix=fix, cell=event.cell))
    found = pipeline.pipeline(source.notebook, seen)
    return replace(source, pipeline=found), failed
