"""A draft of a bundle: the cells that a job carries, cut out of their notebook."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from mlops_nb import files
from mlops_nb.engine.environments import Environments
from mlops_nb.events import Event
from mlops_nb.jobs import schedule
from mlops_nb.jobs.bundle import freeze
from mlops_nb.jobs.cut import cut_out, measured_metrics
from mlops_nb.jobs.model import Job, Proof
from mlops_nb.jobs.promote.compare import Side
from mlops_nb.notebook import cells, local_modules, pipeline, slicing
from mlops_nb.notebook.model import Notebook, Pipeline, Source, Value
from mlops_nb.reuse.ledger import Ledger

END = "(end)"  # the step of values that are compared after the last cell


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """The tools of one promotion.

    execute: runs a task and returns its events; records them if `recorded`
    run:     id of the bundle's run; `output` is the path of its notebook
    scratch: a temporary folder
    environment: variables that the kernel gets in addition; `secrets` are values to mask
    note:    called with messages of progress
    snapshots: returns the ledger of external data that both sides of the proof share
    """

    root: Path
    execute: Callable[..., list[Event]]
    environments: Environments
    run: str
    output: Path
    scratch: Path
    environment: Mapping[str, str]
    base_environment: Mapping[str, str]
    secrets: tuple[str, ...]
    note: Callable[[str], None]
    seed: int
    champion: tuple[int, Path] | None = None
    snapshots: Callable[[Source], Ledger | None] = lambda _: None


@dataclass(slots=True, kw_only=True)
class Draft:
    """A draft of a bundle.

    document, notebook, pipeline: the frozen cells
    carried: file in modules/ → its text
    seen:    cell of the notebook → what the observer reported when the proof ran the notebook
    changes: what a promotion changes in the job that was there before
    """

    job: Job
    source: Source
    cut: slicing.Slice
    document: dict[str, Any]
    notebook: Notebook
    pipeline: Pipeline
    carried: Mapping[str, str]
    interpreter: str
    parameters: Mapping[str, Value]
    metrics: tuple[str, ...]
    seen: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    proof: Proof = field(default_factory=lambda: Proof(equal=None))
    sides: dict[str, Side] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    changes: list[str] = field(default_factory=list)

    def label(self, cell: int) -> str:
        """Return how the user sees a cell of the bundle: as a cell of the notebook."""
        return self.source.notebook.cells[self.cut.kept[cell]].label


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafting:
    """Makes drafts of one job.

    stdlib: top-level modules of the interpreter's standard library
    at:     the time of the promotion
    """

    job: Job
    root: Path
    interpreter: str
    stdlib: frozenset[str]
    at: datetime

    def draft(self, source: Source) -> Draft:
        """Freeze the cells that a job carries, with the local modules that they import.

        Raises JobError for a gate on a metric that no cell makes.
        """
        cut = cut_out(self.job, source)
        document = freeze.freeze(source.document, source.pipeline, cut.kept)
        notebook = cells.read(document, source.path.name)
        return Draft(
            job=self.job,
            source=source,
            cut=cut,
            document=document,
            notebook=notebook,
            pipeline=pipeline.pipeline(notebook),
            carried=self._carried(notebook, source.path.parent.resolve()),
            interpreter=self.interpreter,
            parameters=self._parameters(source),
            metrics=measured_metrics(self.job, source.pipeline),
        )

    def redraft(self, made: Draft, seen: Mapping[int, Mapping[str, Any]]) -> None:
        """Draft again with what a run of the notebook showed beside its text."""
        whole = pipeline.pipeline(made.source.notebook, seen, with_text=True)
        found = self.draft(replace(made.source, pipeline=whole))
        kept = {i: seen[cell] for i, cell in enumerate(found.cut.kept) if cell in seen}
        made.seen = seen
        made.source, made.cut = found.source, found.cut
        made.document, made.notebook = found.document, found.notebook
        made.carried = found.carried
        made.pipeline = pipeline.pipeline(found.notebook, kept, with_text=True)

    def _carried(self, notebook: Notebook, folder: Path) -> Mapping[str, str]:
        def find(name: str) -> dict[str, str] | None:
            known = name in self.stdlib
            return None if known else files.local_module(name, (folder, self.root))

        return local_modules.carried([cells.python_of(c.source) for c in notebook.cells], find)

    def _parameters(self, source: Source) -> Mapping[str, Value]:
        about = schedule.interval(self.job.schedule, self.at)
        known = {p.name: p for p in source.pipeline.parameters}
        return schedule.filled(self.job.parameters, about, known)
