"""Verbs for models: models, approve, rollback."""

from typing import Any

import click

from mlops_nb.cli import output
from mlops_nb.cli.output import as_json_option, last_option
from mlops_nb.project import listed, open_project


@click.command()
@last_option
@as_json_option
def models(*, last: int | None, as_json: bool) -> int:
    """List the models, their versions, the newest first, and which one serves."""
    answer = open_project().models()
    rows = listed.models(answer)
    words = output.page(listed.MODELS, rows, last) if rows else "no models yet"
    for model in (m for m in answer["models"] if m["moved"]):
        output.note(
            f"warning: in MLflow the champion of {model['name']} is version {model['moved']}: "
            f"its alias was moved outside of mlops-nb, and version {model['champion']} still "
            f"serves\n  fix: mlops-nb rollback {model['name']} --to VERSION releases one "
            "everywhere"
        )
    output.emit(answer, "" if as_json else words, as_json=as_json)
    return 0


@click.command()
@click.argument("model", required=False)
@click.option("--to", type=int, metavar="VERSION", help="The version to restore.")
@click.option("--job", metavar="JOB", help="Restore the bundle of JOB that was live before.")
@as_json_option
def rollback(model: str | None, *, to: int | None, job: str | None, as_json: bool) -> int:
    """Restore the version of MODEL that was released before the present one."""
    if (model is None) == (job is None) or (job is not None and to is not None):
        raise click.UsageError("give MODEL, with --to VERSION or without, or --job JOB")
    project = open_project()
    if job is not None:
        answer = project.rollback_job(job)
        words = f"{job}: bundle {answer['digest'][:12]} is live again" + "".join(
            f"\nchange: {change}" for change in answer["changes"]
        )
        output.emit(answer, words, as_json=as_json)
        return 0
    answer = project.rollback(str(model), to)
    output.print_warnings(project)
    words = f"{model}: version {answer['champion']} is champion again, in place of " + str(
        answer["previous"]
    )
    output.emit(answer, words + _others(answer) + _sync_note(answer), as_json=as_json)
    return 0


@click.command()
@click.argument("model")
@click.argument("number", type=int, metavar="VERSION")
@as_json_option
def approve(model: str, number: int, *, as_json: bool) -> int:
    """Release VERSION of MODEL, which passed its gates and waits for approval."""
    project = open_project()
    answer = project.approve(model, number)
    output.print_warnings(project)
    words = f"{model}: version {number} is champion, in place of {answer['previous']}"
    output.emit(answer, words + _others(answer) + _sync_note(answer), as_json=as_json)
    return 0


def _others(answer: dict[str, Any]) -> str:
    """Return the lines of the models whose versions were changed with one."""
    return "".join(
        f"\n{name}: version {number} is champion, with it"
        for name, number in answer["together"].items()
    )


def _sync_note(answer: dict[str, Any]) -> str:
    return (
        ""
        if answer["mlflow"] == "agrees"
        else "\nMLflow is not synced yet; the sync continues in the background"
    )
