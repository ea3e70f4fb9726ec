"""Prepares notebook documents to run, inserts parameters, and serializes them as nbformat does."""

import copy
import itertools
import json
import math
import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from mlops_nb.notebook.cells import is_injected, source_of, tags_of

INJECTED = "injected-parameters"
ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
NO_ID = re.compile(r"[^a-zA-Z0-9_-]")
TRANSIENT = frozenset({"orig_nbformat", "orig_nbformat_minor", "signature"})
SPLIT = frozenset({"application/javascript", "image/svg+xml"})  # stored by lines, like text


def ready(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy with a kernelspec and ids, without outputs and inserted cells."""
    made = copy.deepcopy(dict(document))
    made["cells"] = [cell for cell in made["cells"] if not is_injected(cell)]
    made["nbformat_minor"] = max(5, int(made.get("nbformat_minor", 5)))
    ids = {INJECTED}
    metadata = made.setdefault("metadata", {})
    metadata.setdefault("kernelspec", {"name": "python3", "display_name": "Python 3"})
    metadata["kernelspec"].setdefault("language", "python")
    metadata["papermill"] = {}
    for cell in made["cells"]:
        cell["source"] = source_of(cell)
        cell.setdefault("metadata", {})
        cell["id"] = _id_beside(ids, cell.get("id"))
        ids.add(cell["id"])
        if cell["cell_type"] == "code":
            cell["outputs"] = []
            cell.setdefault("execution_count", None)
    return made


def _id_beside(taken: AbstractSet[str], wanted: Any) -> str:
    """Return an id of a cell that nbformat allows and no other cell has: the wanted one, if so."""
    if isinstance(wanted, str) and ID.fullmatch(wanted) and wanted not in taken:
        return wanted
    base = NO_ID.sub("-", str(wanted or "cell"))[:40]
    return next(i for n in itertools.count(len(taken) - 1) if (i := f"{base}-{n}") not in taken)


def inject(document: dict[str, Any], parameters: Mapping[str, Any]) -> None:
    """Insert a cell that sets parameters, as papermill does: after the tagged one, or first."""
    document["metadata"]["papermill"]["parameters"] = dict(parameters)
    if not parameters:
        return
    lines = [f"{name} = {literal(value)}" for name, value in parameters.items()]
    cell: dict[str, Any] = {
        "cell_type": "code",
        "execution_count": None,
        "id": INJECTED,
        "outputs": [],
        "metadata": {"tags": [INJECTED]},
        "source": "\n".join(["# Parameters", *lines, ""]),
    }
    cells = document["cells"]
    place = next((i + 1 for i, c in enumerate(cells) if "parameters" in tags_of(c)), 0)
    document["cells"] = [*cells[:place], cell, *cells[place:]]


def literal(value: Any) -> str:
    """Return the value of a parameter as Python text, as papermill writes it.

    >>> literal({"a": [1, True, None, 'x"']})
    '{"a": [1, True, None, "x\\\\""]}'
    """
    if value is None or isinstance(value, bool | int):
        return str(value)
    if isinstance(value, float):
        return str(value) if math.isfinite(value) else f"float('{value}')"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{literal(str(k))}: {literal(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(literal, value)) + "]"
    text = str(value).encode("unicode_escape").decode("ascii").replace('"', r"\"")
    return f'"{text}"'


def written(document: Mapping[str, Any]) -> str:
    """Serialize a document as nbformat does: texts as lists of lines, keys sorted."""
    made = {**document, "cells": [_cell(cell) for cell in document["cells"]]}
    made["metadata"] = {k: v for k, v in document["metadata"].items() if k not in TRANSIENT}
    return json.dumps(made, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _cell(cell: Mapping[str, Any]) -> dict[str, Any]:
    made = dict(cell)
    made["source"] = source_of(cell).splitlines(keepends=True)
    made["metadata"] = {k: v for k, v in cell["metadata"].items() if k != "trusted"}
    if "attachments" in cell:
        made["attachments"] = {k: _bundle(v) for k, v in cell["attachments"].items()}
    if cell["cell_type"] == "code":
        made["outputs"] = [_output(output) for output in cell["outputs"]]
    return made


def _output(output: Mapping[str, Any]) -> dict[str, Any]:
    made = dict(output)
    if output["output_type"] in {"execute_result", "display_data"}:
        made["data"] = _bundle(output.get("data", {}))
    elif output["output_type"] == "stream" and isinstance(output["text"], str):
        made["text"] = output["text"].splitlines(keepends=True)
    return made


def _bundle(bundle: Mapping[str, Any]) -> dict[str, Any]:
    return {
        mime: value.splitlines(keepends=True)
        if isinstance(value, str) and (mime.startswith("text/") or mime in SPLIT)
        else value
        for mime, value in bundle.items()
    }
