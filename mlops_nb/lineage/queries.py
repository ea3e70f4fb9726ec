"""Answers where things come from: lineage of a run's values, and what two runs differ in."""

from datetime import datetime
from typing import Any

from mlops_nb.context import Context
from mlops_nb.errors import NotFound
from mlops_nb.events import JobApplied, Registered, Released
from mlops_nb.lineage import diff as differences
from mlops_nb.lineage import explain, graph
from mlops_nb.lineage.diff import RunSide
from mlops_nb.lineage.read import traced
from mlops_nb.runs import history, packages
from mlops_nb.runs.history import Run, read_run


def diff(ctx: Context, before: str, after: str) -> dict[str, Any]:
    """Return what `diff --json` prints. Raises NotFound for a run that is not there."""
    return differences.diff(_side(ctx, run_of(ctx, before)), _side(ctx, run_of(ctx, after)))


def behind(
    ctx: Context, name: str, *, notebook: str = "", run: str = ""
) -> tuple[str, str, graph.Graph]:
    """Return a run, the node of a value that it left, and the graph of all behind that value.

    notebook: whose latest finished run is meant, from the project's folder; any where ""
    run:      the run that is meant, instead of the latest

    Raises NotFound where there is no such run, or nothing of that name in it.
    """
    found = run_of(ctx, run) if run else latest(ctx, notebook)
    root, part = graph.behind(graph.graph(traced(ctx.journal, found)), name, found.id)
    return found.id, root, part


def run_of(ctx: Context, run: str) -> history.Run:
    """Return a run. Raises NotFound where there is none; nothing is written by looking."""
    if not ctx.knows_anything:
        raise NotFound(f"there is no run {run!r}", fix="list them with: mlops-nb runs")
    return read_run(ctx.journal, run)


def latest(ctx: Context, notebook: str) -> history.Run:
    """Return the latest run that came to its end. Raises NotFound where there is none."""
    known = history.runs(ctx.journal.read()).values() if ctx.knows_anything else ()
    ended = [
        r for r in known if r.status in {"finished", "refused"} and notebook in {"", r.notebook}
    ]
    if not ended:
        what = f"no run of {notebook!r} has finished" if notebook else "no run has finished"
        raise NotFound(what, fix=f"mlops-nb run {notebook or 'NOTEBOOK'}")
    return ended[-1]


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
    """Return which version of a model answered at a moment, and all that stood behind it.

    Raises NotFound where there is no such model, or nothing answered yet.
    """
    from mlops_nb.models import release  # every run imports this file, and needs none of that

    release.model_of(ctx, name)
    kinds = (Registered, Released, JobApplied)
    found = explain.account(ctx.journal.read(kinds=kinds), name, at)
    if found is None:
        raise NotFound(
            f"no version of {name!r} answered at {at.isoformat()}",
            fix="give a later --at TIME; mlops-nb models",
        )
    run = read_run(ctx.journal, found.made.run)
    return explain.as_json(found, name, run, _read_from_outside(ctx, run))


def _read_from_outside(ctx: Context, run: Run) -> dict[str, str]:
    """Return what a run read: files with their sha256, and what its first steps loaded."""
    works = traced(ctx.journal, run).works
    data = {path: str(token.get("sha256", "")) for w in works for path, token in w.files.items()}
    if data:
        return data
    loaded = next((w for w in works if w.step and w.values), None)
    return {} if loaded is None else {n: str(v["digest"]) for n, v in loaded.values.items()}
