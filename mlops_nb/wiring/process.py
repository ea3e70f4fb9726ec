"""Processes as the journal names them: a number, and the host and start time that tell it apart."""

import contextlib
import os
import signal
import socket

Process = tuple[int, str]
KILL = signal.SIGKILL


def mine() -> Process:
    """Return what tells this process from any other: its id, and host and start time."""
    return os.getpid(), f"{socket.gethostname()} {_started(os.getpid())}"


def is_here(process: Process) -> bool:
    """Say whether a process is, or was, one of this machine."""
    return process[1].startswith(f"{socket.gethostname()} ")


def lives(process: Process) -> bool:
    """Say whether a process of this machine goes on: this very one, not another of its number."""
    pid, mark = process
    return mark.partition(" ")[2] == _started(pid)


def is_gone(process: Process) -> bool:
    """Say whether a process was one of this machine and is no more; others cannot be told of."""
    return is_here(process) and not lives(process)


def end(process: Process, how: signal.Signals = signal.SIGTERM) -> bool:
    """Ask a process to end; return whether it was there to be asked."""
    import psutil

    try:
        found = psutil.Process(process[0])
        if not lives(process):
            return False
        found.send_signal(how)  # which looks once more whether it is the same process
    except psutil.Error:
        return False
    return True


def _started(pid: int) -> str:
    """Return when a process started, "" where there is none."""
    import psutil

    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        if process.status() != psutil.STATUS_ZOMBIE:
            return f"{process.create_time():.2f}"
    return ""
