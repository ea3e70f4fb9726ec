"""Executes a notebook in a fork of a warm process, which has only the imports."""

import contextlib
import json
import os
import signal
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from mlops_nb import files
from mlops_nb.engine.background import Background, unwritable
from mlops_nb.engine.notebook_output import Outputs, Page
from mlops_nb.engine.recorder import SAVE_EVERY, Recorder
from mlops_nb.engine.runner import (
    PARENT_GONE,
    CellError,
    Died,
    Stopped,
    Walker,
    Watcher,
    how,
    is_skipped,
)
from mlops_nb.engine.task import Task
from mlops_nb.engine.warm.client import READ_AT_IMPORT, Child, Unwarm, Wanted, fork
from mlops_nb.engine.warm.protocol import Reader, ready, send
from mlops_nb.notebook import document
from mlops_nb.notebook.cells import python_of
from mlops_nb.notebook.model import Preload
from mlops_nb.notebook.preload import preload

GRACE = 3.0  # s between the interrupt of a cell and the kill of its process
GOODBYE = 10.0  # s between the last cell and the kill of its process
MARK = b"\x1e"
TOGETHER = 0.2  # s: ipykernel keeps the texts of a stream as long


class Pipe:
    """One output stream of the child, in which each message leaves a mark."""

    def __init__(self, name: str, fd: int) -> None:
        self.name, self.fd = name, fd
        self.data = b""
        os.set_blocking(fd, False)

    def fill(self) -> None:
        """Read everything available: a pipe holds 1 MiB at most."""
        with contextlib.suppress(BlockingIOError):
            self.data += os.read(self.fd, 1 << 20)

    def until(self, mark: bytes | None) -> str:
        """Return the text up to a mark, which is removed; None: up to any mark."""
        if mark is None:
            found, self.data = self.data, b""
        else:
            found, there, rest = self.data.partition(mark)
            if not there:  # a cell closed the stream, or another thread wrote the mark
                return ""
            self.data = rest
        return found.decode("utf-8", "replace")

    def loose(self, start: bytes) -> str:
        """Return the text before the mark of a message that has not arrived yet."""
        place = self.data.find(start)
        end = len(self.data) if place < 0 else place
        held = 0 if place >= 0 else _half(self.data, start)
        found, self.data = self.data[: end - held], self.data[end - held :]
        text = found.decode("utf-8", "ignore")
        missing = len(found) - len(text.encode("utf-8"))
        if 0 < missing < 4:  # noqa: PLR2004  an incomplete character: 3 bytes at most
            self.data = found[-missing:] + self.data
            return text
        return found.decode("utf-8", "replace")


def _half(data: bytes, start: bytes) -> int:
    """Return how many bytes at the end may begin a mark."""
    return next(
        (n for n in range(min(len(start) - 1, len(data)), 0, -1) if data.endswith(start[:n])), 0
    )


class Line:
    """The connection to a child: messages and two output streams, merged in their order."""

    def __init__(self, outputs: Outputs) -> None:
        ours, self.theirs = socket.socketpair()
        self.sock, self.outputs = ours, outputs
        self.reader = Reader(ours)
        read_out, self.write_out = os.pipe()
        read_err, self.write_err = os.pipe()
        self.pipes = (Pipe("stdout", read_out), Pipe("stderr", read_err))
        self.mark = b""
        self.shown_at: float | None = None  # when the texts that wait are shown

    def given(self) -> tuple[int, ...]:
        """Return the file descriptors of the child."""
        return self.write_out, self.write_err, self.theirs.fileno()

    def handed_over(self) -> None:
        """Close the file descriptors of the child in this process."""
        os.close(self.write_out)
        os.close(self.write_err)
        self.theirs.close()

    def message(self, child: Child, until: float | None) -> dict[str, Any] | None:
        """Return the next message, None if the child has ended. Raises TimeoutError."""
        while (found := self.reader.next()) is None:
            now = time.monotonic()
            if until is not None and now >= until:
                raise TimeoutError
            if self.reader.ended:
                return None
            self._show_what_waited(now)
            watched: list[Any] = [self.sock, child.line.sock, *(p.fd for p in self.pipes)]
            ends = [t for t in (until, self.shown_at) if t is not None]
            readable = ready(watched, min(ends) - now if ends else None)
            if self.sock in readable:
                self.reader.feed()
            elif child.line.sock in readable:
                child.poll()
                self.reader.ended = not ready([self.sock], 0.0)
            for pipe in self.pipes:
                if pipe.fd in readable:
                    pipe.fill()
        self.shown_at = None
        for pipe in self.pipes:
            pipe.fill()
            if self.mark:
                self.outputs.text(pipe.name, pipe.until(self._mark(found)))
        return found

    def _show_what_waited(self, now: float) -> None:
        """Show the texts of both streams, the first stream's first, once they waited a moment.

        As in a kernel, what is written within a moment is shown stream by stream, so that the
        order does not depend on when it happened to be read.
        """
        if not self.mark or not any(pipe.data for pipe in self.pipes):
            self.shown_at = None
        elif self.shown_at is None:
            self.shown_at = now + TOGETHER
        elif now >= self.shown_at:
            self.shown_at = None
            for pipe in self.pipes:
                pipe.fill()
                self.outputs.text(pipe.name, pipe.loose(MARK + self.mark))

    def begun(self, first: Mapping[str, Any]) -> None:
        """Store the mark of this connection, which the first message contains."""
        self.mark = first["content"]["mark"].encode()
        for pipe in self.pipes:
            pipe.until(self._mark(first))

    def _mark(self, message: Mapping[str, Any]) -> bytes:
        return MARK + self.mark + b"%d" % message["n"] + MARK

    def last_words(self) -> None:
        """Read the rest of the streams."""
        for pipe in self.pipes:
            pipe.fill()
            text = pipe.until(None)
            for piece in text.split(MARK.decode())[:: 2 if self.mark else 1]:
                self.outputs.text(pipe.name, piece)

    def close(self) -> None:
        """Close the connection."""
        self.sock.close()
        for pipe in self.pipes:
            os.close(pipe.fd)


