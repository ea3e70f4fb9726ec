"""The verb that runs a job over past dates: backfill."""

import click

from mlops_nb import markup
from mlops_nb.cli import output
from mlops_nb.cli.jobs import GOOD
from mlops_nb.cli.output import as_json_option
from mlops_nb.cli.promote import at_option, set_clock
from mlops_nb.jobs import schedule
from mlops_nb.project import open_project


@click.command()
@click.argument("name", metavar="JOB")
@click.option("--since", required=True, metavar="TIME", help="The first date, in the job's zone.")
@click.option("--until", required=True, metavar="TIME", help="The last date, included.")
@click.option(
    "--workers",
    type=click.IntRange(1),
    metavar="N",
    help="Number of parallel runs (default: one for each core).",
)
@at_option
@as_json_option
def backfill(
    name: str, *, since: str, until: str, workers: int | None, at: str | None, as_json: bool
) -> int:
    """Run JOB for each past date of its schedule, in parallel; nothing is released."""
    project = open_project()
    zone = str((project.job(name)["schedule"] or {}).get("timezone", "UTC"))
    set_clock(project, at, zone)
    answer = project.backfill(
        name,
        schedule.moment(since, zone),
        schedule.moment(until, zone),
        workers=workers,
        note=output.note,
    )
    rows = [
        (
            r["scheduled_at"][:16],
            r["run"],
            r["status"],
            ", ".join(f"{k} {v:.4g}" for k, v in r["metrics"].items()),
        )
        for r in answer["runs"]
    ]
    words = (
        markup.table(("date", "run", "status", "metrics"), rows)
        if rows
        else "nothing is left to run"
    )
    output.emit(answer, "" if as_json else words, as_json=as_json)
    return 0 if all(r["status"] in {*GOOD, "refused"} for r in answer["runs"]) else 1
