"""Verbs for notebooks and their runs: graph, check, run, runs, show, why."""

from pathlib import Path
from typing import Any

import click

from mlops_nb.cli import output
from mlops_nb.cli.output import as_json_option, last_option
from mlops_nb.notebook import parameters as params
from mlops_nb.notebook import render
from mlops_nb.notebook.model import Value
from mlops_nb.project import Limits, Project, Rules, open_project
from mlops_nb.runs import history

POSITIVE = click.FloatRange(0, min_open=True)
parameter_option = click.option(
    "-p", "given", nargs=2, multiple=True, metavar="NAME VALUE", help="Set a parameter."
)


def typed(given: tuple[tuple[str, str], ...]) -> dict[str, Value]:
    """Return `-p` options as text; each gets the type of its parameter later."""
    return {name: params.Word(value) for name, value in given}


def project_of(notebook: str) -> Project:
    """Open the project of the current folder, or that of the notebook if it lies outside."""
    project = open_project()
    path = Path(notebook)
    if not project.holds(path) and path.parent.is_dir():
        outside = open_project(path.parent)
        outside.here = project.here
        return outside
    return project


@click.command()
@click.argument("notebook")
@click.option("--observe", is_flag=True, help="Run every cell, also after errors, and observe it.")
@click.option("--mermaid", is_flag=True, help="Print a Mermaid flowchart.")
@as_json_option
def graph(notebook: str, *, observe: bool, mermaid: bool, as_json: bool) -> int:
    """Show the pipeline of NOTEBOOK."""
    project = project_of(notebook)
    source = project.observed(notebook) if observe else project.capture(notebook)
    pipeline = source.pipeline
    if mermaid:
        click.echo(render.as_mermaid(pipeline))
        return 0
    words = [] if as_json else [render.as_text(pipeline)]
    words += [f"warning: {w.what}\n  fix: {w.fix}" for w in pipeline.warnings]
    output.emit(render.as_json(pipeline), "\n".join(words), as_json=as_json)
    return 0


@click.command()
@click.argument("notebook")
@parameter_option
@click.option("-o", "--output", "target", metavar="OUT", help="Where the executed notebook goes.")
@click.option("-k", "--kernel", metavar="KERNEL", default="", help="Run in another KERNEL.")
@click.option(
    "--engine",
    type=click.Choice(["warm", "kernel", "cold"]),
    default=None,
    help="What runs the cells; by default the fastest safe one.",
)
@click.option("--timeout", type=POSITIVE, metavar="S", help="Stop the run after S seconds.")
@click.option(
    "--cell-timeout", type=POSITIVE, metavar="S", help="Stop the run if a cell takes longer."
)
@click.option(
    "--memory", type=POSITIVE, metavar="GIB", help="Stop the run if it needs more memory."
)
@click.option(
    "--retries",
    type=click.IntRange(0),
    default=0,
    metavar="N",
    help="Retry a failed run up to N times, with growing delays.",
)
@click.option("--only", metavar="STEP", default="", help="Run STEP and the steps that it needs.")
@click.option(
    "--from", "start", metavar="STEP", default="", help="Run STEP and all steps after it."
)
@click.option("--fresh", is_flag=True, help="Reuse nothing from earlier runs.")
@click.option("--resume", metavar="RUN", default="", help="Continue a RUN that did not finish.")
@click.option(
    "--audit",
    type=click.FloatRange(0, 1),
    default=0.0,
    metavar="SHARE",
    help="Run a share of the reusable steps as well, and compare.",
)
@as_json_option
def run(  # noqa: PLR0913  one for each option
    notebook: str,
    *,
    given: tuple[tuple[str, str], ...],
    target: str | None,
    kernel: str,
    only: str,
    start: str,
    fresh: bool,
    resume: str,
    audit: float,
    as_json: bool,
    **limits: Any,
) -> int:
    """Run NOTEBOOK in a clean process and record it; steps that are up to date are reused."""
    if only and start:
        raise click.UsageError("--only and --from cannot be given together")
    project = project_of(notebook)
    rules = Rules(fresh=fresh, only=only, start=start, audit=audit)
    done = project.run(
        notebook,
        typed(given),
        output=target,
        limits=_limits(**limits),
        rules=rules,
        resume=resume,
        kernel=kernel,
        notify=output.Progress(),
    )
    output.print_warnings(project)
    output.emit(history.run_json(done), _as_text(done), as_json=as_json)
    return 0 if done.status == "finished" else 1


