"""Runs verbs of the command line for the panel, each in a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
import tempfile
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_nb.errors import NotFound, Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

PATIENCE = 20.0  # s that a question waits for an answer
KEPT = 200  # commands whose answers are kept
LAST_WORDS = 4000  # bytes of what a command prints on stderr
YES = b"yes\n"


class StartedCommand:
    """A command that was started. It goes on if this server ends.

    `answers` counts the JSON answers that it has printed.
    """

    def __init__(self, process: asyncio.subprocess.Process, out: Any, err: Any) -> None:
        self.id = secrets.token_hex(8)
        self.process, self.out, self.err = process, out, err
        weakref.finalize(self, _close, out, err)

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.process.returncode is None

    def as_json(self) -> dict[str, Any]:
        """Return how it stands.

        answers: what it printed as JSON; said: the end of what it printed besides
        status:  its exit status, None while it runs
        """
        return {
            "version": 1,
            "command": self.id,
            "status": self.process.returncode,
            "answers": _documents(_read(self.out, 0)),
            "said": _read(self.err, LAST_WORDS),
        }

    async def changed(self, answers: int) -> None:
        """Wait until it has ended or printed more answers than before, for some seconds at most."""
        loop = asyncio.get_running_loop()
        until = loop.time() + PATIENCE
        while self.is_running and loop.time() < until:
            if len(_documents(_read(self.out, 0))) > answers:
                return
            try:
                await asyncio.wait_for(asyncio.shield(self._ended()), 0.5)
            except TimeoutError:
                continue

    async def _ended(self) -> None:
        await self.process.wait()

    def confirm(self, *, yes: bool) -> None:
        """Let it do what it has shown, or leave it. Raises Refused if it does not wait for that."""
        stdin = self.process.stdin
        if not self.is_running or stdin is None or stdin.is_closing():
            raise Refused("this command waits for nothing", fix="start it again")
        if yes:
            stdin.write(YES)
        stdin.close()


class StartedCommands:
    """The commands that this server has started."""

    def __init__(self) -> None:
        self.known: dict[str, StartedCommand] = {}

    async def start(
        self, folder: Path, words: Sequence[str], typed: bytes | None
    ) -> StartedCommand:
        """Start a command in a folder.

        typed: all that it reads from its input; None: it waits for a confirmation
        """
        out, err = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "mlops_nb",
            *words,
            cwd=folder,
            stdin=asyncio.subprocess.PIPE,
            stdout=out,
            stderr=err,
            start_new_session=True,  # a stop of this server is no stop of it
        )
        found = StartedCommand(process, out, err)
        if typed is not None and process.stdin is not None:
            process.stdin.write(typed)
            process.stdin.close()
        self._forget()
        self.known[found.id] = found
        return found

    def get(self, name: str) -> StartedCommand:
        """Return a command. Raises NotFound if this server has not started it."""
        if name not in self.known:
            raise NotFound(
                "the server was restarted since this command began",
                fix="look into the tab of runs: what it did is on record there",
            )
        return self.known[name]

    def _forget(self) -> None:
        """Forget the oldest commands that have ended."""
        ended = [name for name, one in self.known.items() if not one.is_running]
        for name in ended[: max(0, len(self.known) - KEPT)]:
            del self.known[name]


def _close(*files: Any) -> None:
    for file in files:
        file.close()


def _read(file: Any, last: int) -> str:
    """Return the text of a file, or only its last bytes; the command still writes at its end."""
    size = os.fstat(file.fileno()).st_size
    start = max(0, size - last) if last else 0
    return os.pread(file.fileno(), size - start, start).decode("utf-8", "replace")


def _documents(text: str) -> list[Any]:
    """Return the complete JSON documents of a text, which follow each other.

    >>> _documents('{"a": 1} [2] {"b"')
    [{'a': 1}, [2]]
    """
    found, decoder, at = [], json.JSONDecoder(), 0
    while (rest := text[at:].lstrip()) and rest:
        try:
            document, end = decoder.raw_decode(rest)
        except ValueError:
            break
        found.append(document)
        at = len(text) - len(rest) + end
    return found
