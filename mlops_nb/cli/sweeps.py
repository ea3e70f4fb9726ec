"""Verbs for sweeps, and for runs that are still running: sweep, stop."""

import os
import shutil
import sys
from collections.abc import Mapping

import click

from mlops_nb import markup
from mlops_nb.cli import output
from mlops_nb.cli.notebooks import parameter_option, project_of, typed
from mlops_nb.cli.output import as_json_option
from mlops_nb.errors import Failed
from mlops_nb.notebook.model import Value
from mlops_nb.project import Project, open_project
from mlops_nb.runs import grid as grids
from mlops_nb.runs import history
from mlops_nb.runs import sweep_history as record
from mlops_nb.runs.interrupts import deferred
from mlops_nb.runs.sweep_history import Sweep

ENDED = ("finished", "failed", "stopped")
MOST_METRICS = 3  # in a line of the live table


@click.command()
@click.argument("notebook")
@click.option(
    "-g",
    "grid",
    multiple=True,
    metavar="NAME=V1,V2,...",
    help="Values of a parameter; with several -g, all combinations run.",
)
@parameter_option
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="Number of parallel points (default: one for each GPU, or core).",
)
@click.option(
    "--on", default="processes", metavar="POOL", help="Where points run (default: processes)."
)
@click.option(
    "--best",
    default="",
    metavar="METRIC",
    help="Name the point with the highest METRIC; METRIC:min: the lowest.",
)
@click.option(
    "--resume",
    default="",
    metavar="SWEEP",
    help="Continue a SWEEP: points that finished do not run again.",
)
@click.option("--fresh", is_flag=True, help="Reuse nothing from before this sweep.")
@as_json_option
def sweep(  # noqa: PLR0913  one for each option
    notebook: str,
    *,
    grid: tuple[str, ...],
    given: tuple[tuple[str, str], ...],
    workers: int | None,
    on: str,
    best: str,
    resume: str,
    fresh: bool,
    as_json: bool,
) -> int:
    """Run NOTEBOOK at every point of a grid of parameters, in parallel, and compare."""
    axes = grids.read(grid)
    names = [name for name, _ in given]
    if twice := next((n for n in names if names.count(n) > 1), ""):
        raise click.UsageError(f"{twice!r} is given twice")
    project = project_of(notebook)
    progress = SweepProgress()
    with deferred():  # a second signal does not cut the answer off
        found = project.sweep(
            notebook,
            axes,
            typed(given),
            workers=workers,
            on=on,
            best=best,
            resume=resume,
            fresh=fresh,
            watch=progress,
        )
        progress.close()
        output.print_warnings(project)
        return _show(project, found, as_json=as_json)


def _show(project: Project, found: Sweep, *, as_json: bool) -> int:
    """Print a sweep that ended, and write its chart; return the exit status."""
    from mlops_nb.jupyter import sweep_chart

    answer = record.sweep_json(found)
    file = project.keep(
        found.id, "sweep.svg", sweep_chart.chart(answer, by=found.by, standalone=True)
    )
    words = f"{as_text(found)}\n  chart: {os.path.relpath(file)}"
    try:
        record.best(found.runs, found.by)
    except Failed as error:
        answer["error"] = {"what": error.what, "fix": error.fix, "where": error.where}
        words += f"\n{error}"
        output.emit(answer, words, as_json=as_json)
        return error.exit_status
    output.emit(answer, words, as_json=as_json)
    return 0 if found.status == "finished" else 1


def as_text(sweep: Sweep) -> str:
    """Return how a sweep ended, a table of its points, and how to continue it."""
    from mlops_nb.jupyter import sweep_chart

    counts = sweep.counted()
    lines = [
        f"{sweep.status}: {counts['finished']} of {len(sweep.points)} points of {sweep.notebook} "
        f"in {sweep.seconds:.1f} s  (sweep {sweep.id})"
    ]
    head, rows = sweep_chart.comparison(record.sweep_json(sweep))
    lines += markup.table(head, rows).splitlines() if rows else []
    chosen = next((r for r in sweep.runs if r.id == sweep.best), None)
    if chosen is not None:
        name, lowest = record.best_metric(sweep.by)
        word = "lowest" if lowest else "highest"
        lines.append(
            f"best: {_values(sweep, chosen)}  with the {word} {name}, "
            f"{chosen.metrics[name]:.6g}  (run {chosen.id})"
        )
    for run in sweep.runs:
        if run.status == "failed":
            lines.append(
                f"error: {_values(sweep, run)}: {run.error}\n  fix: "
                f"{run.fix or f'mlops-nb show {run.id}'}"
            )
    if sweep.left:
        lines.append(f"  to continue: mlops-nb sweep {sweep.notebook} --resume {sweep.id}")
    return "\n".join(lines)


