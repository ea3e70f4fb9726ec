"""An open notebook: its shell, its cells as they ran, and its document."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlops_nb.context import Context
from mlops_nb.events import StepRecorded
from mlops_nb.notebook import load
from mlops_nb.notebook.model import Source
from mlops_nb.session.cells import LiveCells, stamp
from mlops_nb.session.editor import Editor


class OpenNotebook:
    """A notebook that a shell runs.

    editor:   the document as an editor reported it last
    recorded: unit → its latest record of this kernel
    lock:     held while `live` and `editor` change, as the panel asks from another thread
    """

    def __init__(self, shell: Any, ctx: Context, path_of: Callable[[], str]) -> None:
        self.shell, self.ctx, self.path_of = shell, ctx, path_of
        self.live = LiveCells()
        self.editor = Editor()
        self.recorded: dict[str, StepRecorded] = {}
        self.lock = threading.RLock()
        self._read: tuple[tuple[Path, float], Source] | None = None  # the last reading

    def source(self) -> Source:
        """Read the notebook: as an editor reported it, or as it was saved after that.

        Raises Refused if its path is not known.
        """
        path = Path(self.path_of())
        saved = stamp(str(path))
        with self.lock:
            unsaved = self.editor.at * 1e9 > saved
            key = (path, self.editor.at if unsaved else saved)
            if self._read is not None and self._read[0] == key:
                return self._read[1]
            content = self.editor.document() if unsaved else None
            found = load.capture(path, content)
            self._read = (key, found)
        return found
