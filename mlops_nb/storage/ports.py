"""The seams of storage: a journal of events and a store of artifacts."""

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Protocol

from mlops_nb.events import Event

Clock = Callable[[], datetime]
MLFLOW_PLACE = "mlflow"  # where MLflow's listener notes in the journal how far it has come


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