def _values(sweep: Sweep, run: history.Run) -> str:
    return _point({name: run.parameters.get(name) for name in sweep.grid})


def _point(values: Mapping[str, Value]) -> str:
    return " ".join(f"{name}={value}" for name, value in values.items())


class SweepProgress:
    """Shows a running sweep on stderr: a table on a terminal, else a line for each ended point."""

    def __init__(self) -> None:
        self.live = sys.stderr.isatty()
        self.height = 0
        self.printed: dict[int, str] = {}
        self.started = False

    def __call__(self, sweep: Sweep) -> None:
        """Show the progress of a sweep."""
        if self.live:
            self._draw(table(sweep, shutil.get_terminal_size()))
            return
        if not self.started:
            self.started = True
            self.printed = {n: r.id for n, r in sweep.latest.items()}  # points of before a resume
            known = f", {len(self.printed)} of them finished before" if self.printed else ""
            output.note(
                f"sweep {sweep.id}: {len(sweep.points)} points{known}, {sweep.workers} in parallel"
            )
        for number, run in sorted(sweep.latest.items()):
            if run.status in ENDED and self.printed.get(number) != run.id:
                self.printed[number] = run.id
                output.note(f"  {line(sweep, number)}   {_left(sweep)}")

    def _draw(self, lines: list[str]) -> None:
        up = f"\x1b[{self.height}F\x1b[J" if self.height else ""
        click.echo(up + "\n".join(lines), err=True)
        self.height = len(lines)

    def close(self) -> None:
        """Remove the table: the result that follows shows more."""
        if self.live and self.height:
            click.echo(f"\x1b[{self.height}F\x1b[J", err=True, nl=False)
        self.height = 0


def table(sweep: Sweep, size: os.terminal_size) -> list[str]:
    """Return the lines of the live table: as many as fit, running points first."""
    counts = sweep.counted()
    words = [f"{counts[kind]} {kind}" for kind in ("running", "failed", "stopped") if counts[kind]]
    head = ", ".join([f"{counts['finished']} of {len(sweep.points)} points", *words, _left(sweep)])
    if any(run.status == "running" for run in sweep.helpers):
        head += f"; first the shared steps: {', '.join(sweep.shared)}"
    order = {"running": 0, "failed": 1, "stopped": 1}
    numbers = sorted(range(len(sweep.points)), key=lambda n: (order.get(_status(sweep, n), 2), n))
    rows = max(1, size.lines - 3)
    shown = sorted(numbers[:rows])
    more = [f"  and {len(numbers) - rows} more"] if len(numbers) > rows else []
    return [
        text[: size.columns - 1] for text in (head, *(f"  {line(sweep, n)}" for n in shown), *more)
    ]


def line(sweep: Sweep, number: int) -> str:
    """Return the line of one point: its values, status, time and metrics."""
    widest = max(len(_point(p)) for p in sweep.points)
    text = f"{_point(sweep.points[number]):<{widest}}  {_status(sweep, number):<8}"
    run = sweep.latest.get(number)
    if run is None or run.status not in ENDED:
        step = (
            next((s["name"] for s in run.steps.values() if s["status"] == "running"), "")
            if run
            else ""
        )
        return f"{text}  {step}".rstrip()
    metrics = [f"{n}={v:.4g}" for n, v in list(run.metrics.items())[:MOST_METRICS]]
    return "  ".join([text, f"{run.seconds or 0:7.1f} s", *metrics])


def _status(sweep: Sweep, number: int) -> str:
    run = sweep.latest.get(number)
    return run.status if run else "waiting"


def _left(sweep: Sweep) -> str:
    left = sweep.seconds_left()
    if not sweep.left:
        return "nothing left"
    if left is None:
        return "time left unknown"
    minutes, seconds = divmod(round(left), 60)
    return f"about {f'{minutes} min ' if minutes else ''}{seconds} s left"


@click.command()
@click.argument("name", metavar="RUN")
@as_json_option
def stop(name: str, *, as_json: bool) -> int:
    """Stop RUN, which is a run or a sweep, and wait until it has ended."""
    found = open_project().stop(name)
    if isinstance(found, Sweep):
        answer = {**record.sweep_json(found), "status": found.status}
        output.emit(answer, as_text(found), as_json=as_json)
    else:
        why = f": {found.error}" if found.error else ""
        words = f"{found.status}: {found.job or found.notebook}{why}  (run {found.id})"
        output.emit(history.run_json(found), words, as_json=as_json)
    return 0
