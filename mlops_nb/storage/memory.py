"""A journal and a store in memory: for tests, and for looking without writing."""

import contextlib
import threading
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from msgspec.structs import replace

from mlops_nb import files
from mlops_nb.errors import NotFound
from mlops_nb.events import Event
from mlops_nb.storage.ports import Clock, Journal


class MemoryJournal:
    """Events in a list."""

    first_id = 1

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.events: list[Event] = []
        self.used: dict[str, Event] = {}
        self.places: dict[str, str] = {}
        self.locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def prepare(self) -> None:
        """Do nothing: memory needs no files."""

    def append(self, event: Event, *, once: str = "") -> Event | None:
        """Write an event; return it with its id and time, None if `once` was used before."""
        if once and once in self.used:
            return None
        at = event.at or self.clock().astimezone(UTC).isoformat(timespec="milliseconds")
        self.events.append(replace(event, id=self.first_id + len(self.events), at=at))
        if once:
            self.used[once] = self.events[-1]
        return self.events[-1]

    def append_all(self, events: Iterable[Event]) -> list[Event]:
        """Write some events, all of them or none."""
        return [written for e in list(events) if (written := self.append(e)) is not None]

    @contextlib.contextmanager
    def holding(self, name: str, *, wait: bool = True) -> Iterator[bool]:
        """Hold a lock by its name."""
        held = self.locks[name].acquire(blocking=wait)
        try:
            yield held
        finally:
            if held:
                self.locks[name].release()

    def read(
        self,
        *,
        after: int = 0,
        run: str | tuple[str, ...] = "",
        job: str = "",
        kinds: Collection[type[Event]] = (),
    ) -> Iterator[Event]:
        """Yield events in the order they were written."""
        for event in list(self.events):
            of_run = event.run in run if isinstance(run, tuple) else run in {"", event.run}
            wanted = of_run and job in {"", event.job}
            if event.id > after and wanted and (not kinds or type(event) in kinds):
                yield event

    def read_back(self, *, job: str = "", kinds: Collection[type[Event]] = ()) -> Iterator[Event]:
        """Yield events, the newest first."""
        yield from reversed([*self.read(job=job, kinds=kinds)])

    def written(self, once: str) -> Event | None:
        """Return the event that was written under a key, None if there is none."""
        return self.used.get(once)

    def place(self, listener: str, value: str | None = None) -> str:
        """Return the note of a listener; replace it if a value is given."""
        if value is not None:
            self.places[listener] = value
        return self.places.get(listener, "")


class OverlayJournal(MemoryJournal):
    """A journal that cannot be written, with later events in memory: for readers."""

    first_id = 1 << 60  # after those of any journal

    def __init__(self, below: Journal, clock: Clock) -> None:
        super().__init__(clock)
        self.below = below

    def read(
        self,
        *,
        after: int = 0,
        run: str | tuple[str, ...] = "",
        job: str = "",
        kinds: Collection[type[Event]] = (),
    ) -> Iterator[Event]:
        """Yield the events below, then those in memory."""
        yield from self.below.read(after=after, run=run, job=job, kinds=kinds)
        yield from super().read(after=after, run=run, job=job, kinds=kinds)

    def read_back(self, *, job: str = "", kinds: Collection[type[Event]] = ()) -> Iterator[Event]:
        """Yield the events in memory, then those below, the newest first."""
        yield from reversed([*super().read(job=job, kinds=kinds)])
        yield from self.below.read_back(job=job, kinds=kinds)

    def written(self, once: str) -> Event | None:
        """Return the event that was written under a key, None if there is none."""
        return super().written(once) or self.below.written(once)

    def place(self, listener: str, value: str | None = None) -> str:
        """Return the note of a listener; keep a new value in memory."""
        if value is None and listener not in self.places:
            return self.below.place(listener)
        return super().place(listener, value)


class MemoryStore:
    """Artifacts as paths of files, by their sha256."""

    def __init__(self) -> None:
        self.files: dict[str, Path] = {}
        self.put_at: dict[str, datetime] = {}

    def put(self, file: Path, *, move: bool = False, durable: bool = True) -> str:  # noqa: ARG002
        """Store a file; return the sha256 of its content."""
        digest = files.sha256(file)
        self.files[digest] = file
        self.put_at[digest] = datetime.now(UTC)
        return digest

    def path(self, digest: str) -> Path:
        """Return the file with these bytes, verified."""
        place = self.files.get(digest)
        if place is None or not place.is_file():
            raise NotFound(f"artifact {digest[:12]} is not in the store", fix="run the job again")
        if files.sha256(place) != digest:
            raise NotFound(f"artifact {digest[:12]} is damaged", fix="run the job again")
        return place

    def holds(self, digest: str) -> bool:
        """Return whether an artifact exists, without reading it."""
        return digest in self.files and self.files[digest].is_file()

    def contents(self) -> Iterator[tuple[str, int, datetime]]:
        """Yield the digest and size of each artifact, and when it was stored last."""
        for digest in sorted(filter(self.holds, self.files)):
            yield digest, self.files[digest].stat().st_size, self.put_at[digest]

    def remove(self, digest: str) -> None:
        """Remove an artifact if it exists."""
        self.files.pop(digest, None)
        self.put_at.pop(digest, None)

    def tidy(self) -> int:
        """Do nothing: no file is ever incomplete."""
        return 0
