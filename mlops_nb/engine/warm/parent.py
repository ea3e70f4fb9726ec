"""The warm parent: imports once, then forks a child for every request; runs no user code.

A program of its own: `python parent.py SOCKET`, with its configuration on standard input, a file
(never an argument, which every user could read). That is a JSON object with {modules, variables,
idle, quiet, editable, ready, lock, first}: imports, variables of the environment to set before
them, seconds without a request after which it ends, a file of modules whose import prints, one for
the files that a person may edit, file descriptors to answer on and to hold until then, and a
request to serve at once.
"""

import contextlib
import gc
import importlib
import importlib.util
import json
import os
import random
import selectors
import signal
import socket
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

PACKAGE = "_mlops_warm"
SPARE_AFTER = 0.05  # s without a request after which a spare child is forked
INLINE = "module://matplotlib_inline.backend_inline"
PROBE_PARTS = (
    "inspect.values",
    "observe.observer",
    "values.groups",
    "values.random_state",
)


def load(name: str, folder: Path) -> None:
    """Load a folder as a package under another name."""
    path = folder / "__init__.py"
    spec = importlib.util.spec_from_file_location(
        name, path, submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(str(path))
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


class Parent:
    """Listens, forks, and reports to each client how its child ended."""

    def __init__(self, path: Path, idle: float) -> None:
        self.path, self.idle = path, idle
        self.wire = importlib.import_module(f"{PACKAGE}.protocol")
        self.listener = socket.socket(socket.AF_UNIX)
        self.selector = selectors.DefaultSelector()
        self.waiting: dict[int, Any] = {}  # child → the connection to its client
        self.detached: set[int] = set()  # children that outlive their client
        self.spare: tuple[int, socket.socket] | None = None  # a child that waits for a request
        self.wants_spare = True  # once after each request, except the request to exit
        self.wakes, wake = os.pipe()
        for fd in (self.wakes, wake):
            os.set_blocking(fd, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def listen(self) -> None:
        """Open the socket for this user alone; it gets its name when it is ready."""
        part = self.path.with_suffix(f".{os.getpid()}")
        self.listener.bind(str(part))
        os.chmod(part, 0o600)
        self.listener.listen(64)
        os.replace(part, self.path)
        self.selector.register(self.listener, selectors.EVENT_READ, self._accept)
        self.selector.register(self.wakes, selectors.EVENT_READ, self._reap)

    def serve(self) -> None:
        """Serve until no request came for a while, or the socket belongs to another parent."""
        own = os.stat(self.path).st_ino
        last = time.monotonic()
        while True:
            longest = SPARE_AFTER if self.wants_spare else 5.0
            ready = self.selector.select(timeout=max(0.05, min(self.idle, longest)))
            for key, _ in ready:
                key.data(key.fileobj)
            if not ready and self.wants_spare:
                self._prepare_spare()
            if ready or self.waiting:
                last = time.monotonic()
            elif time.monotonic() - last > self.idle or _inode(self.path) != own:
                break
        if _inode(self.path) == own:
            self.path.unlink()

    def _accept(self, _: Any) -> None:
        connection, _ = self.listener.accept()
        line = self.wire.Reader(connection)
        self.selector.register(connection, selectors.EVENT_READ, lambda _: self._hear(line))

    def _hear(self, line: Any) -> None:
        """Read a request; a connection that closes before its child ended kills the child."""
        if line.sock.fileno() < 0:
            return  # the end of its child was reported in this round
        line.feed()
        child = next((pid for pid, other in self.waiting.items() if other is line), None)
        if line.ended:
            self._forget(line)
            if child is not None:
                self.waiting[child] = None
                if child not in self.detached:
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(child, signal.SIGKILL)
            return
        request = line.next()
        if request is None or child is not None:
            return
        if request["do"] == "leave":
            self.idle, self.wants_spare = -1.0, False
            return
        self._fork(request, line)

    def first(self, request: dict[str, Any]) -> None:
        """Serve a request without a client."""
        ours, theirs = socket.socketpair()
        line = self.wire.Reader(ours)
        line.fds = [os.dup(1), os.dup(2)]
        self.selector.register(ours, selectors.EVENT_READ, lambda _: self._hear(line))
        theirs.close()
        self._fork(request, line)

    def _forget(self, line: Any) -> None:
        self.selector.unregister(line.sock)
        line.close()

    def _fork(self, request: dict[str, Any], line: Any) -> None:
        parent = os.getpid()
        pid = self._given_to_spare(request, line.fds)
        self.wants_spare = self.idle >= 0
        if not pid:
            try:
                pid = os.fork()
            except OSError:  # no memory for a child: the connection closes
                self._forget(line)
                return
            if pid == 0:
                self._child(request, line.fds, parent)
        self.waiting[pid] = line
        if request["do"] == "call":
            self.detached.add(pid)
        for fd in line.fds:
            os.close(fd)
        line.fds = []
        with contextlib.suppress(OSError):  # the client has gone: the next read notices
            self.wire.send(line.sock, {"pid": pid})

    def _prepare_spare(self) -> None:
        """Fork a child ahead of the next request, as a fork takes longer than a request.

        If that fails, the next request forks a child itself.
        """
        self.wants_spare = False
        parent = os.getpid()
        try:
            ours, theirs = socket.socketpair()
        except OSError:
            return
        with theirs:
            try:
                pid = os.fork()
            except OSError:
                ours.close()
                return
            if pid == 0:
                ours.close()
                self._wait_for_work(theirs, parent)
        self.spare = pid, ours

    def _given_to_spare(self, request: dict[str, Any], fds: list[int]) -> int:
        """Send a request to the spare child; return its pid, 0 if there is none."""
        if self.spare is None:
            return 0
        (pid, sock), self.spare = self.spare, None
        try:
            with sock:
                self.wire.send(sock, request, tuple(fds))
        except OSError:  # it was killed
            return 0
        return pid

    def _wait_for_work(self, sock: socket.socket, parent: int) -> None:
        """Wait as a spare child for a request; exit when the parent closes the connection."""
        try:
            self._let_go({sock.fileno()})
            importlib.import_module(f"{PACKAGE}.child").apart(parent)
            shell = importlib.import_module("IPython").get_ipython()
            shell.run_cell("pass", store_history=False, silent=True)  # copies shared memory
            line = self.wire.Reader(sock)
            request = line.wait()
        except BaseException:  # noqa: BLE001  the next request gets another child
            traceback.print_exc()
            os._exit(1)
        if request is None:
            os._exit(0)
        sock.close()
        self._child(request, line.fds, parent)

    def _let_go(self, keep: set[int]) -> None:
        """Close the files of the parent in a child."""
        signal.set_wakeup_fd(-1)
        if self.selector.get_map() is None:
            return  # a spare child has closed them already
        for key in list(self.selector.get_map().values()):
            if key.fd not in keep:
                with contextlib.suppress(OSError):
                    os.close(key.fd)
        self.selector.close()

    def _child(self, request: dict[str, Any], fds: list[int], parent: int) -> None:
        """Execute a request in the child process and exit."""
        status, last_word = 1, None
        try:
            fds = fds[:]
            self._let_go(set(fds))
            nothing = os.open(os.devnull, os.O_RDWR)
            os.dup2(nothing, 0)
            os.dup2(fds[0], 1)
            os.dup2(fds[1], 2)
            for fd in (nothing, fds[0], fds[1]):
                os.close(fd)
            importlib.import_module(f"{PACKAGE}.child").become(request, parent)
            kind = {"cells": "worker", "kernel": "kernel", "call": "call"}[request["do"]]
            last_word = importlib.import_module(f"{PACKAGE}.{kind}").run(request, fds[2:])
            status = 0
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        except BaseException:  # noqa: BLE001  this is the outermost frame of the child
            traceback.print_exc()
        finally:
            for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
                with contextlib.suppress(Exception):
                    stream.flush()  # type: ignore[union-attr]
            if last_word is not None:
                last_word()
            os._exit(status)

    def _reap(self, _: Any) -> None:
        with contextlib.suppress(BlockingIOError):
            while os.read(self.wakes, 4096):
                pass
        while self.waiting or self.spare is not None:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if self.spare is not None and self.spare[0] == pid:
                self.spare[1].close()
                self.spare = None
            line = self.waiting.pop(pid, None)
            self.detached.discard(pid)
            if line is None:
                continue
            with contextlib.suppress(OSError):
                self.wire.send(line.sock, {"exit": os.waitstatus_to_exitcode(status)})
            self._forget(line)


def _inode(path: Path) -> int:
    try:
        return os.stat(path).st_ino
    except OSError:
        return 0


def prepare(config: dict[str, Any]) -> str:
    """Import what children need; return why this process must not be forked, or ""."""
    started = dict(os.environ)
    preload = importlib.import_module(f"{PACKAGE}.imports")
    for part in ("child", "worker", "protocol"):
        importlib.import_module(f"{PACKAGE}.{part}")
    os.environ.setdefault("MPLBACKEND", INLINE)  # matplotlib reads it at import
    preload.load(preload.OWN)
    shell = importlib.import_module(f"{PACKAGE}.shell").make()
    for part in PROBE_PARTS:
        importlib.import_module(f"_mlops_probe.{part}")
    os.environ.update(config["variables"])  # at the moment the notebook sets them
    quiet = Path(config["quiet"])
    loud = set(quiet.read_text("utf-8").split()) if quiet.exists() else set()
    with shell.builtin_trap:  # `get_ipython` is a builtin while a cell runs
        noisy = preload.load([m for m in config["modules"] if m not in loud])
    if noisy:  # the notebook must show its output: start again without it
        quiet.write_text("\n".join(sorted(loud | set(noisy))), "utf-8")
        os.execve(sys.executable, [sys.executable, *sys.argv], started)
    if threading.active_count() > 1:
        names = ", ".join(t.name for t in threading.enumerate()[1:])
        return f"importing its modules starts threads ({names})"
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        return "importing its modules starts CUDA"
    return ""


def read_config() -> dict[str, Any]:
    """Read the configuration from the start of standard input: the process may start again."""
    text = os.pread(0, os.fstat(0).st_size, 0).decode("utf-8", "surrogatepass")
    config: dict[str, Any] = json.loads(text)
    return config


def close_config() -> None:
    """Replace standard input by /dev/null, so that no child can read the configuration."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)


def main() -> None:
    """Prepare, report that, and serve."""
    if os.fork():  # the client does not wait for this process
        os._exit(0)
    path, config = Path(sys.argv[1]), read_config()
    here = Path(__file__).resolve().parent
    sys.path[:] = [p for p in sys.path if p and Path(p).resolve() != here]
    load(PACKAGE, here)
    load("_mlops_probe", here.parents[1] / "probe")
    os.umask(0o077)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(write_through=True)  # type: ignore[union-attr]
    random.seed()
    objection = prepare(config)
    close_config()
    gc.collect()
    gc.freeze()
    parent = Parent(path, float(config["idle"]))
    if not objection:
        editable = importlib.import_module(f"{PACKAGE}.imports").editable()
        Path(config["editable"]).write_text(json.dumps(editable), "utf-8")
        parent.listen()
    with contextlib.suppress(BrokenPipeError), os.fdopen(config["ready"], "w") as ready:
        ready.write(json.dumps({"refused": objection}))  # the client may have gone
    os.close(config["lock"])
    if not objection:
        if config["first"]:
            parent.first(config["first"])
        parent.serve()


if __name__ == "__main__":
    main()
