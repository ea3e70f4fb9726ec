"""A kernel's shell without a kernel: it says over a wire what a kernel would say over ZeroMQ."""

import io
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

from ipykernel.compiler import XCachingCompiler
from ipykernel.zmqshell import ZMQInteractiveShell
from IPython.core.error import StdinNotImplementedError
from jupyter_client.session import Session
from traitlets.config import Config

INLINE = "module://matplotlib_inline.backend_inline"
PACKAGES = ("site-packages", "dist-packages")
Say = Callable[[str, dict[str, Any]], None]


class Wire(Session):  # type: ignore[misc]
    """Looks like a session to the shell's own publishers; what they send goes over our wire."""

    say: Any = None

    def send(self, _stream: Any, msg_or_type: Any, content: Any = None, *_: Any, **__: Any) -> Any:
        """Pass a message on: its type and its content."""
        if isinstance(msg_or_type, dict):
            kind, content = msg_or_type["header"]["msg_type"], msg_or_type["content"]
        else:
            kind = msg_or_type
        Wire.say(kind, content or {})
        return {}


class Stream(io.TextIOBase):
    """Standard output or error: every text goes to the file descriptor at once, in order."""

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, name: str, fd: int) -> None:
        self.name, self.fd = name, fd
        self.lock = threading.RLock()

    def write(self, text: str) -> int:
        """Write a text, whole, however often the pipe is full."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text)}")
        data = memoryview(text.encode("utf-8", "backslashreplace"))
        with self.lock:
            while data:
                data = data[os.write(self.fd, data) :]
        return len(text)

    def fileno(self) -> int:
        """Return the file descriptor, which child processes write to, too."""
        return self.fd

    def writable(self) -> bool:
        """Say that this can be written to."""
        return True

    def isatty(self) -> bool:
        """Say that this is no terminal."""
        return False


class Shell(ZMQInteractiveShell):
    """The shell of ipykernel, but for what only a kernel has."""

    _transformed: tuple[str, str] | None = None

    def transform_cell(self, raw_cell: str) -> str:
        """Return a cell as plain Python; what is asked for twice in a row is worked out once."""
        known, self._transformed = self._transformed, None
        if known is not None and known[0] == raw_cell:
            return known[1]
        made: str = super().transform_cell(raw_cell)
        self._transformed = (raw_cell, made)
        return made

    def _update_exit_now(self, change: Any) -> None:
        """Do nothing: the loop looks for `exit_now` after each cell."""

    def enable_gui(self, gui: Any = None) -> None:
        """Have no event loop for windows."""


# many a library asks a class's name or module whether it is in a notebook
Shell.__name__ = Shell.__qualname__ = ZMQInteractiveShell.__name__
Shell.__module__ = ZMQInteractiveShell.__module__


def make() -> Shell:
    """Return IPython's one shell: a library that is imported may ask whether there is one."""
    config = Config()
    config.HistoryManager.hist_file = ":memory:"
    config.HistoryManager.enabled = False
    config.IPKernelApp.connection_file = os.devnull
    shell: Shell = Shell.instance(config=config, compiler_class=XCachingCompiler)
    shell.extension_manager.load_extension("storemagic")  # which every kernel has, too
    wire = Wire(key=b"")
    shell.displayhook.session = shell.display_pub.session = wire
    shell.displayhook.pub_socket = shell.display_pub.pub_socket = None
    shell.displayhook.topic = b"execute_result"
    return shell


def begin(say: Say) -> Shell:
    """Return the shell, whose every output is said from now on, in the folder that this is."""
    Wire.say = staticmethod(say)
    if not os.environ.get("MPLBACKEND"):
        os.environ["MPLBACKEND"] = INLINE
    sys.argv = ["ipykernel_launcher.py", "-f", os.devnull]
    add_work_folder()
    sys.stdout, sys.stderr = Stream("stdout", 1), Stream("stderr", 2)
    shell: Shell = Shell.instance()
    shell.init_environment()  # type: ignore[no-untyped-call]
    shell.starting_dir = os.getcwd()
    _without_input()
    return shell


def add_work_folder() -> None:
    """Let modules of the work folder be found behind the library's own, as in a kernel."""
    if "" not in sys.path:
        installed = [i for i, p in enumerate(sys.path) if p.rpartition("/")[2] in PACKAGES]
        sys.path.insert(installed[0] if installed else len(sys.path), "")


def _without_input() -> None:
    """Nobody is there to answer: say so as a kernel does."""
    import builtins
    import getpass

    def refused(what: str) -> Callable[..., str]:
        def ask(*_: Any, **__: Any) -> str:
            raise StdinNotImplementedError(
                f"{what} was called, but this frontend does not support input requests."
            )

        return ask

    builtins.input = refused("raw_input")
    getpass.getpass = refused("getpass")
