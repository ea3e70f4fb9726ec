"""The journal: every event, in the order it was written, in one table of a SQL database."""

import contextlib
import json
import logging
import os
import weakref
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from mlops_nb import events as ev
from mlops_nb.errors import Refused, Unreachable
from mlops_nb.events import Event, as_record, check_record, from_record
from mlops_nb.storage.ports import BORN, Clock

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
SELECT = "SELECT id, at, run, job, kind, data FROM events WHERE"
LAST = 2**63 - 1  # no id is larger
STEP = 2000  # events that are read at once
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

    def connect(self, *, writes: bool = True) -> Any:
        """Open a connection; one that only reads makes no file."""

    def is_usable(self, connection: Any, *, writes: bool = True) -> bool:
        """Return whether an idle connection is still open, and may write if it must."""

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
    """A journal in a SQL database. Who only reads it makes neither files nor tables.

    before: called before the first write
    """

    def __init__(
        self, database: Database, clock: Clock, before: Callable[[], None] = lambda: None
    ) -> None:
        self.database, self.clock, self.before = database, clock, before
        self.prepared = self.has_tables = False
        self.set_aside = False  # a row that cannot be read was found
        # by process: a fork must neither use nor close the connections of its parent
        self.idle: defaultdict[int, list[Any]] = defaultdict(list)
        weakref.finalize(self, _close, self.idle)

    def prepare(self) -> None:
        """Make the tables if there are none."""
        if self.prepared:
            return
        with self._reported("opened"):
            self.before()
            with self._connected(writes=True) as connection:
                if not self.database.execute(connection, self.database.has_tables)[0][0]:
                    with self._writing(connection, synced=True):
                        for statement in SCHEMA.format(identity=self.database.identity).split(";"):
                            self.database.execute(connection, statement)
                        now = datetime.now(UTC).isoformat()  # the journal's clock may be set
                        self.database.execute(connection, SET_PLACE, (BORN, now))
        self.prepared = self.has_tables = True

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
        with self._reported("opened"):
            self.before()
        with self._reported("read"):
            release = self.database.lock(name, wait=wait)
        try:
            yield release is not None
        finally:
            if release is not None:
                with self._reported("read"):
                    release()

    def read(
        self,
        *,
        after: int = 0,
        run: str | tuple[str, ...] = "",
        job: str = "",
        kinds: Collection[type[Event]] = (),
    ) -> Iterator[Event]:
        """Yield events in the order they were written."""
        if run == ():
            return
        wanted = {"run": run if isinstance(run, tuple) else _any_or(run), "job": _any_or(job)}
        while rows := self._page(after, wanted, kinds):
            yield from self._events(rows)
            after = rows[-1][0]

    def read_back(self, *, job: str = "", kinds: Collection[type[Event]] = ()) -> Iterator[Event]:
        """Yield events, the newest first."""
        before = LAST
        while rows := self._page(before, {"job": _any_or(job)}, kinds, back=True):
            yield from self._events(rows)
            before = rows[-1][0]

    def written(self, once: str) -> Event | None:
        """Return the event that was written under a key, None if there is none."""
        return next(self._events(self._rows(f"{SELECT} once = ?", (once,))), None)

    def _page(
        self,
        place: int,
        wanted: Mapping[str, tuple[str, ...]],
        kinds: Collection[type[Event]],
        *,
        back: bool = False,
    ) -> list[Any]:
        """Return the next rows after a place, or the ones before it, at most `STEP`.

        wanted: column → its values, () for any

        The rows of several kinds are found kind by kind, each in the order of its index.
        """
        compared, order = ("<", "DESC") if back else (">", "ASC")
        where, values = f"id {compared} ?", list[object]((place,))
        for column, found in wanted.items():
            if found:
                where += f" AND {column} IN ({', '.join('?' * len(found))})"
                values += found
        end = f"ORDER BY id {order} LIMIT {STEP}"
        if kinds:
            one = f"SELECT id FROM (SELECT id FROM events WHERE {where} AND kind = ? {end}) AS k"  # noqa: S608  no text of a caller
            values = [v for kind in kinds for v in (*values, kind.__name__)]
            where = f"id IN ({' UNION ALL '.join([one] * len(kinds))})"
        return self._rows(f"{SELECT} {where} {end}", values)

    def _events(self, rows: Iterable[Any]) -> Iterator[Event]:
        """Yield the events of rows, without those that cannot be read or are of unknown kinds."""
        return (event for row in rows if (event := self._decoded(row)) is not None)

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
        if value is None:
            rows = self._rows(GET_PLACE, (listener,))
            return str(rows[0][0]) if rows else ""
        self.prepare()
        with (
            self._reported("written"),
            self._connected(writes=True) as connection,
            self._writing(connection, synced=False),
        ):
            self.database.execute(connection, SET_PLACE, (listener, value))
        return value

    def close(self) -> None:
        """Close the connections; the next call opens one again."""
        _close(self.idle)

    def _rows(self, sql: str, values: Sequence[Any]) -> list[Any]:
        """Return the rows of a query, none if the journal has no tables yet."""
        with self._reported("read"), self._connected(writes=False) as connection:
            if not self.has_tables:
                query = self.database.has_tables
                self.has_tables = bool(self.database.execute(connection, query)[0][0])
            return self.database.execute(connection, sql, values) if self.has_tables else []

    def _write(self, events: list[Event], once: str) -> list[Event]:
        self.prepare()
        now = self.clock().astimezone(UTC).isoformat(timespec="milliseconds")
        synced = not all(type(event) in UNSYNCED for event in events)
        written = []
        with (
            self._reported("written"),
            self._connected(writes=True) as connection,
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
    def _connected(self, *, writes: bool) -> Iterator[Any]:
        """Lend a connection of this process. An error closes it, which undoes its transaction."""
        connection = None
        with contextlib.suppress(IndexError):  # no idle one is left
            idle = self.idle[os.getpid()]
            while not self.database.is_usable(connection := idle.pop(), writes=writes):
                connection.close()
                connection = None
        connection = connection or self.database.connect(writes=writes)
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


def open_journal(
    address: str, clock: Clock, before: Callable[[], None] | None = None
) -> SqlJournal:
    """Open the journal at a URL: sqlite:///PATH or postgresql://USER:PASSWORD@HOST:PORT/DATABASE.

    before: called before the first write, which makes the tables; without it, they are made now

    Raises Refused for any other address, Unreachable if the database does not answer.
    """
    try:
        database = _database(address)
    except ValueError as error:
        raise Refused(
            f"the address of the journal cannot be used: {error}",
            fix="write it like sqlite:////folder/journal.db or postgresql://user@host/database",
            where="mlops-nb.toml or MLOPS_NB_JOURNAL",
        ) from None
    journal = SqlJournal(database, clock, before or (lambda: None))
    if before is None:
        journal.prepare()
    return journal


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


def _any_or(value: str) -> tuple[str, ...]:
    """Return a value to look for, or () if it is "", which stands for any."""
    return (value,) if value else ()


def _close(idle: dict[int, list[Any]]) -> None:
    """Close the connections of this process."""
    for connection in idle.pop(os.getpid(), ()):
        connection.close()


def _plain(value: object) -> object:
    """Return a value as JSON: sets as lists, values of other types as text."""
    return list(value) if isinstance(value, set | frozenset | tuple) else str(value)
