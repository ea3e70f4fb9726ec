"""The frozen notebook: the cells that a job carries, without outputs, marked by tags."""

import copy
from collections.abc import Mapping
from typing import Any

from mlops_nb.notebook.cells import headings_of, is_injected, source_of
from mlops_nb.notebook.markers import frozen as frozen_source
from mlops_nb.notebook.model import Pipeline

KEPT_TAGS = {"parameters", "raises-exception"}


def freeze(
    document: Mapping[str, Any], pipeline: Pipeline, kept: tuple[int, ...]
) -> dict[str, Any]:
    """Return a document of the kept code cells, and the Markdown above them.

    `%mlops` lines become comments and the cells of steps are tagged `step:NAME`, so that the
    frozen notebook runs without this package.
    """
    by_position = {c.position: c for c in pipeline.cells}
    cells: list[dict[str, Any]] = []
    waiting: list[dict[str, Any]] = []
    position = -1
    for raw in document["cells"]:
        if is_injected(raw):
            continue
        position += 1
        if raw["cell_type"] == "markdown":
            waiting = _joined(waiting, raw)
        elif raw["cell_type"] == "code" and by_position[position].index in kept:
            cells += [_markdown(w, len(cells) + i) for i, w in enumerate(waiting)]
            waiting = []
            cells.append(_code(raw, by_position[position].step, by_position[position].id))
        elif raw["cell_type"] == "code":
            waiting = [w for w in waiting if headings_of(source_of(w))]
    return {
        "cells": cells,
        "metadata": {"kernelspec": _kernelspec(document), "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _joined(waiting: list[dict[str, Any]], raw: dict[str, Any]) -> list[dict[str, Any]]:
    """Drop the text above a heading that is followed by no kept cell."""
    if headings := headings_of(source_of(raw)):
        level = headings[0][0]
        waiting = [w for w in waiting if _level(w) < level]
    return [*waiting, raw]


def _level(raw: dict[str, Any]) -> int:
    headings = headings_of(source_of(raw))
    return headings[0][0] if headings else 7


def _markdown(raw: dict[str, Any], place: int) -> dict[str, Any]:
    cell_id = str(raw.get("id") or f"text-{place}")
    return {"cell_type": "markdown", "id": cell_id, "metadata": {}, "source": source_of(raw)}


def _code(raw: dict[str, Any], step: str | None, cell_id: str) -> dict[str, Any]:
    given = raw.get("metadata", {}).get("tags", [])
    tags = [tag for tag in given if tag in KEPT_TAGS]
    if step:
        tags.append(f"step:{step}")
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": cell_id,
        "metadata": {"tags": tags} if tags else {},
        "outputs": [],
        "source": frozen_source(source_of(raw)),
    }


def _kernelspec(document: Mapping[str, Any]) -> dict[str, Any]:
    spec = copy.deepcopy(document.get("metadata", {}).get("kernelspec")) or {}
    return {"name": "python3", "display_name": "Python 3", "language": "python"} | spec
