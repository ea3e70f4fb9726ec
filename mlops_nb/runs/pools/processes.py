"""Runs functions in processes of this machine, one after another in each."""

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from typing import Any, TypeVar

T = TypeVar("T")
LOOK_EVERY = 0.2  # s: how soon an orphan that is done with its work goes


def pool(workers: int) -> Executor:
    """Return what runs functions in this many processes, each made when it is first needed."""
    return Processes(workers)


class Processes(Executor):
    """A pool of one process for each worker: where one dies, only what it ran is lost."""

    def __init__(self, workers: int) -> None:
        self._pools = [_one() for _ in range(workers)]
        self._busy: list[set[Future[Any]]] = [set() for _ in range(workers)]

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Give a function to the worker that has the least to do."""
        for known in self._busy:
            known -= {future for future in known if future.done()}
        place = min(range(len(self._pools)), key=lambda n: len(self._busy[n]))
        try:
            made = self._pools[place].submit(fn, *args, **kwargs)
        except BrokenProcessPool:  # it died of what it ran before: another takes its place
            self._pools[place] = _one()
            made = self._pools[place].submit(fn, *args, **kwargs)
        self._busy[place].add(made)
        return made

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002  Executor has it so
        """Take nothing more; let what runs come to its end."""
        for one in self._pools:
            one.shutdown(wait=False, cancel_futures=cancel_futures)
        for one in self._pools if wait else ():
            one.shutdown(wait=True)


def _one() -> ProcessPoolExecutor:
    # spawned, not forked: whoever sweeps may have threads and open databases
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(1, mp_context=context, initializer=_begin)


def _begin() -> None:
    """Leave Ctrl-C to whoever submits, and do not outlive them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow, daemon=True).start()


def _follow() -> None:
    """When the parent is gone, stop what runs here as a person would; then go, too."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    wait([parent.sentinel])
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:  # what runs can be stopped
        with contextlib.suppress(OSError):
            os.kill(os.getpid(), signal.SIGTERM)
    while signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        time.sleep(LOOK_EVERY)
    os._exit(1)
