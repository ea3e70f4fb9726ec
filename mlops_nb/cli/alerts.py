"""The verb for alerts: ack."""

import contextlib
import getpass
from typing import Any

import click

from mlops_nb.cli import output
from mlops_nb.cli.output import as_json_option
from mlops_nb.cli.store import span
from mlops_nb.errors import Refused
from mlops_nb.project import open_project


@click.command()
@click.argument("alert", required=False)
@click.option("--for", "length", metavar="TIME", help="How long to silence it: 30m, 8h, 2d.")
@click.option(
    "--false",
    "mistaken",
    is_flag=True,
    help="False alert: its level is normal from now on.",
)
@as_json_option
def ack(alert: str | None, *, length: str | None, mistaken: bool, as_json: bool) -> int:
    """List the open alerts, or silence ALERT for a time while you work on it."""
    project = open_project()
    if alert is None:
        if length is not None or mistaken:
            option = "--false" if mistaken else "--for"
            raise Refused(f"{option} goes with an alert", fix=f"mlops-nb ack ALERT {option} …")
        answer = project.alerts()
        output.emit(answer, "" if as_json else _as_text(answer["alerts"]), as_json=as_json)
        return 0
    if mistaken and length is not None:
        raise Refused("--for and --false exclude each other", fix=f"mlops-nb ack {alert} --false")
    if length is None and not mistaken:
        raise Refused("the time is missing", fix=f"mlops-nb ack {alert} --for 8h")
    answer = project.ack(alert, None if length is None else _seconds(length), _user())
    words = f"{alert}: silent until {answer['alerts'][0]['acked_until']}"
    if mistaken:
        words = f"{alert}: what it is about counts as usual from now on"
    output.emit(answer, words, as_json=as_json)
    return 0


def _seconds(text: str) -> float:
    """Return a length of time in seconds.

    >>> _seconds("8h")
    28800.0
    """
    try:
        found = span(text).total_seconds()
    except Refused:
        found = 0.0
    if not found:
        raise Refused(
            f"--for is {text!r}, which is no length of time",
            fix="give minutes, hours or days: --for 30m, --for 8h, --for 2d",
        )
    return found


def _user() -> str:
    with contextlib.suppress(OSError, KeyError):  # in a container, the user may have no name
        return getpass.getuser()
    return ""


def _as_text(rows: list[dict[str, Any]]) -> str:
    lines = []
    for row in rows:
        urgent = "urgent: " if row["urgent"] else ""
        silent = f", silent until {row['acked_until']}" if row["acked_until"] else ""
        lines += [
            f"{urgent}{row['alert']}, since {row['since'][:16]} UTC{silent}",
            f"  {row['what']}",
            f"  next: {row['fix']}",
        ]
    return "\n".join(lines) or "no alert is open"
