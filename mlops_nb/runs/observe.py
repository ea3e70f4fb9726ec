"""Looks at a notebook without making anything of it: what it really does, and what would not do."""

from dataclasses import replace

from mlops_nb.context import Workshop
from mlops_nb.engine.task import Source, Task
from mlops_nb.notebook import check as check_verb
from mlops_nb.notebook import load
from mlops_nb.notebook.model import Warned


def observed(shop: Workshop, source: Source) -> Source:
    """Run every cell of a notebook in a fresh kernel, past errors too; return what it is."""
    shop.environments.interpreter(source.notebook.kernel)  # refuses one that is not there
    scratch = shop.scratch("observe")
    try:
        task = Task(
            run=shop.new_run(),
            document=source.document,
            folder=source.path.parent,
            output=scratch / source.path.name,
            source=str(source.path),
            environment=shop.kernel_environment(),
        )
        found, failed = load.observe(source, task, shop.executor)
    finally:
        shop.drop(scratch)
    warned = (*found.pipeline.warnings, *failed)
    return replace(found, pipeline=replace(found.pipeline, warnings=warned))


def check(shop: Workshop, source: Source) -> list[Warned]:
    """Return everything that would stop a promotion of a notebook, each with its mend."""
    python = shop.environments.interpreter(source.notebook.kernel)
    look = shop.environments.look(python)
    variable = next(iter(source.pipeline.model), None)
    return check_verb.check(
        source, root=shop.root, variable=variable, installed={*look.modules, *look.stdlib}
    )
