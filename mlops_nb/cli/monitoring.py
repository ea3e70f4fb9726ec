"""Verbs that watch a live model: labels, watch."""

import click

from mlops_nb.cli import output
from mlops_nb.cli.output import as_json_option
from mlops_nb.project import open_project


@click.command()
@click.argument("model")
@click.argument("file")
@as_json_option
def labels(model: str, file: str, *, as_json: bool) -> int:
    """Take the labels of FILE, which say what MODEL should have answered."""
    project = open_project()
    answer = project.labels(model, file)
    words = f"{answer['matched']} labels belong to answers on record"
    if answer["unmatched"]:
        words += f", {answer['unmatched']} to none so far (they are kept)"
    if answer["replaced"]:
        words += f"; {answer['replaced']} correct an earlier label"
    output.print_warnings(project)
    output.emit(answer, words, as_json=as_json)
    return 0


@click.command()
@click.argument("model")
@click.option("--since", metavar="TIME", help="From when on, in UTC; by default 30 days back.")
@click.option("--until", metavar="TIME", help="Until when; by default now.")
@click.option("--report", metavar="FILE", help="Write it as a page as well, such as report.html.")
@as_json_option
def watch(
    model: str, *, since: str | None, until: str | None, report: str | None, as_json: bool
) -> int:
    """Show the metrics of MODEL from late labels, how its columns moved, and its alerts."""
    from mlops_nb.monitoring.live import view

    project = open_project()
    found = project.watch(model, since, until)
    output.print_warnings(project)
    words = view.as_text(found)
    if report is not None:
        project.write_report(found, report)
        words += f"\n\nreport: {report}"
    output.emit(view.as_json(found), words, as_json=as_json)
    return 0
