"""Returns the runs, jobs, models and alerts of the project of a notebook to the panel."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING

from tornado import web  # type: ignore[attr-defined]

from mlops_nb.errors import MlopsError, Refused
from mlops_nb.jupyter.handlers.base import PanelHandler
from mlops_nb.project import open_project

if TYPE_CHECKING:
    from typing import Any

    from mlops_nb.jupyter.watcher import JournalWatcher

MOST_RUNS = 10_000


class ProjectHandler(PanelHandler):
    """GET ?path=NOTEBOOK&runs=N returns what the panel lists of the project."""

    def initialize(self, root: Path, watcher: JournalWatcher) -> None:
        """Take the folder of the server's notebooks, and what looks at their journals."""
        self.root, self.watcher = root, watcher

    @web.authenticated
    async def get(self) -> None:
        """Answer 200 with the lists, 400 with what is wrong and how to fix it."""
        path = self.get_query_argument("path", "")
        try:
            folder = self.notebook(path).resolve().parent
            count = self._count()
            found = await asyncio.to_thread(overview, folder, count, self.root)
        except MlopsError as error:
            self.refuse(error)
            return
        self.watcher.asked(str(Path(path).parent), folder, found["mark"])
        self.finish(json.dumps(found, default=str))

    def _count(self) -> int:
        try:
            return max(1, min(MOST_RUNS, int(self.get_query_argument("runs", "200"))))
        except ValueError:
            raise Refused("'runs' is not a number", fix="reload the page") from None


def overview(folder: Path, count: int, root: Path) -> dict[str, Any]:
    """Return what the panel lists of a folder, with the paths that the server shows."""
    found = open_project(folder).overview(count)
    for row in found["jobs"]:
        row["notebook"] = _relative(row["notebook"], root)
    return found


def _relative(file: str, root: Path) -> str:
    """Return a path relative to the root of the server, "" if it lies outside."""
    path, top = Path(file), root.resolve()
    return path.relative_to(top).as_posix() if file and path.is_relative_to(top) else ""


class CopiesHandler(PanelHandler):
    """POST {"path", "run"} copies the executed notebook of a run beside the notebook."""

    def initialize(self, root: Path) -> None:
        """Take the folder of the server's notebooks."""
        self.root = root

    @web.authenticated
    async def post(self) -> None:
        """Answer 200 with the path of the copy, 400 with what is wrong and how to fix it."""
        try:
            body = self.body()
            notebook = self.notebook(body.get("path")).resolve()
            project = open_project(notebook.parent)
            copy = await asyncio.to_thread(project.copy_of_run, str(body.get("run", "")), notebook)
        except MlopsError as error:
            self.refuse(error)
        else:
            self.finish(json.dumps({"version": 1, "path": _relative(str(copy), self.root)}))


def mark(folder: Path) -> str:
    """Return a text that changes when the journal of a folder grows."""
    return open_project(folder).mark()
