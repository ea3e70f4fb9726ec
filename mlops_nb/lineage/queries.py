"""Queries for lineage, differences of runs, and serving versions."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from mlops_nb.context import Context
from mlops_nb.errors import NotFound
from mlops_nb.events import (
    Event,
    JobApplied,
    Registered,
    Released,
    RunStarted,
    StepRecorded,
    StepStarted,
)
from mlops_nb.lineage import diff as differences
from mlops_nb.lineage import explain, graph
from mlops_nb.lineage.diff import RunSide
from mlops_nb.lineage.read import traced
from mlops_nb.lineage.trace import trace
from mlops_nb.notebook.model import Source
from mlops_nb.runs import history, packages
from mlops_nb.runs.history import Run, read_run

LIVE = "this session"


def diff(ctx: Context, before: str, after: str) -> dict[str, Any]:
    """Return what `diff --json` prints. Raises NotFound for an unknown run."""
    return differences.diff(_side(ctx, run_of(ctx, before)), _side(ctx, run_of(ctx, after)))


def behind(
    ctx: Context, name: str, *, notebook: str = "", run: str = ""
) -> tuple[str, str, graph.Graph]:
    """Return a run, the node of a value that it made, and the graph of the value's ancestors.

    notebook: take its latest finished run; "" for any notebook
    run:      take this run instead of the latest

    Raises NotFound if there is no such run, or no value of that name in it.
    """
    found = run_of(ctx, run) if run else latest(ctx, notebook)
    root, part = graph.behind(graph.graph(traced(ctx.journal, found)), name, found.id)
    return found.id, root, part


def in_session(
    ctx: Context, source: Source, recorded: Iterable[StepRecorded], name: str
) -> graph.Graph:
    """Return the graph of the ancestors of a value of a live notebook.

    recorded: the records of the cells that ran in its kernel

    Raises NotFound if no step that ran made a value of that name.
    """
    kept = [replace(event, run=LIVE) for event in recorded]
    started = RunStarted(
        run=LIVE,
        notebook=ctx.relative(source.path),
        steps=tuple(step.name for step in source.pipeline.steps),
        parameters={n: v for event in kept for n, v in event.record["parameters"].items()},
    )
    ran = [StepStarted(run=LIVE, step=event.step) for event in kept]
    events: list[Event] = [started, *ran, *kept]
    found = trace(LIVE, events, notebook=source.notebook, pipeline=source.pipeline)
    return graph.behind(graph.graph(found), name, LIVE)[1]


def run_of(ctx: Context, run: str) -> history.Run:
    """Return a run without writing anything. Raises NotFound if there is none."""
    if not ctx.knows_anything:
        raise NotFound(f"there is no run {run!r}", fix="list them with: mlops-nb runs")
    return read_run(ctx.journal, run)


def latest(ctx: Context, notebook: str) -> history.Run:
    """Return the latest finished run. Raises NotFound if there is none."""
    started = ctx.journal.read_back(kinds=(RunStarted,)) if ctx.knows_anything else ()
    for event in started:
        run = read_run(ctx.journal, event.run)
        if run.status in {"finished", "refused"} and notebook in {"", run.notebook}:
            return run
    what = f"no run of {notebook!r} has finished" if notebook else "no run has finished"
    raise NotFound(what, fix=f"mlops-nb run {notebook or 'NOTEBOOK'}")


def _side(ctx: Context, run: history.Run) -> RunSide:
    found = traced(ctx.journal, run)
    cells = found.pipeline.cells if found.pipeline else ()
    return RunSide(
        run=run,
        trace=found,
        packages=packages.packages_of(ctx, run.id),
        steps={c.index: c.step for c in cells if c.step},
    )


def why_model(ctx: Context, name: str, at: datetime) -> dict[str, Any]:
    """Return which version of a model served at a moment, and the events behind it.

    Raises NotFound if there is no such model, or if none served yet.
    """
    from mlops_nb.models import release  # every run imports this file, and needs no release

    release.model_of(ctx, name)
    kinds = (Registered, Released, JobApplied)
    found = explain.explain(ctx.journal.read(kinds=kinds), name, at)
    if found is None:
        raise NotFound(
            f"no version of {name!r} answered at {at.isoformat()}",
            fix="give a later --at TIME; mlops-nb models",
        )
    return _explained(ctx, name, found)


def why_version(ctx: Context, name: str, version: int, at: datetime) -> dict[str, Any]:
    """Return the events behind a version that answered at a moment. Raises NotFound."""
    kinds = (Registered, Released, JobApplied)
    found = explain.explain(ctx.journal.read(kinds=kinds), name, at, version)
    if found is None:
        raise NotFound(
            f"{name!r} had no version {version} at {at.isoformat()}", fix="mlops-nb models"
        )
    return _explained(ctx, name, found)


def _explained(ctx: Context, name: str, found: explain.Explanation) -> dict[str, Any]:
    run = read_run(ctx.journal, found.made.run)
    return explain.as_json(found, name, run, _read_from_outside(ctx, run))


def _read_from_outside(ctx: Context, run: Run) -> dict[str, str]:
    """Return the files of a run with their sha256, and the values of its first steps."""
    works = traced(ctx.journal, run).works
    data = {path: str(token.get("sha256", "")) for w in works for path, token in w.files.items()}
    if data:
        return data
    loaded = next((w for w in works if w.step and w.values), None)
    return {} if loaded is None else {n: str(v["digest"]) for n, v in loaded.values.items()}
