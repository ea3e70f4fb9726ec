"""A command that goes on in the background until the demo ends it."""

import json
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

DRAIN_WITHIN = 60  # s, for the requests that are being answered


class BackgroundProcess:
    """A process that prints a line of JSON when it is ready; its errors go to a file."""

    def __init__(
        self, arguments: Sequence[str], folder: Path, environment: Mapping[str, str]
    ) -> None:
        self.began = time.monotonic()
        self.errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115  closed at the end
        self.process = subprocess.Popen(
            arguments,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            encoding="utf-8",
        )

    def ready(self) -> dict[str, Any]:
        """Wait for the line and return it; {} if the process ended without one."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line.startswith("{") else {}
        return answer

    @property
    def seconds(self) -> float:
        """The time since the start, s."""
        return time.monotonic() - self.began

    def end(self) -> tuple[int, str]:
        """Ask the process to end, wait, and return its exit status and what it wrote as errors."""
        try:
            self.process.terminate()
            self.process.wait(DRAIN_WITHIN)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
        with self.errors, self.process.stdout or self.errors:
            self.errors.seek(0)
            return self.process.returncode, self.errors.read()
