"""Prepares a forked child: its session, environment, folder, limits and random states."""

import ctypes
import os
import random
import signal
import sys
import time
from typing import Any

PR_SET_PDEATHSIG = 1
RESERVE = 64 * 2**20  # bytes: a full process needs some to say that it is full


def become(request: dict[str, Any], parent: int) -> None:
    """Set the session, environment, folder and limits of this process for its run."""
    apart(parent)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGPIPE, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # as Python sets it at its start
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.umask(request.get("umask", 0o022))
    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    os.chdir(request["folder"])
    if "open_files" in request:
        _limit_files(int(request["open_files"]))
    if request.get("memory"):
        _limit(int(request["memory"]))
    _reseed()


def apart(parent: int) -> None:
    """Lead a new session, and die with the parent."""
    if os.getsid(0) != os.getpid():
        os.setsid()
    _die_with(parent)


def _die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent dies."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


def _limit(size: int) -> None:
    """Limit the address space of this process to `size` bytes more than now, with a reserve."""
    import resource

    with open("/proc/self/statm", encoding="ascii") as file:
        now = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + size, now + size + RESERVE))


def open_reserve() -> None:
    """Give a process that has reached its limit the memory to report its error with."""
    import resource

    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def _limit_files(most: int) -> None:
    """Limit the open files of this process to the limit of the client, at most the hard limit."""
    import resource

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    unlimited = resource.RLIM_INFINITY
    soft = hard if most == unlimited or (hard != unlimited and most > hard) else most
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _reseed() -> None:
    """Reseed the global random generators: a fork copies the state of its parent."""
    random.seed()
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(int.from_bytes(os.urandom(4), "little"))
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.seed()
