"""The journal: every event, in the order it was written, in one table of a SQL database."""

import contextlib
import json
import logging
import os
import weakref
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import UTC
from typing import Any, Protocol

from mlops_nb import events as ev
from mlops_nb.errors import Refused, Unreachable
from mlops_nb.events import Event, as_record, check_record, from_record
from mlops_nb.storage.ports import Clock

LOG = logging.getLogger(__name__)
UNREADABLE = (ValueError, TypeError, RecursionError)
SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    id {identity}, at TEXT NOT NULL, run TEXT NOT NULL, job TEXT NOT NULL,
    kind TEXT NOT NULL, once TEXT UNIQUE, data TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS ix_events_run ON events (run);
CREATE INDEX IF NOT EXISTS ix_events_job ON events (job);
CREATE INDEX IF NOT EXISTS ix_events_kind ON events (kind);
CREATE TABLE IF NOT EXISTS places (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL)
"""
USED = "SELECT id FROM events WHERE once = ?"
INSERT = "INSERT INTO events (at, run, job, kind, once, data) VALUES (?, ?, ?, ?, ?, ?)"
SELECT = "SELECT id, at, run, job, kind, data FROM events WHERE id > ?"
SET_PLACE = """
INSERT INTO places (name, value) VALUES (?, ?)
ON CONFLICT (name) DO UPDATE SET value = excluded.value"""
GET_PLACE = "SELECT value FROM places WHERE name = ?"

# a run's progress, and what only saves work later: synced to disk with the next other event
UNSYNCED = frozenset(
    {
        ev.EngineChosen,
        ev.CellStarted,
        ev.CellFinished,
        ev.CellObserved,
        ev.StepStarted,
        ev.StepObserved,
        ev.StepFinished,
        ev.StepReused,
        ev.StepRecorded,
        ev.Measured,
    }
)
SQLITE = frozenset({"sqlite", "sqlite+pysqlite"})
POSTGRESQL = frozenset({"postgresql", "postgresql+psycopg", "postgresql+psycopg2"})
FIXES = {
    "opened": "check the address in mlops-nb.toml or MLOPS_NB_JOURNAL, its driver, and free space",
    "written": "free some space, or wait until the database answers, and try again",
    "read": "wait until the database answers, or restore .mlops/journal.db from a copy",
}


class Database(Protocol):
    """The operations that differ between databases. A connection is an object of the driver.

    address:    address for error messages, without a password
    errors:     exceptions of the driver
    identity:   SQL definition of a primary key that counts up
    has_tables: SQL query for whether the journal's tables exist
    """

    address: str
    errors: tuple[type[Exception], ...]
    identity: str
    has_tables: str

    def connect(self) -> Any:
        """Open a connection."""

    def is_usable(self, connection: Any) -> bool:
        """Return whether an idle connection is still open."""

    def begin(self, connection: Any, *, synced: bool) -> None:
        """Begin a transaction as the only writer; wait until other writers are done.

        synced: its commit returns when everything written so far is on disk
        """

    def execute(self, connection: Any, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        """Execute a statement with a `?` for each value; return its rows."""

    def insert(self, connection: Any, sql: str, values: Sequence[Any]) -> int:
        """Insert one row; return its id."""

    def lock(self, name: str, *, wait: bool) -> Callable[[], None] | None:
        """Acquire a lock that ends with the process; return its release, None if it is taken.

        The release raises one of `errors` if the lock was lost before.
        """


class SqlJournal:
    """A journal in a SQL database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database, self.clock = database, clock
        self.set_aside = False  # a row that cannot be read was found
        # by process: a fork must neither use nor close the connections of its parent
        self.idle: defaultdict[int, list[Any]] = defaultdict(list)
        weakref.finalize(self, _close, self.idle)
        with self._reported("opened"), self._connected() as connection:
            if not database.execute(connection, database.has_tables)[0][0]:
                with self._writing(connection, synced=True):
                    for statement in SCHEMA.format(identity=database.identity).split(";"):
                        database.execute(connection, statement)

    def append(self, event: Event, *, once: str = "") -> Event | None:
        """Write an event; return it with its id and time, None if `once` was used before."""
        found = self._write([event], once)
        return found[0] if found else None

    def append_all(self, events: Iterable[Event]) -> list[Event]:
        """Write some events, all of them or none; return them with their ids and times."""
        return self._write(list(events), "")

    @contextlib.contextmanager
    def holding(self, name: str, *, wait: bool = True) -> Iterator[bool]:
        """Hold a lock by its name. Raises Unreachable at the end if it was lost before."""
        with self._reported("read"):
            release = self.database.lock(name, wait=wait)
        try:
            yield release is not None
        finally:
            if release is not None:
                with self._reported("read"):
                    release()

    def read(
        self, *, after: int = 0, run: str = "", job: str = "", kinds: Collection[type[Event]] = ()
    ) -> Iterator[Event]:
        """Yield events in the order they were written."""
        sql = SELECT
        values: list[Any] = [after]
        for column, wanted in (("run", run), ("job", job)):
            if wanted:
                sql += f" AND {column} = ?"
                values.append(wanted)
        if kinds:
            sql += f" AND kind IN ({', '.join('?' * len(kinds))})"
            values += [kind.__name__ for kind in kinds]
        with self._reported("read"), self._connected() as connection:
            rows = self.database.execute(connection, f"{sql} ORDER BY id", values)
        for row in rows:
            event = self._decoded(row)
            if event is not None:
                yield event

    def _decoded(self, row: Sequence[Any]) -> Event | None:
        """Return the event of a row, None for one that cannot be read; the first is logged."""
        number, at, of_run, of_job, kind, data = row
        try:
            check_record(kind, record := json.loads(data), run=of_run, job=of_job, at=at)
        except UNREADABLE as error:
            if not self.set_aside:
                self.set_aside = True
                LOG.warning(
                    "warning: row %s of the journal cannot be read and is left out, like any"
                    " other such row: %s (%s)\n  fix: restore the journal from a copy, or update"
                    " mlops-nb if a newer version wrote it",
                    number,
                    error,
                    self.database.address,
                )
            return None
        return from_record(kind, record, run=of_run, job=of_job, at=at, id=number)

    def place(self, listener: str, value: str | None = None) -> str:
        """Return the value stored under a name; if `value` is given, store it."""
        with self._reported("read"), self._connected() as connection:
            if value is not None:
                with self._writing(connection, synced=False):
                    self.database.execute(connection, SET_PLACE, (listener, value))
                return value
            rows = self.database.execute(connection, GET_PLACE, (listener,))
        return str(rows[0][0]) if rows else ""

    def close(self) -> None:
        """Close the connections; the next call opens one again."""
        _close(self.idle)

    def _write(self, events: list[Event], once: str) -> list[Event]:
        now = self.clock().astimezone(UTC).isoformat(timespec="milliseconds")
        synced = not all(type(event) in UNSYNCED for event in events)
        written = []
        with (
            self._reported("written"),
            self._connected() as connection,
            self._writing(connection, synced=synced),
        ):
            if once and self.database.execute(connection, USED, (once,)):
                return []
            for e in events:
                kind, at = type(e).__name__, e.at or now
                data = json.dumps(as_record(e), ensure_ascii=False, default=_plain)
                row = (at, e.run, e.job, kind, once or None, data)
                number = self.database.insert(connection, INSERT, row)
                read = from_record(kind, json.loads(data), run=e.run, job=e.job, at=at, id=number)
                assert read is not None  # its kind is one of ours
                written.append(read)
        return written

    @contextlib.contextmanager
    def _connected(self) -> Iterator[Any]:
        """Lend a connection of this process. An error closes it, which undoes its transaction."""
        connection = None
        with contextlib.suppress(IndexError):  # no idle one is left
            while not self.database.is_usable(connection := self.idle[os.getpid()].pop()):
                connection.close()
                connection = None
        connection = connection or self.database.connect()
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        self.idle[os.getpid()].append(connection)

    @contextlib.contextmanager
    def _writing(self, connection: Any, *, synced: bool) -> Iterator[None]:
        """Execute the block in one transaction."""
        self.database.begin(connection, synced=synced)
        yield
        self.database.execute(connection, "COMMIT")

    @contextlib.contextmanager
    def _reported(self, what: str) -> Iterator[None]:
        try:
            yield
        except self.database.errors as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise Unreachable(
                f"the journal cannot be {what}: {reason}",
                fix=FIXES[what],
                where=self.database.address,
            ) from None


