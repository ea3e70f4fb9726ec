"""The output of a running notebook: times and states of its cells, and their outputs."""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from mlops_nb.engine.runner import is_skipped

PENDING = {
    "exception": None,
    "start_time": None,
    "end_time": None,
    "duration": None,
    "status": "pending",
}


class Page:
    """Writes the metadata that papermill writes: when cells start and end, and how.

    save: called every few seconds while a cell runs, so that its outputs can be read
    """

    def __init__(
        self, document: dict[str, Any], source: str, output: str, *, save: Callable[[], None]
    ) -> None:
        self.nb, self.autosave_cell = document, save
        self.began = _now()
        self.cell_began = self.began
        metadata = document["metadata"]["papermill"]
        metadata |= {
            "default_parameters": {},
            "environment_variables": {},
            "input_path": source,
            "output_path": output,
            "start_time": self.began.isoformat(),
            "end_time": None,
            "duration": None,
            "exception": None,
        }
        metadata.setdefault("parameters", {})
        for cell in document["cells"]:
            cell["metadata"]["papermill"] = dict(PENDING)
            if cell["cell_type"] == "code":
                cell["execution_count"], cell["outputs"] = None, []

    def cell_start(self, cell: dict[str, Any], _: int | None = None) -> None:
        """Note that a cell starts."""
        self.cell_began = _now()
        started = {
            "start_time": self.cell_began.isoformat(),
            "status": "running",
            "exception": False,
        }
        cell["metadata"]["papermill"] |= started

    def cell_exception(self, cell: dict[str, Any], **_: Any) -> None:
        """Note that a cell failed."""
        cell["metadata"]["papermill"] |= {"exception": True, "status": "failed"}
        self.nb["metadata"]["papermill"]["exception"] = True

    def cell_complete(self, cell: dict[str, Any], **_: Any) -> None:
        """Note that a cell has ended."""
        metadata, ended = cell["metadata"]["papermill"], _now()
        metadata["end_time"] = ended.isoformat()
        metadata["duration"] = (ended - self.cell_began).total_seconds()
        if metadata["status"] != "failed":
            metadata["status"] = "completed"
            if cell["cell_type"] == "code" and not is_skipped(cell):
                times = {"iopub.execute_input": self.cell_began, "shell.execute_reply": ended}
                cell["metadata"]["execution"] = {k: v.isoformat() for k, v in times.items()}

    def complete(self) -> None:
        """Note that the notebook has ended."""
        metadata, ended = self.nb["metadata"]["papermill"], _now()
        metadata["end_time"] = ended.isoformat()
        metadata["duration"] = (ended - self.began).total_seconds()
        if metadata["exception"] is None and "widgets" not in metadata:
            for cell in self.nb["cells"]:
                if cell["metadata"]["papermill"]["status"] == "pending":
                    cell["metadata"]["papermill"]["status"] = "completed"


def _now() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)


class Outputs:
    """Folds the messages of a kernel's output channel into the outputs of cells."""

    def __init__(self) -> None:
        self.cell: Any = None
        self.clear_next = False
        self.pieces: list[str] = []  # texts of the latest stream
        self.displays: dict[str, list[dict[str, Any]]] = {}  # display id → outputs of that id

    def begin(self, cell: Any) -> None:
        """Add the following messages to a cell."""
        self.settle()
        self.cell, self.clear_next = cell, False
        cell["outputs"] = []

    def text(self, name: str, text: str) -> None:
        """Add printed text."""
        if self.cell is None or not text:
            return
        self._clear_if_due()
        outputs = self.cell["outputs"]
        last = outputs[-1] if outputs else {}
        if last.get("output_type") != "stream" or last["name"] != name:
            self.settle()
            outputs.append({"output_type": "stream", "name": name, "text": ""})
        self.pieces.append(text)

    def settle(self) -> None:
        """Join the texts of the latest stream."""
        if self.pieces:
            self.cell["outputs"][-1]["text"] += "".join(self.pieces)
            self.pieces = []

    def message(self, kind: str, content: Mapping[str, Any]) -> None:
        """Add any other message of the output channel."""
        if self.cell is None:
            return
        if kind == "clear_output":
            self.clear_next = bool(content.get("wait"))
            if not self.clear_next:
                self._clear()
            return
        display = (content.get("transient") or {}).get("display_id")
        if display:
            for output in self.displays.get(display, ()):
                output |= {"data": content["data"], "metadata": content["metadata"]}
        if kind in {"display_data", "execute_result", "error"}:
            self._add(kind, content, display)

    def _add(self, kind: str, content: Mapping[str, Any], display: str | None) -> None:
        self._clear_if_due()
        self.settle()
        keys = {
            "display_data": ("data", "metadata"),
            "execute_result": ("data", "metadata", "execution_count"),
            "error": ("ename", "evalue", "traceback"),
        }[kind]
        output = {"output_type": kind, **{k: content[k] for k in keys if k in content}}
        self.cell["outputs"].append(output)
        if display:
            self.displays.setdefault(display, []).append(output)

    def _clear_if_due(self) -> None:
        if self.clear_next:
            self._clear()

    def _clear(self) -> None:
        self.pieces = []
        gone = {id(output) for output in self.cell["outputs"]}
        self.cell["outputs"][:] = []
        self.clear_next = False
        for known in self.displays.values():
            known[:] = [output for output in known if id(output) not in gone]
