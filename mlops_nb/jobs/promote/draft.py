"""A draft of a bundle: the cells that a job carries, cut out of their notebook."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from mlops_nb import files
from mlops_nb.engine.environments import Environments
from mlops_nb.events import Event
from mlops_nb.jobs import schedule
from mlops_nb.jobs.bundle import freeze
from mlops_nb.jobs.model import Job, Proof
from mlops_nb.jobs.promote.compare import Side
from mlops_nb.notebook import cells, local_modules, slicing
from mlops_nb.notebook import pipeline as notebook_pipeline
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
    """A draft of a bundle."""

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
    proof: Proof = field(default_factory=lambda: Proof(equal=None))
    sides: dict[str, Side] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    changes: list[str] = field(default_factory=list)  # of the job that was there before


def prepare(  # noqa: PLR0913  the fields of a draft
    job: Job,
    source: Source,
    cut: slicing.Slice,
    *,
    root: Path,
    interpreter: str,
    stdlib: frozenset[str],
    at: datetime,
) -> Draft:
    """Freeze the cells that a job carries, with the local modules that they import."""
    pipeline = source.pipeline
    document = freeze.freeze(source.document, pipeline, cut.kept)
    notebook = cells.read(document, source.path.name)
    folder = source.path.parent.resolve()
    about = schedule.interval(job.schedule, at)
    return Draft(
        job=job,
        source=source,
        cut=cut,
        document=document,
        notebook=notebook,
        pipeline=notebook_pipeline.pipeline(notebook),
        carried=local_modules.carried(
            [cells.python_of(c.source) for c in notebook.cells],
            lambda name: None if name in stdlib else files.local_module(name, (folder, root)),
        ),
        interpreter=interpreter,
        parameters=schedule.filled(job.parameters, about, {p.name: p for p in pipeline.parameters}),
        metrics=pipeline.metrics,
    )