def _limits(*, engine: str | None, memory: float | None, **others: Any) -> Limits:
    size = None if memory is None else int(memory * 2**30)
    return Limits(engine=engine or "", memory=size, **others)


def _as_text(run_: history.Run) -> str:
    lines = [f"{run_.status}: {run_.notebook} in {run_.seconds or 0:.1f} s  (run {run_.id})"]
    lines += [f"  {step['because']}" for step in run_.steps.values() if step["because"]]
    lines += [f"  {name} = {value:.6g}" for name, value in run_.metrics.items()]
    lines.append(f"  notebook: {run_.output}")
    if run_.error:
        at_cell = run_.error.startswith(("step ", "cell "))
        fix = "correct that cell and run again" if at_cell else f"mlops-nb show {run_.id}"
        fix = run_.fix or fix
        lines.append(f"error: {run_.error}\n  fix: {fix}")
    return "\n".join(lines)


@click.command()
@last_option
@as_json_option
def runs(*, last: int | None, as_json: bool) -> int:
    """List the runs of this project, the newest first; with --json all of them, oldest first."""
    found = open_project().runs(last if as_json else (last or output.PAGE) + 1)
    rows = [
        (r.id, r.job or r.notebook, r.status, f"{r.seconds or 0:.1f} s", r.started[:19])
        for r in reversed(found)
    ]
    words = output.page(("run", "of", "status", "took", "started (UTC)"), rows, last)
    answer = {"version": 1, "runs": [history.run_json(r) for r in found]}
    output.emit(answer, "" if as_json else words, as_json=as_json)
    return 0


@click.command()
@click.argument("run_id", metavar="RUN")
@as_json_option
def show(run_id: str, *, as_json: bool) -> int:
    """Show one RUN."""
    found = open_project().show(run_id)
    words = "" if as_json else _as_text(found)
    output.emit(history.run_json(found), words, as_json=as_json)
    return 0


@click.command()
@click.argument("name", metavar="NOTEBOOK|MODEL")
@click.argument("step", required=False)
@parameter_option
@click.option("--at", metavar="TIME", help="Of MODEL: which version served at TIME (UTC).")
@click.option("--request", metavar="ID", help="Of MODEL: what is behind the answer to a request.")
@as_json_option
def why(
    name: str,
    step: str | None,
    *,
    given: tuple[tuple[str, str], ...],
    at: str | None,
    request: str | None,
    as_json: bool,
) -> int:
    """Explain whether STEP of NOTEBOOK must run, or what is behind an answer of MODEL."""
    if sum(one is not None for one in (step, at, request)) != 1:
        raise click.UsageError(
            "give NOTEBOOK and STEP, MODEL and --at TIME, or MODEL and --request ID"
        )
    if request is not None:
        from mlops_nb.monitoring.live import request as live_request

        answer = open_project().why_request(name, request)
        output.emit(answer, "" if as_json else live_request.as_text(answer), as_json=as_json)
        return 0
    if at is not None:
        from mlops_nb.jobs import schedule
        from mlops_nb.lineage import explain

        answer = open_project().why_model(name, schedule.moment(at))
        output.emit(answer, "" if as_json else explain.as_text(answer), as_json=as_json)
        return 0
    found = project_of(name).why(name, str(step), typed(given))
    output.emit(found, "" if as_json else found["because"], as_json=as_json)
    return 0


@click.command()
@click.argument("notebook")
@click.option("--model", metavar="VAR", help="Variable with the model to promote.")
@as_json_option
def check(notebook: str, model: str | None, *, as_json: bool) -> int:
    """Show everything that would stop a promotion of NOTEBOOK, each with its fix."""
    found = project_of(notebook).check(notebook, model)
    answer = {
        "version": 1,
        "notebook": Path(notebook).name,
        "findings": [
            {
                "kind": w.kind,
                "severity": "stops" if w.stops else "warns",
                "cell": w.cell,
                "what": w.what,
                "fix": w.fix,
            }
            for w in found
        ],
    }
    words = "\n".join(
        f"{'error' if w.stops else 'warning'}: {w.what}\n  fix: {w.fix}" for w in found
    )
    output.emit(
        answer, "" if as_json else words or "nothing would stop a promotion", as_json=as_json
    )
    return 1 if any(w.stops for w in found) else 0
