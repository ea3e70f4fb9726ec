"""Verbs that watch a live model: labels, watch."""

from typing import Any

import click

from mlops_nb.cli import output as printing
from mlops_nb.cli.output import as_json_option
from mlops_nb.errors import Refused
from mlops_nb.project import open_project


@click.command()
@click.argument("model")
@click.argument("file", required=False)
@click.option("--sample", type=int, metavar="N", help="Draw N answers that are to be labelled.")
@click.option("-o", "--output", metavar="FILE", help="Of --sample: where the rows go.")
@click.option("--since", metavar="TIME", help="Of --sample: answers from then on; else 30 days.")
@click.option("--until", metavar="TIME", help="Of --sample: answers before then.")
@as_json_option
def labels(model: str, file: str | None, *, as_json: bool, **options: Any) -> int:
    """Take the labels of FILE, which say what MODEL should have answered, or draw a sample."""
    project = open_project()
    if options["sample"] is not None:
        return _sample(project, model, file, as_json=as_json, **options)
    given = [f"--{name}" for name in ("output", "since", "until") if options[name] is not None]
    if given:
        fix = f"mlops-nb labels {model} --sample N -o FILE"
        raise Refused(f"{given[0]} goes with --sample", fix=fix)
    if file is None:
        raise Refused(
            "the file with the labels is missing",
            fix=f"mlops-nb labels {model} FILE, or draw what to label: "
            f"mlops-nb labels {model} --sample 200 -o FILE",
        )
    answer = project.labels(model, file)
    words = f"{answer['matched']} labels belong to answers on record"
    if answer["unmatched"]:
        words += f", {answer['unmatched']} to none so far (they are kept)"
    if answer["replaced"]:
        words += f"; {answer['replaced']} correct an earlier label"
    printing.print_warnings(project)
    printing.emit(answer, words, as_json=as_json)
    return 0


def _sample(project: Any, model: str, file: str | None, *, as_json: bool, **options: Any) -> int:
    sample, output = options["sample"], options["output"]
    if file is not None:
        raise Refused(
            f"--sample draws rows, and takes no labels from {file}",
            fix=f"mlops-nb labels {model} --sample {sample} -o {file}",
        )
    if output is None:
        fix = f"mlops-nb labels {model} --sample {sample} -o to-label.csv"
        raise Refused("--sample is without an output", fix=fix)
    answer = project.sample(model, sample, output, options["since"], options["until"])
    words = (
        f"{answer['rows']:,} of {answer['of']:,} answers without a label were drawn: {output}\n"
        f"next: fill in the column with the labels, then: mlops-nb labels {model} {output}"
    )
    printing.print_warnings(project)
    printing.emit(answer, words, as_json=as_json)
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
    from mlops_nb.monitoring.report import view

    project = open_project()
    found = project.watch(model, since, until)
    printing.print_warnings(project)
    words = view.as_text(found)
    if report is not None:
        project.write_report(found, report)
        words += f"\n\nreport: {report}"
    printing.emit(view.as_json(found), words, as_json=as_json)
    return 0
