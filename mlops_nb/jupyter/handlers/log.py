"""Returns what a run has printed to the panel, while it goes on."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import TYPE_CHECKING, Any

from tornado import web  # type: ignore[attr-defined]

from mlops_nb.errors import MlopsError
from mlops_nb.jupyter.handlers.base import PanelHandler
from mlops_nb.project import open_project

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE = 20.0  # s that a question waits for more
EVERY = 1.0  # s between two looks, as at the journal
MOST = 200_000  # characters of one answer


class LogHandler(PanelHandler):
    """GET ?path=NOTEBOOK&run=RUN&offset=N&seen=DIGEST returns what was printed after N characters.

    Answers {"start", "text", "offset", "seen", "open"}: `text` begins at `start`, which is another
    one than `offset` of the question where the text before has changed or is too long. `seen` is
    the digest of the text up to `offset`, for the next question. `open`: the run goes on.
    """

    def initialize(self, root: Path) -> None:
        """Take the folder of the server's notebooks."""
        self.root = root

    @web.authenticated
    async def get(self) -> None:
        """Answer when more was printed or the run has ended, or after some seconds."""
        offset = self.get_query_argument("offset", "0")
        after = int(offset) if offset.isdecimal() else 0
        seen, run = self.get_query_argument("seen", ""), self.get_query_argument("run", "")
        try:
            folder = self.notebook(self.get_query_argument("path", "")).resolve().parent
            found = await _grown(folder, run, after, seen)
        except MlopsError as error:
            self.refuse(error)
        else:
            self.finish(json.dumps({"version": 1, "run": run, **found}))


async def _grown(folder: Path, run: str, after: int, seen: str) -> dict[str, Any]:
    """Wait until a run has printed more than was seen, or has ended; return what is new."""
    loop = asyncio.get_running_loop()
    until = loop.time() + PATIENCE
    while True:
        text, output, is_open = await asyncio.to_thread(_read, folder, run)
        found = {**piece(text, after, seen), "open": is_open}
        if found["text"] or not is_open or loop.time() >= until:
            return found
        before = _stamp(output)
        await asyncio.sleep(EVERY)
        while _stamp(output) == before and loop.time() < until:
            if not await asyncio.to_thread(_is_open, folder, run):
                break
            await asyncio.sleep(EVERY)


def piece(text: str, after: int, seen: str) -> dict[str, Any]:
    """Return the part of a text after a place, or from its beginning if it changed before that.

    >>> first = piece("abc", 0, "")
    >>> piece("abcde", first["offset"], first["seen"])["text"]
    'de'
    >>> piece("xbcde", first["offset"], first["seen"])["text"]
    'xbcde'
    """
    start = after if after <= len(text) and digest(text[:after]) == seen else 0
    start = max(start, len(text) - MOST)
    return {"start": start, "text": text[start:], "offset": len(text), "seen": digest(text)}


def digest(text: str) -> str:
    """Return the digest of a text."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]


def _read(folder: Path, run: str) -> tuple[str, Path, bool]:
    return open_project(folder).log_of_run(run)


def _is_open(folder: Path, run: str) -> bool:
    return open_project(folder).show(run).status in {"queued", "running"}


def _stamp(file: Path) -> tuple[int, int]:
    """Return what changes when a file is written anew; (0, 0) if it is not there."""
    try:
        found = file.stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size
