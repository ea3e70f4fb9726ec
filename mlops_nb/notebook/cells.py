"""Reads the cells of a notebook file, and translates IPython syntax into Python."""

import ast
import json
import re
from collections.abc import Mapping
from typing import Any

from mlops_nb.errors import NotebookError
from mlops_nb.notebook.model import Cell, Notebook

# what `ast.parse` raises for a text that is no Python, or is nested too deeply
UNPARSABLE = (SyntaxError, ValueError, RecursionError, MemoryError)
# nbformat's own, NameError for cells of no known type
UPGRADE_ERRORS = (ValueError, LookupError, AttributeError, TypeError, NameError, RecursionError)
HEADING = re.compile(r"^(#{1,6})[ \t]+(.+?)[ \t]*#*[ \t]*$")
FENCE = re.compile(r"^\s*(`{3,}|~{3,})[ \t]*(.*)$")
# cell magics whose body is Python code that runs in the notebook's namespace
CELL_MAGIC = re.compile(r"\A\s*%%(mlops|time|capture)\b(.*)$", re.MULTILINE)
IPYTHON_SYNTAX = re.compile(
    r"^\s*[%!?]|\?\s*$|=\s*[%!]|^\s*[,;/](?:\w|\s*$)|\A\s*(?:>>>|In \[\d+\]:)", re.MULTILINE
)


# a cell of one line that IPython runs as a magic without its `%`, unless it is valid Python
AUTOMAGIC = re.compile(
    r"(?:alias|autoreload|cat|cd|config|cp|env|history|less|load|load_ext|ls|matplotlib|mkdir|more|mv"
    r"|pip|precision|prun|pushd|reset|rm|rmdir|run|store|time|timeit|who|whos|writefile|xmode)"
    r"[ \t]+(?![!=()<>,+*/%^&|])\S.*"
)
# line magics whose text contains no Python, for which IPython's transformer is not needed
QUIET_LINE = re.compile(
    r"^%(mlops|load_ext|reload_ext|autoreload|matplotlib|config|precision)(?:[ \t]+(.*?))?[ \t]*$",
    re.MULTILINE,
)


def _as_call(magic: re.Match[str]) -> str:
    return f"get_ipython().run_line_magic({magic[1]!r}, {(magic[2] or '')!r})"


def load(text: str, name: str) -> dict[str, Any]:
    """Parse the text of a notebook file into an nbformat 4 document.

    Raises NotebookError if the text is not a notebook.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NotebookError(
            f"{name!r} is no notebook: it is not JSON ({error})",
            fix="open it in Jupyter and save it again, or restore it from git",
        ) from None
    if not isinstance(document, dict) or type(document.get("nbformat")) is not int:
        raise NotebookError(
            f"{name!r} is no notebook: it has no 'nbformat'",
            fix="give the path of an .ipynb file that Jupyter saved",
        )
    if document["nbformat"] != 4:  # noqa: PLR2004
        document = _upgraded(document, name)
    cells = document.get("cells")
    if not isinstance(cells, list) or not all(_is_cell(cell) for cell in cells):
        raise NotebookError(
            f"{name!r} is no notebook: its 'cells' are not a list of cells",
            fix="open it in Jupyter and save it again, or restore it from git",
        )
    if "\\ud" in text.lower() and not _encodes(document):
        raise NotebookError(
            f"{name!r} holds half of a character, which no file can hold",
            fix="find the cell with the broken text, and type it anew",
        )
    if not isinstance(document.get("metadata"), dict):
        document["metadata"] = {}
    if not isinstance(document["metadata"].get("kernelspec", {}), dict):
        del document["metadata"]["kernelspec"]
    found: dict[str, Any] = document
    return found


def _encodes(document: dict[str, Any]) -> bool:
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _upgraded(document: dict[str, Any], name: str) -> dict[str, Any]:
    import nbformat

    try:
        upgraded: dict[str, Any] = nbformat.convert(nbformat.reader.reads(json.dumps(document)), 4)
        for cell in upgraded["cells"]:
            cell.pop("id", None)  # nbformat generates new ones each time
    except (*UPGRADE_ERRORS, nbformat.ValidationError) as error:
        raise NotebookError(
            f"{name!r} is of nbformat {document['nbformat']} and cannot be brought to 4 ({error})",
            fix="open it in Jupyter and save it again",
        ) from None
    return upgraded


def _is_cell(cell: Any) -> bool:
    if not isinstance(cell, dict):
        return False
    source = cell.get("source", "")
    return (
        isinstance(cell.get("cell_type"), str)
        and (isinstance(source, str) or _is_texts(source))
        and isinstance(cell.get("metadata", {}), dict)
    )


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(part, str) for part in value)


def _part(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return a mapping of a document, or an empty one if its value is not a mapping."""
    found = document.get(key)
    return found if isinstance(found, Mapping) else {}


