"""Reads a request for a pipeline, and answers it within limits of size and nesting."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlops_nb.errors import MlopsError, NotebookError, Refused
from mlops_nb.notebook import cells, load, pipeline
from mlops_nb.notebook.model import Source
from mlops_nb.session import view
from mlops_nb.session.cells import LiveCells

OK = 200
BAD_REQUEST = 400
TOO_LARGE = 413
UNPROCESSABLE = 422
MOST_BYTES = 100_000_000  # of a request or a saved notebook, outputs included
MOST_CODE = 1_000_000  # characters of one cell
POST = 'POST {"path": "NOTEBOOK", "content": {...}}'


class TooLarge(Refused):
    """A request or a notebook exceeds a limit of size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineRequest:
    """A notebook under the server's root: as saved (content: None), or as it is in the editor.

    path: as the request gives it; errors show it instead of a path of this machine
    """

    path: str
    notebook: Path
    content: dict[str, Any] | None


def answer(body: bytes, *, root: Path, allow_hidden: bool = False) -> tuple[int, dict[str, Any]]:
    """Return the status and the JSON object that answer the body of a request.

    The status is 200 with a pipeline, 400 for a malformed request, 413 for one that is too large,
    422 if steps form no pipeline.
    """
    path, status = "", BAD_REQUEST
    found: MlopsError
    try:
        request = read_request(body, root=root, allow_hidden=allow_hidden)
        path = request.path
        return OK, dict(pipeline_of(request))
    except TooLarge as error:
        status, found = TOO_LARGE, error
    except NotebookError as error:
        status, found = UNPROCESSABLE, error
    except Refused as error:
        found = error
    except (RecursionError, MemoryError):
        found = _malformed("the notebook is nested too deeply")
    return status, refusal(found, root=root, path=path)


def refusal(error: MlopsError, *, root: Path, path: str = "") -> dict[str, Any]:
    """Return an error as JSON, without the paths of this machine.

    >>> error = Refused("no notebook 'a'", fix="check the path", where="/srv/a")
    >>> refusal(error, root=Path("/srv"), path="a")["where"]
    'a'
    """
    places = sorted({str(root), str(root.resolve())}, key=len, reverse=True)
    what, fix = error.what, error.fix
    for place in places:
        what, fix = (text.replace(f"{place}/", "").replace(place, ".") for text in (what, fix))
    where = path if Path(error.where).is_absolute() and path else error.where
    return {"error": what, "fix": fix, "where": where}


def pipeline_of(request: PipelineRequest) -> Mapping[str, Any]:
    """Return the pipeline of a notebook and its steps, as they stand in a kernel where none ran.

    Raises TooLarge for a notebook or a cell over the limits, Refused for code that is nested too
    deeply, NotebookError for a file that is no notebook and for steps that form no pipeline.
    """
    name = request.notebook.name
    if request.content is not None:
        text = json.dumps(request.content)
    else:
        _refuse_large_file(request)
        text = load.read_text(request.notebook)
    document = cells.load(text, name)
    for position, cell in enumerate(document["cells"], start=1):
        if len(cells.source_of(cell)) > MOST_CODE:
            raise TooLarge(
                f"cell {position} has more than {MOST_CODE:,} characters",
                fix="move its data into a file, and read it from there",
                where=request.path,
            )
    notebook = cells.read(document, name)
    found = pipeline.pipeline(notebook)
    deep = next((w for w in found.warnings if w.kind == "too-deep"), None)
    if deep is not None:
        raise Refused(deep.what, fix=deep.fix, where=request.path)
    source = Source(path=request.notebook, document=document, notebook=notebook, pipeline=found)
    return view.pipeline_state(source, LiveCells())


def _refuse_large_file(request: PipelineRequest) -> None:
    try:
        size = request.notebook.stat().st_size
    except OSError:
        return  # to read it says what is wrong
    if size > MOST_BYTES:
        raise _large("the notebook", request.path)


def refuse_large_body(size: int) -> None:
    """Raise TooLarge if a request has more bytes than it may have."""
    if size > MOST_BYTES:
        raise _large("the request", "")


def _large(what: str, where: str) -> TooLarge:
    return TooLarge(
        f"{what} has more than {MOST_BYTES // 1_000_000} MB",
        fix="clear the outputs of the notebook, and save it",
        where=where,
    )


def read_request(body: bytes, *, root: Path, allow_hidden: bool = False) -> PipelineRequest:
    """Read the body of a request.

    allow_hidden: as `ContentsManager.allow_hidden` of the server

    Raises Refused if the body is malformed, or its path leaves `root` or is hidden.

    >>> read_request(b'{"path": "a/b.ipynb"}', root=Path("/srv")).notebook.as_posix()
    '/srv/a/b.ipynb'
    """
    try:
        text = body.decode("utf-8")
        read = json.loads(text)
        if "\\ud" in text.lower():
            json.dumps(read, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise _malformed("the body holds half of a character, which no file can hold") from None
    except RecursionError:
        raise _malformed("the body is nested too deeply") from None
    except ValueError as error:
        raise _malformed(f"the body is not JSON: {error}") from None
    if not isinstance(read, dict):
        raise _malformed("the body is not a JSON object")
    path, content = read.get("path"), read.get("content")
    notebook = notebook_at(path, root=root, allow_hidden=allow_hidden)
    if content is not None and not isinstance(content, dict):
        raise _malformed("'content' is not a notebook")
    request = PipelineRequest(path=str(path), notebook=notebook, content=content)
    return replace(request, notebook=request.notebook.resolve()) if content is None else request


def notebook_at(path: object, *, root: Path, allow_hidden: bool) -> Path:
    """Return the file of a notebook that a browser names. Raises Refused as `read_request`."""
    if not isinstance(path, str) or not path or "\0" in path:
        raise _malformed("'path' is not the path of a notebook")
    notebook = _under(root, path)
    if not allow_hidden:
        _refuse_hidden(path, notebook, root)
    return notebook


def _malformed(what: str) -> Refused:
    return Refused(what, fix=POST)


def _under(root: Path, path: str) -> Path:
    """Return a path inside the root.

    Raises Refused if it is absolute, leaves the root, by a symbolic link as well, or is too long.
    """
    relative = Path(path)
    try:
        inside = (root / relative).resolve().is_relative_to(root.resolve())
        (root / relative).exists()
    except (OSError, RuntimeError, ValueError):  # too long, or links that form a circle
        raise _malformed("'path' is not the path of a notebook") from None
    if relative.is_absolute() or ".." in relative.parts or not inside:
        raise Refused(
            f"{path!r} lies outside the folder that this server shows",
            fix="open the notebook by a path relative to that folder",
            where=path,
        )
    return root / relative


def _refuse_hidden(path: str, notebook: Path, root: Path) -> None:
    """Raise Refused for a hidden path, or one that a link leads to, whether it exists or not."""
    from jupyter_core.paths import is_hidden

    real, top = notebook.resolve(), root.resolve()
    names = (*Path(path).parts, *real.relative_to(top).parts)
    hidden = any(name.startswith(".") for name in names)
    with suppress(OSError):  # there is no such file: to read it says so
        hidden = hidden or is_hidden(real, top)
    if hidden:
        raise Refused(
            f"{path!r} is hidden, and this server does not show hidden files",
            fix="rename it, or set ContentsManager.allow_hidden of the server",
            where=path,
        )
