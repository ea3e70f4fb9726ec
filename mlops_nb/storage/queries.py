"""Reads the rows of a SQL query from SQLite or PostgreSQL, in a connection that cannot write."""

import re
import sqlite3
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from msgspec import Struct

from mlops_nb.errors import Refused, Unreachable

SQLITE, POSTGRESQL = "sqlite", ("postgresql", "postgres")
LONGEST = 300  # s, that a query may take
STEPS = 100_000  # of SQLite's machine, between two looks at the clock
AT_ONCE = 50_000  # rows
READS = frozenset(
    {
        sqlite3.SQLITE_SELECT,
        sqlite3.SQLITE_READ,
        sqlite3.SQLITE_FUNCTION,
        sqlite3.SQLITE_RECURSIVE,
    }
)
COMMENT = r"(?:\s+|--[^\n]*(?:\n|$)|/\*.*?\*/)*"
READING = re.compile(rf"{COMMENT}\(*{COMMENT}(select|with|values)\b", re.IGNORECASE | re.DOTALL)
FORM = "write it like sqlite:///labels.db or postgresql://user@host/database"


class QueryRows(Struct, frozen=True, kw_only=True):
    """The rows of a query that were read at once. rows: one tuple each, with a value a name."""

    names: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]


def refuse_writing(query: str, where: str) -> None:
    """Raise Refused for a query that is no SELECT.

    >>> refuse_writing("-- labels\\nSELECT request_id, label FROM paid", "labels.source")
    """
    if READING.match(query) is None:
        raise Refused(
            f"the query {query.strip()[:60]!r} is no SELECT",
            fix=f"let {where}.sql begin with SELECT or WITH",
            where=where,
        )


def refuse_address(address: str, where: str) -> None:
    """Raise Refused for an address of another database, or one that holds a password."""
    scheme, mark, _ = address.partition("://")
    if not mark or scheme not in {SQLITE, *POSTGRESQL}:
        raise Refused(f"{where}.url is no address of SQLite or PostgreSQL", fix=FORM, where=where)
    parts = urlsplit(address)
    if scheme != SQLITE and ("@" in parts.netloc and ":" in parts.netloc.rpartition("@")[0]):
        raise _password(where)
    if any(name == "password" for name, _ in parse_qsl(parts.query)):
        raise _password(where)


def _password(where: str) -> Refused:
    return Refused(
        f"{where}.url holds a password, which would be written into the journal",
        fix="name a variable of the environment that holds the address: url: {env: LABELS_URL}",
        where=where,
    )


def read(address: str, query: str, folder: Path, where: str) -> Generator[QueryRows]:
    """Yield the rows of a query in parts; at least one, which may have no rows.

    Close it to end the query before its last part: the connection is open until then.

    address: sqlite:///PATH, from a folder, or postgresql://USER:PASSWORD@HOST:PORT/DATABASE
    where:   the setting that has the query, for messages

    Raises Unreachable if the database does not answer, Refused for a query that it refuses.
    """
    refuse_writing(query, where)
    scheme, mark, rest = address.partition("://")
    if mark and scheme == SQLITE and rest.startswith("/") and len(rest) > 1:
        yield from _of_sqlite(folder / rest[1:], query, where)
    elif mark and scheme in POSTGRESQL:
        yield from _of_postgres(rest, query, where)
    else:
        raise Refused(f"{where}.url is no address of SQLite or PostgreSQL", fix=FORM, where=where)


def _of_sqlite(file: Path, query: str, where: str) -> Iterator[QueryRows]:
    if not file.is_file():
        raise Unreachable(
            f"there is no database {str(file)!r}", fix=f"correct {where}.url", where=where
        )
    with _sqlite_errors(where):
        opened = sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True)
        with closing(opened) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchall()  # is it one?
            connection.set_authorizer(_only_reads)
            end = time.monotonic() + LONGEST
            connection.set_progress_handler(lambda: time.monotonic() > end, STEPS)
            with _refusals((sqlite3.Error, sqlite3.Warning), where):
                cursor = connection.execute(query)
                yield from _parts(cursor, tuple(one[0] for one in cursor.description))


def _only_reads(action: int, *_: Any) -> int:
    return sqlite3.SQLITE_OK if action in READS else sqlite3.SQLITE_DENY


@contextmanager
def _sqlite_errors(where: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise _silent(error, where) from None


def _of_postgres(rest: str, query: str, where: str) -> Iterator[QueryRows]:
    try:
        import psycopg

        from mlops_nb.storage.postgres import Postgres
    except ImportError as error:
        raise Refused(
            f"labels in PostgreSQL need psycopg: {error}", fix="pip install 'mlops-nb[postgres]'"
        ) from None
    try:
        database = Postgres.at(rest)
        connection = psycopg.connect(**database.options)
    except ValueError as error:
        raise Refused(f"{where}.url cannot be used: {error}", fix=FORM, where=where) from None
    except psycopg.Error as error:
        raise _silent(error, where) from None
    with closing(connection), _refusals((psycopg.Error,), where):
        connection.read_only = True
        connection.execute(f"SET LOCAL statement_timeout = {1000 * LONGEST}")
        # a cursor in the server: it takes one SELECT alone, and its rows do not come all at once
        with connection.cursor(name="mlops_nb") as cursor:
            cursor.execute(query.encode())
            yield from _parts(cursor, tuple(one.name for one in cursor.description or ()))


def _parts(cursor: Any, names: tuple[str, ...]) -> Iterator[QueryRows]:
    rows = cursor.fetchmany(AT_ONCE)
    yield QueryRows(names=names, rows=rows)
    while rows := cursor.fetchmany(AT_ONCE):
        yield QueryRows(names=names, rows=rows)


@contextmanager
def _refusals(kinds: tuple[type[Exception], ...], where: str) -> Iterator[None]:
    try:
        yield
    except kinds as error:
        raise Refused(
            f"the database refuses the query: {_line(error)}",
            fix=f"correct {where}.sql: one SELECT, which may take {LONGEST} s; then: "
            "mlops-nb apply JOB",
            where=where,
        ) from None


def _silent(error: Exception, where: str) -> Unreachable:
    return Unreachable(
        f"the database does not answer: {_line(error)}",
        fix=f"start it, or correct {where}.url; labels that were taken before are kept",
        where=where,
    )


def _line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
