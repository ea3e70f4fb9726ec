"""What the interpreter tells of the outside world: files opened, folders listed, hosts reached."""

import contextlib
import fnmatch
import itertools
import os
import pathlib
import re
import stat
import sys
import sysconfig
import types
from collections.abc import Callable, Iterable
from typing import Any

from .outside import module_of

OURS = "/.mlops/"
HIDDEN = (".mlops", ".git", ".ipynb_checkpoints", "__pycache__", ".pytest_cache")
MOST_ENTRIES = 400
MOST_FOLDERS = 20
MOST_PATHS = 200  # in a container that is looked into
LONGEST_PATH = 500
STAT, LSTAT = os.stat, os.lstat  # as they were: a notebook may replace them
# programs that libraries ask about the machine; they say nothing of the data
ASKED_BY_LIBRARIES = {"lscpu", "fc-list", "fc-match", "ldconfig", "uname", "sysctl", "gcc", "cc",
                      "which", "nvidia-smi", "git", "sh", "lsb_release"}  # fmt: skip
# packages that read and write files without the interpreter noticing
NATIVE = ("pyarrow", "polars", "duckdb", "h5py", "tables", "torch", "tensorflow", "cv2", "xgboost",
          "lightgbm", "catboost", "netCDF4", "fiona", "rasterio", "PIL", "soundfile")  # fmt: skip

# words that begin the names of what reads files, and words that ask about one
READING = (
    "read", "scan", "load", "open", "from", "imread", "parse", "sql", "query", "execute", "collect",
    "fetch", "file", "dataset", "image", "parquet", "memory_map", "table",
)  # fmt: skip
TELLING = frozenset({"exists", "isfile", "is_file", "getsize", "getmtime", "stat", "isdir",
                     "is_dir", "glob", "iglob", "rglob", "iterdir", "listdir", "walk"})  # fmt: skip
Stats = dict[str, tuple[int, int, int, int]]

_events: list[tuple[str, Any, Any]] = []
_on = [False]
_installed = [False]


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if not _on[0]:
        return
    if event == "open":
        if args[1] is not None or sys._getframe(1).f_globals.get("__name__") != "shutil":
            _events.append(("open", args[0], (args[1], args[2])))  # else `rmtree` goes down a tree
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
    elif event in {"os.rename", "os.remove", "shutil.copyfile", "os.truncate", "os.link"}:
        folders = args[2:] if event == "os.rename" else args[1:2] if event == "os.remove" else ()
        places = [*map(_folder_of, folders), "", ""]
        paths = args[:1] if event == "os.remove" else args[:2]
        if None not in places:  # else it is some other folder's
            _events.append(("moved", [_placed(*one) for one in zip(paths, places)], event))  # noqa: B905  of two
    elif event in FOLDERS:
        _marked(event, args)
    elif event == "urllib.Request":
        _events.append(("socket", args[0], None))


# what makes, removes or marks files and folders → where its path and its folder's descriptor stand
FOLDERS = {
    "os.mkdir": ("made", 0, 2),
    "os.symlink": ("made", 1, 2),
    "os.rmdir": ("marked", 0, 1),
    "os.utime": ("marked", 0, 3),
    "os.chmod": ("marked", 0, 2),
    "os.chdir": ("entered", 0, 1),
}


def _marked(event: str, args: tuple[Any, ...]) -> None:
    """Note it; what is there already is not made, and what lies in an open folder is not told."""
    kind, path, folder = FOLDERS[event]
    if args[folder : folder + 1] in ((), (-1,), (None,)) and type(args[path]) is not int:
        _events.append((kind, args[path], kind != "made" or not exists(args[path])))


def _folder_of(descriptor: Any) -> str | None:
    """Return the folder that an open descriptor stands for, None where the system does not tell."""
    if type(descriptor) is not int or descriptor < 0:
        return ""
    for place in (f"/proc/self/fd/{descriptor}", f"/dev/fd/{descriptor}"):
        with contextlib.suppress(OSError):
            return os.readlink(place)
    return None


def _placed(path: Any, folder: str | None) -> Any:
    """Return a path as it is seen from a folder that it is relative to."""
    if not folder or not isinstance(path, str | bytes | os.PathLike):
        return path
    return os.path.join(folder, os.fsdecode(path))


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


def folder_now() -> str:
    """Return the present folder, or one that is nowhere where it was removed."""
    try:
        return os.getcwd()
    except OSError:
        return "/nowhere"


