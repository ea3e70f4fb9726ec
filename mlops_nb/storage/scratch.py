"""Temporary folders: locked while their process lives, so that those of killed ones are known."""

import os
import re
import stat
import uuid
from collections.abc import Iterator
from pathlib import Path

LOCKED = re.compile(r"[a-z]+-[0-9a-f]{12}")
UNLOCKED = re.compile(r"[a-z]+-[0-9a-f]{8}")  # of earlier versions, and of disks without locks
UNLOCKED_AFTER = 24 * 3600.0  # s without a change, after which an unlocked folder is given up


def make(parent: Path, name: str) -> tuple[Path, int | None]:
    """Make a temporary folder; return it with its lock, None if this disk has no locks."""
    parent.mkdir(parents=True, exist_ok=True)
    while True:
        folder = parent / f"{name}-{uuid.uuid4().hex[:12]}"
        folder.mkdir()
        try:
            lock = lock_of(folder)
        except FileNotFoundError:
            continue
        except OSError:
            return folder.rename(folder.with_name(folder.name[:-4])), None
        if lock is not None and folder.exists():
            return folder, lock
        release(lock)  # housekeeping was faster than the lock


def lock_of(folder: Path) -> int | None:
    """Lock a folder; return the lock, None if another process has it.

    The lock ends with its process. It needs no space on the disk.
    """
    import fcntl

    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    except OSError:
        os.close(handle)
        raise
    return handle


def hold(folder: Path) -> int | None:
    """Lock a folder that others may hold as well; return the lock, None if this disk has none.

    It waits while another process has the folder for itself, which is not for long.

    Raises FileNotFoundError if there is no such folder.
    """
    import fcntl

    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
    except OSError:
        os.close(handle)
        return None
    return handle


def release(lock: int | None) -> None:
    """Release a lock."""
    if lock is not None:
        os.close(lock)


def left_over(parent: Path, now: float) -> Iterator[tuple[Path, int | None]]:
    """Yield the folders that no process uses any more, each with a lock to be released.

    now: s since 1970

    What is a link, has another name, or lies behind a link is left alone.
    """
    if parent.is_symlink() or not parent.is_dir():
        return
    for folder in sorted(parent.iterdir()):
        try:
            found = folder.lstat()
            if not stat.S_ISDIR(found.st_mode):
                continue
            if LOCKED.fullmatch(folder.name):
                lock = lock_of(folder)
                if lock is not None:
                    yield folder, lock
            elif UNLOCKED.fullmatch(folder.name) and now - newest(folder) > UNLOCKED_AFTER:
                yield folder, None
        except OSError:  # another process was faster, or this one may not look
            continue


def newest(folder: Path) -> float:
    """Return when a folder or an entry of it was changed last, s since 1970."""
    times = [folder.lstat().st_mtime]
    with os.scandir(folder) as entries:
        times += [entry.stat(follow_symlinks=False).st_mtime for entry in entries]
    return max(times)
