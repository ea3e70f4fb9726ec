"""Verbs for models: models, rollback."""

import click

from mlops_nb.faces.cli import output
from mlops_nb.faces.cli.output import as_json_option
from mlops_nb.project import open_project


@click.command()
@as_json_option
def models(*, as_json: bool) -> int:
    """List the models, their versions, and which one answers."""
    answer = open_project().models()
    rows = [
        (
            m["name"],
            v["version"],
            v["status"],
            ", ".join(f"{k} {x:.4g}" for k, x in v["metrics"].items()),
            v["created"][:19],
            v["run"],
        )
        for m in answer["models"]
        for v in m["versions"]
    ]
    head = ("model", "version", "status", "metrics", "created (UTC)", "run")
    words = output.table(head, rows) if rows else "no models yet"
    output.emit(answer, "" if as_json else words, as_json=as_json)
    return 0


@click.command()
@click.argument("model")
@click.option("--to", type=int, metavar="VERSION", help="The version to put back.")
@as_json_option
def rollback(model: str, *, to: int | None, as_json: bool) -> int:
    """Put the version of MODEL that was released before the present one back."""
    project = open_project()
    answer = project.rollback(model, to)
    output.warned(project)
    words = f"{model}: version {answer['champion']} is champion again, in place of " + str(
        answer["previous"]
    )
    output.emit(answer, words, as_json=as_json)
    return 0
