"""The hidden verb of worker processes: execute one run of a job, or one evaluation."""

import click

from mlops_nb.project import open_project


@click.command(hidden=True)
@click.argument("name")
@click.option("--evaluate", is_flag=True, help="NAME is a job, whose champion is evaluated.")
@click.option("--late", type=float, default=0.0, help="How far the clock is set forward, s.")
def work(name: str, late: float, *, evaluate: bool) -> int:
    """Execute the queued run NAME and judge its model."""
    project = open_project()
    return 0 if (project.evaluate if evaluate else project.work)(name, late) else 1
