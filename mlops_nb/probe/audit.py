"""What the interpreter tells of the outside world: files opened, folders listed, hosts reached."""

import fnmatch
import os
import sys
import sysconfig
from collections.abc import Iterable
from typing import Any

OURS = "/.mlops/"
HIDDEN = (".mlops", ".git", ".ipynb_checkpoints", "__pycache__", ".pytest_cache")
MOST_ENTRIES = 400
# programs that libraries ask about the machine; they say nothing of the data
ASKED_BY_LIBRARIES = {"lscpu", "fc-list", "fc-match", "ldconfig", "uname", "sysctl", "gcc", "cc",
                      "which", "nvidia-smi", "git", "sh", "lsb_release"}  # fmt: skip
# packages that read and write files without the interpreter noticing
NATIVE = ("pyarrow", "polars", "duckdb", "h5py", "tables", "torch", "tensorflow", "cv2", "xgboost",
          "lightgbm", "catboost", "netCDF4", "fiona", "rasterio", "PIL", "soundfile")  # fmt: skip

_events: list[tuple[str, Any, Any]] = []
_on = [False]
_installed = [False]


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if not _on[0]:
        return
    if event == "open":
        _events.append(("open", args[0], (args[1], args[2])))
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
    elif event in {"os.rename", "os.remove", "shutil.copyfile", "shutil.move", "os.truncate"}:
        _events.append(("moved", args[:2], event))
    elif event == "urllib.Request":
        _events.append(("socket", args[0], None))


def _asked_by_notebook() -> bool:
    """Say whether the nearest frame outside the standard library is a cell's."""
    frame = sys._getframe(2)
    while frame is not None:
        file = frame.f_code.co_filename
        if frame.f_globals.get("__name__") == "__main__":
            return True
        if "-packages" in file:
            return "IPython" in file  # `!command`
        frame = frame.f_back  # type: ignore[assignment]
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


def _no_data() -> tuple[str, ...]:
    """Return where files lie that are no data: the interpreter, its packages, the machine."""
    roots = {sys.prefix, sys.base_prefix, sys.exec_prefix, os.path.dirname(os.__file__),
             *sysconfig.get_paths().values(), "/proc", "/dev", "/sys", "/usr", "/etc", "/lib",
             "/run", os.environ.get("IPYTHONDIR", ""), os.path.expanduser("~/.ipython"),
             os.path.expanduser("~/.cache"), os.path.expanduser("~/.config"),
             os.path.expanduser("~/.local/share/jupyter")}  # fmt: skip
    roots |= {os.path.realpath(root) for root in roots if root}
    return tuple(root.rstrip("/") + "/" for root in roots if root)


NO_DATA = _no_data()


def is_data(path: str) -> bool:
    """Say whether an absolute path is data, rather than code, caches or the machine's own."""
    parts = path.split(os.sep)
    return not (
        path.startswith(NO_DATA)
        or path.endswith((".pyc", ".py", ".so", ".pyi"))
        or any(hidden in parts for hidden in HIDDEN)
    )


def as_path(given: Any, folder: str) -> str:
    """Return an opened path as an absolute one, "" where it is none, such as a descriptor."""
    if isinstance(given, bytes):
        given = os.fsdecode(given)
    if not isinstance(given, str | os.PathLike):
        return ""
    return os.path.normpath(os.path.join(folder, os.fspath(given)))


class Touched:
    """Files read and written, folders listed, and what of the outside world was reached."""

    def __init__(self, events: Iterable[tuple[str, Any, Any]], folder: str) -> None:
        self.read: dict[str, None] = {}
        self.written: dict[str, None] = {}
        self.listed: dict[str, None] = {}
        self.reached: dict[str, None] = {}
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
            elif kind == "moved":
                for one in what:
                    path = as_path(one, folder)
                    if path and is_data(path):
                        self.written[path] = None
            else:
                self._reach(kind, what, asked=more is None or bool(more))

    def _open(self, what: Any, more: Any, folder: str) -> None:
        path = as_path(what, folder)
        if not path or not is_data(path):
            return
        self.relative |= not os.path.isabs(os.fsdecode(what) if isinstance(what, bytes) else what)
        mode, flags = more
        if isinstance(mode, str):
            writes = bool(set(mode) & set("wax+"))
            reads = "r" in mode or "+" in mode
        else:
            writes = bool(flags & (os.O_WRONLY | os.O_RDWR))
            reads = not flags & os.O_WRONLY
        if writes:
            self.written[path] = None
        if reads and path not in self.written:
            self.read[path] = None

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
        own = any(word in line for word in ("loky", "multiprocessing", "resource_tracker"))
        if not own and (asked or name not in ASKED_BY_LIBRARIES):
            self.reached[f"the program {line[:60]!r}"] = None


def stats(folder: str, known: Iterable[str]) -> dict[str, tuple[int, int, int]]:
    """Return (mtime_ns, size, inode) of a folder's files and of the files known otherwise."""
    found: dict[str, tuple[int, int, int]] = {}
    try:
        with os.scandir(folder) as entries:
            for place, entry in enumerate(entries):
                if place > MOST_ENTRIES:
                    break
                if entry.name not in HIDDEN and entry.is_file():
                    told = entry.stat()
                    found[entry.path] = (told.st_mtime_ns, told.st_size, told.st_ino)
    except OSError:
        found.clear()  # the folder is gone; the known files are still asked for
    for path in known:
        if path not in found:
            try:
                told = os.stat(path)
            except OSError:
                continue
            found[path] = (told.st_mtime_ns, told.st_size, told.st_ino)
    return found


def matching(text: str, folder: str, known: Iterable[str]) -> list[str]:
    """Return the known files that a text names: by path, by pattern, or by their folder."""
    if not text or len(text) > 500 or "\n" in text:  # noqa: PLR2004  no path is that long
        return []
    path = as_path(text, folder)
    if any(sign in text for sign in "*?["):
        return [file for file in known if fnmatch.fnmatch(file, path)]
    return [file for file in known if file == path or os.path.dirname(file) == path]
