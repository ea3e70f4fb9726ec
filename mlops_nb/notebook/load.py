"""Loads a notebook file and its pipeline."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from mlops_nb.errors import NotebookError
from mlops_nb.notebook import cells, pipeline, render
from mlops_nb.notebook.model import Source


def read_text(path: Path) -> str:
    """Return the text of a notebook file.

    Raises NotebookError if the file does not exist or is not text.
    """
    if path.suffix == ".py":
        raise NotebookError(
            f"{path.name!r} is a script",
            fix=f"jupytext --to ipynb {path.name}, then give the .ipynb file",
            where=str(path),
        )
    try:
        return path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        near = (
            sorted(p for p in path.parent.glob("[!.]*.ipynb") if p.is_file())
            if path.parent.is_dir()
            else []
        )
        fix = f"give one of {', '.join(p.name for p in near[:5])}" if near else "check the path"
        raise NotebookError(f"no notebook {path.name!r}", fix=fix, where=str(path)) from None
    except (UnicodeDecodeError, OSError) as error:
        why = getattr(error, "strerror", None) or error
        raise NotebookError(
            f"{path.name!r} cannot be read: {why}", fix="check the file", where=str(path)
        ) from None


def capture(
    path: Path,
    content: Mapping[str, Any] | None = None,
    seen: Mapping[int, Mapping[str, Any]] | None = None,
) -> Source:
    """Return a notebook with its pipeline.

    content: the document in an editor, used instead of the file
    seen:    index of a cell → what the observer reported
    """
    text = read_text(path) if content is None else json.dumps(content)
    document = cells.load(text, path.name)
    notebook = cells.read(document, path.name)
    return Source(
        path=path, document=document, notebook=notebook, pipeline=pipeline.pipeline(notebook, seen)
    )


def with_kernel(source: Source, kernel: str) -> Source:
    """Return a notebook that names another kernel than its file does."""
    spec = {"name": kernel, "display_name": kernel, "language": source.notebook.language}
    metadata = {**source.document["metadata"], "kernelspec": spec}
    return replace(
        source,
        document={**source.document, "metadata": metadata},
        notebook=replace(source.notebook, kernel=kernel),
    )


def graph_json(path: Path, content: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the object that `graph --json` prints for a notebook."""
    return render.as_json(capture(path, content).pipeline)
