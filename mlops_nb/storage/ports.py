"""The seams of storage: a journal of events and a store of artifacts."""

import json
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeVar

from msgspec import Struct, ValidationError, convert

from mlops_nb.events import Event

Note = TypeVar("Note")
Clock = Callable[[], datetime]
MLFLOW_PLACE = "mlflow"  # the place of MLflow's listener in the journal
BORN = "born"  # under this name a journal stores when it was made


def number_of(place: str) -> int:
    """Return the event of a listener's note, 0 if there is none or it is damaged.

    >>> number_of("12"), number_of(""), number_of("?")
    (12, 0, 0)
    """
    return int(place) if place.isdecimal() else 0


def note_of(place: str, kind: type[Note]) -> Note | None:
    """Return the JSON of a listener's note, None if there is none or it is damaged.

    >>> note_of('{"id": 3}', dict[str, int]), note_of("[]", dict[str, int])
    ({'id': 3}, None)
    """
    try:
        return convert(json.loads(place), kind)
    except (ValueError, RecursionError, ValidationError):
        return None


class Locks(Protocol):
    """Locks for work that only one process may do at a time, on all machines of a journal."""

    def holding(self, name: str, *, wait: bool = True) -> AbstractContextManager[bool]:
        """Hold a lock by its name; it ends with the process. False: another process has it.

        wait: wait until it is free
        """
        ...


class Journal(Locks, Protocol):
    """The journal, to which every event is written first."""

    def prepare(self) -> None:
        """Make what the first write needs; who only reads makes nothing."""
        ...

    def append(self, event: Event, *, once: str = "") -> Event | None:
        """Write an event; return it with its id and time.

        once: a key that can be written only once; None is returned if it was written before.
        """
        ...

    def read(
        self,
        *,
        after: int = 0,
        run: str | tuple[str, ...] = "",
        job: str = "",
        kinds: Collection[type[Event]] = (),
    ) -> Iterator[Event]:
        """Yield events in the order they were written; kinds: only events of these kinds.

        run: only events of this run, or of these

        They are read in steps, so that a long journal takes no more memory than a short one.
        """
        ...

    def read_back(self, *, job: str = "", kinds: Collection[type[Event]] = ()) -> Iterator[Event]:
        """Yield events, the newest first, in steps."""
        ...

    def written(self, once: str) -> Event | None:
        """Return the event that was written under a key, None if there is none."""
        ...

    def append_all(self, events: Iterable[Event]) -> list[Event]:
        """Write some events, all of them or none; return them with their ids and times."""
        ...

    def place(self, listener: str, value: str | None = None) -> str:
        """Return the note of a listener; replace it if a value is given."""
        ...


class Store(Protocol):
    """Content-addressed artifacts."""

    def put(self, file: Path, *, move: bool = False, durable: bool = True) -> str:
        """Store the content of a file; return its sha256.

        move:    move the file instead of copying it
        durable: the content survives a power cut from now on
        """
        ...

    def path(self, digest: str) -> Path:
        """Return a local file with this content, verified. Raises NotFound if there is none."""
        ...

    def holds(self, digest: str) -> bool:
        """Return whether an artifact exists, without reading it."""
        ...

    def contents(self) -> Iterator[tuple[str, int, datetime]]:
        """Yield the digest and size of each artifact, and when it was stored last."""
        ...

    def remove(self, digest: str) -> None:
        """Remove an artifact if it exists."""
        ...

    def tidy(self) -> int:
        """Remove incomplete files of dead processes; return their size, bytes."""
        ...


class PredictionFile(Struct, frozen=True, kw_only=True):
    """A file of a day of a prediction log.

    size:    bytes
    changed: s since 1970
    """

    name: str
    size: int
    changed: float


class PredictionFiles(Protocol):
    """The files of one model's prediction log: Parquet, by day.

    A day is an ISO date. Every method raises OSError if the place cannot be reached.
    """

    where: str

    def days(self) -> list[str]:
        """Return the days, the oldest first; what follows `day=` in a name may be anything."""
        ...

    def entries(self, day: str) -> list[PredictionFile]:
        """Return the files of a day, the oldest first; none if there is no such day."""
        ...

    def open(self, day: str, name: str) -> BinaryIO:
        """Open a file of a day for reading. Raises FileNotFoundError if it was merged."""
        ...

    def write(self, day: str, table: Any, instead_of: Collection[str] = ()) -> None:
        """Write an Arrow table as a new file of a day, which takes the place of others."""
        ...

    def set_aside(self, day: str, name: str) -> None:
        """Rename a damaged file, so that it is read no more."""
        ...

    def remove(self, day: str) -> None:
        """Remove a day with all of its files."""
        ...

    def recover(self) -> None:
        """Finish what a killed process began."""
        ...
