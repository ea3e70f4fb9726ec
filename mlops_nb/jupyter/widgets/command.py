"""Asks the command line: what `mlops-nb VERB` prints, as text or as JSON."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops_nb.errors import Failed, MlopsError

TAKES_NOTEBOOK = {"graph", "run", "check", "promote", "why", "sweep"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a command answered: its JSON, and what it said on stderr."""

    answer: dict[str, Any]
    said: str


def ask(words: Sequence[str], folder: Path) -> Reply:
    """Run `mlops-nb WORDS --json` in a folder. Raises MlopsError with what it refused or missed."""
    done = subprocess.run(
        [sys.executable, "-m", "mlops_nb", words[0], "--json", *words[1:]],
        cwd=folder,
        text=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    said = done.stderr.strip()
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        what = said or f"`mlops-nb {words[0]}` ended with exit status {done.returncode}"
        raise Failed(what, fix=f"in a terminal: mlops-nb {' '.join(words)}") from None
    if error := answer.get("error"):
        if isinstance(error, dict):
            raise MlopsError(error["what"], fix=error["fix"], where=error.get("where", ""))
        raise Failed(str(error), fix=f"in a terminal: mlops-nb {' '.join(words)}")
    return Reply(answer=answer, said=said)


def show(words: Sequence[str], notebook: Callable[[], str]) -> None:
    """Run a verb of the command line on this notebook in a subprocess, and print its output."""
    arguments = list(words)
    folder = Path.cwd()
    if words[0] in TAKES_NOTEBOOK:
        path = Path(notebook())
        folder = path.parent
        arguments.insert(1, path.name)
    done = subprocess.run(
        [sys.executable, "-m", "mlops_nb", *arguments],
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    print(done.stdout.rstrip())  # noqa: T201  the output of a cell
