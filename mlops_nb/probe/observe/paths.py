"""Paths: which of them are data, what the disk tells of them, and where a text names some."""

import contextlib
import fnmatch
import itertools
import os
import pathlib
import re
import stat
import sys
import sysconfig
from collections.abc import Callable, Iterable
from typing import Any

from ..introspect import module_of

HIDDEN = (".mlops", ".git", ".ipynb_checkpoints", "__pycache__", ".pytest_cache")
MOST_ENTRIES = 400
MOST_FOLDERS = 20
MOST_PATHS = 200  # in a container that is looked into
LONGEST_PATH = 500
STAT, LSTAT = os.stat, os.lstat  # as they were: a notebook may replace them
Stats = dict[str, tuple[int, int, int, int]]


def _no_data() -> tuple[str, ...]:
    """Return where files lie that are no data: the interpreter, its packages, the machine."""
    roots = {
        sys.prefix,
        sys.base_prefix,
        sys.exec_prefix,
        os.path.dirname(os.__file__),
        *sysconfig.get_paths().values(),
        "/proc",
        "/dev",
        "/sys",
        "/usr",
        "/etc",
        "/lib",
        "/run",
        os.environ.get("IPYTHONDIR", ""),
        os.path.expanduser("~/.ipython"),
        os.path.expanduser("~/.cache"),
        os.path.expanduser("~/.config"),
        os.path.expanduser("~/.local/share/jupyter"),
    }
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
    return not (path.startswith(NO_DATA) or any(hidden in parts for hidden in HIDDEN))


def as_path(given: Any, folder: str) -> str:
    """Return an opened path as an absolute one, "" where it is none, such as a descriptor."""
    if isinstance(given, bytes):
        given = os.fsdecode(given)
    if not isinstance(given, str | os.PathLike):
        return ""
    return os.path.normpath(os.path.join(folder, os.fspath(given)))


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
        return [
            path
            for item in items
            if type(item) not in (list, tuple, dict)
            for path in paths_in(item)
        ]
    if module_of(kind).startswith("polars.lazyframe") and hasattr(value, "explain"):
        return re.findall(r"SCAN \[([^\],]+)", value.explain(optimized=False))
    return []
