"""What a forked child does first: it takes a session, a folder and random states of its own."""

import ctypes
import os
import random
import signal
import sys
import time
from typing import Any

PR_SET_PDEATHSIG = 1


def become(request: dict[str, Any], parent: int) -> None:
    """Make this process one of its own, with the environment, folder and limits of its run."""
    apart(parent)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGPIPE, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # as Python has it from its start
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
    """Lead a session of its own, and end with the parent."""
    if os.getsid(0) != os.getpid():
        os.setsid()
    _die_with(parent)


def _die_with(parent: int) -> None:
    """Be killed when the parent is: nobody would tell of this process's end any more."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


def _limit(size: int) -> None:
    """Let this process have `size` bytes more than it has now; what asks for more gets an error."""
    import resource

    with open("/proc/self/statm", encoding="ascii") as file:
        now = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + size, now + size))


def _limit_files(most: int) -> None:
    """Let this process open as many files as whoever asked for it may; more than all is all."""
    import resource

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    unlimited = resource.RLIM_INFINITY
    soft = hard if most == unlimited or (hard != unlimited and most > hard) else most
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _reseed() -> None:
    """Give every global random generator a state of its own: a fork copies its parent's."""
    random.seed()
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(int.from_bytes(os.urandom(4), "little"))
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.seed()
