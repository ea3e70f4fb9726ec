"""Runs one point of a sweep in a pool; its arguments and its result can be pickled."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops_nb.context import of_process
from mlops_nb.errors import MlopsError
from mlops_nb.notebook import load
from mlops_nb.notebook.model import Source, Value
from mlops_nb.reuse.rules import Rules
from mlops_nb.runs import run as run_run
from mlops_nb.runs.interrupts import stoppable
from mlops_nb.runs.run import Part, RunOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """The data that all points of a sweep share.

    settings: variables of the environment that the settings of the project come from
    document: the notebook as it was when the sweep began
    """

    root: Path
    notebook: Path
    document: Mapping[str, Any]
    settings: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One run of a sweep."""

    workspace: Workspace
    parameters: Mapping[str, Value]
    rules: Rules
    part: Part


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The result of a point: the id of its run, "" if it was stopped before it began."""

    run: str
    warnings: tuple[MlopsError, ...] = ()


def run_point(point: Point) -> Done:
    """Run a point as a run of its own, and return the id of the run.

    Raises MlopsError if the run cannot begin.
    """
    with stoppable():
        try:
            ctx = of_process(point.workspace.root, point.workspace.settings)
            done = run_run.run(
                ctx,
                _source(point.workspace),
                point.parameters,
                RunOptions(rules=point.rules, part=point.part),
            )
        except KeyboardInterrupt:
            return Done(run="")
        warned = tuple(ctx.warnings)
        ctx.warnings.clear()
        return Done(run=done.id, warnings=warned)


def _source(workspace: Workspace) -> Source:
    return load.capture(workspace.notebook, workspace.document)
