"""What every journal says of a place that will not do, and where a SQLite file may lie."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from mlops_nb.errors import Refused, Unreachable

MOUNTS = Path("/proc/self/mounts")
SHARED_FILE_SYSTEMS = {
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "fuse.sshfs", "ceph", "glusterfs", "lustre", "afs",
}  # fmt: skip


def refuse_shared(file: Path, mounts: Path) -> None:
    """Refuse a SQLite file on a network file system: its locks do not hold there."""
    kind = file_system(file, mounts)
    if kind in SHARED_FILE_SYSTEMS:
        raise Refused(
            f"the journal would lie on a network file system ({kind}), where SQLite loses writes",
            fix="set `journal` in mlops-nb.toml to a PostgreSQL URL or to a local file",
            where=str(file),
        )


@contextlib.contextmanager
def locked(file: Path, *, wait: bool) -> Iterator[bool]:
    """Hold a file's lock, which ends with the process; False where somebody else has it."""
    import fcntl

    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True


def file_system(path: Path, mounts: Path = MOUNTS) -> str:
    """Return the type of the file system that a path is on, "" where that cannot be told."""
    if not mounts.is_file():
        return ""
    best, kind = "", ""
    target = str(path.absolute())
    for line in mounts.read_text(encoding="utf-8", errors="replace").splitlines():
        parts = line.split()
        if len(parts) < 3:  # noqa: PLR2004  device, point, type
            continue
        point = parts[1].replace("\\040", " ").rstrip("/") + "/"
        if (target + "/").startswith(point) and len(point) >= len(best):
            best, kind = point, parts[2]
    return kind


def reason(error: Exception) -> str:
    """Return what a database's error says, in one line."""
    return str(getattr(error, "orig", None) or error).splitlines()[0]


def unopened(error: Exception, where: str) -> Unreachable:
    """Return the error that a journal cannot be opened."""
    return Unreachable(
        f"the journal cannot be opened: {reason(error)}",
        fix="check the address in mlops-nb.toml or MLOPS_NB_JOURNAL, its driver, and free space",
        where=where,
    )


def unwritten(error: Exception) -> Unreachable:
    """Return the error that a journal cannot be written."""
    return Unreachable(
        f"the journal cannot be written: {reason(error)}",
        fix="free some space, or wait until the database answers, and try again",
    )


def unreadable(error: Exception) -> Unreachable:
    """Return the error that a journal cannot be read."""
    return Unreachable(
        f"the journal cannot be read: {reason(error)}",
        fix="wait until whatever holds it lets go, or bring .mlops/journal.db back from a copy",
    )


def plain(value: object) -> object:
    """Return a value as JSON has it, where JSON does not know it: sets as lists, others as text."""
    return list(value) if isinstance(value, set | frozenset | tuple) else str(value)
