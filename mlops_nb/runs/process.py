"""Identifies processes across reboots and hosts: a pid, and a host with a start time."""

import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess

Process = tuple[int, str]
KILL = signal.SIGKILL
LOOK_EVERY = 0.02  # s: how soon the end of a process is seen


def mine() -> Process:
    """Return the identity of this process: its pid, and its host and start time."""
    return os.getpid(), f"{socket.gethostname()} {_started(os.getpid())}"


def detached(
    words: Sequence[str], folder: Path, environment: Mapping[str, str], log: Path
) -> "subprocess.Popen[bytes]":
    """Start `mlops-nb WORDS` in a folder, so that it goes on when its parent ends.

    log: the file to which its output is added
    """
    import subprocess

    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "mlops_nb", *words],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def is_here(process: Process) -> bool:
    """Return whether a process belongs to this machine."""
    return process[1].startswith(f"{socket.gethostname()} ")


def lives(process: Process) -> bool:
    """Return whether a process of this machine is alive, and not another with the same pid."""
    pid, mark = process
    since = mark.partition(" ")[2]
    return since == (_started(pid) if " " in since else _created(pid))


def is_gone(process: Process) -> bool:
    """Return whether a process of this machine has ended; False for other machines."""
    return is_here(process) and not lives(process)


def has_gone(process: Process, within: float) -> bool:
    """Wait until a process has ended, for some seconds at most; return whether it has.

    Its pipes may close a while before, so that a reader of them notices its end too soon.
    """
    latest = time.monotonic() + within
    while is_here(process) and lives(process):
        if time.monotonic() > latest:
            return False
        time.sleep(LOOK_EVERY)
    return is_here(process)


def end(process: Process, how: signal.Signals = signal.SIGTERM) -> bool:
    """Send a signal to a process; return whether it was alive."""
    import psutil

    try:
        found = psutil.Process(process[0])
        if not lives(process):
            return False
        found.send_signal(how)  # psutil checks once more that it is the same process
    except psutil.Error:
        return False
    return True


def _started(pid: int) -> str:
    """Return when a process started, "" if there is none."""
    if os.path.exists("/proc/self/stat"):  # on Linux this is exact and fast
        return _clock_ticks(pid)
    return _created(pid)


def _created(pid: int) -> str:
    """Return when a process started, s since 1970: the form that earlier versions stored."""
    import psutil

    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        if process.status() != psutil.STATUS_ZOMBIE:
            return f"{process.create_time():.2f}"
    return ""


def _clock_ticks(pid: int) -> str:
    """Return the boot id of the machine and the clock tick at which a process started.

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
