"""The verb for artifacts: store."""

from datetime import timedelta

import click

from mlops_nb import config
from mlops_nb.cli import output
from mlops_nb.cli.output import as_json_option
from mlops_nb.errors import Refused
from mlops_nb.project import Project, open_project

KEEP = "30d"
PLACES = {
    "tmp": "scratch of runs",
    "parts": "incomplete files",
    "logs": "long logs",
    "sockets": "files of warm processes",
    "runs": "folders of runs",
    "reuse": "caches",
    "envs": "environments",
    "packages": "model packages",
    "predictions": "prediction logs",
    "mlartifacts": "MLflow's artifacts (`mlflow gc` removes those of deleted runs)",
}


def span(text: str) -> timedelta:
    """Return a length of time that `--keep` gives. Raises Refused if the text is none."""
    return config.span(text, "--keep")


@click.command()
@click.option("--size", is_flag=True, help="Show the size of the store.")
@click.option(
    "--prune", is_flag=True, help="Remove what neither a champion nor a recent run needs."
)
@click.option(
    "--keep", metavar="AGE", help=f"How old a recent run may be: 30d, 12h, 45m; default {KEEP}."
)
@click.option("--verify", is_flag=True, help="Read every artifact and list the damaged ones.")
@as_json_option
def store(*, size: bool, prune: bool, keep: str | None, verify: bool, as_json: bool) -> int:
    """Measure, prune or verify the stored artifacts: models and values of steps."""
    if size + prune + verify != 1:
        raise Refused("give one of --size, --prune and --verify", fix="mlops-nb store --size")
    if keep is not None and not prune:
        raise Refused("--keep goes with --prune", fix=f"mlops-nb store --prune --keep {keep}")
    age = span(keep or KEEP)
    project = open_project()
    if prune:
        return _prune(project, age, None if keep is None else age, as_json=as_json)
    return _size(project, as_json=as_json) if size else _verify(project, as_json=as_json)


def _size(project: Project, *, as_json: bool) -> int:
    answer = project.store_size()
    words = f"{_count(answer['files'])}, {_bytes(answer['bytes'])} of {_bytes(answer['limit'])}"
    words += "".join(
        f"\n{PLACES[name]}: {_bytes(found['bytes'])}"
        for name, found in answer["housekeeping"].items()
        if found["bytes"]
    )
    output.emit(answer, "" if as_json else words, as_json=as_json)
    return 0


def _verify(project: Project, *, as_json: bool) -> int:
    answer = project.store_verify()
    damaged = answer["damaged"]
    words = f"{_count(answer['checked'])}, none damaged"
    if damaged:
        words = "\n".join([f"{len(damaged)} of {_count(answer['checked'])} damaged:", *damaged])
    output.emit(answer, "" if as_json else words, as_json=as_json)
    return 1 if damaged else 0


def _prune(project: Project, age: timedelta, runs: timedelta | None, *, as_json: bool) -> int:
    answer = project.store_prune(age, runs)
    words = f"{_count(answer['removed'])} removed, {_bytes(answer['bytes'])} freed, "
    words += f"{answer['kept']} kept"
    words += "".join(
        f"\n{PLACES[name]}: {_bytes(found['bytes'])} freed"
        for name, found in answer["housekeeping"].items()
        if found["bytes"]
    )
    output.emit(answer, "" if as_json else words, as_json=as_json)
    return 0


def _count(number: int) -> str:
    return f"{number} artifact{'' if number == 1 else 's'}"


def _bytes(number: int) -> str:
    """Return a size in the largest unit that fits.

    >>> _bytes(512), _bytes(20 * 2**30)
    ('512 B', '20.0 GiB')
    """
    power = min(3, (number.bit_length() - 1) // 10) if number else 0
    unit = ("B", "KiB", "MiB", "GiB")[power]
    return f"{number / 1024**power:.1f} {unit}" if power else f"{number} B"
