"""Tasks, and the seams between engines, runs and reuse."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct, field

from mlops_nb.events import Event
from mlops_nb.notebook.model import Value


class Rescore(Struct, frozen=True, kw_only=True):
    """Score other models with the cells and the data of a run, at its end.

    variable: the name that the models are bound to
    hold:     names whose values are copied when `after` ends, for the cells to read
    after:    the step after which the names are copied
    cells:    indexes of the cells to run again
    models:   version → file of the pickled model
    """

    variable: str
    hold: tuple[str, ...]
    after: str
    cells: tuple[int, ...]
    models: Mapping[int, str]


class ModelInputs(Struct, frozen=True, kw_only=True):
    """The names that may hold the input of the model of a run.

    given: names that the cells pass to the model, the likeliest first
    read:  other names that the step of the model reads or makes
    """

    given: tuple[str, ...] = ()
    read: tuple[str, ...] = ()


class Answering(Struct, frozen=True, kw_only=True):
    """How the model of a run answers requests, which the end of the run proves.

    model, features, decide: names of the notebook, "" without
    lookups: the tables that the features join → how old they may be, s
    rows:    names that may hold rows of the evaluation as callers send them, the likeliest first
    pred, score: what the evaluation was judged on, "" without
    by:      what cut its rows into slices
    functions: metric → the function that computes it
    path:    the file of the package's pickle
    """

    model: str
    path: Path
    features: str = ""
    decide: str = ""
    lookups: Mapping[str, float] = field(default_factory=dict)
    rows: tuple[str, ...] = ()
    pred: str = ""
    score: str = ""
    by: tuple[str, ...] = ()
    functions: Mapping[str, str] = field(default_factory=dict)


class Limits(Struct, frozen=True, kw_only=True):
    """The engine of a run, and how much time and memory it may take.

    engine:  warm, kernel or cold; "" for the fastest that is safe
    timeout, cell_timeout: s, for the run and for each cell
    memory:  bytes that the run's processes may hold
    retries: how often a failed run is repeated
    """

    engine: str = ""
    timeout: float | None = None
    cell_timeout: float | None = None
    memory: int | None = None
    retries: int = 0


class Task(Struct, frozen=True, kw_only=True):
    """One notebook to execute, and the options of its execution.

    document:   the notebook, as nbformat 4 JSON; `source` is where it came from
    steps:      step name → indexes of its cells
    looks:      cell → (step, names): values to digest after that cell; -1: at the end
    keep:       name → (step, file): pickle the value after the step, or at the end for ""
    inputs:     the names to take an example of the kept model's input from
    answering:  how the kept model answers; None for a model that is not served
    dump:       folder for a pickle of every digested value, for proofs
    seed:       seed of the global random number generators
    bind:       cell → (name, file): bind a pickled value to a name after that cell
    secrets:    values that are masked in outputs
    list_modules: emit the imported modules at the end
    scratch:    folder for temporary files, which the caller removes; None: that of the output
    observe:    emit what every cell read, bound and changed
    go_on:      run the cells after a failed one, too
    limits:     its engine, and how much time and memory it may take
    schema:     the contract of frames; a frame that violates it stops the run
    profile:    steps whose frames are profiled, for a contract
    evaluation: the evaluation mark of the notebook, scored at the end
    """

    run: str
    document: Mapping[str, Any]
    folder: Path
    output: Path
    source: str = ""
    parameters: Mapping[str, Value] = field(default_factory=dict)
    steps: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    looks: Mapping[int, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    keep: Mapping[str, tuple[str, Path]] = field(default_factory=dict)
    inputs: ModelInputs = ModelInputs()
    answering: Answering | None = None
    list_modules: bool = False
    observe: bool = False
    go_on: bool = False
    metrics: tuple[str, ...] = ()
    not_metrics: frozenset[str] = frozenset()
    dump: Path | None = None
    seed: int | None = None
    modules: Path | None = None
    interpreter: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    bind: Mapping[int, tuple[str, Path]] = field(default_factory=dict)
    rescore: Rescore | None = None
    secrets: tuple[str, ...] = ()
    limits: Limits = Limits()
    scratch: Path | None = None
    schema: Mapping[str, Any] = field(default_factory=dict)
    profile: frozenset[str] = frozenset()
    evaluation: Mapping[str, str] = field(default_factory=dict)


class CachedUnit(Struct, frozen=True, kw_only=True):
    """The cached result of a cell that need not run.

    outputs: the cell's outputs, as nbformat has them
    values:  name → description of its value, as in `StepObserved`
    saved:   seconds that the unit took when it ran
    last:    the unit ends with this cell
    left_out: the run does not need the unit
    """

    unit: str
    step: str
    because: str
    last: bool
    saved: float
    values: Mapping[str, Mapping[str, Any]]
    outputs: list[dict[str, Any]]
    left_out: bool = False


class Restore(Struct, frozen=True, kw_only=True):
    """The values and definitions to restore before a cell runs.

    definitions: texts of imports to execute again
    entries:     stored groups of values, as `probe.values.groups` loads them
    generators:  stored states of random generators
    setup:       names that a value may refer to, as set-up binds them
    lost:        a name that is needed and cannot be restored, or ""
    """

    definitions: list[str]
    entries: list[dict[str, Any]]
    generators: list[dict[str, Any]]
    setup: list[str]
    lost: str = ""


class Reuse(Protocol):
    """Decides which cells of a run need not run, and records those that ran."""

    folder: Path  # where an executor writes values before they are stored
    hidden: tuple[str, ...]  # texts that no stored value may contain

    @property
    def of_cell(self) -> Mapping[int, Any]:
        """Return the cells that are recorded, in order, each with its unit."""
        ...

    def cached(self, cell: int, *, kernel: bool = True) -> CachedUnit | None:
        """Return the cached result of a cell, None if it must run."""
        ...

    def because(self, cell: int) -> str:
        """Return why a cell must run."""
        ...

    def restore(self, cell: int | None, *, names: Sequence[str] = ()) -> Restore:
        """Return what must be restored before a cell runs, or for some names; "*": all."""
        ...

    def saw(self, cell: int, seen: Mapping[str, Any]) -> None:
        """Add the observed reads and changes of a cell that ran."""
        ...

    def missed(self, seen: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the names that a cell read although they were not restored before it."""
        ...

    def ends(self, cell: int) -> bool:
        """Return whether a unit ends with this cell."""
        ...

    def cells(self, cell: int) -> tuple[int, ...]:
        """Return the cells of a cell's unit."""
        ...

    def made(self, cell: int) -> tuple[str, ...]:
        """Return the names that the unit ending with this cell made."""
        ...

    def touched(self, cell: int) -> dict[str, Any]:
        """Return what `probe.values.groups.make` is asked after the unit ending with this cell."""
        ...

    def record(self, cell: int, ended: Mapping[str, Any]) -> Event:
        """Return the event that records the unit ending with this cell."""
        ...

    def differs(self, cell: int, values: Mapping[str, Any]) -> tuple[str, ...] | None:
        """Return the names with other values than recorded, None if the unit is not audited."""
        ...

    def damaged(self, artifact: str) -> None:
        """Never use an artifact again."""
        ...

    def reset(self) -> None:
        """Start over, for another kernel."""
        ...


class Executor(Protocol):
    """Executes a notebook's cells, one after another."""

    def execute(self, task: Task, reuse: Reuse | None = None) -> Iterator[Event]:
        """Yield cell, observation, measurement and model events as they become true.

        reuse: decides which cells need not run, and records those that did

        Ends after the first CellFailed. Raises Unreachable if no kernel starts.
        """
        ...
