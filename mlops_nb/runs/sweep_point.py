"""Runs one point of a sweep, wherever a pool puts it: what goes there and back can be pickled."""

import contextlib
import signal
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops_nb.context import of_process
from mlops_nb.errors import MlopsError
from mlops_nb.notebook import load
from mlops_nb.notebook.model import Source, Value
from mlops_nb.reuse.rules import Rules
from mlops_nb.runs import run as run_run
from mlops_nb.runs.run import Part, RunOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """Where the points of a sweep are run from: the same for all of them.

    settings: the variables that the project's settings come from
    document: the notebook as it was when the sweep began, whoever edits it now
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
    """What came back: the run, "" where it was stopped before it began."""

    run: str
    warnings: tuple[MlopsError, ...] = ()


def run_point(point: Point) -> Done:
    """Run a point, as `run` does, and return its run's id.

    Raises MlopsError where it could not begin.
    """
    with _stoppable():
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


@contextlib.contextmanager
def _stoppable() -> Iterator[None]:
    """Let SIGTERM stop the point, and not the process, as long as one runs."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield  # no signals come here
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
