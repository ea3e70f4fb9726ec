"""The hidden verb of worker processes: one run of a job, an evaluation, files, or a look."""

import click

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
