"""How the command line speaks: one JSON object on stdout, or words; errors with their mend."""

import json
import sys
import time
from collections.abc import Iterable, Mapping
from typing import Any

import click

from mlops_nb.errors import MlopsError
from mlops_nb.events import (
    ArtifactDamaged,
    EngineChosen,
    Event,
    ReuseAudited,
    RunFinished,
    RunRetried,
    StepFailed,
    StepFinished,
    StepReused,
    StepStarted,
)
from mlops_nb.project import Project

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


def emit(answer: Mapping[str, Any], words: str, *, as_json: bool) -> None:
    """Print an answer: as JSON on stdout with the words on stderr, or the words alone."""
    if as_json:
        click.echo(json.dumps(answer, ensure_ascii=False, default=str))
        if words:
            click.echo(words, err=True)
    elif words:
        click.echo(words)


def failed(error: MlopsError, *, as_json: bool) -> None:
    """Print an error on stderr, and as JSON on stdout where that was asked for."""
    click.echo(str(error), err=True)
    if as_json:
        said = {"what": error.what, "fix": error.fix, "where": error.where}
        click.echo(json.dumps({"version": 1, "error": said}, ensure_ascii=False))


def wrong_use(message: str, command: str, *, as_json: bool) -> None:
    """Print what was wrong with a command line."""
    what = message[:1].lower() + message[1:].rstrip(".")
    failed(MlopsError(what, fix=f"{command} --help"), as_json=as_json)


def warned(project: Project) -> None:
    """Print what did not answer but did not stop the work."""
    for error in project.take_warnings():
        click.echo(str(error).replace("error:", "warning:", 1), err=True)


class Progress:
    """Tells of a run's steps on stderr while they happen."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self.live = sys.stderr.isatty()
        self.began = time.monotonic()

    def __call__(self, event: Event) -> None:
        """Tell of one event."""
        if self.quiet:
            return
        if isinstance(event, StepStarted):
            if self.live:
                click.echo(f"  {event.step} …\r", err=True, nl=False)
        elif isinstance(event, StepFinished):
            click.echo(f"  {event.step:<24} {event.seconds:8.2f} s", err=True)
        elif isinstance(event, StepReused):
            click.echo(f"  {event.step:<24}   reused  ({event.saved:.2f} s saved)", err=True)
        elif isinstance(event, ReuseAudited):
            found = f"differs in {', '.join(event.differs)}" if event.differs else "the same"
            click.echo(f"  {event.step:<24} audited: {found}", err=True)
        elif isinstance(event, EngineChosen):
            if event.engine != "warm" and event.because != "it was asked for":
                click.echo(f"  engine: {event.engine}, as {event.because}", err=True)
        elif isinstance(event, RunRetried):
            click.echo(
                f"  try {event.attempt + 1} of {event.of + 1} in {event.seconds:g} s", err=True
            )
        elif isinstance(event, ArtifactDamaged):
            click.echo(f"  warning: what was stored cannot be used: {event.what}", err=True)
        elif isinstance(event, StepFailed):
            click.echo(f"  {event.step:<24} failed", err=True)
        elif isinstance(event, RunFinished) and event.status != "finished":
            click.echo(f"  {event.status}: {event.error}", err=True)


def note(text: str) -> None:
    """Tell of progress on stderr."""
    click.echo(text, err=True)


def table(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """Return rows as aligned columns.

    >>> print(table(["a", "b"], [["x", 1]]))
    a  b
    x  1
    """
    lines = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
