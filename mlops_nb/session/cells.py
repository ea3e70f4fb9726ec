"""What ran in a kernel: each cell's last run, and who made each name. Pure bookkeeping."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mlops_nb.notebook.model import Source
from mlops_nb.reuse.texts import meaning


@dataclass(slots=True)
class Ran:
    """One cell that ran. `read`: name → version that it read; `left`: the version afterwards."""

    order: int
    id: str
    source: str
    seen: Mapping[str, Any]
    seconds: float
    read: dict[str, int]
    left: dict[str, int]
    files: dict[str, int] = field(default_factory=dict)
    makers: dict[str, str] = field(default_factory=dict)  # name → the cell that made it

    @property
    def failed(self) -> bool:
        """Whether it ended with an error."""
        return bool(self.seen.get("failed"))


@dataclass(slots=True)
class LiveCells:
    """The cells that ran in a kernel; without any, the kernel is new or there is none.

    cells:    id, or text without one → the last run
    versions: name → the number of the cell run that changed it last
    maker:    name → the cell that made it last
    restored: cells whose results were loaded
    brought:  name → the cell whose result a restore just bound
    """

    cells: dict[str, Ran] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    maker: dict[str, str] = field(default_factory=dict)
    prints: dict[str, bytes | None] = field(default_factory=dict)
    restored: set[str] = field(default_factory=set)
    brought: dict[str, str] = field(default_factory=dict)
    order: int = 0

    def saw(self, seen: Mapping[str, Any], prints: Mapping[str, Any], seconds: float) -> Ran:
        """Add a cell that ran, with what was observed of it.

        prints: name → the fingerprint of its value now
        """
        self.order += 1
        key = str(seen.get("id") or meaning(str(seen.get("source", ""))))
        read = {n: self.versions.get(n, 0) for n in seen.get("reads", ())}
        makers = {n: self.maker[n] for n in read if n in self.maker}
        for name in (*seen.get("writes", ()), *seen.get("changes", ())):
            self.maker[name] = self.brought.get(name, key)
            now = prints.get(name)
            if now is None or now != self.prints.get(name):  # the same value again is no change
                self.versions[name] = self.order
            self.prints[name] = now
        for name in seen.get("deletes", ()):
            self.prints.pop(name, None)  # it may keep a list alive
        self.brought.clear()
        left = {n: self.versions.get(n, 0) for n in read}
        files = {p: stamp(p) for p in seen.get("files_read", ())}
        text = str(seen.get("source", ""))
        ran = Ran(self.order, key, text, seen, seconds, read, left, files, makers)
        self.cells[key] = ran
        self.restored.discard(key)
        return ran

    def began(self, cell: str, text: str) -> None:
        """Add a cell that runs while nothing of it is observed yet."""
        self.cells[cell] = Ran(self.order, cell, text, {}, 0.0, {}, {})

    def ran(self, source: Source, index: int) -> Ran | None:
        """Return the last run of a cell of the notebook in this kernel."""
        cell = source.notebook.cells[index]
        return self.cells.get(cell.id) or self.cells.get(meaning(cell.source))

    def label(self, source: Source, index: int) -> str:
        """Return the name of a cell to the user: by its last run in this kernel, if it ran."""
        ran = self.ran(source, index)
        count = None if ran is None else ran.seen.get("typed")
        return source.notebook.cells[index].label if count is None else f"In [{count}]"


def stamp(path: str) -> int:
    """Return when a file was changed last, ns; 0 if there is none."""
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0
