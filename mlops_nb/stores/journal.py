"""The journal: every event, in the order it happened, in one SQL table."""

import contextlib
import hashlib
import json
from collections.abc import Collection, Iterable, Iterator
from datetime import UTC
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from mlops_nb.errors import Refused
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

METADATA = sa.MetaData()
EVENTS = sa.Table(
    "events",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("at", sa.String(40), nullable=False),
    sa.Column("run", sa.String(64), nullable=False, index=True),
    sa.Column("job", sa.String(128), nullable=False, index=True),
    sa.Column("kind", sa.String(40), nullable=False, index=True),
    sa.Column("once", sa.String(255), unique=True),
    sa.Column("data", sa.Text, nullable=False),
)
PLACES = sa.Table(
    "places",
    METADATA,
    sa.Column("name", sa.String(128), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)


class SqlJournal:
    """A journal in any database that SQLAlchemy speaks to; SQLite by default."""

    def __init__(self, url: str, clock: Clock, *, mounts: Path = MOUNTS) -> None:
        self.clock = clock
        parsed = _parsed(url)
        self.file = Path(parsed.database) if _is_file(parsed) and parsed.database else None
        if self.file is not None:
            refuse_shared(self.file, mounts)
        try:
            if self.file is not None:
                self.file.parent.mkdir(parents=True, exist_ok=True)
            self.engine = sa.create_engine(url)
            if parsed.get_backend_name() == "sqlite":
                sa.event.listen(self.engine, "connect", _set_up_sqlite)
                sa.event.listen(self.engine, "begin", _begin_immediate)
            METADATA.create_all(self.engine)
        except (sa.exc.SQLAlchemyError, ImportError, OSError, ValueError, TypeError) as error:
            raise unopened(error, parsed.render_as_string(hide_password=True)) from None

    def append(self, event: Event, *, once: str = "") -> Event | None:
        """Write an event; return it with its id and time, None where `once` was used before."""
        found = self._write([event], once)
        return found[0] if found else None

    def append_all(self, events: Iterable[Event]) -> list[Event]:
        """Write some events, all of them or none; return them with their ids and times."""
        return self._write(list(events), "")

    def _write(self, events: list[Event], once: str) -> list[Event]:
        now = self.clock().astimezone(UTC).isoformat(timespec="milliseconds")
        rows = [
            {
                "at": event.at or now,
                "run": event.run,
                "job": event.job,
                "kind": type(event).__name__,
                "once": once or None,
                "data": json.dumps(as_record(event), ensure_ascii=False, default=plain),
            }
            for event in events
        ]
        try:
            with self.engine.begin() as connection:
                keys = [connection.execute(EVENTS.insert().values(row)).inserted_primary_key
                        for row in rows]  # fmt: skip
        except sa.exc.IntegrityError:
            if once:
                return []
            raise
        except sa.exc.SQLAlchemyError as error:
            raise unwritten(error) from None
        return [_read(row, int(key[0]) if key else 0)
                for row, key in zip(rows, keys, strict=True)]  # fmt: skip

    @contextlib.contextmanager
    def holding(self, name: str, *, wait: bool = True) -> Iterator[bool]:
        """Hold a lock by its name: a file's, or PostgreSQL's own, which all its machines share.

        Raises Unreachable where the database went away.
        """
        if self.file is not None:
            with locked(self.file.parent / f"{name}.lock", wait=wait) as held:
                yield held
            return
        if self.engine.dialect.name != "postgresql":
            raise Refused(
                f"a journal in {self.engine.dialect.name} cannot say who leads",
                fix="keep it in SQLite or PostgreSQL",
            )
        number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
        ask = "pg_advisory_lock" if wait else "pg_try_advisory_lock"
        try:
            with self.engine.connect() as connection:
                found = connection.execute(sa.text(f"SELECT {ask}(:n)"), {"n": number}).scalar()
                held = wait or bool(found)
                connection.commit()
                try:
                    yield held
                finally:
                    if held:
                        connection.execute(sa.text("SELECT pg_advisory_unlock(:n)"), {"n": number})
                        connection.commit()
        except sa.exc.SQLAlchemyError as error:
            raise unreadable(error) from None

    def read(
        self, *, after: int = 0, run: str = "", job: str = "", kinds: Collection[type[Event]] = ()
    ) -> Iterator[Event]:
        """Yield events in the order they were written."""
        query = EVENTS.select().where(EVENTS.c.id > after).order_by(EVENTS.c.id)
        if run:
            query = query.where(EVENTS.c.run == run)
        if job:
            query = query.where(EVENTS.c.job == job)
        if kinds:
            query = query.where(EVENTS.c.kind.in_([kind.__name__ for kind in kinds]))
        try:
            with self.engine.connect() as connection:
                rows = connection.execute(query).all()
        except sa.exc.SQLAlchemyError as error:
            raise unreadable(error) from None
        for row in rows:
            event = from_record(
                row.kind, json.loads(row.data), run=row.run, job=row.job, at=row.at, id=row.id
            )
            if event is not None:
                yield event

    def place(self, listener: str, value: str | None = None) -> str:
        """Return what was noted under a name; note `value` where one is given."""
        where = PLACES.c.name == listener
        try:
            with self.engine.begin() as connection:
                row = connection.execute(PLACES.select().where(where)).first()
                if value is not None and row is None:
                    connection.execute(PLACES.insert().values(name=listener, value=value))
                elif value is not None:
                    connection.execute(PLACES.update().where(where).values(value=value))
        except sa.exc.SQLAlchemyError as error:
            raise unreadable(error) from None
        return value if value is not None else (str(row.value) if row is not None else "")

    def close(self) -> None:
        """Let go of the database."""
        self.engine.dispose()


def _read(row: dict[str, Any], number: int) -> Event:
    found = from_record(row["kind"], json.loads(row["data"]), run=row["run"], job=row["job"],
                        at=row["at"], id=number)  # fmt: skip
    assert found is not None  # it was one of ours a moment ago
    return found


def _parsed(url: str) -> sa.engine.URL:
    try:
        return sa.engine.make_url(url)
    except sa.exc.ArgumentError:
        raise Refused(
            "the address of the journal is no SQLAlchemy URL",
            fix="write it like sqlite:////folder/journal.db or postgresql://user@host/database",
            where="mlops-nb.toml or MLOPS_NB_JOURNAL",
        ) from None


def _is_file(url: sa.engine.URL) -> bool:
    return url.get_backend_name() == "sqlite" and url.database not in {None, "", ":memory:"}


def _set_up_sqlite(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # transactions are begun below, not by the driver
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_immediate(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
