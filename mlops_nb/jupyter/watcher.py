"""Tells browsers when the journal of a project has grown, so that none of them has to ask."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from mlops_nb.errors import MlopsError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SCHEMA = "https://mlops-nb.github.io/events/journal"
EVERY = 1.0  # s between two looks
FORGOTTEN = 600.0  # s without a request after which a folder is no longer looked at
EVENT: dict[str, Any] = {
    "$id": SCHEMA,
    "version": "1",
    "title": "A project's journal",
    "description": "The journal of a project has grown",
    "personal-data": False,
    "type": "object",
    "required": ["folder", "mark"],
    "properties": {
        "folder": {"type": "string", "description": "of the notebook, as it was asked for"},
        "mark": {"type": "string", "description": "changes with the journal"},
    },
}


class JournalWatcher:
    """Looks at the journals of the folders that browsers have asked for lately."""

    def __init__(self, mark: Callable[[Path], str], emit: Callable[[dict[str, str]], None]) -> None:
        self.mark, self.emit = mark, emit
        self.folders: dict[str, tuple[Path, float]] = {}  # as asked for → where, and when
        self.marks: dict[str, str] = {}
        self.task: asyncio.Task[None] | None = None

    def asked(self, name: str, folder: Path, mark: str) -> None:
        """Look at a folder from now on."""
        loop = asyncio.get_running_loop()
        self.folders[name] = (folder, loop.time())
        self.marks[name] = mark
        if self.task is None or self.task.done():
            self.task = loop.create_task(self._watch())

    async def _watch(self) -> None:
        """Look at every folder until nobody asks for one any more."""
        loop = asyncio.get_running_loop()
        while self.folders:
            await asyncio.sleep(EVERY)
            for name, (folder, at) in list(self.folders.items()):
                if loop.time() - at > FORGOTTEN:
                    del self.folders[name]
                    continue
                try:
                    mark = await asyncio.to_thread(self.mark, folder)
                except (MlopsError, OSError):  # the next request answers with the error
                    continue
                if mark != self.marks.get(name):
                    self.marks[name] = mark
                    self.folders[name] = (folder, loop.time())
                    self.emit({"folder": name, "mark": mark})

    def stop(self) -> None:
        """Look no more."""
        if self.task is not None:
            self.task.cancel()
