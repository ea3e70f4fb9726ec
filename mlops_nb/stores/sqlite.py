"""The journal in a SQLite file, by the standard library alone: it is opened in milliseconds."""

import contextlib
import json
import os
import sqlite3
import threading
import weakref
from collections.abc import Collection, Iterable, Iterator
from datetime import UTC
from pathlib import Path

from mlops_nb import events as ev
from mlops_nb.events import Event, as_record, from_record
from mlops_nb.ports import Clock
from mlops_nb.stores.shared import (
    MOUNTS,
    locked,
    plain,
    refuse_shared,
    unopened,
    unreadable,
    unwritten,
)

SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, at VARCHAR(40) NOT NULL,
    run VARCHAR(64) NOT NULL, job VARCHAR(128) NOT NULL, kind VARCHAR(40) NOT NULL,
    once VARCHAR(255) UNIQUE, data TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS ix_events_run ON events (run);
CREATE INDEX IF NOT EXISTS ix_events_job ON events (job);
CREATE INDEX IF NOT EXISTS ix_events_kind ON events (kind);
CREATE TABLE IF NOT EXISTS places (name VARCHAR(128) NOT NULL PRIMARY KEY, value TEXT NOT NULL);
"""


# what only tells how far a run has come, or spares a later one some work; its end is synced
LIGHT = frozenset({ev.EngineChosen, ev.CellStarted, ev.CellFinished, ev.CellObserved,
                   ev.StepStarted, ev.StepObserved, ev.StepFinished, ev.StepReused,
                   ev.StepRecorded, ev.Measured})  # fmt: skip


class SqliteJournal:
    """A journal in a file; the same tables as `SqlJournal` makes, so that either can open it."""

    def __init__(self, file: Path, clock: Clock, *, mounts: Path = MOUNTS) -> None:
        self.file, self.clock = file, clock
        self.own = threading.local()  # each thread's connection, and what it is good for
        self.open: list[tuple[int, sqlite3.Connection]] = []  # each with the process that opened it
        # the last to leave brings the write-ahead log into the file
        weakref.finalize(self, _close, self.open)
        refuse_shared(file, mounts)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with self._connected() as connection:
                connection.executescript(SCHEMA)
        except (sqlite3.Error, OSError) as error:
            raise unopened(error, f"sqlite:///{file}") from None

    @contextlib.contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        """Give the thread's connection; a fork, or a file that is another one, gets a new one."""
        good_for = (os.getpid(), _inode(self.file))
        if getattr(self.own, "good_for", None) != good_for:
            connection = sqlite3.connect(self.file, isolation_level=None, check_same_thread=False)
            for pragma in ("busy_timeout=30000", "journal_mode=WAL"):
                connection.execute(f"PRAGMA {pragma}")
            self.own.connection, self.own.good_for = connection, (os.getpid(), _inode(self.file))
            self.own.light = None  # how it syncs is yet to be said
            self.open.append((os.getpid(), connection))
        yield self.own.connection

    @contextlib.contextmanager
    def writing(self, *, light: bool = False) -> Iterator[sqlite3.Connection]:
        """Hold the lock from the start; commit at the end, or leave everything as it was.

        light: it survives this process, and the machine's end once anything after it is written
        """
        with self._connected() as connection:
            if self.own.light is not light:
                connection.execute(f"PRAGMA synchronous={'NORMAL' if light else 'FULL'}")
                self.own.light = light
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def append(self, event: Event, *, once: str = "") -> Event | None:
        """Write an event; return it with its id and time, None where `once` was used before."""
        found = self._write([event], once)
        return found[0] if found else None

    def append_all(self, events: Iterable[Event]) -> list[Event]:
        """Write some events, all of them or none; return them with their ids and times."""
        return self._write(list(events), "")

    def _write(self, events: list[Event], once: str) -> list[Event]:
        now = self.clock().astimezone(UTC).isoformat(timespec="milliseconds")
        rows = [(e.at or now, e.run, e.job, type(e).__name__, once or None,
                 json.dumps(as_record(e), ensure_ascii=False, default=plain))
                for e in events]  # fmt: skip
        words = "INSERT INTO events (at, run, job, kind, once, data) VALUES (?, ?, ?, ?, ?, ?)"
        try:
            with self.writing(light=all(type(e) in LIGHT for e in events)) as connection:
                keys = [connection.execute(words, row).lastrowid for row in rows]
        except sqlite3.IntegrityError:
            if once:
                return []
            raise
        except sqlite3.Error as error:
            raise unwritten(error) from None
        return [written for (at, run, job, kind, _, data), key in zip(rows, keys, strict=True)
                if (written := from_record(kind, json.loads(data), run=run, job=job, at=at,
                                           id=int(key or 0)))]  # fmt: skip

    def holding(self, name: str, *, wait: bool = True) -> contextlib.AbstractContextManager[bool]:
        """Hold a lock by its name, a file's beside the journal."""
        return locked(self.file.parent / f"{name}.lock", wait=wait)

    def read(
        self, *, after: int = 0, run: str = "", job: str = "", kinds: Collection[type[Event]] = ()
    ) -> Iterator[Event]:
        """Yield events in the order they were written."""
        asked = {name: value for name, value in {"run": run, "job": job}.items() if value}
        words = "".join(f" AND {name} = ?" for name in asked)
        named = [kind.__name__ for kind in kinds]
        if named:
            words += f" AND kind IN ({', '.join('?' * len(named))})"
        query = f"SELECT id, at, run, job, kind, data FROM events WHERE id > ?{words} ORDER BY id"  # noqa: S608  the names are ours
        try:
            with self._connected() as connection:
                rows = connection.execute(query, (after, *asked.values(), *named)).fetchall()
        except sqlite3.Error as error:
            raise unreadable(error) from None
        for number, at, of_run, of_job, of_kind, data in rows:
            event = from_record(of_kind, json.loads(data), run=of_run, job=of_job, at=at, id=number)
            if event is not None:
                yield event

    def place(self, listener: str, value: str | None = None) -> str:
        """Return what was noted under a name; note `value` where one is given."""
        words = ("INSERT INTO places VALUES (?, ?) "
                 "ON CONFLICT (name) DO UPDATE SET value = excluded.value")  # fmt: skip
        try:
            with self.writing(light=True) if value is not None else self._connected() as connection:
                if value is not None:
                    connection.execute(words, (listener, value))
                found = connection.execute("SELECT value FROM places WHERE name = ?", (listener,))
                row = found.fetchone()
        except sqlite3.Error as error:
            raise unreadable(error) from None
        return str(row[0]) if row else ""

    def close(self) -> None:
        """Let go of the file; the next piece of work opens it again."""
        _close(self.open)
        self.own = threading.local()


def _close(connections: list[tuple[int, sqlite3.Connection]]) -> None:
    """Close connections, but for those of the process that this one was forked from."""
    while connections:
        pid, connection = connections.pop()
        if pid == os.getpid():
            connection.close()


def _inode(file: Path) -> int:
    try:
        return os.stat(file).st_ino
    except OSError:
        return 0
