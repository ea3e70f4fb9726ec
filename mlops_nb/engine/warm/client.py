"""Finds or starts the warm parent that fits a run, and requests children of it."""

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
OPEN_FILES = {"RLIMIT_NOFILE", "RLIMIT_OFILE"}  # a child sets this limit itself
READ_AT_IMPORT = frozenset({"matplotlibrc"})  # read in the working folder at import
IDLE = 600.0  # s without a request after which a parent ends
MOST_PARENTS = 6  # of one user: MLflow's, and those of notebooks that import other libraries
# variables that differ between terminals and affect no import
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
        "MLFLOW_RUN_CONTEXT",
    }
)


class Unwarm(Exception):
    """No warm parent can be used; the message is the reason."""


class _WentAway(Unwarm):
    """The parent ended without a word, as one that is killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The parent that a run needs: its interpreter, imports and variables.

    python:      the interpreter
    modules:     dotted names to import
    environment: every variable that it starts with
    packages:    digest of the installed packages
    variables:   environment variables, set just before the imports
    folder:      working folder during the imports
    """

    python: str
    modules: tuple[str, ...]
    environment: Mapping[str, str]
    packages: str
    variables: Mapping[str, str] = field(default_factory=dict)
    folder: str = "/"

    def key(self) -> str:
        """Return a digest of everything that two runs must share to share a parent."""
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
        """Return the folder, and the times of the files that libraries read there at import."""
        found = {name: _stamp(os.path.join(self.folder, name)) for name in sorted(READ_AT_IMPORT)}
        return [self.folder, found] if self.folder != "/" else []


def _own_version() -> list[tuple[str, int]]:
    """Return the files of this package that a parent loads, with their times."""
    files = itertools.chain(HERE.glob("*.py"), (HERE.parents[1] / "probe").glob("**/*.py"))
    return sorted((str(file), file.stat().st_mtime_ns) for file in files)


def _inherited() -> list[Any]:
    """Return the limits, priority and cores that a parent inherits."""
    limits = {
        name: resource.getrlimit(getattr(resource, name))
        for name in sorted(dir(resource))
        if name.startswith("RLIMIT_") and name not in OPEN_FILES
    }
    return [limits, os.nice(0), sorted(os.sched_getaffinity(0))]


def where() -> Path:
    """Return the path of the folder of sockets."""
    base = os.environ.get("XDG_RUNTIME_DIR", "")
    if not os.path.isdir(base):
        base = tempfile.gettempdir()
    return Path(base) / f"mlops-nb-{os.getuid()}"


def folder() -> Path:
    """Return the private folder of sockets. Raises Unwarm if another user could write there."""
    place = where()
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
    """A forked process. `pid` leads a session and a process group."""

    def __init__(self, line: Reader, pid: int) -> None:
        self.line, self.pid = line, pid
        self.ended: dict[str, Any] | None = None

    def poll(self) -> int | None:
        """Return its exit status, or minus the number of a signal; None while it runs."""
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

    @property
    def parent_is_gone(self) -> bool:
        """Whether it ended because the parent did."""
        return self.ended is not None and "parent" in self.ended

    def signal(self, number: int) -> None:
        """Send a signal to the whole group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def close(self) -> None:
        """Close the connection: a child that still runs is killed."""
        self.line.close()


def fork(wanted: Wanted, request: Mapping[str, Any], fds: Iterable[int]) -> Child:
    """Fork a child; `fds` become its standard output, its standard error, and further files.

    If the parent is killed meanwhile, a new one takes over.

    Raises Unwarm if there is no parent to fork.
    """
    try:
        return _forked(wanted, request, fds)
    except _WentAway:
        return _forked(wanted, request, fds)


def _forked(wanted: Wanted, request: Mapping[str, Any], fds: Iterable[int]) -> Child:
    sock = _connected(wanted)
    try:
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        send(sock, {**request, "open_files": most}, tuple(fds))
        line = Reader(sock)
        answer = line.wait()
    except OSError as error:
        sock.close()
        raise _WentAway(f"the warm parent went away: {error}") from None
    if answer is None:
        sock.close()
        raise _WentAway("the warm parent went away")
    return Child(line, int(answer["pid"]))


def call(wanted: Wanted, request: Mapping[str, Any]) -> None:
    """Call a function in a child, waiting neither for it nor for a parent to start."""
    place, key = folder(), wanted.key()
    path = place / f"{key}.sock"
    sock = _try(path)
    with (place / f"{key}.lock").open("w") as lock:
        if sock is None:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:  # a parent is starting, and will call its first function
                return
            sock = _try(path)
        if sock is None:
            _make_room(place)
            os.close(_start(wanted, place, key, lock.fileno(), first=request))
            return
    nothing = os.open(os.devnull, os.O_RDWR)
    try:
        send(sock, dict(request), (nothing, nothing))
        Reader(sock).wait()  # the child was forked: the connection may close
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
        sock = _try(path)  # another process may have started it meanwhile
        if sock is None:
            _make_room(place)
            _await(_start(wanted, place, key, lock.fileno()), place / f"{key}.log")
            sock = _try(path)
    if sock is None:
        raise _WentAway("the warm parent does not answer")
    return sock


def _try(path: Path, *, use: bool = True) -> socket.socket | None:
    if _is_stale(path):
        path.unlink(missing_ok=True)  # its parent exits when the file is gone
        return None
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.connect(str(path))
    except OSError:
        sock.close()
        return None
    if use:
        with contextlib.suppress(FileNotFoundError):  # its parent may be exiting
            os.utime(path)  # the time of the last request
    return sock


def _is_stale(path: Path) -> bool:
    """Return whether a file that the parent imported, outside installed packages, was edited."""
    try:
        known = json.loads(path.with_suffix(".editable").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False  # most parents import no such file
    return any(_stamp(file) != stamp for file, stamp in known.items())


def _stamp(file: str) -> int:
    try:
        return os.stat(file).st_mtime_ns
    except OSError:
        return 0


def _make_room(place: Path) -> None:
    """Make the least recently used parents exit; remove the files of dead ones."""
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
    """Start a parent; return the file descriptor on which it reports that it is ready.

    lock:  a file descriptor that it holds until then
    first: a request that it serves at once

    Raises Unwarm if it cannot start.
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
    with (place / f"{key}.log").open("w", encoding="utf-8") as log, _unnamed(config) as stdin:
        try:
            subprocess.run(
                words,
                cwd=wanted.folder,
                env=dict(wanted.environment),
                stdin=stdin,
                stdout=log,
                stderr=log,
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
    """Wait until a parent is ready. Raises Unwarm if it refuses to be forked."""
    with os.fdopen(ready) as answer:
        text = answer.read()
    if not text:
        last = (log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or [""])[-1]
        raise (Unwarm if last else _WentAway)(f"the warm parent ended at once: {last[:200]}")
    why = json.loads(text)["refused"]
    if why:
        log.with_suffix(".refused").write_text(why, encoding="utf-8")
        raise Unwarm(why)


def possible() -> str:
    """Return why this platform has no warm processes, "" if it has."""
    if not hasattr(os, "fork") or sys.platform != "linux":
        return "this platform has no safe fork"
    return ""
