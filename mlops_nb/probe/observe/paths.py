"""Tells which paths are data, what the disk holds there, and which paths texts name."""

import fnmatch
import os
import pathlib
import re
import sys
import sysconfig
from typing import Any

from ..introspect import module_of, words

HIDDEN = words(".mlops .git .ipynb_checkpoints __pycache__ .pytest_cache")
MOST_PATHS = 200  # in a container that is looked into
LONGEST_PATH = 500
STAT = os.stat  # as it was: a notebook may replace it


def _no_data() -> tuple[str, ...]:
    """Return where files lie that are no data: the interpreter, its packages, the machine."""
    home = ("~/.ipython", "~/.cache", "~/.config", "~/.local/share/jupyter")
    roots = {
        sys.prefix,
        sys.base_prefix,
        sys.exec_prefix,
        os.path.dirname(os.__file__),
        *sysconfig.get_paths().values(),
        *words("/proc /dev /sys /usr /etc /lib /run"),
        os.environ.get("IPYTHONDIR", ""),
        *map(os.path.expanduser, home),
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
    return not path.startswith(NO_DATA) and HIDDEN.isdisjoint(path.split(os.sep))


def as_path(given: Any, folder: str) -> str:
    """Return an opened path as an absolute one, "" where it is none, such as a descriptor."""
    if isinstance(given, bytes):
        given = os.fsdecode(given)
    if not isinstance(given, str | os.PathLike):
        return ""
    return os.path.normpath(os.path.join(folder, os.fspath(given)))


def exists(path: str) -> bool:
    """Say whether there is such a file or folder, whatever the notebook has made of `os.stat`."""
    try:
        return bool(STAT(path))
    except (OSError, ValueError):
        return False


def folders_in(folder: str) -> list[str]:
    """Return the folders in a folder, without hidden ones."""
    try:
        with os.scandir(folder) as entries:
            return [
                entry.path
                for entry in entries
                if entry.is_dir(follow_symlinks=False)
                if not entry.name.startswith(".") and entry.name not in HIDDEN
            ]
    except OSError:
        return []  # it may be searched, but not be listed


def stamps(folder: str) -> dict[str, tuple[int, int, int]]:
    """Return (mtime_ns, size, inode) of the files in a folder."""
    try:
        with os.scandir(folder) as entries:
            found = {entry.path: entry.stat() for entry in entries if entry.is_file()}
    except OSError:
        return {}
    return {path: (one.st_mtime_ns, one.st_size, one.st_ino) for path, one in found.items()}


def looks_like_path(text: str) -> bool:
    """Say whether a text may be the path of a file."""
    return 0 < len(text) < LONGEST_PATH and "\n" not in text and ("." in text or "/" in text)


def words_of(line: str) -> list[str]:
    """Return the words of a command line that may be paths.

    >>> words_of("cat a.txt 'b.txt' > c.txt")
    ['cat', 'a.txt', 'b.txt', 'c.txt']
    """
    return re.findall(r"[^\s'\"|;&<>()]+", line)


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
        return [os.fspath(item) for item in items if type(item) is str or is_path(item)]
    if module_of(kind).startswith("polars.lazyframe") and hasattr(value, "explain"):
        return re.findall(r"SCAN \[([^\],]+)", value.explain(optimized=False))
    return []


def fits(path: str, patterns: list[str]) -> bool:
    """Say whether the name of a file fits one of some patterns; any name fits without patterns.

    >>> fits("/a/b.csv", ["data/*.csv"]), fits("/a/b.csv", []), fits("/a/b.csv", ["*.txt"])
    (True, True, False)
    """
    name = os.path.basename(path)
    ends = [os.path.basename(pattern) for pattern in patterns]
    return not ends or any(fnmatch.fnmatch(name, end) for end in ends)
