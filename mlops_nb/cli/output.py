"""Prints for the command line: one JSON object or words on stdout, and errors with a fix."""

import json
import math
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import click

from mlops_nb import markup
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
from mlops_nb.markup import lines
from mlops_nb.project import Project

ROWS_LIVE, ROWS_LOGGED = 1.0, 10.0  # s between two counts of rows, in a terminal and elsewhere
PAGE = 50  # rows of a list, where `--last` does not say how many

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
last_option = click.option(
    "--last", type=click.IntRange(1), metavar="N", help=f"Only the last N; {PAGE} without --json."
)


def emit(answer: Mapping[str, Any], words: str, *, as_json: bool) -> None:
    """Print an answer: as JSON on stdout with the words on stderr, or the words alone."""
    if as_json:
        click.echo(json.dumps(_finite(answer), ensure_ascii=False, default=str))
        if words:
            click.echo(words, err=True)
    elif words:
        click.echo(words)


def _finite(value: Any) -> Any:
    """Return a value with NaN and infinite numbers as texts, which JSON has no numbers for.

    >>> _finite({"loss": float("nan"), "rows": [1, float("-inf")]})
    {'loss': 'NaN', 'rows': [1, '-Infinity']}
    """
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, list | tuple) else value


def print_error(error: MlopsError, *, as_json: bool) -> None:
    """Print an error on stderr; with `--json`, also as JSON on stdout."""
    click.echo(lines(str(error)), err=True)
    if as_json:
        fields = {"what": error.what, "fix": error.fix, "where": error.where}
        click.echo(json.dumps({"version": 1, "error": fields}, ensure_ascii=False))


def print_usage_error(message: str, command: str, *, as_json: bool) -> None:
    """Print what is wrong with a command line."""
    what = message[:1].lower() + message[1:].rstrip(".")
    print_error(MlopsError(what, fix=f"{command} --help"), as_json=as_json)


def print_warnings(project: Project) -> None:
    """Print the errors that did not stop the work."""
    for error in project.take_warnings():
        click.echo(lines(str(error)).replace("error:", "warning:", 1), err=True)


class Progress:
    """Prints the steps of a run on stderr while they run."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self.live = sys.stderr.isatty()
        self.began = time.monotonic()

    def __call__(self, event: Event) -> None:
        """Print one event."""
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
            again = f"try {event.attempt + 1} of {event.of + 1} in {event.seconds:g} s"
            taken = "a new warm parent takes over: the run starts again"
            click.echo(f"  {again if event.attempt else taken}", err=True)
        elif isinstance(event, ArtifactDamaged):
            click.echo(f"  warning: a stored value cannot be used: {event.what}", err=True)
        elif isinstance(event, StepFailed):
            click.echo(f"  {event.step:<24} failed", err=True)
        elif isinstance(event, RunFinished) and event.status != "finished":
            click.echo(f"  {event.status}: {event.error}", err=True)


class RowCount:
    """Prints on stderr how many rows are done, now and then."""

    def __init__(self) -> None:
        self.live = sys.stderr.isatty()
        self.began = self.last = time.monotonic()

    def __call__(self, done: int, total: int | None) -> None:
        """Print it if the last time is long ago.

        total: None if it is not known
        """
        now = time.monotonic()
        if now - self.last < (ROWS_LIVE if self.live else ROWS_LOGGED):
            return
        self.last = now
        of = "" if total is None else f" of {total}"
        text = f"  {done}{of} rows in {now - self.began:.0f} s"
        click.echo(f"{text}\r" if self.live else text, err=True, nl=not self.live)


def note(text: str) -> None:
    """Print a line about progress on stderr."""
    click.echo(text, err=True)


def page(head: Sequence[str], rows: Sequence[Sequence[Any]], last: int | None) -> str:
    """Return a table of the first rows, and whether there are more.

    last: how many rows, None for `PAGE`
    """
    count = last or PAGE
    more = f"\n… and more: --last {2 * count}" if len(rows) > count else ""
    return markup.table(head, rows[:count]) + more
