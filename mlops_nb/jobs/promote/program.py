"""Runs a program of this folder in the interpreter of a job: a request in, an answer out."""

import json
import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

PROGRAMS = Path(__file__).parent
LONGEST = 800  # characters of an error that are shown


class Program:
    """A program that runs beside this process until its answer is read.

    request: "answer" names the file of its answer
    folder:  where the request and what the program prints are written

    Leaving the `with` block ends a program that still runs.
    """

    def __init__(
        self,
        name: str,
        request: Mapping[str, Any],
        *,
        python: str,
        folder: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.answer_file = Path(str(request["answer"]))
        self.printed = folder / "printed.txt"
        file = folder / "request.json"
        file.write_text(json.dumps(request), encoding="utf-8")
        with self.printed.open("wb") as printed:
            self.process = subprocess.Popen(
                [python, str(PROGRAMS / name), str(file)],
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
                env=dict(environment or {}),
                start_new_session=True,
            )

    def answer(self) -> dict[str, Any]:
        """Wait for the program and return its answer; {"error": …} if it gave none."""
        status = self.process.wait()
        if not self.answer_file.exists():
            text = self.printed.read_text(encoding="utf-8", errors="replace").strip()
            return {"error": text[-LONGEST:] or f"exit status {status}"}
        found: dict[str, Any] = json.loads(self.answer_file.read_text(encoding="utf-8"))
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