def source_of(cell: Mapping[str, Any]) -> str:
    """Return the text of a cell; nbformat allows a list of lines."""
    source = cell.get("source", "")
    return source if isinstance(source, str) else "".join(source)


def tags_of(cell: Mapping[str, Any]) -> frozenset[str]:
    """Return the tags of a cell."""
    tags = cell.get("metadata", {}).get("tags", [])
    return frozenset(str(tag) for tag in tags) if isinstance(tags, list) else frozenset()


def is_injected(cell: Mapping[str, Any]) -> bool:
    """Say whether papermill inserted this cell, so that the source notebook does not contain it."""
    return bool(tags_of(cell) & {"injected-parameters", "papermill-error-cell-tag"})


def read(document: Mapping[str, Any], name: str) -> Notebook:
    """Return the code cells of a notebook document, each with the headings above it.

    Raises NotebookError for a kernel of another language.

    >>> cell = {"cell_type": "code", "source": "x = 1", "metadata": {}}
    >>> read({"cells": [cell], "nbformat": 4}, "a.ipynb").cells[0].source
    'x = 1'
    """
    kernel = _python_kernel(document, name)
    cells: list[Cell] = []
    headings: list[tuple[int, str, int]] = []
    position, ordinal = -1, 0
    for raw in document["cells"]:
        if is_injected(raw):
            continue
        position += 1
        if raw["cell_type"] == "markdown":
            for level, text in headings_of(source_of(raw)):
                ordinal += 1
                headings = [h for h in headings if h[0] < level] + [(level, text, ordinal)]
        elif raw["cell_type"] == "code":
            cells.append(
                Cell(
                    index=len(cells),
                    position=position,
                    id=str(raw.get("id") or f"cell-{position}"),
                    source=source_of(raw),
                    tags=tags_of(raw),
                    headings=tuple(headings),
                    count=_count(raw),
                )
            )
    return Notebook(name=name, cells=tuple(cells), kernel=kernel, language="python")


def _count(cell: Mapping[str, Any]) -> int | None:
    count = cell.get("execution_count")
    return count if isinstance(count, int) else None


def _python_kernel(document: Mapping[str, Any], name: str) -> str:
    """Return the name of a notebook's kernel. Raises NotebookError if it is not for Python."""
    metadata = _part(document, "metadata")
    spec = _part(metadata, "kernelspec")
    language = str(spec.get("language") or _part(metadata, "language_info").get("name") or "python")
    if language.lower() not in {"python", "ipython"}:
        raise NotebookError(
            f"{name!r} is written in {language!r}; its pipeline can only be read from Python",
            fix="choose a Python kernel for this notebook",
        )
    return str(spec.get("name") or "python3")


def headings_of(markdown: str) -> list[tuple[int, str]]:
    """Return the (level, text) of the headings in a Markdown cell, outside of code fences.

    >>> headings_of("# Wine\\n```\\n# no\\n```\\n## Load ##")
    [(1, 'Wine'), (2, 'Load')]
    """
    found, fence = [], ""
    for line in markdown.splitlines():
        mark = FENCE.match(line)
        if mark is not None and not fence:
            fence = mark[1]
        elif mark is not None and mark[1].startswith(fence) and not mark[2]:
            fence = ""
        elif not fence and (match := HEADING.match(line)):
            found.append((len(match[1]), match[2]))
    return found


def _line_form(magic: re.Match[str]) -> str:
    if magic[1] == "mlops":
        return f"%mlops{magic[2]}"
    bound = re.sub(r"--?\S+", "", magic[2]).strip() if magic[1] == "capture" else ""
    return f"{bound} = None  # %%capture" if bound.isidentifier() else f"# %%{magic[1]}{magic[2]}"


def _is_python(source: str) -> bool:
    try:
        ast.parse(source)
    except UNPARSABLE:
        return False
    return True


def python_of(source: str) -> str:
    """Translate the text of a cell into plain Python: magics and `!` lines become calls.

    IPython is imported only for cells that need its transformer.

    >>> python_of("%matplotlib inline\\nx = 1")
    "get_ipython().run_line_magic('matplotlib', 'inline')\\nx = 1\\n"
    >>> python_of("timeit f(x)")
    "get_ipython().run_line_magic('timeit', 'f(x)')\\n"
    """
    if AUTOMAGIC.fullmatch(source.strip()) and not _is_python(source):
        source = f"%{source.strip()}"
    source = CELL_MAGIC.sub(_line_form, source, count=1)
    if not IPYTHON_SYNTAX.search(source):
        return source
    plain = QUIET_LINE.sub(_as_call, source)
    if not IPYTHON_SYNTAX.search(plain):
        return plain if plain.endswith("\n") else plain + "\n"
    from IPython.core.inputtransformer2 import TransformerManager

    transformed: str = TransformerManager().transform_cell(source)
    return transformed