def is_data(path: str) -> bool:
    """Say whether an absolute path is data, rather than code, caches or the machine's own."""
    parts = path.split(os.sep)
    return not (
        path.startswith(NO_DATA)
        or path.endswith((".pyc", ".so", ".pyi"))
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
        self.found: dict[str, None] = {}  # read where an earlier cell made it
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
            elif kind in {"made", "marked", "entered"}:
                path = as_path(what, folder)
                self._mark(kind, path, done=bool(more))
                folder = path if kind == "entered" and path else folder
            elif kind == "moved":
                self._move([as_path(one, folder) for one in what], more)
            else:
                self._reach(kind, what, asked=more is None or bool(more))

    def _mark(self, kind: str, path: str, *, done: bool) -> None:
        """Note a file or folder that was made, or that already was there and got other marks."""
        if not path or not is_data(path):
            return
        if kind != "made" and path not in self.written:
            self.found[path] = None
        if done and kind != "entered":
            self.written[path] = None

    def _move(self, paths: list[str], event: str) -> None:
        """Note files that were renamed, removed or copied."""
        kept = [path for path in paths if path and is_data(path)]
        if event in {"shutil.copyfile", "os.link"}:
            self.read |= dict.fromkeys(kept[:1]) if event == "os.link" else {}
            self.written |= dict.fromkeys(kept[1:])
            return
        for path in kept[:1]:
            if path not in self.written:
                self.read[path] = None
        self.written |= dict.fromkeys(kept)

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


def stats(folder: str, known: Iterable[str]) -> Stats:
    """Return (mtime_ns, size, inode, ctime_ns) of the files in and below a folder and of others."""
    found: Stats = {}
    folders, left = [folder], MOST_ENTRIES
    for place in folders:
        try:
            with os.scandir(place) as entries:
                for entry in itertools.islice(entries, left):
                    left -= 1
                    if entry.name in HIDDEN:
                        continue
                    if entry.is_file():
                        found[entry.path] = _told(entry.stat())
                    elif len(folders) < MOST_FOLDERS and entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
        except OSError:
            continue  # the folder is gone; the known files are still asked for
    for path in known:
        if path not in found:
            told = _looked_up(path)
            if told is not None and not stat.S_ISDIR(told.st_mode):
                found[path] = _told(told)
    return found


def _looked_up(path: Any, look: Callable[[Any], os.stat_result] = STAT) -> os.stat_result | None:
    """Return what the system tells of a file, whatever the notebook has made of `os.stat`."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        return look(path)
    return None


def exists(path: Any) -> bool:
    """Say whether there is such a file or folder."""
    return _looked_up(path) is not None


def is_folder(path: str, since: int = 0) -> bool:
    """Say whether there is such a folder; since: it, or something in it, was made later, in ns."""
    found = _looked_up(path)
    return found is not None and stat.S_ISDIR(found.st_mode) and found.st_ctime_ns >= since


def told(path: str) -> tuple[int, int] | None:
    """Return when a file was last written to, in ns, and its bytes; None where it is no file."""
    found = _looked_up(path, LSTAT)
    if found is None or stat.S_ISDIR(found.st_mode):
        return None
    return found.st_mtime_ns, found.st_size


def _told(told: os.stat_result) -> tuple[int, int, int, int]:
    return (told.st_mtime_ns, told.st_size, told.st_ino, told.st_ctime_ns)


def matching(text: str, folder: str, known: Iterable[str]) -> list[str]:
    """Return the known files that a text names: by path, pattern, or the path's end.

    >>> matching("*.csv", "/a", ["/a/b.csv", "/a/c.txt"]), matching("c.txt", "/", ["/a/c.txt"])
    (['/a/b.csv'], ['/a/c.txt'])
    """
    if not text or len(text) > LONGEST_PATH or "\n" in text:
        return []
    path = as_path(text, folder)
    if any(sign in text for sign in "*?["):
        end = os.path.join("*", text.lstrip("/"))
        return [f for f in known if fnmatch.fnmatch(f, path) or fnmatch.fnmatch(f, end)]
    end = "/" + text.lstrip("./") if looks_like_path(text) else "//"
    return [f for f in known if f == path or f.endswith(end)]


def looks_like_path(text: str) -> bool:
    """Say whether a text may be the path of a file."""
    return 0 < len(text) < LONGEST_PATH and "\n" not in text and ("." in text or "/" in text)


def words_of(line: str) -> list[str]:
    """Return the words of a command line that may be paths; what it writes to is none.

    >>> words_of("cat a.txt 'b.txt' > c.txt")
    ['cat', 'a.txt', 'b.txt']
    """
    return re.findall(r"[^\s'\"|;&<>()]+", re.sub(r">+\s*\S+", " ", line))


def is_path(value: Any) -> bool:
    """Say whether a value is a path, and no text."""
    return issubclass(type(value), pathlib.PurePath)


def paths_in(value: Any) -> list[str]:
    """Return the texts and paths that a value holds, itself or in a short container."""
    kind = type(value)
    if kind is str:
        return [value]
    if is_path(value):
        return [os.fspath(value)]
    if kind in (list, tuple, dict) and len(value) < MOST_PATHS:
        items = list(value.values()) if kind is dict else value
        return [path for item in items if type(item) not in (list, tuple, dict)
                for path in paths_in(item)]  # fmt: skip
    if module_of(kind).startswith("polars.lazyframe") and hasattr(value, "explain"):
        return re.findall(r"SCAN \[([^\],]+)", value.explain(optimized=False))
    return []
