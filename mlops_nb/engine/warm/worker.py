"""Runs the cells of one notebook in a forked child on request, and reports their outputs."""

import asyncio
import atexit
import contextlib
import importlib
import os
import secrets
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import Any

from . import child, protocol


class Served:
    """The connection of a child to the process that runs the notebook."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.reader = protocol.Reader(sock)
        self.pid = os.getpid()
        self.lock = threading.RLock()
        self.count = 0
        self.mark = secrets.token_hex(8).encode()

    def say(self, kind: str, content: dict[str, Any]) -> None:
        """Send a message, and mark its place in the printed output, so that the order is kept."""
        if os.getpid() != self.pid:
            return  # a process that the notebook forked sends no messages; its prints are read
        with self.lock:
            self.count += 1
            mark = b"\x1e" + self.mark + b"%d\x1e" % self.count
            for fd in (1, 2):
                with contextlib.suppress(OSError):  # a cell may have closed it
                    os.write(fd, mark)
            protocol.send(self.sock, {"is": kind, "n": self.count, "content": content})

    async def message(self) -> dict[str, Any] | None:
        """Return the next request, None if the other end closed the connection."""
        loop = asyncio.get_running_loop()
        while (found := self.reader.next()) is None and not self.reader.ended:
            ready = loop.create_future()
            loop.add_reader(self.sock.fileno(), _set, ready)
            try:
                await ready
            finally:
                loop.remove_reader(self.sock.fileno())
            self.reader.feed()
        return found

    async def serve(self, shell: Any) -> None:
        """Execute requests until the connection ends."""
        while (request := await self.message()) is not None:
            if request["do"] == "end":
                return
            if request["do"] == "run":
                await self._run(shell, request)
            else:
                self._answer(request)
            if shell.exit_now:
                return

    async def _run(self, shell: Any, request: dict[str, Any]) -> None:
        count = shell.execution_count
        self.say("execute_input", {"execution_count": count})
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            ok, error = await run_cell(shell, request["source"])
        except KeyboardInterrupt:  # it came before the cell's first line, or after its last
            shell.showtraceback()
            ok, error = False, {"ename": "KeyboardInterrupt", "evalue": "", "traceback": []}
        except MemoryError:  # the shell itself had none left
            child.open_reserve()
            shell.showtraceback()
            ok, error = False, {"ename": "MemoryError", "evalue": "", "traceback": []}
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        self.say("reply", {"ok": ok, "execution_count": count, **error})

    def _answer(self, request: dict[str, Any]) -> None:
        """Call a function of the probe and send its result, which is JSON."""
        try:
            part = importlib.import_module(f"_mlops_probe.{request['part']}")
            answer = getattr(part, request["function"])(request["request"])
        except Exception as error:  # noqa: BLE001  sent to the process that asked
            failure = {"error": f"{type(error).__name__}: {error}"}
            self.say("answer", failure)
        else:
            self.say("answer", {"text": answer})


async def run_cell(shell: Any, source: str) -> tuple[bool, dict[str, Any]]:
    """Run one cell as a kernel does: await it if it contains an await, else call it."""
    trouble = None
    try:
        transformed = shell.transform_cell(source)
    except Exception:  # noqa: BLE001  the shell shows it
        transformed, trouble = source, sys.exc_info()
    awaits = shell.should_run_async(
        source, transformed_cell=transformed, preprocessing_exc_tuple=trouble
    )
    if awaits:
        result = None
        work = asyncio.ensure_future(
            shell.run_cell_async(
                source,
                store_history=True,
                silent=False,
                transformed_cell=transformed,
                preprocessing_exc_tuple=trouble,
            )
        )
        loop = asyncio.get_running_loop()
        signal.signal(signal.SIGINT, lambda *_: loop.call_soon_threadsafe(work.cancel))
        try:
            result = await work
        finally:
            shell.events.trigger("post_execute")
            shell.events.trigger("post_run_cell", result)
    else:
        result = shell.run_cell(source, store_history=True, silent=False)
    error = result.error_before_exec or result.error_in_exec
    spoilt = getattr(shell, "_last_traceback_during_displayhook", False)
    if result.success and not spoilt:
        return True, {}
    return False, {
        "ename": type(error).__name__,
        "evalue": str(error),
        "traceback": list(shell._last_traceback or []),
    }


def run(_: dict[str, Any], fds: list[int]) -> Callable[[], None]:
    """Serve one notebook, then run the exit handlers of the process.

    Returns a function that announces the exit, so that the other process need not wait until this
    one has freed its memory.
    """
    from . import shell as shells

    os.set_inheritable(fds[0], False)
    served = Served(socket.socket(fileno=fds[0]))
    shell = shells.begin(served.say)
    with _loop() as loop:
        served.say("ready", {"pid": served.pid, "mark": served.mark.decode()})
        loop.run_until_complete(served.serve(shell))
    with contextlib.suppress(OSError):
        served.say("ended", {})
    for work in (atexit._run_exitfuncs, threading._shutdown):  # type: ignore[attr-defined]
        try:
            work()
        except BaseException:  # noqa: BLE001  the remaining handlers must run as well
            traceback.print_exc()

    def last_word() -> None:
        with contextlib.suppress(OSError):
            served.say("gone", {})

    return last_word


def _set(ready: "asyncio.Future[None]") -> None:
    if not ready.done():
        ready.set_result(None)


@contextlib.contextmanager
def _loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Provide an event loop that stays open between cells, as in a kernel."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield loop
