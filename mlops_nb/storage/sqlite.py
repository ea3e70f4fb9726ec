"""A journal's database in a SQLite file: the standard library opens it in milliseconds."""

import contextlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote

from mlops_nb import files
from mlops_nb.errors import Refused

TIMEOUT = 30.0  # s, that a writer waits for another one
MOUNTS = Path("/proc/self/mounts")
SHARED_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "fuse.sshfs", "ceph", "glusterfs", "lustre", "afs"}
)


OPENED = "SELECT count(*) FROM sqlite_master"  # the first query opens the files
UNWRITABLE = frozenset(
    {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY}
)


class SqliteConnection(sqlite3.Connection):
    """A connection that knows which file it has opened.

    writes: it may write
    state:  the state of files that nobody may change while it reads them, () for all others
    """

    inode = 0
    writes = False
    state: tuple[tuple[int, ...], ...] = ()


class Sqlite:
    """A SQLite file with lock files in its folder. Raises Refused on a network file system."""

    errors: tuple[type[Exception], ...] = (sqlite3.Error, OSError)
    identity = "INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT"
    has_tables = """SELECT count(*) = 2 FROM sqlite_master
        WHERE type = 'table' AND name IN ('events', 'places')"""

    def __init__(self, file: Path, *, timeout: float = TIMEOUT, mounts: Path = MOUNTS) -> None:
        self.file, self.timeout = file.absolute(), timeout
        self.address = f"sqlite:///{self.file}"
        kind = file_system(self.file, mounts)
        if kind in SHARED_FILE_SYSTEMS:
            raise Refused(
                f"the journal is on a network file system ({kind}), where SQLite loses writes",
                fix="set `journal` in mlops-nb.toml to a PostgreSQL URL or to a local file",
                where=str(self.file),
            )

    @classmethod
    def at(cls, rest: str) -> "Sqlite":
        """Return the database at an address, given without its scheme. Raises ValueError.

        >>> Sqlite.at("//srv/journal.db?timeout=5").timeout
        5.0
        """
        path, _, query = rest.partition("?")
        if not path.startswith("/") or path in {"/", "/:memory:"}:
            raise ValueError("it names no file")
        options = dict(parse_qsl(query, keep_blank_values=True))
        timeout = float(options.pop("timeout", TIMEOUT))
        if options:
            raise ValueError(f"SQLite has no option {min(options)!r} here")
        return cls(Path(path[1:]), timeout=timeout)

    def connect(self, *, writes: bool = True) -> SqliteConnection:
        """Open a connection.

        writes: make the file and its folder if there is none; without, nothing is made, and a
            file that cannot be written is read as it is
        """
        if not writes:
            return self._connect_to_read()
        self.file.parent.mkdir(parents=True, exist_ok=True)
        if not self.file.exists():
            self.file.touch()
            self.file.chmod(files.mode_of(self.file))  # sqlite gives its other files this mode
        made = self._open(f"{_uri(self.file)}?mode=rwc", "PRAGMA journal_mode=WAL")
        made.writes = True
        return made

    def _connect_to_read(self) -> SqliteConnection:
        """Open a connection without making a file.

        A reader of a database with a write-ahead log needs that log and its index, which SQLite
        makes if it can. On a full disk and in a read-only folder it cannot. Without a log, nobody
        writes to the database at the moment, so it is read as immutable: without locks, log and
        index. With a log and no index, a copy of both files is read. Either way, a change of the
        files is noticed: see `execute`.
        """
        if not self.file.exists():
            return self._open(":memory:")
        try:
            return self._open(f"{_uri(self.file)}?mode=rw")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in UNWRITABLE:
                raise
        state = self._state()
        if self._log_is_empty():
            made = self._open(f"{_uri(self.file)}?mode=ro&immutable=1")
        else:
            with tempfile.TemporaryDirectory() as folder:  # open files outlive their names
                for file in (self.file, self._log()):
                    shutil.copyfile(file, Path(folder, file.name))
                made = self._open(f"{_uri(Path(folder, self.file.name))}?mode=rw")
        made.state = state
        return made

    def _open(self, uri: str, first: str = OPENED) -> SqliteConnection:
        made = sqlite3.connect(
            uri,
            timeout=self.timeout,
            isolation_level=None,  # transactions are begun below, not by the driver
            check_same_thread=False,
            factory=SqliteConnection,
            uri=True,
        )
        with contextlib.ExitStack() as stack:
            stack.callback(made.close)
            made.execute(first).fetchall()
            made.inode = self._inode()
            stack.pop_all()
        return made

    def is_usable(self, connection: SqliteConnection, *, writes: bool = True) -> bool:
        """Return whether the file is still the one that was opened; writes: for writing."""
        may = connection.writes or not writes
        same = not connection.state or connection.state == self._state()
        return may and same and connection.inode == self._inode()

    def begin(self, connection: SqliteConnection, *, synced: bool) -> None:
        """Begin a transaction as the only writer.

        synced: if not, the transaction survives a killed process, but a power cut only once a
            later one is synced
        """
        connection.execute(f"PRAGMA synchronous={'FULL' if synced else 'NORMAL'}")
        connection.execute("BEGIN IMMEDIATE")

    def execute(
        self, connection: SqliteConnection, sql: str, values: Sequence[Any] = ()
    ) -> list[Any]:
        """Execute a statement with a `?` for each value; return its rows.

        Raises sqlite3.OperationalError if another process wrote files that were read unlocked.
        """
        try:
            rows = connection.execute(sql, values).fetchall()
        except sqlite3.OperationalError as error:
            if "decode to UTF-8" not in str(error):
                raise
            connection.text_factory = _replaced  # a damaged row is read, and refused as an event
            rows = connection.execute(sql, values).fetchall()
        if connection.state and connection.state != self._state():
            raise sqlite3.OperationalError("another process wrote it meanwhile")
        return rows

    def insert(self, connection: SqliteConnection, sql: str, values: Sequence[Any]) -> int:
        """Insert one row; return its id."""
        return connection.execute(sql, values).lastrowid or 0

    def lock(self, name: str, *, wait: bool) -> Callable[[], None] | None:
        """Lock a file in the journal's folder; return its release function, None if it is taken."""
        import fcntl

        self.file.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as stack:
            opened = stack.enter_context((self.file.parent / f"{name}.lock").open("w"))
            try:
                fcntl.flock(opened, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                return None
            return stack.pop_all().close

    def _log(self) -> Path:
        return self.file.with_name(f"{self.file.name}-wal")

    def _log_is_empty(self) -> bool:
        return not self._log().exists() or not self._log().stat().st_size

    def _state(self) -> tuple[tuple[int, ...], ...]:
        """Return what changes with each write to the database and to its log."""
        return tuple(_times(file) for file in (self.file, self._log()))

    def _inode(self) -> int:
        try:
            return os.stat(self.file).st_ino
        except OSError:
            return 0


def _uri(file: Path) -> str:
    """Return the address of a file for sqlite."""
    return f"file:{quote(str(file))}"


def _times(file: Path) -> tuple[int, ...]:
    try:
        found = os.stat(file)
    except OSError:
        return ()
    return (found.st_ino, found.st_size, found.st_mtime_ns) if found.st_size else ()


def _replaced(text: bytes) -> str:
    return text.decode("utf-8", "replace")


def file_system(path: Path, mounts: Path = MOUNTS) -> str:
    """Return the type of the file system that a path is on, "" if that is unknown."""
    if not mounts.is_file():
        return ""
    best, kind = "", ""
    target = f"{path.absolute()}/"
    for line in mounts.read_text(encoding="utf-8", errors="replace").splitlines():
        parts = line.split()
        if len(parts) < 3:  # noqa: PLR2004  device, point, type
            continue
        point = parts[1].replace("\\040", " ").rstrip("/") + "/"
        if target.startswith(point) and len(point) >= len(best):
            best, kind = point, parts[2]
    return kind
