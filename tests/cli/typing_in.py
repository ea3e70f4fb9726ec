"""Types commands as a person would, in a home of its own."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MLOPS_NB = Path(sys.executable).with_name("mlops-nb")
DROPPED = ("MLFLOW_", "MLOPS_NB_", "JUPYTER_", "IPYTHON", "PYTHON", "PYTEST_")


@dataclass(frozen=True)
class Answer:
    """What a command came to."""

    status: int
    json: dict[str, Any]
    stdout: str
    stderr: str


class Terminal:
    """A folder to type commands in."""

    home: Path  # of the person who types; a fixture of all tests makes it

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def environment(self, **extra: str) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(DROPPED)}
        path = f"{MLOPS_NB.parent}{os.pathsep}{kept['PATH']}"
        return kept | {"HOME": str(self.home), "PATH": path} | extra

    def start(self, *words: str, **extra: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [str(MLOPS_NB), *words],
            cwd=self.folder,
            env=self.environment(**extra),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        )

    def type(self, *words: str, **extra: str) -> Answer:
        """Type `mlops-nb WORDS --json` and return what it came to."""
        with self.start(*words, "--json", **extra) as process:
            stdout, stderr = process.communicate(timeout=300)
        assert "Traceback" not in stderr, stderr
        return Answer(process.returncode, json.loads(stdout) if stdout else {}, stdout, stderr)

    def refused(self, *words: str, **extra: str) -> str:
        """Type a command that must be refused, and return its error."""
        answer = self.type(*words, **extra)
        assert answer.status == 2, (answer.status, answer.stderr, answer.stdout)
        assert answer.stderr.startswith("error: "), answer.stderr
        assert "\n  fix: " in answer.stderr, answer.stderr
        return answer.stderr
