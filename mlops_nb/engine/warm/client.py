"""Finds the warm parent that fits a run, or starts it, and asks it for children."""

import contextlib
import fcntl
import hashlib
import itertools
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from mlops_nb.engine.warm.protocol import Reader, ready, send

HERE = Path(__file__).parent
OPEN_FILES = {"RLIMIT_NOFILE", "RLIMIT_OFILE"}  # this limit a child can set for itself
READ_AT_IMPORT = frozenset({"matplotlibrc"})  # what libraries look for in the work folder, once
IDLE = 600.0  # s without a request after which a parent ends
MOST_PARENTS = 4  # that one user keeps warm
# what changes from one terminal to the next, and is no matter to any import
VOLATILE = frozenset(
    {
        "PWD",
        "OLDPWD",
        "SHLVL",
        "_",
        "COLUMNS",
        "LINES",
        "TERM",
        "TERM_PROGRAM",
        "WINDOWID",
        "SSH_CLIENT",
        "SSH_CONNECTION",
        "SSH_TTY",
        "JPY_PARENT_PID",
        "JPY_SESSION_NAME",
        "PYTEST_CURRENT_TEST",
        "CUDA_VISIBLE_DEVICES",
        "MLOPS_NB_WARM_IDLE",
    }
)


class Unwarm(Exception):
    """There can be no warm parent here; its text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a parent has to be: for which interpreter, with which imports and variables.

    python:      the interpreter
    modules:     dotted names to import
    environment: every variable that it starts with
    packages:    a digest of what is installed for the interpreter
    variables:   of the environment, set just before the imports
    folder:      where it imports
    """

    python: str
    modules: tuple[str, ...]
    environment: Mapping[str, str]
    packages: str
    variables: Mapping[str, str] = field(default_factory=dict)
    folder: str = "/"

    def key(self) -> str:
        """Return what tells one parent from any other that would not do."""
        mlflow = any(name.partition(".")[0] == "mlflow" for name in self.modules)
        variables = {
            k: v
            for k, v in self.environment.items()
            if k not in VOLATILE and (mlflow or not k.startswith("MLFLOW_"))
        }
        parts = [
            self.python,
            sorted(self.modules),
            sorted(self.variables.items()),
            sorted(variables.items()),
            self._settings(),
            self.packages,
            _own_version(),
            _inherited(),
        ]
        return hashlib.sha256(json.dumps(parts).encode("utf-8", "surrogatepass")).hexdigest()[:20]

    def _settings(self) -> list[Any]:
        """Return the folder, and what is read there when a library is imported."""
        found = {name: _stamp(os.path.join(self.folder, name)) for name in sorted(READ_AT_IMPORT)}
        return [self.folder, found] if self.folder != "/" else []


def _own_version() -> list[tuple[str, int]]:
    """Return what changes when the files that a parent loads of ours do."""
    files = itertools.chain(HERE.glob("*.py"), (HERE.parents[1] / "probe").glob("**/*.py"))
    return sorted((str(file), file.stat().st_mtime_ns) for file in files)


def _inherited() -> list[Any]:
    """Return what a parent has from whoever starts it, and its children from it: limits, cores."""
    limits = {
        name: resource.getrlimit(getattr(resource, name))
        for name in sorted(dir(resource))
        if name.startswith("RLIMIT_") and name not in OPEN_FILES
    }
    return [limits, os.nice(0), sorted(os.sched_getaffinity(0))]


def folder() -> Path:
    """Return the private folder of sockets. Raises Unwarm where somebody else could write there."""
    base = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
    place = Path(base) / f"mlops-nb-{os.getuid()}"
    try:
        place.mkdir(mode=0o700, exist_ok=True)
        found = place.lstat()
    except OSError as error:
        raise Unwarm(f"{str(place)!r} cannot be used: {error.strerror}") from None
    if found.st_uid != os.getuid() or found.st_mode & 0o077 or place.is_symlink():
        raise Unwarm(f"{str(place)!r} is not private to this user")
    if len(os.fsencode(place)) > 76:  # noqa: PLR2004  an address of a socket has 108 bytes at most
        raise Unwarm(f"the path {str(place)!r} is too long for a socket")
    return place


