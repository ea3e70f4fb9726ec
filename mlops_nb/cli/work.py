"""The hidden verb of worker processes: execute one run of a job, one evaluation, or score files."""

import click

from mlops_nb.project import open_project


@click.command(hidden=True)
@click.argument("name")
@click.option("--evaluate", is_flag=True, help="NAME is a job, whose champion is evaluated.")
@click.option("--score", is_flag=True, help="NAME is a job, whose new files are scored.")
@click.option("--late", type=float, default=0.0, help="How far the clock is set forward, s.")
def work(name: str, late: float, *, evaluate: bool, score: bool) -> int:
    """Execute the queued run NAME and judge its model."""
    project = open_project()
    if score:
        return 0 if project.score_files(name, late) else 1
    return 0 if (project.evaluate if evaluate else project.work)(name, late) else 1
