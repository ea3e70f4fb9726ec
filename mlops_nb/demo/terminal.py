"""Runs the commands of the demo, shows that they are running, and keeps a list of them."""

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from mlops_nb.demo.background import BackgroundProcess
from mlops_nb.demo.results import Command, name_of
from mlops_nb.errors import Failed

PROGRAMS = {
    "mlops-nb": (sys.executable, "-m", "mlops_nb"),
    "python": (sys.executable,),
    "score": (sys.executable, "-m", "mlops_nb.demo.score"),
    "rows": (sys.executable, "-m", "mlops_nb.demo.rows"),
    "arms": (sys.executable, "-m", "mlops_nb.demo.arms"),
    "streams": (sys.executable, "-m", "mlops_nb.demo.streams"),
    "logged": (sys.executable, "-m", "mlops_nb.demo.logged"),
    "stop": (sys.executable, "-m", "mlops_nb.demo.stop"),
}
TYPED = ("mlops-nb", "python")  # the other programs are the demo's own
WIDTH = 96  # letters of a line
INTERVAL = 15  # seconds between lines that show that a command is still running


class Terminal:
    """Runs commands in a folder; `commands` lists those that ended."""

    def __init__(self, folder: Path, out: Callable[[str], None]) -> None:
        self.folder = folder
        self.out = out
        self.commands: list[Command] = []
        self.background: list[tuple[str, BackgroundProcess]] = []
        self.started = time.monotonic()

    def run(self, words: Sequence[str], *, may_refuse: bool = False) -> dict[str, Any]:
        """Run a command and return its JSON answer; {} if it prints none.

        may_refuse: exit status 1 (judged, and the answer is no) is an answer as well
        Raises Failed if the command fails.
        """
        title = typed(words)
        if words[0] in TYPED:
            for line in wrapped(words):
                self.out(line)
        arguments = [*PROGRAMS[words[0]], *words[1:]]
        began = time.monotonic()
        status, stdout, stderr = self._wait(arguments + ["--json"] * (words[0] == "mlops-nb"))
        failed = status != 0 and not (may_refuse and status == 1)
        outcome = "done" if status == 0 else "failed" if failed else "the answer is no"
        seconds, began = time.monotonic() - began, began - self.started
        self.commands.append(Command(typed=title, began=began, seconds=seconds, outcome=outcome))
        if failed:
            raise self._failed(title, status, stderr)
        answer: dict[str, Any] = json.loads(stdout) if stdout.startswith("{") else {}
        return answer

    def start(self, words: Sequence[str]) -> dict[str, Any]:
        """Start a command that goes on, and return the JSON answer that it prints first.

        Raises Failed if it ends without an answer.
        """
        for line in wrapped(words):
            self.out(line)
        arguments = [*PROGRAMS[words[0]], *words[1:], "--json"]
        title, began = typed(words), time.monotonic() - self.started
        process = BackgroundProcess(arguments, self.folder, without_servers(os.environ))
        self.background.append((title, process))
        answer = process.ready()
        if not answer:
            self.background.pop()
            raise self._failed(title, *process.end())
        self.commands.append(
            Command(typed=title, began=began, seconds=process.seconds, outcome="started")
        )
        return answer

    def end(self, *, may_fail: bool = False) -> None:
        """End the commands that go on. Raises Failed if one of them fails and may not."""
        while self.background:
            title, process = self.background.pop()
            status, stderr = process.end()
            if status and not may_fail:
                raise self._failed(title, status, stderr)

    def _failed(self, title: str, status: int, stderr: str) -> Failed:
        """Print the last lines of the errors of a command, and return the failure."""
        for line in stderr.splitlines()[-20:]:
            self.out(f"  {line}")
        return Failed(
            f"the demo stopped: exit status {status} from {title!r}",
            fix=f"cd {self.folder} and type it again to see why",
        )

    def _wait(self, arguments: Sequence[str]) -> tuple[int, str, str]:
        process = subprocess.Popen(
            arguments,
            cwd=self.folder,
            env=without_servers(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
        )
        live, started, lines = sys.stderr.isatty(), time.monotonic(), 0
        try:
            while True:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    stdout, stderr = process.communicate(timeout=0.2)
                    return process.returncode, stdout, stderr
                seconds = time.monotonic() - started
                if live:
                    turn = "|/-\\"[int(seconds * 5) % 4]
                    click.echo(f"\r  {turn} {seconds:.0f} s ", err=True, nl=False)
                elif seconds // INTERVAL > lines:
                    lines += 1
                    self.out(f"  … {seconds:.0f} s")
        finally:
            if live:
                click.echo("\r\x1b[K", err=True, nl=False)
            if process.poll() is None:
                process.terminate()
                process.wait()


def without_servers(environment: Mapping[str, str]) -> dict[str, str]:
    """Leave out the settings that would send the runs of a demo to a real server."""
    settings = ("MLFLOW_", "MLOPS_NB_")
    return {name: value for name, value in environment.items() if not name.startswith(settings)}


def typed(words: Sequence[str]) -> str:
    """Return a command as a user would type it.

    >>> typed(["mlops-nb", "promote", "--gate", "auc >= 0.55"])
    'mlops-nb promote --gate "auc >= 0.55"'
    """
    if words[0] == "score":
        return f"(January's model, never retrained, on {name_of(int(words[1]))})"
    if words[0] == "rows":
        return f"(the flights from February to {name_of(int(words[2]))}, as requests)"
    if words[0] == "arms":
        return "(four ways to keep the model, on the same flights)"
    if words[0] == "streams":
        return "(the watch on synthetic streams whose change is known)"
    if words[0] == "logged":
        return "(the prediction log, compared with the answers)"
    if words[0] == "stop":
        return "(the runs that go on are stopped)"
    plain = re.compile(r"[\w@%+=:,./-]+")
    return " ".join(word if plain.fullmatch(word) else f'"{word}"' for word in words)


def wrapped(words: Sequence[str]) -> list[str]:
    """Return the lines of a command behind a prompt, broken only before an option."""
    lines = ["$"]
    for part in re.split(r" (?=-)", typed(words)):
        if len(lines[-1]) + len(part) + 3 > WIDTH:
            lines[-1] += " \\"
            lines.append("   ")
        lines[-1] += f" {part}"
    return lines
