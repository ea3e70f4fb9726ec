"""What the interpreter tells of the outside world: files opened, folders listed, hosts reached."""

import os
import sys
import types
from collections.abc import Iterable
from typing import Any

from ..introspect import words
from .paths import NO_DATA, as_path, exists, is_data

# programs that libraries ask about the machine; they say nothing of the data
ASKED_BY_LIBRARIES = words(
    "lscpu fc-list fc-match ldconfig uname sysctl gcc cc which nvidia-smi git sh lsb_release"
)
CHANGES = words("os.rename os.mkdir os.remove os.rmdir os.link")
_events: list[tuple[str, Any, Any]] = []
_on = [False]
_installed = [False]


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if not _on[0]:
        return
    if event == "open":
        if args[1] is not None or sys._getframe(1).f_globals.get("__name__") != "shutil":
            _events.append(("open", args[0], (args[1], args[2])))  # else `rmtree` goes down a tree
    elif event == "ctypes.dlopen":
        _events.append(("open", args[0], ("r", 0)))
    elif event in {"os.listdir", "os.scandir"}:
        if "importlib" not in sys._getframe(1).f_code.co_filename:  # it looks for modules
            _events.append(("list", args[0], None))
    elif event == "sqlite3.connect":
        _events.append(("sqlite", args[0], None))
    elif event == "socket.connect":
        _events.append(("socket", args[1], None))
    elif event == "subprocess.Popen":
        _events.append(("process", (args[0], args[1]), _asked_by_notebook()))
    elif event in {"os.system", "os.exec", "os.posix_spawn", "os.spawn"}:
        _events.append(("process", (args[0], args[0]), True))
    elif event == "os.chdir":
        _events.append(("chdir", args[0], None))
    elif event in CHANGES and args[-1] == -1:  # else it is relative to an open folder
        if event != "os.mkdir" or not exists(args[0]):
            _events.append((event[3:], args[:2], None))
    elif event == "urllib.Request":
        _events.append(("socket", args[0], None))


def _asked_by_notebook() -> bool:
    """Say whether the nearest frame outside the standard library is a cell's."""
    frame: types.FrameType | None = sys._getframe(2)
    while frame is not None:
        file = frame.f_code.co_filename
        if frame.f_globals.get("__name__") == "__main__":
            return True
        if "-packages" in file:
            return "IPython" in file  # `!command`
        frame = frame.f_back
    return True


def listen() -> None:
    """Start to note events; the hook is put in once and for all, Python cannot take it out."""
    if not _installed[0]:
        sys.addaudithook(_hook)
        _installed[0] = True
    _events.clear()
    _on[0] = True


def stop() -> list[tuple[str, Any, Any]]:
    """Stop, and return the events noted."""
    _on[0] = False
    found = list(_events)
    _events.clear()
    return found


class Touched:
    """Files read and written, folders listed, and what of the outside world was reached."""

    def __init__(self, events: Iterable[tuple[str, Any, Any]], folder: str) -> None:
        self.read: dict[str, None] = {}
        self.written: dict[str, None] = {}
        self.listed: dict[str, None] = {}
        self.reached: dict[str, None] = {}
        self.code: dict[str, None] = {}  # source files of Python that were loaded
        self.programs: list[str] = []  # command lines of programs that were started
        self.relative = False
        for kind, what, more in events:
            if kind == "open":
                self._open(what, more, folder)
            elif kind == "list":
                path = as_path("." if what is None else what, folder)
                if path and is_data(path + "/"):
                    self.listed[path] = None
            elif kind == "sqlite":
                path = as_path(what, folder)
                if path and ":memory:" not in path and is_data(path):
                    self.read[path] = None
            elif kind == "chdir":
                folder = as_path(what, folder) or folder
                self._use(folder)
            elif f"os.{kind}" in CHANGES:
                first, second = (as_path(one, folder) for one in what)
                if kind == "mkdir":
                    second = first
                else:
                    self._use(first, removes=kind != "link")
                self.written |= dict.fromkeys([second] if second and is_data(second) else [])
            else:
                self._reach(kind, what, asked=more is None or bool(more))

    def _use(self, path: str, *, removes: bool = False) -> None:
        """Note a file or folder that is entered, linked, renamed or removed."""
        if path and is_data(path):
            if path not in self.written:
                self.read[path] = None
            if removes:
                self.written[path] = None

    def _open(self, what: Any, more: Any, folder: str) -> None:
        path = as_path(what, folder)
        if not path or not is_data(path):
            self._note_code(path)
            return
        mode, flags = more
        if type(mode) is str:
            writes = bool(set(mode) & set("wax+"))
            reads = bool(set(mode) & set("ra"))
        else:
            writes = bool(flags & (os.O_WRONLY | os.O_RDWR))
            reads = not flags & (os.O_WRONLY | os.O_EXCL | os.O_TRUNC)  # those begin it anew
        if path.endswith(".py") and not writes:
            self.code[path] = None
            return
        self.relative |= not os.path.isabs(os.fsdecode(what))
        if reads and path not in self.written:
            self.read[path] = None
        if writes:
            self.written[path] = None

    def _note_code(self, path: str) -> None:
        """Note the source of a module whose compiled form was read."""
        folder, name = os.path.split(path)
        if name.endswith(".pyc") and not path.startswith(NO_DATA):
            self.code[os.path.join(os.path.dirname(folder), name.partition(".")[0] + ".py")] = None

    def _reach(self, kind: str, what: Any, *, asked: bool) -> None:
        if kind == "socket":
            if isinstance(what, str) and not what.startswith(("http", "ftp")):
                return  # a socket of this machine's own
            host = what[0] if isinstance(what, tuple) else what
            self.reached[f"the network ({host})"] = None
            return
        program, words = what
        name = os.path.basename(os.fsdecode(program)) if program else str(words)
        line = " ".join(map(str, words)) if isinstance(words, list | tuple) else str(words)
        self.programs.append(line)
        own = any(word in line for word in ("loky", "multiprocessing", "resource_tracker"))
        if not own and (asked or name not in ASKED_BY_LIBRARIES):
            self.reached[f"the program {line[:60]!r}"] = None
