"""Runs a task in a thread and yields its events, while time and memory are limited."""

import contextlib
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from mlops_nb.engine.recorder import Recorder
from mlops_nb.engine.restore import Damaged
from mlops_nb.engine.task import Reuse, Task
from mlops_nb.errors import Unreachable
from mlops_nb.events import Event

LOOK_EVERY = 0.25  # s between two checks of the memory


class Background:
    """An executor that runs a task in a thread, by `_execute`, and yields its events.

    store: stores a file and returns the digest of its content
    """

    def __init__(self, store: Callable[[Path], str] = str) -> None:
        self.store = store

    def execute(self, task: Task, reuse: Reuse | None = None) -> Iterator[Event]:
        """Yield the events of a notebook while it runs.

        Raises Unreachable if no process starts, NotebookError if its kernel is not installed.
        """
        while True:
            try:
                yield from self._once(Recorder(task, reuse, self.store))
            except Damaged:
                assert reuse is not None
                reuse.reset()  # run again without the damaged artifact
            else:
                return

    def _execute(self, task: Task, watch: Recorder) -> None:
        raise NotImplementedError

    def _once(self, watch: Recorder) -> Iterator[Event]:
        thread = threading.Thread(target=self._run, args=(watch.task, watch), daemon=True)
        thread.start()
        try:
            while (event := _next(watch)) is not None:
                if isinstance(event, BaseException):
                    raise event
                yield event
        finally:  # end the process in every case
            if thread.is_alive():
                watch.killed = watch.killed or "the run was stopped"
                kill(watch.kernel_pid)
            thread.join(timeout=30)

    def _run(self, task: Task, watch: Recorder) -> None:
        try:
            self._execute(task, watch)
        except BaseException as error:  # noqa: BLE001  passed to the waiting thread
            watch.put(error)
        finally:
            watch.put(None)


def _next(watch: Recorder) -> Event | BaseException | None:
    """Return the next event; end the process if it exceeds its time or its memory."""
    while True:
        waits = []
        if watch.deadline is not None and not watch.killed:
            waits.append(max(0.0, watch.deadline - time.monotonic()))
        if watch.task.limits.memory is not None and not watch.killed:
            waits.append(LOOK_EVERY)
        try:
            return watch.events.get(timeout=min(waits)) if waits else watch.events.get()
        except queue.Empty:
            _enforce(watch)


def _enforce(watch: Recorder) -> None:
    task = watch.task
    if watch.deadline is not None and time.monotonic() >= watch.deadline:
        watch.killed = f"the run's time-out of {task.limits.timeout:g} s has passed"
    elif task.limits.memory is not None and memory_of(watch.kernel_pid) > task.limits.memory:
        watch.killed = f"the run used more memory than its {task.limits.memory / 2**30:g} GiB"
    if watch.killed:
        kill(watch.kernel_pid)


def memory_of(leader: int) -> int:
    """Return the private memory of the processes of a session, bytes."""
    import psutil

    total = 0
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            if leader and os.getsid(process.pid) == leader:
                total += process.memory_full_info().uss
    return total


def kill(leader: int) -> None:
    """Kill a process and its children: it leads a process group of its own."""
    if leader:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(leader, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.kill(leader, signal.SIGKILL)


def unwritable(output: os.PathLike[str], error: OSError) -> Unreachable:
    """Return the error for an output notebook that cannot be written."""
    return Unreachable(
        f"the output notebook cannot be written: {error.strerror or error}",
        fix="free some space, or give another path: -o OUT",
        where=str(output),
    )
