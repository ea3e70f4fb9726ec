"""Keeps the states of folds in files, so that no command reads a long journal from its start."""

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import msgspec

from mlops_nb import files
from mlops_nb.events import Event
from mlops_nb.storage.ports import Journal

SAVE_AFTER = 500  # events that were read since the last snapshot


class Foldable(Protocol):
    """A state that is folded from events."""

    def take(self, event: Event) -> None:
        """Fold one event."""


S = TypeVar("S", bound=Foldable)


class Snapshot(msgspec.Struct, kw_only=True):
    """The content of a snapshot's file, as MessagePack, which has NaN and infinity.

    id, at, run: of the last event that the state contains: they identify the journal
    """

    version: int
    id: int
    at: str
    run: str
    state: msgspec.Raw


class Folded(Generic[S]):
    """The state of a fold that follows a journal.

    A snapshot that is missing, damaged, of another version or of another journal is made anew; one
    that cannot be written is left as it is.

    version: of the state's class; change it when the state of the same events changes
    kinds:   the events that the state is folded from
    """

    def __init__(
        self,
        journal: Journal,
        file: Path,
        make: Callable[[], S],
        *,
        version: int,
        kinds: tuple[type[Event], ...],
    ) -> None:
        self.journal, self.file, self.make = journal, file, make
        self.version, self.kinds = version, kinds
        self.state: S | None = None
        self.last: Event | None = None
        self.fresh = 0
        self.lock = threading.Lock()

    def read(self) -> S:
        """Fold the events since the last call, and return the state."""
        with self.lock:
            if self.state is None:
                self.state = self._load() or self.make()
            after = self.last.id if self.last else 0
            for event in self.journal.read(after=after, kinds=self.kinds):
                self.state.take(event)
                self.last, self.fresh = event, self.fresh + 1
            if self.fresh >= SAVE_AFTER:
                self._save(self.state)
            return self.state

    def _load(self) -> S | None:
        try:
            kept = msgspec.msgpack.decode(self.file.read_bytes(), type=Snapshot)
            last = next(self.journal.read(after=kept.id - 1), None)
            known = last is not None and (last.id, last.at, last.run) == (
                kept.id,
                kept.at,
                kept.run,
            )
            if not known or kept.version != self.version:
                return None
            state = msgspec.msgpack.decode(kept.state, type=type(self.make()))
        except (OSError, msgspec.DecodeError):
            return None
        self.last = last
        return state

    def _save(self, state: S) -> None:
        assert self.last is not None  # events were read
        kept = Snapshot(
            version=self.version,
            id=self.last.id,
            at=self.last.at,
            run=self.last.run,
            state=msgspec.Raw(msgspec.msgpack.encode(state)),
        )
        with contextlib.suppress(OSError):  # a full disk: the next command reads a little more
            files.write_bytes(self.file, msgspec.msgpack.encode(kept))
        self.fresh = 0
