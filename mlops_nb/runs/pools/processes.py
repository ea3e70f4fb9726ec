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
LOOK_EVERY = 0.2  # s: how soon a process without a parent exits


def pool(workers: int) -> Executor:
    """Return a pool of this many processes, each started when it is first needed."""
    return Processes(workers)


class Processes(Executor):
    """A pool with one process for each worker; if one dies, only its own task is lost."""

    def __init__(self, workers: int) -> None:
        self._pools = [_one() for _ in range(workers)]
        self._busy: list[set[Future[Any]]] = [set() for _ in range(workers)]

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Submit a function to the least busy worker."""
        for known in self._busy:
            known -= {future for future in known if future.done()}
        place = min(range(len(self._pools)), key=lambda n: len(self._busy[n]))
        try:
            made = self._pools[place].submit(fn, *args, **kwargs)
        except BrokenProcessPool:  # its process died in an earlier task: start another
            self._pools[place] = _one()
            made = self._pools[place].submit(fn, *args, **kwargs)
        self._busy[place].add(made)
        return made

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002  the signature of Executor
        """Accept no more tasks; let running ones finish."""
        for one in self._pools:
            one.shutdown(wait=False, cancel_futures=cancel_futures)
        for one in self._pools if wait else ():
            one.shutdown(wait=True)


def _one() -> ProcessPoolExecutor:
    # spawned, not forked: this process may have threads and open databases
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(1, mp_context=context, initializer=_begin)


def _begin() -> None:
    """Ignore Ctrl-C, which the parent handles, and exit when the parent exits."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow, daemon=True).start()


def _follow() -> None:
    """When the parent is gone, stop the running task with SIGTERM, then exit."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    wait([parent.sentinel])
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:  # the task can be stopped
        with contextlib.suppress(OSError):
            os.kill(os.getpid(), signal.SIGTERM)
    while signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        time.sleep(LOOK_EVERY)
    os._exit(1)
