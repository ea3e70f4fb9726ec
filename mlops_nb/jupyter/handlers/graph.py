"""Returns the pipeline of the notebook in the editor to the panel."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_server.base.handlers import APIHandler
from tornado import web  # type: ignore[attr-defined]

from mlops_nb.errors import MlopsError, Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

BAD_REQUEST = 400
UNPROCESSABLE = 422


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphRequest:
    """A notebook under the server's root: as saved (content: None), or as it is in the editor."""

    notebook: Path
    content: dict[str, Any] | None


class GraphHandler(APIHandler):
    """POST {"path", "content"} returns the object of `mlops-nb graph --json`."""

    @web.authenticated
    async def post(self) -> None:
        """Answer 200 with a pipeline, 400 to a malformed request, 422 if steps form no pipeline."""
        root = Path(self.contents_manager.root_dir)
        try:
            request = read_request(self.request.body, root=root)
        except Refused as error:
            self.refuse(BAD_REQUEST, error)
            return
        try:
            answer = await asyncio.to_thread(pipeline_of, request)
        except MlopsError as error:
            self.refuse(UNPROCESSABLE, error)
            return
        self.finish(json.dumps(answer))

    def refuse(self, status: int, error: MlopsError) -> None:
        """Answer with what is wrong, where, and how to fix it."""
        self.set_status(status)
        self.finish(json.dumps({"error": error.what, "fix": error.fix, "where": error.where}))


def pipeline_of(request: GraphRequest) -> Mapping[str, Any]:
    """Return the pipeline of a notebook; it takes CPU time, so call it in a thread."""
    from mlops_nb.project import open_project  # a slow import, not needed to start the server

    notebook = request.notebook
    return open_project(notebook.parent).graph(notebook, content=request.content)


def read_request(body: bytes, *, root: Path) -> GraphRequest:
    """Read the body of a request; raises Refused if it is malformed or its path leaves `root`.

    >>> read_request(b'{"path": "a/b.ipynb"}', root=Path("/srv")).notebook.as_posix()
    '/srv/a/b.ipynb'
    """
    try:
        read = json.loads(body)
    except ValueError as error:
        raise _malformed(f"the body is not JSON: {error}") from error
    if not isinstance(read, dict):
        raise _malformed("the body is not a JSON object")
    path, content = read.get("path"), read.get("content")
    if not isinstance(path, str) or not path or "\0" in path:
        raise _malformed("'path' is not the path of a notebook")
    if content is not None and not isinstance(content, dict):
        raise _malformed("'content' is not a notebook")
    return GraphRequest(notebook=_under(root, path), content=content)


def _malformed(what: str) -> Refused:
    return Refused(what, fix='POST {"path": "NOTEBOOK", "content": {...}}')


def _under(root: Path, path: str) -> Path:
    """Return a path inside the root; raises Refused if it is absolute or leaves the root."""
    relative = Path(path)
    if relative.is_absolute() or ".." in relative.parts:
        raise Refused(
            f"{path!r} lies outside the folder that this server shows",
            fix="open the notebook by a path relative to that folder",
            where=path,
        )
    return root / relative
