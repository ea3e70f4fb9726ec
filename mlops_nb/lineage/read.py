"""Reads the trace of a run from the journal and the executed notebook."""

from pathlib import Path

from mlops_nb.errors import MlopsError
from mlops_nb.events import Event, StepRecorded, StepReused
from mlops_nb.lineage.trace import Trace, trace
from mlops_nb.notebook import cells
from mlops_nb.notebook import pipeline as notebook_pipeline
from mlops_nb.notebook.model import Notebook, Pipeline
from mlops_nb.runs.history import Run
from mlops_nb.storage.ports import Journal


class Records:
    """The StepRecorded events of a journal, read once for each notebook."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.known: dict[str, list[Event]] = {}

    def of(self, notebook: str) -> list[Event]:
        """Return the records of a notebook's steps, in the order they were written."""
        if notebook not in self.known:
            self.known[notebook] = [
                event
                for event in self.journal.read(kinds=(StepRecorded,))
                if isinstance(event, StepRecorded) and event.record.get("notebook") == notebook
            ]
        return self.known[notebook]


def traced(journal: Journal, run: Run, records: Records | None = None) -> Trace:
    """Return the trace of a run, with its notebook if that still exists.

    records: those that were read for an earlier run
    """
    events: list[Event] = list(journal.read(run=run.id))
    reused = any(isinstance(e, StepReused) for e in events)
    if reused or not any(isinstance(e, StepRecorded) for e in events):
        known = (records or Records(journal)).of(run.notebook)
        events = sorted([*events, *(e for e in known if e.run != run.id)], key=lambda e: e.id)
    notebook, pipeline = read_back(Path(run.output))
    return trace(run.id, events, notebook=notebook, pipeline=pipeline)


def read_back(path: Path) -> tuple[Notebook, Pipeline] | tuple[None, None]:
    """Return an executed notebook and its pipeline, or (None, None) if it is missing or damaged."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        notebook = cells.read(cells.load(text, path.name), path.name)
        return notebook, notebook_pipeline.pipeline(notebook)
    except (MlopsError, OSError, UnicodeDecodeError):
        return None, None
