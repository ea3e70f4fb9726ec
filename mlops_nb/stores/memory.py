"""A journal and a store in memory: for tests, and for looking without writing."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC
from pathlib import Path

from mlops_nb import files
from mlops_nb.errors import NotFound
from mlops_nb.events import Event
from mlops_nb.ports import Clock


class MemoryJournal:
    """Events in a list."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.events: list[Event] = []
        self.used: set[str] = set()
        self.places: dict[str, str] = {}

    def append(self, event: Event, *, once: str = "") -> Event | None:
        """Write an event; return it with its id and time, None where `once` was used before."""
        if once and once in self.used:
            return None
        self.used.add(once)
        at = event.at or self.clock().astimezone(UTC).isoformat(timespec="milliseconds")
        self.events.append(replace(event, id=len(self.events) + 1, at=at))
        return self.events[-1]

    def read(self, *, after: int = 0, run: str = "", job: str = "") -> Iterator[Event]:
        """Yield events in the order they were written."""
        for event in list(self.events):
            if event.id > after and run in {"", event.run} and job in {"", event.job}:
                yield event

    def place(self, listener: str, value: str | None = None) -> str:
        """Return what was noted under a name; note `value` where one is given."""
        if value is not None:
            self.places[listener] = value
        return self.places.get(listener, "")


class MemoryStore:
    """Knows files where they are, by their sha256."""

    def __init__(self) -> None:
        self.files: dict[str, Path] = {}

    def put(self, file: Path) -> str:
        """Take a file in; return the sha256 of its bytes."""
        digest = files.sha256(file)
        self.files[digest] = file
        return digest

    def path(self, digest: str) -> Path:
        """Return the file with these bytes, verified."""
        place = self.files.get(digest)
        if place is None or not place.is_file():
            raise NotFound(f"artifact {digest[:12]} is not in the store", fix="run the job again")
        if files.sha256(place) != digest:
            raise NotFound(f"artifact {digest[:12]} is damaged", fix="run the job again")
        return place
