"""What answers need of the kernel that shows them: its cell, its thread, and its clicks."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownBy:
    """The cell that shows an answer: its id, "" if it has none, and its execution count."""

    id: str
    count: int


def cell_of(shell: Any) -> ShownBy:
    """Return the cell that runs in a shell."""
    request = shell.get_parent() if hasattr(shell, "get_parent") else {}
    cell = str(request.get("metadata", {}).get("cellId") or "")
    return ShownBy(id=cell, count=int(shell.execution_count))


def runs_cell(shell: Any) -> bool:
    """Return whether this is called by a cell, and not by a click in a front end."""
    request = shell.get_parent() if hasattr(shell, "get_parent") else {}
    return str(request.get("header", {}).get("msg_type", "execute_request")) == "execute_request"


def when_idle(shell: Any, act: Callable[[], None]) -> None:
    """Act in the thread that runs cells: at once, or, from another thread, when no cell runs."""
    kernel = getattr(shell, "kernel", None)
    if kernel is None or threading.current_thread() is threading.main_thread():
        act()
    else:
        kernel.io_loop.add_callback(act)


def run_cell(shell: Any, code: str) -> str:
    """Run code as a cell that shows nothing; return its error, "" if it has none."""
    from IPython.utils.capture import capture_output

    with capture_output():
        done = shell.run_cell(code, store_history=False)
    error = done.error_before_exec or done.error_in_exec
    return str(error) if error else ""


def takes_clicks(shell: Any) -> bool:
    """Return whether the kernel can take a click while a cell runs, as front ends want it."""
    kernel = getattr(shell, "kernel", None)
    info = {} if kernel is None else kernel.kernel_info
    return "kernel subshells" in info.get("supported_features", ())


def any_thread(widget: Any) -> None:
    """Take the clicks on a widget in any thread, so also while a cell runs.

    ipykernel gives the messages of a comm to the thread that sent on it last.
    """
    vars(widget.comm).pop("_reply_subshell_id", None)
