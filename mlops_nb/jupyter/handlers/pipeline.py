"""Returns the pipeline of the notebook in the editor to the panel."""

from __future__ import annotations

import asyncio
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_server.base.handlers import APIHandler
from jupyter_server.services.contents.fileio import FileManagerMixin
from tornado import web  # type: ignore[attr-defined]

from mlops_nb.errors import Refused
from mlops_nb.jupyter.pipeline_process import PipelineProcess
from mlops_nb.jupyter.pipeline_request import (
    TOO_LARGE,
    TooLarge,
    read_request,
    refusal,
    refuse_large_body,
)

if TYPE_CHECKING:
    from typing import Any

__all__ = ["PipelineHandler", "PipelineReader", "read_request"]

BUSY = 429
MOST_WAITING = 16  # requests
NO_FOLDER = Path(os.devnull)


class PipelineReader:
    """Answers the requests of a server one by one, in a process of its own."""

    def __init__(self, process: PipelineProcess) -> None:
        self.process = process
        self.thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="mlops-nb-pipeline")
        self.waiting = 0

    async def ask(self, body: bytes, *, allow_hidden: bool) -> tuple[int, bytes]:
        """Return the status and the JSON text that answer a request."""
        if self.waiting >= MOST_WAITING:
            error = Refused("too many notebooks are being read", fix="ask again in some seconds")
            return BUSY, json.dumps(refusal(error, root=self.process.root)).encode("ascii")
        self.waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self.thread, self._ask, body, allow_hidden)
        finally:
            self.waiting -= 1

    def _ask(self, body: bytes, allow_hidden: bool) -> tuple[int, bytes]:  # noqa: FBT001
        return self.process.ask(body, allow_hidden=allow_hidden)


class PipelineHandler(APIHandler):
    """POST {"path", "content"} returns the pipeline and its steps as they stand in no kernel."""

    def initialize(self, reader: PipelineReader) -> None:
        """Take what reads the notebooks of this server."""
        self.reader = reader

    @web.authenticated
    async def post(self) -> None:
        """Answer 200 with a pipeline, or 4xx with what is wrong and how to fix it.

        400: a malformed request, 413: too large, 422: steps form no pipeline, 429: too many at once
        """
        try:
            refuse_large_body(len(self.request.body))
        except TooLarge as error:
            self.set_status(TOO_LARGE)
            self.finish(json.dumps(refusal(error, root=self.reader.process.root)))
            return
        hidden = bool(self.contents_manager.allow_hidden)
        status, text = await self.reader.ask(self.request.body, allow_hidden=hidden)
        self.set_status(status)
        self.finish(text)


def root_of(contents_manager: Any) -> Path:
    """Return the folder of a server's notebooks, or one without files if they are in no folder."""
    if isinstance(contents_manager, FileManagerMixin):
        return Path(contents_manager.root_dir)
    return NO_FOLDER
