"""Files that anybody opens below some folders, native readers included, as Linux tells of them.

Where the system tells of nothing (macOS, Windows, no watches left), nothing is told; what the
interpreter says and what texts name is all there is then.
"""

import ctypes
import os
import struct
import sys
from collections.abc import Iterable

from . import paths

CLOSED_AFTER_WRITING, MOVED_HERE, OPENED = 0x8, 0x80, 0x20
OVERFLOW, IS_FOLDER = 0x4000, 0x40000000
MASK = CLOSED_AFTER_WRITING | MOVED_HERE | OPENED
HEAD = struct.Struct("iIII")
MOST_FOLDERS = 200
BLOCK = 1 << 18


class Opened:
    """Watches folders; `take` tells what was opened and what was written since the last time."""

    def __init__(self) -> None:
        self.handle = -1
        self.folders: dict[str, int] = {}
        self.places: dict[int, str] = {}
        self.lost = False  # more happened than the system kept
        if sys.platform == "linux":
            self.libc = ctypes.CDLL(None, use_errno=True)
            self.handle = self.libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)

    def watch(self, folder: str) -> None:
        """Watch a folder and those below it."""
        if self.handle < 0 or folder in self.folders:
            return
        queue = [folder]
        for place in queue:
            if len(self.folders) >= MOST_FOLDERS or not self._add(place):
                continue
            try:
                with os.scandir(place) as entries:
                    queue += [entry.path for entry in entries if _is_looked_into(entry)]
            except OSError:
                continue  # it may be looked through, but not be listed

    def watch_near(self, named: Iterable[str]) -> None:
        """Watch the folders that paths name, or that the named files lie in."""
        for path in named:
            folder = path if os.path.isdir(path) else os.path.dirname(path)
            data = folder not in {"", "/"} and not f"{folder}/".startswith(paths.NO_DATA)
            if data and folder not in self.folders and os.path.isdir(folder):
                self._add(folder)

    def _add(self, folder: str) -> bool:
        if self.handle < 0 or folder in self.folders:
            return False
        watch = self.libc.inotify_add_watch(self.handle, os.fsencode(folder), MASK)
        if watch < 0:
            return False
        self.folders[folder] = watch
        self.places[watch] = folder
        return True

    def take(self) -> tuple[set[str], set[str]]:
        """Return the data files that were opened, and those that were written."""
        opened: set[str] = set()
        written: set[str] = set()
        while self.handle >= 0:
            try:
                data = os.read(self.handle, BLOCK)
            except (BlockingIOError, OSError):
                break
            at = 0
            while at < len(data):
                watch, mask, _, length = HEAD.unpack_from(data, at)
                name = data[at + HEAD.size : at + HEAD.size + length].rstrip(b"\0")
                at += HEAD.size + length
                self.lost |= bool(mask & OVERFLOW)
                path = os.path.join(self.places.get(watch, ""), os.fsdecode(name))
                if not name or mask & IS_FOLDER or not _counts(path):
                    continue
                (opened if mask & OPENED else written).add(path)
        return opened, written


def _is_looked_into(entry: "os.DirEntry[str]") -> bool:
    hidden = entry.name.startswith(".") or entry.name in paths.HIDDEN
    return not hidden and entry.is_dir(follow_symlinks=False)


def _counts(path: str) -> bool:
    hidden = os.path.basename(path).startswith(".")
    return paths.is_data(path) and not hidden and not path.endswith((".ipynb", "~"))
