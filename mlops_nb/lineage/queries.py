"""Answers where things come from: lineage of a run's values, and what two runs differ in."""

from datetime import datetime
from typing import Any

from mlops_nb.context import Workshop
from mlops_nb.errors import NotFound
from mlops_nb.events import JobApplied, Registered, Released
from mlops_nb.lineage import diff as differences
from mlops_nb.lineage import explain, graph
from mlops_nb.lineage.diff import Side
from mlops_nb.lineage.read import traced
from mlops_nb.runs import history, packages
from mlops_nb.runs.history import Run


def diff(shop: Workshop, before: str, after: str) -> dict[str, Any]:
    """Return what `diff --json` prints. Raises NotFound for a run that is not there."""
    return differences.diff(_side(shop, run_of(shop, before)), _side(shop, run_of(shop, after)))


def behind(
    shop: Workshop, name: str, *, notebook: str = "", run: str = ""
) -> tuple[str, str, graph.Graph]:
    """Return a run, the node of a value that it left, and the graph of all behind that value.

    notebook: whose latest finished run is meant, from the project's folder; any where ""
    run:      the run that is meant, instead of the latest

    Raises NotFound where there is no such run, or nothing of that name in it.
    """
    found = run_of(shop, run) if run else latest(shop, notebook)
    root, part = graph.behind(graph.graph(traced(shop.journal, found)), name, found.id)
    return found.id, root, part


def run_of(shop: Workshop, run: str) -> history.Run:
    """Return a run. Raises NotFound where there is none; nothing is written by looking."""
    if not shop.knows_anything:
        raise NotFound(f"there is no run {run!r}", fix="list them with: mlops-nb runs")
    return shop.run_of(run)


def latest(shop: Workshop, notebook: str) -> history.Run:
    """Return the latest run that came to its end. Raises NotFound where there is none."""
    known = history.runs(shop.journal.read()).values() if shop.knows_anything else ()
    ended = [
        r for r in known if r.status in {"finished", "refused"} and notebook in {"", r.notebook}
    ]
    if not ended:
        what = f"no run of {notebook!r} has finished" if notebook else "no run has finished"
        raise NotFound(what, fix=f"mlops-nb run {notebook or 'NOTEBOOK'}")
    return ended[-1]


def _side(shop: Workshop, run: history.Run) -> Side:
    found = traced(shop.journal, run)
    cells = found.pipeline.cells if found.pipeline else ()
    return Side(
        run=run,
        trace=found,
        packages=packages.packages_of(shop, run.id),
        steps={c.index: c.step for c in cells if c.step},
    )


def why_model(shop: Workshop, name: str, at: datetime) -> dict[str, Any]:
    """Return which version of a model answered at a moment, and all that stood behind it.

    Raises NotFound where there is no such model, or nothing answered yet.
    """
    from mlops_nb.models import release  # every run imports this file, and needs none of that

    release.model_of(shop, name)
    kinds = (Registered, Released, JobApplied)
    found = explain.account(shop.journal.read(kinds=kinds), name, at)
    if found is None:
        raise NotFound(
            f"no version of {name!r} answered at {at.isoformat()}",
            fix="give a later --at TIME; mlops-nb models",
        )
    run = shop.run_of(found.made.run)
    return explain.as_json(found, name, run, _read_from_outside(shop, run))


def _read_from_outside(shop: Workshop, run: Run) -> dict[str, str]:
    """Return what a run read: files with their sha256, and what its first steps loaded."""
    works = traced(shop.journal, run).works
    data = {path: str(token.get("sha256", "")) for w in works for path, token in w.files.items()}
    if data:
        return data
    loaded = next((w for w in works if w.step and w.values), None)
    return {} if loaded is None else {n: str(v["digest"]) for n, v in loaded.values.items()}
