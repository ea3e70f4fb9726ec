"""The verb that shows everything on real flights: demo."""

import shutil
from pathlib import Path

import click

from mlops_nb.cli import output
from mlops_nb.cli.output import as_json_option


@click.command()
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=Path("demo"),
    show_default=True,
    help="Where to run; a new folder, or that of an earlier demo.",
)
@click.option("--months", type=int, default=6, show_default=True, help="Months of 2013, 2 to 12.")
@as_json_option
def demo(folder: Path, *, months: int, as_json: bool) -> int:
    """Run six months of flights: promote, retrain, judge, refuse, roll back."""
    from mlops_nb.demo import run_demo

    report = run_demo(folder, months, output.note if as_json else click.echo)
    copy = Path(report.name)
    if copy.resolve() != report.resolve():
        shutil.copyfile(report, copy)
    output.emit(
        {"version": 1, "report": str(copy)}, "" if as_json else f"report: {copy}", as_json=as_json
    )
    return 0
