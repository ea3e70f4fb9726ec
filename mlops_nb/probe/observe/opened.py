"""Finds files that are opened or written in some folders, by native readers and programs too.

Linux reports this by inotify. Elsewhere, the time stamps of files tell what was written.
"""

import ctypes
import os
import struct
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field

from . import paths

MODIFIED, CLOSED_AFTER_WRITING, OPENED = 0x2, 0x8, 0x20
MOVED_FROM, MOVED_TO, CREATED, DELETED = 0x40, 0x80, 0x100, 0x200
IS_FOLDER = 0x40000000
GONE = MOVED_FROM | DELETED
MASK = MODIFIED | CLOSED_AFTER_WRITING | OPENED | GONE | MOVED_TO | CREATED
HEAD = struct.Struct("iIII")
MOST_FOLDERS = 200
BLOCK = 1 << 18


@dataclass(slots=True)
class Happened:
    """Data files that were opened, created, written and removed; folders that were listed.

    modified: files that were written to, and may still be open
    """

    opened: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)
    modified: set[str] = field(default_factory=set)
    made: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    listed: set[str] = field(default_factory=set)


class Opened:
    """Watches folders; `take` returns what happened in them since the last time."""

    def __init__(self) -> None:
        self.handle = -1
        self.folders: dict[str, int] = {}
        self.places: dict[int, str] = {}
        self.stamps: dict[str, tuple[int, int, int]] = {}
        if sys.platform == "linux":
            self.libc = ctypes.CDLL(None, use_errno=True)
            self.handle = self.libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)

    def watch(self, folder: str) -> list[str]:
        """Watch a folder and those below it; return them."""
        queue = [] if folder in self.folders else [folder]
        for place in queue:
            if len(self.folders) < MOST_FOLDERS and self._add(place):
                queue += paths.folders_in(place)
        return queue

    def watch_near(self, named: Iterable[str]) -> None:
        """Watch the folders that paths name, or that the named files lie in."""
        for path in named:
            folder = path if os.path.isdir(path) else os.path.dirname(path)
            data = folder not in {"", "/"} and not f"{folder}/".startswith(paths.NO_DATA)
            if data and folder not in self.folders and os.path.isdir(folder):
                self._add(folder)

    def _add(self, folder: str) -> bool:
        if folder in self.folders:
            return False
        if self.handle < 0:
            self.folders[folder] = 0
            self.stamps |= paths.stamps(folder)
            return True
        watch = self.libc.inotify_add_watch(self.handle, os.fsencode(folder), MASK)
        if watch < 0:
            return False
        self.folders[folder] = watch
        self.places[watch] = folder
        return True

    def take(self) -> Happened:
        """Return what happened since the last time."""
        found = Happened()
        if self.handle < 0:
            self._compare(found)
        while self.handle >= 0:
            try:
                data = os.read(self.handle, BLOCK)
            except OSError:
                break
            at = 0
            while at < len(data):
                watch, mask, _, length = HEAD.unpack_from(data, at)
                name = data[at + HEAD.size : at + HEAD.size + length].rstrip(b"\0")
                at += HEAD.size + length
                path = os.path.join(self.places.get(watch, ""), os.fsdecode(name))
                self._note(found, path.rstrip("/"), mask)
        return found

    def _note(self, found: Happened, path: str, mask: int) -> None:
        hidden = os.path.basename(path).startswith(".")
        if not paths.is_data(path) or hidden or path.endswith((".ipynb", "~")):
            return
        if mask & GONE:
            found.gone.add(path)
        if mask & (CREATED | MOVED_TO):
            found.made.add(path)
        if mask & IS_FOLDER and mask & OPENED:
            found.listed.add(path)
        elif mask & OPENED:
            found.opened.add(path)
        elif mask & MODIFIED:
            found.modified.add(path)
        else:
            found.written.add(path)
        if mask & IS_FOLDER and mask & (CREATED | MOVED_TO):  # what it holds by now came with it
            found.written.update(*map(paths.stamps, self.watch(path)))

    def _compare(self, found: Happened) -> None:
        old, self.stamps = self.stamps, {}
        for folder in self.folders:
            self.stamps |= paths.stamps(folder)
        found.written = {
            p for p in old.keys() | self.stamps.keys() if old.get(p) != self.stamps.get(p)
        }
        found.made = self.stamps.keys() - old.keys()
        found.gone = old.keys() - self.stamps.keys()
