"""The notebook as it is in an editor, put together from the cells that the editor reports."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, ValidationError, convert

from mlops_nb.errors import Refused


class EditorCell(Struct, frozen=True, kw_only=True):
    """A cell in an editor. `count`: its execution count, None if it has not run."""

    type: str
    source: str
    tags: list[str] = []
    count: int | None = None


class EditorChange(Struct, frozen=True, kw_only=True):
    """What an editor reports: the ids of all cells in order, and the cells that changed.

    revision: counts the reports of one editor
    """

    order: list[str]
    changed: dict[str, EditorCell] = {}
    kernel: str = "python3"
    revision: int = 0


class Editor:
    """The document in an editor, with edits that are not saved. `at`: its last change, s."""

    def __init__(self) -> None:
        self.cells: dict[str, EditorCell] = {}
        self.order: Sequence[str] = ()
        self.kernel = "python3"
        self.revision = 0
        self.at = 0.0

    def take(self, message: Mapping[str, Any]) -> None:
        """Take a report of the editor.

        Raises Refused for a malformed one, or if it leaves out a cell that is not known.
        """
        fix = "reload the page"
        try:
            change = convert(message, EditorChange)
        except ValidationError as error:
            raise Refused(f"the editor sent a malformed report: {error}", fix=fix) from None
        known = {**self.cells, **change.changed}
        if any(id_ not in known for id_ in change.order):
            raise Refused("the editor left out a cell that is not known here", fix=fix)
        self.cells = {id_: known[id_] for id_ in change.order}
        self.order, self.kernel, self.revision = change.order, change.kernel, change.revision
        self.at = time.time()

    def document(self) -> dict[str, Any]:
        """Return the notebook as nbformat has it, without outputs."""
        return {
            "nbformat": 4,
            "nbformat_minor": 5,
            "metadata": {"kernelspec": {"name": self.kernel, "display_name": self.kernel}},
            "cells": [_cell(id_, self.cells[id_]) for id_ in self.order],
        }


def _cell(id_: str, cell: EditorCell) -> dict[str, Any]:
    found = {
        "cell_type": cell.type,
        "id": id_,
        "source": cell.source,
        "metadata": {"tags": cell.tags} if cell.tags else {},
    }
    return found | ({"outputs": [], "execution_count": cell.count} if cell.type == "code" else {})