class Child:
    """A forked process that was asked for. `pid` leads a session and a process group."""

    def __init__(self, line: Reader, pid: int) -> None:
        self.line, self.pid = line, pid
        self.ended: dict[str, Any] | None = None

    def poll(self) -> int | None:
        """Return how it ended, None while it runs: an exit status, or minus a signal's number."""
        while self.ended is None and ready([self.line.sock], 0.0):
            self._take()
        return None if self.ended is None else int(self.ended["exit"])

    def wait(self, seconds: float | None = None) -> int | None:
        """Wait for its end, `seconds` at most."""
        end = None if seconds is None else time.monotonic() + seconds
        while self.ended is None:
            left = None if end is None else end - time.monotonic()
            if left is not None and (left <= 0 or not ready([self.line.sock], left)):
                break
            self._take()
        return self.poll()

    def _take(self) -> None:
        self.line.feed()
        found = self.line.next()
        if found is not None:
            self.ended = found
        elif self.line.ended:
            self.ended = {"exit": -signal.SIGKILL, "parent": "gone"}

    def signal(self, number: int) -> None:
        """Send a signal to the whole group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def close(self) -> None:
        """Give the line up: a child that still runs is killed."""
        self.line.close()


def fork(wanted: Wanted, request: Mapping[str, Any], fds: Iterable[int]) -> Child:
    """Have a child forked; `fds` become its standard output, its standard error, and the rest.

    Raises Unwarm where there can be none.
    """
    sock = _connected(wanted)
    try:
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        send(sock, {**request, "open_files": most}, tuple(fds))
        line = Reader(sock)
        answer = line.wait()
    except OSError as error:
        sock.close()
        raise Unwarm(f"the warm parent went away: {error}") from None
    if answer is None:
        sock.close()
        raise Unwarm("the warm parent went away")
    return Child(line, int(answer["pid"]))


def call(wanted: Wanted, request: Mapping[str, Any]) -> None:
    """Have a function called in a child, and wait neither for it nor for a parent to start."""
    place, key = folder(), wanted.key()
    path = place / f"{key}.sock"
    sock = _try(path)
    with (place / f"{key}.lock").open("w") as lock:
        if sock is None:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:  # a parent is starting: what it calls first is still to come
                return
            sock = _try(path)
        if sock is None:
            _make_room(place)
            os.close(_start(wanted, place, key, lock.fileno(), first=request))
            return
    nothing = os.open(os.devnull, os.O_RDWR)
    try:
        send(sock, dict(request), (nothing, nothing))
        Reader(sock).wait()  # it was forked: the line may go
    except OSError as error:
        raise Unwarm(f"the warm parent went away: {error}") from None
    finally:
        os.close(nothing)
        sock.close()


def _connected(wanted: Wanted) -> socket.socket:
    place, key = folder(), wanted.key()
    path = place / f"{key}.sock"
    sock = _try(path)
    if sock is not None:
        return sock
    with (place / f"{key}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        sock = _try(path)  # somebody else may have started it meanwhile
        if sock is None:
            _make_room(place)
            _await(_start(wanted, place, key, lock.fileno()), place / f"{key}.log")
            sock = _try(path)
    if sock is None:
        raise Unwarm("the warm parent does not answer")
    return sock


def _try(path: Path, *, use: bool = True) -> socket.socket | None:
    if _is_stale(path):
        path.unlink(missing_ok=True)  # by which its parent knows that it is to leave
        return None
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.connect(str(path))
    except OSError:
        sock.close()
        return None
    if use:
        with contextlib.suppress(FileNotFoundError):  # its parent may be leaving; it serves first
            os.utime(path)  # when it was asked last
    return sock


def _is_stale(path: Path) -> bool:
    """Say whether a file was edited that a parent imported and no package owns."""
    try:
        known = json.loads(path.with_suffix(".editable").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False  # there is none, as for most
    return any(_stamp(file) != stamp for file, stamp in known.items())


def _stamp(file: str) -> int:
    try:
        return os.stat(file).st_mtime_ns
    except OSError:
        return 0


def _make_room(place: Path) -> None:
    """Ask the parents that were not used for longest to leave; sweep up after dead ones."""
    found = sorted(place.glob("*.sock"), key=lambda p: _stamp(str(p)), reverse=True)
    alive = 0
    for path in found:
        sock = _try(path, use=False)
        if sock is None:
            for suffix in (".sock", ".lock", ".log", ".editable"):
                path.with_suffix(suffix).unlink(missing_ok=True)
            continue
        alive += 1
        if alive >= MOST_PARENTS:
            with contextlib.suppress(OSError):
                send(sock, {"do": "leave"})
        sock.close()


def _start(
    wanted: Wanted, place: Path, key: str, lock: int, first: Mapping[str, Any] | None = None
) -> int:
    """Start a parent; return where it says that it is ready. Raises Unwarm where it cannot be.

    lock:  a file descriptor to be held until then
    first: a request that it serves at once
    """
    refused = place / f"{key}.refused"
    if refused.exists():
        raise Unwarm(refused.read_text(encoding="utf-8"))
    ready, write = os.pipe()
    config = {
        "modules": list(wanted.modules),
        "variables": dict(wanted.variables),
        "ready": write,
        "quiet": str(place / f"{key}.loud"),
        "editable": str(place / f"{key}.editable"),
        "idle": float(os.environ.get("MLOPS_NB_WARM_IDLE") or IDLE),
        "lock": lock,
        "first": first,
    }
    words = [wanted.python, str(HERE / "parent.py"), str(place / f"{key}.sock")]
    with (place / f"{key}.log").open("w", encoding="utf-8") as said, _unnamed(config) as stdin:
        try:
            subprocess.run(
                words,
                cwd=wanted.folder,
                env=dict(wanted.environment),
                stdin=stdin,
                stdout=said,
                stderr=said,
                start_new_session=True,
                pass_fds=(write, lock),
                check=False,
            )
        except OSError as error:
            os.close(ready)
            raise Unwarm(f"{wanted.python!r} cannot be started: {error.strerror}") from None
        finally:
            os.close(write)
    return ready


def _unnamed(config: Mapping[str, Any]) -> BinaryIO:
    """Return a file in memory that holds a JSON object.

    Every user can read the arguments of a process. The configuration of a parent may hold a whole
    environment, secrets included, so it is passed as a file without a name.
    """
    file = os.fdopen(os.memfd_create("config"), "w+b")
    file.write(json.dumps(config).encode("utf-8", "surrogatepass"))
    file.flush()
    return file


def _await(ready: int, log: Path) -> None:
    """Wait until a parent is ready. Raises Unwarm with its reason where it cannot be one."""
    with os.fdopen(ready) as answer:
        text = answer.read()
    if not text:
        last = (log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or [""])[-1]
        raise Unwarm(f"the warm parent ended at once: {last[:200]}")
    why = json.loads(text)["refused"]
    if why:
        log.with_suffix(".refused").write_text(why, encoding="utf-8")
        raise Unwarm(why)


def possible() -> str:
    """Return why this platform has no warm processes, "" where it has."""
    if not hasattr(os, "fork") or sys.platform != "linux":
        return "this platform has no safe fork"
    return ""
