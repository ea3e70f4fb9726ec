"""The verbs of `%mlops` that are answered with buttons."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mlops_nb.jupyter.widgets import command
from mlops_nb.jupyter.widgets.base import AskedView
from mlops_nb.jupyter.widgets.explain import (
    DiffView,
    LineageView,
    render_asked_lineage,
    render_watch,
)
from mlops_nb.jupyter.widgets.jobs import JobsView
from mlops_nb.jupyter.widgets.models import ModelsView
from mlops_nb.jupyter.widgets.runs import RunsView
from mlops_nb.jupyter.widgets.steps import GraphView, StepsView, live
from mlops_nb.jupyter.widgets.sweep import SweepCommand
from mlops_nb.session.live import Session

LISTS: dict[str, Callable[[Sequence[str], Path], Any]] = {
    "runs": RunsView,
    "jobs": JobsView,
    "models": ModelsView,
}
OF_STEPS = {"status": StepsView, "graph": GraphView}


def steps(session: Session, verb: str) -> Any:
    """Return the answer of `%mlops status` or `%mlops graph`."""
    return live(session, OF_STEPS[verb](session))


def lineage(session: Session, name: str) -> Any:
    """Return the answer of `%mlops lineage NAME`."""
    return LineageView(session, name)


def sweep(shell: Any, notebook: str, words: Sequence[str]) -> Any:
    """Return the answer of `%mlops sweep` when the sweep has ended."""
    return SweepCommand(shell, notebook, words).run()


def asked(words: Sequence[str]) -> Any:
    """Return the answer of a verb that the command line knows.

    A list without rows is no view: what the command line says of it is printed.
    """
    verb, folder = words[0], Path.cwd()
    if verb in LISTS:
        found = LISTS[verb](words, folder)
        if found.value:
            return found
        found.close()
        command.show(words, str)
        return None
    if verb == "diff":
        return DiffView(words, folder)
    render = render_watch if verb == "watch" else render_asked_lineage
    return AskedView(words, folder, render=render)
