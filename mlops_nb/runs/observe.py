"""Looks at a notebook without making anything of it: what it really does, and what would not do."""

from dataclasses import replace

from mlops_nb.context import Context
from mlops_nb.engine.task import Source, Task
from mlops_nb.notebook import check as check_verb
from mlops_nb.notebook import load
from mlops_nb.notebook.model import Warned


def observed(ctx: Context, source: Source) -> Source:
    """Run every cell of a notebook in a fresh kernel, past errors too; return what it is."""
    ctx.environments.interpreter(source.notebook.kernel)  # refuses one that is not there
    scratch = ctx.scratch("observe")
    try:
        task = Task(
            run=ctx.new_run(),
            document=source.document,
            folder=source.path.parent,
            output=scratch / source.path.name,
            source=str(source.path),
            environment=ctx.kernel_environment(),
        )
        found, failed = load.observe(source, task, ctx.executor)
    finally:
        ctx.drop(scratch)
    warned = (*found.pipeline.warnings, *failed)
    return replace(found, pipeline=replace(found.pipeline, warnings=warned))


def check(ctx: Context, source: Source) -> list[Warned]:
    """Return everything that would stop a promotion of a notebook, each with its mend."""
    python = ctx.environments.interpreter(source.notebook.kernel)
    look = ctx.environments.look(python)
    variable = next(iter(source.pipeline.model), None)
    return check_verb.check(
        source, root=ctx.root, variable=variable, installed={*look.modules, *look.stdlib}
    )
