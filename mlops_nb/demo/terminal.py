"""Types commands as a user would, shows that they are at work, and remembers them."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from mlops_nb.demo.outcome import Command
from mlops_nb.errors import Failed

Say = Callable[[str], None]

WIDTH = 96
TURNS = "|/-\\"
PATIENCE = 15.0  # after so many seconds without a word, say that work goes on


class Typist(Protocol):
    """Somebody who types commands in a folder and reads the answers."""

    folder: Path
    commands: list[Command]

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        ...

    def type(self, *words: str, may_say_no: bool = False) -> dict[str, Any]:
        """Type a command and return its JSON answer."""
        ...

    def ask(self, question: str, module: str, *words: str) -> dict[str, Any]:
        """Run one of our own modules and return its JSON answer."""
        ...


class Terminal:
    """Runs commands in a folder. `commands` holds what was typed so far."""

    def __init__(self, folder: Path, say: Say) -> None:
        self.folder = folder
        self.say = say
        self.commands: list[Command] = []
        self._born = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._born

    def type(self, *words: str, may_say_no: bool = False) -> dict[str, Any]:
        """Type a command, wait for it and return its JSON answer; {} if it prints none.

        may_say_no: whether exit status 1 (judged, and the answer is no) is an answer, too
        Raises Failed if the command fails.
        """
        program = {
            "mlops-nb": [sys.executable, "-m", "mlops_nb"],
            "python": [sys.executable],
        }[words[0]]
        tail = ["--json"] if words[0] == "mlops-nb" else []
        for line in wrapped(words):
            self.say(line)
        return self._run([*program, *words[1:], *tail], typed(words), may_say_no=may_say_no)

    def ask(self, question: str, module: str, *words: str) -> dict[str, Any]:
        """Run one of our own modules, for what no command answers; otherwise as `type`."""
        return self._run([sys.executable, "-m", module, *words], question, may_say_no=False)

    def _run(self, line: Sequence[str], title: str, *, may_say_no: bool) -> dict[str, Any]:
        began = self.elapsed
        status, said, complained = self._wait_for(line)
        seconds = self.elapsed - began
        bad = status != 0 and not (may_say_no and status == 1)
        outcome = "done" if status == 0 else "failed" if bad else "the answer is no"
        self.commands.append(Command(typed=title, began=began, seconds=seconds, outcome=outcome))
        if bad:
            for complaint in complained.splitlines()[-20:]:
                self.say(f"  {complaint}")
            raise Failed(
                f"the demo stopped: exit status {status} from {title!r}",
                fix=f"cd {self.folder} and type it again to look into it",
            )
        return read_answer(said)

    def _wait_for(self, line: Sequence[str]) -> tuple[int, str, str]:
        process = subprocess.Popen(  # our own commands, spelled out above
            line,
            cwd=self.folder,
            env=clean(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
        )
        began, sign = self.elapsed, SignOfLife(self.say)
        try:
            while True:
                try:
                    said, complained = process.communicate(timeout=0.2)
                except subprocess.TimeoutExpired:
                    sign.show(self.elapsed - began)
                else:
                    return process.returncode, said, complained
        finally:
            sign.clear()
            if process.poll() is None:
                process.terminate()
                process.wait()


class SignOfLife:
    """A turning sign on a terminal; elsewhere a line now and then."""

    def __init__(self, say: Say) -> None:
        self.say = say
        self.terminal = sys.stderr.isatty()
        self._turns = 0
        self._next = PATIENCE

    def show(self, seconds: float) -> None:
        """Show that work goes on, `seconds` after it began."""
        if self.terminal:
            self._turns += 1
            sys.stderr.write(f"\r  {TURNS[self._turns % len(TURNS)]} {seconds:.0f} s ")
            sys.stderr.flush()
        elif seconds >= self._next:
            self._next += PATIENCE
            self.say(f"  … {seconds:.0f} s")

    def clear(self) -> None:
        """Leave nothing behind on a terminal's line."""
        if self.terminal:
            sys.stderr.write("\r" + " " * 20 + "\r")
            sys.stderr.flush()


def clean(environment: Mapping[str, str]) -> dict[str, str]:
    """Leave out what would send a demo's runs to somebody's real server."""
    foreign = ("MLFLOW_", "MLOPS_NB_")
    return {name: value for name, value in environment.items() if not name.startswith(foreign)}


def read_answer(said: str) -> dict[str, Any]:
    """Return the JSON object that a command printed; {} if it printed something else."""
    try:
        answer = json.loads(said)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def quoted(word: str) -> str:
    """Quote a word for a shell, only where it is needed.

    >>> quoted("auc >= 0.55"), quoted("--gate")
    ('"auc >= 0.55"', '--gate')
    """
    return word if re.fullmatch(r"[\w@%+=:,./-]+", word) else f'"{word}"'


def typed(words: Sequence[str]) -> str:
    """Return a command as it would be typed."""
    return " ".join(quoted(word) for word in words)


def wrapped(words: Sequence[str]) -> list[str]:
    """Return a command's lines behind a prompt, broken only before an option."""
    lines = ["$"]
    for part in re.split(r" (?=-)", typed(words)):
        if len(lines[-1]) + len(part) + 3 > WIDTH:
            lines[-1] += " \\"
            lines.append("   ")
        lines[-1] += f" {part}"
    return lines
