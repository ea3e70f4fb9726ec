"""The seams: what the verbs ask of the world, as small Protocols."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from mlops_nb.events import Event
from mlops_nb.notebook.model import Notebook, Pipeline, Value
from mlops_nb.records import Noun, noun

Clock = Callable[[], datetime]


@noun
class Source(Noun):
    """A notebook's file, read: its document, its code and its pipeline."""

    path: Path
    document: Mapping[str, Any]
    notebook: Notebook
    pipeline: Pipeline


@noun
class Rescore(Noun):
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


@noun
class Limits(Noun):
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


@noun
class Task(Noun):
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
    reuse:      knows which cells need not run
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
    reuse: "Reuse | None" = None
    schema: Mapping[str, Any] = field(default_factory=dict)
    profile: frozenset[str] = frozenset()
    evaluation: Mapping[str, str] = field(default_factory=dict)


@noun
class CachedUnit(Noun):
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


@noun
class Restore(Noun):
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

    def execute(self, task: Task) -> Iterator[Event]:
        """Yield cell, observation, measurement and model events as they become true.

        Ends after the first CellFailed. Raises Unreachable where no kernel could be had.
        """
        ...


class Locks(Protocol):
    """What only one process may do at a time, on all machines that share a journal."""

    def holding(self, name: str, *, wait: bool = True) -> AbstractContextManager[bool]:
        """Hold a lock by its name; it ends with the process. False: somebody else has it.

        wait: until it is free
        """
        ...


class Journal(Locks, Protocol):
    """Where every event is written before anybody is told."""

    def append(self, event: Event, *, once: str = "") -> Event | None:
        """Write an event; return it with its id and time.

        once: a key that can be written one time only; None is returned where it was before.
        """
        ...

    def read(
        self, *, after: int = 0, run: str = "", job: str = "", kinds: Collection[type[Event]] = ()
    ) -> Iterator[Event]:
        """Yield events in the order they were written; of some kinds only, where they are named."""
        ...

    def append_all(self, events: Iterable[Event]) -> list[Event]:
        """Write some events, all of them or none; return them with their ids and times."""
        ...

    def place(self, listener: str, value: str | None = None) -> str:
        """Return what a listener last noted here; note `value` where one is given."""
        ...


class Store(Protocol):
    """Content-addressed bytes."""

    def put(self, file: Path, *, move: bool = False, durable: bool = True) -> str:
        """Take a file's bytes in; return their sha256.

        move:    the file is not needed any more
        durable: they survive a power cut from now on; else they may be gone after it
        """
        ...

    def path(self, digest: str) -> Path:
        """Return a local file with these bytes, verified. Raises NotFound where there is none."""
        ...

    def holds(self, digest: str) -> bool:
        """Say whether an artifact is there, without reading it."""
        ...

    def contents(self) -> Iterator[tuple[str, int, datetime]]:
        """Yield each artifact's digest, bytes, and when it was put there last."""
        ...

    def remove(self, digest: str) -> None:
        """Remove an artifact, where it is there."""
        ...

    def tidy(self) -> int:
        """Remove what processes that are gone left half-written; return how many bytes."""
        ...


class Environments(Protocol):
    """Python environments: what is there, locks of it, and building from a lock."""

    def interpreter(self, kernel: str) -> str:
        """Return the interpreter that a kernelspec runs."""
        ...

    def lock(self, python: str, modules: Iterable[str]) -> str:
        """Return a lock, exact versions and hashes, of what some modules need."""
        ...

    def python_for(self, python: str, lock: str, *, build: bool) -> str:
        """Return an interpreter whose packages equal a lock, built where it must be."""
        ...


class Listener(Protocol):
    """Somebody who folds events into a view of their own."""

    def catch_up(self, events: Iterable[Event]) -> Iterable[Event]:
        """Take in events that were not seen yet; yield what the journal should know of it."""
        ...
