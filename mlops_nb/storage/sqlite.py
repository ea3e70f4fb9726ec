"""A journal's database in a SQLite file: the standard library opens it in milliseconds."""

import contextlib
import os
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from mlops_nb import files
from mlops_nb.errors import Refused

TIMEOUT = 30.0  # s, that a writer waits for another one
MOUNTS = Path("/proc/self/mounts")
SHARED_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "fuse.sshfs", "ceph", "glusterfs", "lustre", "afs"}
)


class SqliteConnection(sqlite3.Connection):
    """A connection that knows which file it has opened."""

    inode = 0


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

    def connect(self) -> SqliteConnection:
        """Open a connection; make the file and its folder if there is none."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        if not self.file.exists():
            self.file.touch()
            self.file.chmod(files.mode_of(self.file))  # sqlite gives its other files this mode
        made = sqlite3.connect(
            self.file,
            timeout=self.timeout,
            isolation_level=None,  # transactions are begun below, not by the driver
            check_same_thread=False,
            factory=SqliteConnection,
        )
        with contextlib.ExitStack() as stack:
            stack.callback(made.close)
            made.execute("PRAGMA journal_mode=WAL")
            made.inode = self._inode()
            stack.pop_all()
        return made

    def is_usable(self, connection: SqliteConnection) -> bool:
        """Return whether the file is still the one that was opened."""
        return connection.inode == self._inode()

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
        """Execute a statement with a `?` for each value; return its rows."""
        try:
            return connection.execute(sql, values).fetchall()
        except sqlite3.OperationalError as error:
            if "decode to UTF-8" not in str(error):
                raise
            connection.text_factory = _replaced  # a damaged row is read, and refused as an event
            return connection.execute(sql, values).fetchall()

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

    def _inode(self) -> int:
        try:
            return os.stat(self.file).st_ino
        except OSError:
            return 0


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