class WarmClient(Walker):
    """Runs the cells of one notebook in one forked child.

    nb:     the notebook as plain JSON
    nb_man: a `Page`, or papermill's manager
    """

    look_every = SAVE_EVERY  # s between two saves of the outputs of a running cell

    def __init__(
        self,
        nb: Any,
        nb_man: Any,
        *,
        watcher: Watcher | None = None,
        cell_timeout: float | None = None,
    ) -> None:
        self.nb, self.nb_man, self.watcher = nb, nb_man, watcher
        self.cell_timeout = cell_timeout
        self.outputs = Outputs()
        self.line = Line(self.outputs)
        self.child: Child | None = None
        self.answered: dict[str, Any] | None = None  # the answer that followed the last cell

    def start(self, wanted: Wanted, request: Mapping[str, Any]) -> None:
        """Fork the child and wait until it is ready. Raises Unwarm."""
        try:
            self.child = fork(wanted, {"do": "cells", **request}, self.line.given())
        finally:
            self.line.handed_over()
        first = self.line.message(self.child, None)
        if first is None:
            if self._parent_is_gone():
                raise Died(f"{PARENT_GONE} while this run started")
            stderr = self.line.pipes[1].until(None).strip().splitlines()
            raise Unwarm(f"the forked process ended at once: {(stderr or [''])[-1][:200]}")
        self.line.begun(first)

    @property
    def pid(self) -> int:
        """The child, which leads a process group."""
        assert self.child is not None
        return self.child.pid

    def ask(self, question: str, **request: Any) -> dict[str, Any]:
        """Call a function of the probe and return its result. Raises Died, Stopped."""
        answer = self.answered if question == self.follow else None
        if answer is None:
            self._say(_question(question, request))
            answer = self._answer()
        self.answered = None
        if "error" in answer:
            raise Stopped(f"the values could not be read: {answer['error']}")
        made: dict[str, Any] = json.loads(answer["text"])
        return made

    def _answer(self) -> dict[str, Any]:
        while (found := self._next(None))["is"] != "answer":
            self.outputs.message(found["is"], found["content"])
        content: dict[str, Any] = found["content"]
        return content

    def run_cell(self, cell: Any, _: int) -> None:
        """Run one cell. Raises CellError."""
        self.answered = None
        if is_skipped(cell):
            return
        self.outputs.begin(cell)
        try:
            self._say({"do": "run", "source": cell["source"]})
            if self.follow:
                self._say(_question(self.follow, {}))
            reply = self._reply(cell)
            if self.follow:
                self.answered = self._answer()
        finally:
            self.outputs.settle()
        allowed = "raises-exception" in cell["metadata"].get("tags", [])
        if not reply["ok"] and not allowed:
            trace = "\n".join(reply["traceback"])
            raise CellError(reply["ename"], reply["evalue"], trace)

    def _reply(self, cell: Any) -> dict[str, Any]:
        end = None if self.cell_timeout is None else time.monotonic() + self.cell_timeout
        interrupted = False
        while True:
            soon = time.monotonic() + self.look_every
            try:
                found = self._next(soon if end is None else min(soon, end))
            except TimeoutError:
                if end is None or time.monotonic() < end:
                    self.outputs.settle()
                    self.nb_man.autosave_cell()
                    continue
                assert self.child is not None
                number = signal.SIGKILL if interrupted else signal.SIGINT
                self.child.signal(number)
                end, interrupted = time.monotonic() + GRACE, True
                continue
            except Died:
                if interrupted:
                    raise self._timed_out() from None
                raise
            content: dict[str, Any] = found["content"]
            if "execution_count" in content:
                cell["execution_count"] = content["execution_count"]
            if found["is"] == "reply":
                if interrupted:
                    raise self._timed_out()
                return content
            self.outputs.message(found["is"], content)

    def _timed_out(self) -> CellError:
        self.dead = True
        message = f"the cell's time-out of {self.cell_timeout:g} s has passed"
        return CellError("CellTimeoutError", message, message, shown=False)

    def _say(self, message: dict[str, Any]) -> None:
        try:
            send(self.line.sock, message)
        except OSError:
            raise self._died() from None

    def _next(self, until: float | None) -> dict[str, Any]:
        assert self.child is not None
        found = self.line.message(self.child, until)
        if found is None:
            raise self._died()
        return found

    def _died(self) -> Died:
        assert self.child is not None
        code = self.child.wait(GOODBYE)
        self.line.last_words()
        self.outputs.settle()
        if self._parent_is_gone():
            return Died(f"{PARENT_GONE}, and its processes with it")
        return Died(f"the process died{how(code)} while this cell ran")

    def _parent_is_gone(self) -> bool:
        assert self.child is not None
        self.child.wait(GOODBYE)
        return self.child.parent_is_gone

    def end(self) -> None:
        """Let the child exit, and kill what remains of its process group."""
        if self.child is None:
            self.line.close()
            return
        gone = False
        if not self.dead and self.child.poll() is None:
            with contextlib.suppress(CellError):
                self._say({"do": "end"})
                self.outputs.cell = None
                gone = self._drained()
        self.child.signal(signal.SIGKILL)  # and the processes that it started
        if not gone:
            self.child.wait(GOODBYE)
        self.child.close()
        self.line.close()

    def _drained(self) -> bool:
        """Read the output of exit handlers; return whether the child has exited."""
        assert self.child is not None
        end = time.monotonic() + GOODBYE
        with contextlib.suppress(TimeoutError):
            while (found := self.line.message(self.child, end)) is not None:
                if found["is"] == "gone":
                    return True
        self.child.wait(max(0.0, end - time.monotonic()))
        return False


