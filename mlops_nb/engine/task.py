"""The seams: what the verbs ask of the world, as small Protocols."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct, field

from mlops_nb.events import Event
from mlops_nb.notebook.model import Value


class Rescore(Struct, frozen=True, kw_only=True):
    """Judge other models by the run's own cells, on the run's own data, once it is done.

    variable: the name that the models are bound to
    hold:     names to keep aside, as they are when `after` is done, for the cells to read
    after:    the step whose end the names are held at
    cells:    indexes of the cells to run again
    models:   version → file of the pickled model
    """

    variable: str
    hold: tuple[str, ...]
    after: str
    cells: tuple[int, ...]
    models: Mapping[int, str]


class Limits(Struct, frozen=True, kw_only=True):
    """What a run is executed by, and how much it may take.

    engine:  warm, kernel or cold; "" for the fastest that is safe
    timeout, cell_timeout: s, for the run and for each cell
    memory:  bytes that the run's processes may hold
    retries: how often a failed run is tried again
    """

    engine: str = ""
    timeout: float | None = None
    cell_timeout: float | None = None
    memory: int | None = None
    retries: int = 0


class Task(Struct, frozen=True, kw_only=True):
    """One notebook to execute, and what to look at on the way.

    document:   the notebook, as nbformat 4 JSON; `source` is where it came from
    steps:      step name → indexes of its cells
    looks:      cell → (step, names): whose values are digested when that cell is done; -1: the end
    keep:       names pickled at the end, or after their step → (step or "", file)
    dump:       folder for every watched value as a pickle, for proofs
    seed:       state every global random number generator starts from
    bind:       cell → (name, file): a pickled value bound to a name when that cell is done
    secrets:    values that no output may show
    list_modules: tell at the end what was imported
    scratch:    folder for temporary files, which the caller removes; None: that of the output
    observe:    tell of every cell what it read, bound and changed
    go_on:      run the cells after one that failed, too
    limits:     what it is run by, and how much of time and memory it may take
    schema:     what schema.json asks of the frames that steps leave; the run stops where one fails
    profile:    steps whose frames are described for such a schema
    evaluation: what the notebook's evaluation mark says, to be scored at the end
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
    """What stands for a cell that need not run.

    outputs: the cell's outputs, as nbformat has them
    values:  name → what was seen of it, as `StepObserved` tells it
    saved:   seconds that the unit took when it ran
    last:    the unit ends with this cell
    left_out: it was not asked for, and nothing that was needs it
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
    """What has to be brought back before a cell runs.

    definitions: texts of imports, functions and classes to execute again
    entries:     stored values, as `probe.values.save_load` reads them
    generators:  stored states of random generators
    """

    definitions: list[str]
    entries: list[dict[str, Any]]
    generators: list[dict[str, Any]]


class Reuse(Protocol):
    """Knows which cells of a run need not run, and records those that did."""

    folder: Path  # where an executor puts values that are to be stored
    hidden: tuple[str, ...]  # texts that nothing which is kept may hold

    def standing(self, cell: int, *, kernel: bool = True) -> CachedUnit | None:
        """Return what stands for a cell, None where it is to run."""
        ...

    def because(self, cell: int) -> str:
        """Return why a cell that is to run runs."""
        ...

    def restore(self, cell: int | None, *, names: Sequence[str] = ()) -> Restore:
        """Return what has to be brought back before a cell runs, or for some names; "*": all."""
        ...

    def saw(self, cell: int, seen: Mapping[str, Any]) -> None:
        """Take in what a cell that ran did."""
        ...

    def ends(self, cell: int) -> bool:
        """Say whether a unit ends with this cell."""
        ...

    def cells(self, cell: int) -> tuple[int, ...]:
        """Return the cells of a cell's unit."""
        ...

    def made(self, cell: int) -> tuple[str, ...]:
        """Return the names that the unit ending with this cell made."""
        ...

    def kept(self, cell: int) -> tuple[str, ...]:
        """Return those of them that are to be stored."""
        ...

    def record(self, cell: int, ended: Mapping[str, Any]) -> Event:
        """Return the event that records the unit ending with this cell."""
        ...

    def differs(self, cell: int, values: Mapping[str, Any]) -> tuple[str, ...] | None:
        """Return the names that an audited unit made otherwise, None where it is not audited."""
        ...

    def damaged(self, artifact: str) -> None:
        """Never use an artifact again."""
        ...

    def stood(self) -> Mapping[str, list[dict[str, Any]]]:
        """Return step → the stored values of each step that stood as a whole."""
        ...

    def reset(self) -> None:
        """Start over, for another kernel."""
        ...


class Executor(Protocol):
    """Executes a notebook's cells, one after another."""

    def execute(self, task: Task, reuse: Reuse | None = None) -> Iterator[Event]:
        """Yield cell, observation, measurement and model events as they become true.

        reuse: decides which cells need not run, and records those that did

        Ends after the first CellFailed. Raises Unreachable where no kernel could be had.
        """
        ...
