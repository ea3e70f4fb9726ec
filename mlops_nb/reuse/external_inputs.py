"""Files, folders and variables that a notebook reads, and whether they have changed."""

import hashlib
import os
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Any

from mlops_nb import files

SECRET = re.compile(r"PASS|TOKEN|SECRET|KEY|CREDENTIAL|AUTH|COOKIE|DSN|_URL|_URI", re.IGNORECASE)
UNTRACKED = ("rng:", "Out[", "cache:", "figures", "file:")
TICK = 2_000_000_000  # ns: the coarsest clock of a file system


@dataclass(frozen=True, slots=True)
class Outside:
    """Everything outside the kernel that the cells of one notebook can read.

    root:      the folder that relative paths start from
    variables: the environment variables of the kernel
    """

    root: Path
    variables: Mapping[str, str]

    # recording

    def file_stamps(self, paths: Iterable[str]) -> dict[str, Any]:
        """Return path → size, time and digest of the file; a pipe or a device has none of them."""
        found: dict[str, Any] = {}
        for path in sorted(paths):
            name = os.path.relpath(path, self.root)
            try:
                stat = os.stat(path)
                if S_ISDIR(stat.st_mode):
                    continue
                if not S_ISREG(stat.st_mode):  # to read a pipe would wait for who writes to it
                    found[name] = {"stream": True}
                    continue
                found[name] = {
                    "stat": [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino],
                    "sha256": files.sha256(Path(path)),
                    "at": time.time_ns(),
                }
            except OSError:
                found[name] = {"absent": True}
        return found

    def folder_stamps(self, paths: Iterable[str]) -> dict[str, str]:
        """Return path → a digest of the names in the folder."""
        return {os.path.relpath(p, self.root): _listing(Path(p)) for p in sorted(paths)}

    def variable_stamps(self, names: Iterable[str]) -> dict[str, str]:
        """Return name → a digest of the variable's value."""
        return {n: _variable_digest(n, self.variables.get(n)) for n in sorted(names)}

    # comparing: return what changed, or ""

    def file(self, path: str, stamp: Mapping[str, Any]) -> str:
        """Return how a file changed since it was recorded."""
        where = self.root / path
        if stamp.get("stream"):
            return f"{path!r} is no regular file: each read may give something else"
        if stamp.get("absent"):
            return f"file {path!r} is there now" if where.exists() else ""
        try:
            stat = where.stat()
        except OSError:
            return f"file {path!r} is gone"
        same = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino] == stamp["stat"]
        if same and stat.st_ctime_ns < stamp["at"] - TICK:
            return ""  # old enough that a change would have another time
        if stat.st_size == stamp["stat"][0] and files.sha256(where) == stamp["sha256"]:
            return ""
        return f"file {path!r} changed"

    def folder(self, path: str, listing: str) -> str:
        """Return how the names in a folder changed."""
        same = _listing(self.root / path) == listing
        return "" if same else f"folder {path!r} has other files"

    def variable(self, name: str, digest: str) -> str:
        """Return whether an environment variable changed."""
        same = _variable_digest(name, self.variables.get(name)) == digest
        return "" if same else f"environment variable {name} changed"


def _listing(folder: Path) -> str:
    """Return a digest of the names in a folder, "" if there is none."""
    try:
        names = sorted(
            n for n in os.listdir(folder) if not n.startswith(".") and n != "__pycache__"
        )
    except OSError:
        return ""
    return hashlib.sha256("\0".join(names).encode("utf-8", "surrogateescape")).hexdigest()


def _variable_digest(name: str, value: str | None) -> str:
    """Return a digest of a variable; for a name that looks secret, only whether it is set."""
    if value is None:
        return ""
    if SECRET.search(name):
        return "set"
    return hashlib.sha256(value.encode("utf-8", "surrogateescape")).hexdigest()