def _question(question: str, request: Mapping[str, Any]) -> dict[str, Any]:
    part, _, function = question.rpartition(".")
    return {"do": "ask", "part": part, "function": function, "request": json.dumps(request)}


def preload_of(nb: Mapping[str, Any], folder: str) -> Preload:
    """Return what a parent may import for a notebook: not its local files, which may change."""
    cells = [python_of(c["source"]) for c in nb["cells"] if c["cell_type"] == "code"]
    try:
        local = {*os.listdir(folder)}
    except OSError:  # the local files are not known
        return Preload()
    found = preload(cells, {name.removesuffix(".py") for name in local})
    return found if READ_AT_IMPORT.isdisjoint(local) else replace(found, folder=folder)


class Warm(Background):
    """Runs a task in a fork of the warm parent that `wanted` describes."""

    def __init__(self, wanted: Wanted, store: Callable[[Path], str] = str) -> None:
        super().__init__(store)
        self.wanted = wanted

    def _execute(self, task: Task, watch: Recorder) -> None:
        nb = document.ready(task.document)
        document.inject(nb, task.parameters)
        page = Page(nb, task.source, str(task.output), save=watch.save)
        watch.notebook = nb
        client = WarmClient(nb, page, watcher=watch, cell_timeout=task.limits.cell_timeout)
        request = {
            "environment": {**self.wanted.environment},
            "folder": str(task.folder),
            "memory": task.limits.memory or 0,
            "umask": files.umask(),
        }
        try:
            client.start(self.wanted, request)
            client.walk()
        finally:
            client.end()
            page.complete()
            try:
                if client.child is not None:
                    watch.save()
            except OSError as error:
                raise unwritable(task.output, error) from None
