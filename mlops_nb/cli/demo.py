"""The verb that tells the whole story on real flights: demo."""

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
    help="Where to play; a new folder, or an old demo's.",
)
@click.option("--months", type=int, default=6, show_default=True, help="How much of 2013, 2 to 12.")
@as_json_option
def demo(folder: Path, *, months: int, as_json: bool) -> int:
    """Play six months of flights: promote, retrain, judge, refuse, roll back."""
    from mlops_nb.demo import play

    report = play(folder, months, output.note if as_json else click.echo)
    shown = Path(report.name)
    if shown.resolve() != report.resolve():
        shutil.copyfile(report, shown)
    output.emit(
        {"version": 1, "report": str(shown)}, "" if as_json else f"report: {shown}", as_json=as_json
    )
    return 0
