"""Answers the panel's question: which pipeline the notebook in the editor is."""

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
class Question:
    """A notebook under the server's root, as saved (content: None) or as it is in the editor."""

    notebook: Path
    content: dict[str, Any] | None


class GraphHandler(APIHandler):
    """POST {"path", "content"} answers the object of `mlops-nb graph --json`."""

    @web.authenticated
    async def post(self) -> None:
        """Answer 200 the pipeline, 400 a wrong question, 422 a notebook that forms no pipeline."""
        root = Path(self.contents_manager.root_dir)
        try:
            question = read_question(self.request.body, root=root)
        except Refused as error:
            self.refuse(BAD_REQUEST, error)
            return
        try:
            answer = await asyncio.to_thread(pipeline_of, question)
        except MlopsError as error:
            self.refuse(UNPROCESSABLE, error)
            return
        self.finish(json.dumps(answer))

    def refuse(self, status: int, error: MlopsError) -> None:
        """Answer what is wrong, where, and what mends it."""
        self.set_status(status)
        self.finish(json.dumps({"error": error.what, "fix": error.fix, "where": error.where}))


def pipeline_of(question: Question) -> Mapping[str, Any]:
    """Ask the project that the notebook lies in; takes CPU time, so call it in a thread."""
    from mlops_nb.project import open_project  # only when asked: it brings the heavy floors

    notebook = question.notebook
    return open_project(notebook.parent).graph(notebook, content=question.content)


def read_question(body: bytes, *, root: Path) -> Question:
    """Read the request's body; raises Refused if it is malformed or leaves `root`.

    >>> read_question(b'{"path": "a/b.ipynb"}', root=Path("/srv")).notebook.as_posix()
    '/srv/a/b.ipynb'
    """
    try:
        asked = json.loads(body)
    except ValueError as error:
        raise _malformed(f"the body is not JSON: {error}") from error
    if not isinstance(asked, dict):
        raise _malformed("the body is no JSON object")
    path, content = asked.get("path"), asked.get("content")
    if not isinstance(path, str) or not path or "\0" in path:
        raise _malformed("'path' is no notebook's path")
    if content is not None and not isinstance(content, dict):
        raise _malformed("'content' is no notebook")
    return Question(notebook=_under(root, path), content=content)


def _malformed(what: str) -> Refused:
    return Refused(what, fix='POST {"path": "NOTEBOOK", "content": {...}}')


def _under(root: Path, path: str) -> Path:
    """Keep to what Jupyter itself shows: no absolute path, no way up out of the root."""
    inside = Path(path)
    if inside.is_absolute() or ".." in inside.parts:
        raise Refused(
            f"{path!r} lies outside the folder that this server shows",
            fix="open the notebook by a path relative to that folder",
            where=path,
        )
    return root / inside
