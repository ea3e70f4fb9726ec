"""The shell of a kernel without a kernel: it sends its messages over a socket."""

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

from .child import open_reserve

INLINE = "module://matplotlib_inline.backend_inline"
PACKAGES = ("site-packages", "dist-packages")
Say = Callable[[str, dict[str, Any]], None]


class Wire(Session):  # type: ignore[misc]
    """A session for the shell's publishers, which sends their messages over the socket."""

    say: Any = None

    def send(self, _stream: Any, msg_or_type: Any, content: Any = None, *_: Any, **__: Any) -> Any:
        """Send the type and the content of a message."""
        if isinstance(msg_or_type, dict):
            kind, content = msg_or_type["header"]["msg_type"], msg_or_type["content"]
        else:
            kind = msg_or_type
        Wire.say(kind, content or {})
        return {}


class Stream(io.TextIOBase):
    """Standard output or error: writes every text to the file descriptor at once."""

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, name: str, fd: int) -> None:
        self.name, self.fd = name, fd
        self.lock = threading.RLock()

    def write(self, text: str) -> int:
        """Write a text completely, waiting while the pipe is full."""
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
        """Return True: the stream can be written."""
        return True

    def isatty(self) -> bool:
        """Return False: the stream is no terminal."""
        return False


class Shell(ZMQInteractiveShell):
    """The shell of ipykernel without the parts that need a kernel."""

    _transformed: tuple[str, str] | None = None

    def transform_cell(self, raw_cell: str) -> str:
        """Return a cell as plain Python; the result of the same cell twice in a row is cached."""
        known, self._transformed = self._transformed, None
        if known is not None and known[0] == raw_cell:
            return known[1]
        made: str = super().transform_cell(raw_cell)
        self._transformed = (raw_cell, made)
        return made

    def _update_exit_now(self, change: Any) -> None:
        """Do nothing: the loop checks `exit_now` after each cell."""

    def showtraceback(self, *args: Any, **kwargs: Any) -> None:
        """Show the error of a cell; one of memory takes memory to show."""
        if isinstance(sys.exc_info()[1], MemoryError):
            open_reserve()
        super().showtraceback(*args, **kwargs)

    def enable_gui(self, gui: Any = None) -> None:
        """Start no event loop for windows."""


# libraries look at the name and module of the class to detect a notebook
Shell.__name__ = Shell.__qualname__ = ZMQInteractiveShell.__name__
Shell.__module__ = ZMQInteractiveShell.__module__


def make() -> Shell:
    """Return IPython's only shell, which libraries look for at import."""
    config = Config()
    config.HistoryManager.hist_file = ":memory:"
    config.HistoryManager.enabled = False
    config.IPKernelApp.connection_file = os.devnull
    shell: Shell = Shell.instance(config=config, compiler_class=XCachingCompiler)
    shell.extension_manager.load_extension("storemagic")  # as in every kernel
    wire = Wire(key=b"")
    shell.displayhook.session = shell.display_pub.session = wire
    shell.displayhook.pub_socket = shell.display_pub.pub_socket = None
    shell.displayhook.topic = b"execute_result"
    return shell


def begin(say: Say) -> Shell:
    """Return the shell in the current folder, with its output sent from now on."""
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
    """Add the working folder to the module path, as in a kernel."""
    if "" not in sys.path:
        installed = [i for i, p in enumerate(sys.path) if p.rpartition("/")[2] in PACKAGES]
        sys.path.insert(installed[0] if installed else len(sys.path), "")


def _without_input() -> None:
    """Make `input` fail as in a kernel without a frontend."""
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
