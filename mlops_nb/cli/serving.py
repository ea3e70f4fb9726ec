"""Verbs for models that answer: serve, predict."""

import json
from collections.abc import Mapping
from typing import Any

import click

from mlops_nb.cli import output
from mlops_nb.cli.output import as_json_option
from mlops_nb.project import open_project


class Share(click.ParamType[float]):
    """A share, as 5% or 0.05."""

    name = "share"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        """Return the share as a number."""
        text = str(value)
        try:
            share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        except ValueError:
            share = -1.0
        if not 0 <= share < 1:
            self.fail(f"{text!r} is no share below the whole, such as 5% or 0.05", param, ctx)
        return share


@click.command()
@click.argument("model")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8000, show_default=True, help="0 takes any that is free.")
@click.option("--workers", type=click.IntRange(1), default=1, metavar="N", help="Fronts; 1.")
@click.option("--deadline", type=float, default=30.0, metavar="S", help="For an answer, s.")
@click.option("--max-delay", type=float, default=0.0, metavar="S", help="Wait for other requests.")
@click.option(
    "--canary",
    type=Share(),
    default=0.0,
    metavar="SHARE",
    help="Let a version that waits for approval answer this share, such as 5%.",
)
@click.option("--shadow", is_flag=True, help="Let it answer beside as well, for the log.")
@as_json_option
def serve(model: str, *, as_json: bool, **options: Any) -> int:
    """Serve the champion of MODEL over HTTP, and each release after it, until stopped."""

    def ready(answer: Mapping[str, Any]) -> None:
        words = f"{answer['model']} version {answer['model_version']} answers at {answer['url']}"
        click.echo(json.dumps(answer) if as_json else words)

    open_project().serve(model, ready, **options)
    return 0


@click.command()
@click.argument("model")
@click.argument("file")
@click.option("-o", "--output", "out", required=True, metavar="OUT", help="CSV or Parquet.")
@click.option(
    "--skip-bad",
    "skip",
    metavar="FILE",
    help="Write rows that cannot be answered here, each with its error, and answer the others.",
)
@as_json_option
def predict(model: str, file: str, *, out: str, skip: str | None, as_json: bool) -> int:
    """Write the answers of MODEL's champion to the rows of FILE to OUT."""
    note = output.RowCount()
    answer = open_project().predict(model, file, out, skip_bad=skip, note=note)
    words = f"{answer['rows']} rows of {file} answered by version {answer['model_version']}: {out}"
    if answer.get("skipped"):
        words += f"\n{answer['skipped']} rows could not be answered: {skip}"
    output.emit(answer, words, as_json=as_json)
    return 0
