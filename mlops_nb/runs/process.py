"""Processes as the journal names them: a number, and the host and start time that tell it apart."""

import contextlib
import os
import signal
import socket
import time
from functools import lru_cache

Process = tuple[int, str]
KILL = signal.SIGKILL
LOOK_EVERY = 0.02  # s: how soon the end of a process is seen


def mine() -> Process:
    """Return what tells this process from any other: its id, and host and start time."""
    return os.getpid(), f"{socket.gethostname()} {_started(os.getpid())}"


def is_here(process: Process) -> bool:
    """Say whether a process is, or was, one of this machine."""
    return process[1].startswith(f"{socket.gethostname()} ")


def lives(process: Process) -> bool:
    """Say whether a process of this machine goes on: this very one, not another of its number."""
    pid, mark = process
    since = mark.partition(" ")[2]
    return since == (_started(pid) if " " in since else _created(pid))


def is_gone(process: Process) -> bool:
    """Say whether a process was one of this machine and is no more; others cannot be told of."""
    return is_here(process) and not lives(process)


def has_gone(process: Process, within: float) -> bool:
    """Wait until a process is no more, for so many seconds at most; return whether it is gone.

    Its pipes may be closed a while before: whoever reads them hears of its end too soon.
    """
    latest = time.monotonic() + within
    while is_here(process) and lives(process):
        if time.monotonic() > latest:
            return False
        time.sleep(LOOK_EVERY)
    return is_here(process)


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
    if os.path.exists("/proc/self/stat"):  # Linux tells it in no time, and exactly
        return _clock_ticks(pid)
    return _created(pid)


def _created(pid: int) -> str:
    """Return when a process started, s since 1970, as earlier versions wrote it down everywhere."""
    import psutil

    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        if process.status() != psutil.STATUS_ZOMBIE:
            return f"{process.create_time():.2f}"
    return ""


def _clock_ticks(pid: int) -> str:
    """Return since which tick of the clock a process has been there, in which boot of the machine.

    The fields are those of proc(5); the second, a name in brackets, may hold anything.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            state, *fields = file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if state in {b"Z", b"X"} else f"{_boot()} {int(fields[18])}"


@lru_cache
def _boot() -> str:
    path = "/proc/sys/kernel/random/boot_id"  # a sandbox may have none
    with contextlib.suppress(OSError), open(path, encoding="ascii") as file:
        return file.read().strip()
    return ""
