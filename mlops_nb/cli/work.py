"""The hidden verbs: of worker processes (a run, an evaluation, files, a look), and of the panel."""

import json
import sys

import click

from mlops_nb.cli import output
from mlops_nb.cli.output import as_json_option
from mlops_nb.errors import Refused
from mlops_nb.project import open_project


@click.command(hidden=True)
@click.argument("name")
@click.option("--evaluate", is_flag=True, help="NAME is a job, whose champion is evaluated.")
@click.option("--score", is_flag=True, help="NAME is a job, whose new files are scored.")
@click.option("--watch", is_flag=True, help="NAME is a job, whose live model is looked at.")
@click.option("--late", type=float, default=0.0, help="How far the clock is set forward, s.")
def work(name: str, late: float, *, evaluate: bool, score: bool, watch: bool) -> int:
    """Execute the queued run NAME and judge its model."""
    project = open_project()
    if watch:
        project.watch_job(name, late)
        return 0
    if score:
        return 0 if project.score_files(name, late) else 1
    return 0 if (project.evaluate if evaluate else project.work)(name, late) else 1


@click.command(hidden=True)
@click.argument("model")
@as_json_option
def attempt(model: str, *, as_json: bool) -> int:
    """Answer the rows of stdin, a JSON list, with the champion of MODEL; without any, an example.

    They come by stdin as a command line can be read by others.
    """
    text = sys.stdin.read()
    try:
        rows = json.loads(text) if text.strip() else []
    except ValueError as error:
        raise Refused(f"the rows are no JSON: {error}", fix="give a list of rows") from None
    found = open_project().attempt(model, rows)
    output.emit(found, str(found), as_json=as_json)
    return 0


@click.command(hidden=True)
@click.argument("model")
@click.option("--width", type=click.IntRange(200, 4000), default=920, help="Of each chart, px.")
@click.option("--theme", type=click.Choice(["light", "dark"]), default="light")
@as_json_option
def charts(model: str, width: int, theme: str, *, as_json: bool) -> int:
    """Draw what `watch` finds of MODEL by day, as SVG images."""
    found = open_project().charts(model, width, theme)
    output.emit(found, "\n".join(one["title"] for one in found["charts"]), as_json=as_json)
    return 0


@click.command(hidden=True)
@as_json_option
def launch(*, as_json: bool) -> int:
    """Start the scheduler in a process of its own, which goes on."""
    found = open_project().start_scheduler()
    words = f"the scheduler runs as process {found['pid']}; it writes to {found['log']}"
    output.emit(found, words, as_json=as_json)
    return 0
