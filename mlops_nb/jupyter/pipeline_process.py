"""Reads pipelines in a process of its own, which is killed at a deadline.

A program as well: `python -m mlops_nb.jupyter.pipeline_process ROOT DEADLINE` answers requests on
its standard input, each a JSON line {"size", "allow_hidden"} and a body, by a line "STATUS SIZE"
and an answer.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import weakref
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from mlops_nb.errors import Refused
from mlops_nb.jupyter.pipeline_request import UNPROCESSABLE, answer, refusal

DEADLINE = 20.0  # s to read one notebook
LAST_WORDS = 5.0  # s between the end of the answers and the end of the process
MEMORY = 2 * 2**30  # bytes of address space of the process


class PipelineProcess:
    """A process that is started when it is first needed, and again after it was killed.

    One thread at a time may ask it.
    """

    def __init__(self, root: Path, *, deadline: float = DEADLINE) -> None:
        self.root, self.deadline = root, deadline
        self.started: list[subprocess.Popen[bytes]] = []  # one at most
        weakref.finalize(self, _close, self.started)

    def ask(self, body: bytes, *, allow_hidden: bool) -> tuple[int, bytes]:
        """Return the status and the JSON text that answer a request, within the deadline.

        Raises RuntimeError if the process fails.
        """
        process = self._running()
        late = threading.Event()
        timer = threading.Timer(self.deadline, _end, (process, late))
        timer.start()
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            head = {"size": len(body), "allow_hidden": allow_hidden}
            process.stdin.write(json.dumps(head).encode("ascii") + b"\n" + body)
            process.stdin.flush()
            status, _, size = process.stdout.readline().partition(b" ")
            text = process.stdout.read(int(size or 0))
            if status and len(text) == int(size):
                return int(status), text
        except BrokenPipeError:
            pass  # it has ended, as below
        finally:
            timer.cancel()
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=LAST_WORDS)
        _close(self.started)
        if process.returncode >= 0:
            raise RuntimeError("reading a notebook failed; the log of the server says how")
        what = (
            f"the notebook took longer than {self.deadline:g} s to read"
            if late.is_set()
            else "the process that reads notebooks was killed, perhaps for lack of memory"
        )
        error = Refused(what, fix="move data out of its cells, or divide the notebook")
        return UNPROCESSABLE, json.dumps(refusal(error, root=self.root)).encode("ascii")

    def _running(self) -> "subprocess.Popen[bytes]":
        if self.started and self.started[0].poll() is not None:
            _close(self.started)
        if not self.started:
            words = [
                sys.executable,
                "-P",
                "-X",
                "utf8",
                "-m",
                __name__,
                str(self.root),
                str(self.deadline),
            ]
            self.started.append(
                subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            )
        return self.started[0]


def _close(started: "list[subprocess.Popen[bytes]]") -> None:
    """End the process, if there is one."""
    while started:
        process = started.pop()
        process.kill()
        with suppress(BrokenPipeError):  # it closes the pipes, and waits
            process.__exit__(None, None, None)


def _end(process: "subprocess.Popen[bytes]", late: threading.Event) -> None:
    late.set()
    process.kill()


def serve(root: Path, deadline: float, requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answer requests until there are no more; end at a deadline, as the server may have ended."""
    while line := requests.readline():
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 2 * deadline)  # a signal that ends the process
        head: dict[str, Any] = json.loads(line)
        body = requests.read(head["size"])
        status, found = answer(body, root=root, allow_hidden=head["allow_hidden"])
        text = json.dumps(found).encode("ascii")
        answers.write(b"%d %d\n" % (status, len(text)) + text)
        answers.flush()
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)


def main() -> None:
    """Limit the memory of this process, and serve."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    serve(Path(sys.argv[1]), float(sys.argv[2]), sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