def open_journal(address: str, clock: Clock) -> SqlJournal:
    """Open the journal at a URL: sqlite:///PATH or postgresql://USER:PASSWORD@HOST:PORT/DATABASE.

    Raises Refused for any other address, Unreachable if the database does not answer.
    """
    try:
        return SqlJournal(_database(address), clock)
    except ValueError as error:
        raise Refused(
            f"the address of the journal cannot be used: {error}",
            fix="write it like sqlite:////folder/journal.db or postgresql://user@host/database",
            where="mlops-nb.toml or MLOPS_NB_JOURNAL",
        ) from None


def _database(address: str) -> Database:
    scheme, mark, rest = address.partition("://")
    if not mark:
        raise ValueError("it is no URL")
    if scheme in SQLITE:
        from mlops_nb.storage.sqlite import Sqlite

        return Sqlite.at(rest)
    if scheme not in POSTGRESQL:
        raise ValueError(f"{scheme!r} is neither SQLite nor PostgreSQL")
    try:
        from mlops_nb.storage.postgres import Postgres
    except ImportError as error:
        raise Refused(
            f"a journal in PostgreSQL needs psycopg: {error}",
            fix="pip install 'mlops-nb[postgres]'",
        ) from None
    return Postgres.at(rest)


def _close(idle: dict[int, list[Any]]) -> None:
    """Close the connections of this process."""
    for connection in idle.pop(os.getpid(), ()):
        connection.close()


def _plain(value: object) -> object:
    """Return a value as JSON: sets as lists, values of other types as text."""
    return list(value) if isinstance(value, set | frozenset | tuple) else str(value)
