"""Writes what the cells of an executed notebook printed as one text, cell by cell."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from mlops_nb.notebook.cells import source_of

CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")  # colours and movements of a terminal
OVERWRITTEN = re.compile(r"[^\n]*\r(?!\n|$)")  # what a progress bar wrote before its last state
MOST_NAME = 60


def printed(document: Mapping[str, Any]) -> str:
    """Return the printed texts, results and errors of the cells that began.

    A text of a cell that goes on begins with the text of the same cell before, unless the cell
    cleared its output or drew a progress bar.

    >>> hello = [{"output_type": "stream", "name": "stdout", "text": "hello\\n"}]
    >>> printed({"cells": [{"cell_type": "code", "source": "print('hello')", "outputs": hello}]})
    "── cell 1: print('hello')\\nhello\\n"
    """
    return "".join(
        f"── cell {place}: {_first_line(cell)}\n{''.join(_texts(cell))}"
        for place, cell in enumerate(document.get("cells", ()), 1)
        if cell.get("cell_type") == "code" and _began(cell)
    )


def _began(cell: Mapping[str, Any]) -> bool:
    noted = cell.get("metadata", {}).get("papermill", {})
    return bool(cell.get("outputs")) or noted.get("status") in {"running", "failed"}


def _first_line(cell: Mapping[str, Any]) -> str:
    line = next((one for one in source_of(cell).splitlines() if one.strip()), "").strip()
    return line if len(line) <= MOST_NAME else line[: MOST_NAME - 1] + "…"


def _texts(cell: Mapping[str, Any]) -> Iterator[str]:
    for output in cell.get("outputs", ()):
        kind = output.get("output_type")
        if kind == "stream":
            yield _plain(output.get("text", ""))
        elif kind == "error":
            yield _line("\n".join(output.get("traceback", ())))
        else:
            yield _line(_shown(output.get("data", {})))


def _shown(data: Mapping[str, Any]) -> str:
    if "text/plain" in data:
        return "".join(data["text/plain"])
    return f"({', '.join(data)})" if data else ""


def _line(text: str) -> str:
    return f"{_plain(text)}\n" if text else ""


def _plain(text: Any) -> str:
    """Return a text without what only a terminal understands.

    >>> _plain("10 %\\r20 %\\r30 %\\n")
    '30 %\\n'
    """
    return OVERWRITTEN.sub("", CONTROL.sub("", "".join(text)))
