"""Removes the sockets, locks and logs that warm parents and kernels left when they were killed."""

import contextlib
import os
import re
import shutil
import socket
import stat
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from mlops_nb.engine.warm import client

OWN = re.compile(r"([0-9a-f]{20})\.(?:sock|lock|log|editable|loud|refused|\d+)")
OF_KERNELS = re.compile(r"mlops-nb-[a-z0-9_]{8}")
IN_KERNELS = re.compile(r"kernel\.json|kernel-ipc-\d+")
QUIET = 3600.0  # s without a change, after which the files of a dead parent are given up


def files() -> Iterator[Path]:
    """Yield the files of all warm parents and kernels of this user. No folder is made."""
    for paths in (*_by_parent().values(), *_by_kernel().values()):
        yield from paths


def remove(now: float) -> tuple[int, int]:
    """Remove the files of processes that have ended; return how many, and their size, bytes.

    now: s since 1970
    """
    count = size = 0
    for folder, paths in _by_kernel().items():
        with contextlib.suppress(OSError):
            found = {path: path.lstat() for path in (folder, *paths)}
            quiet = now - max(one.st_mtime for one in found.values()) > QUIET
            if quiet and not any(_answers(path) for path in paths):
                shutil.rmtree(folder)
                count += len(paths)
                size += sum(found[path].st_size for path in paths)
    for key, paths in _by_parent().items():
        with contextlib.suppress(OSError), _alone(client.where() / f"{key}.lock") as alone:
            found = {path: path.lstat() for path in paths}
            quiet = now - max(one.st_mtime for one in found.values()) > QUIET
            if alone and quiet and not any(_answers(path) for path in paths):
                for path in sorted(paths, key=lambda p: p.suffix == ".lock"):  # the lock last
                    path.unlink(missing_ok=True)
                    count, size = count + 1, size + found[path].st_size
    return count, size


def _by_parent() -> dict[str, list[Path]]:
    """Return the files of each parent by its key; whatever has another name is left alone."""
    place = client.where()
    found: defaultdict[str, list[Path]] = defaultdict(list)
    if client.possible() or not _is_private(place):
        return found
    with os.scandir(place) as entries:
        for entry in sorted(entries, key=lambda e: e.name):
            name = OWN.fullmatch(entry.name)
            try:
                mode = entry.stat(follow_symlinks=False).st_mode
            except OSError:  # its parent has ended meanwhile
                continue
            if name and (stat.S_ISREG(mode) or stat.S_ISSOCK(mode)):
                found[name[1]].append(Path(entry.path))
    return found


def _by_kernel() -> dict[Path, list[Path]]:
    """Return the files of each kernel by its folder; a folder with other files is left alone."""
    found: dict[Path, list[Path]] = {}
    base = Path(tempfile.gettempdir())
    for folder in sorted(base.glob("mlops-nb-*")):
        ours = OF_KERNELS.fullmatch(folder.name) and folder != client.where()
        if ours and _is_private(folder):
            with contextlib.suppress(OSError):
                paths = sorted(folder.iterdir())
                if all(IN_KERNELS.fullmatch(path.name) for path in paths):
                    found[folder] = paths
    return found


def _is_private(place: Path) -> bool:
    try:
        found = place.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[bool]:
    """Hold the lock under which a parent starts, if it has one; False if another process does."""
    import fcntl

    try:
        handle = os.open(lock, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        yield True
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        yield True
    finally:
        os.close(handle)


def _answers(path: Path) -> bool:
    """Return whether a process listens on a socket."""
    if not stat.S_ISSOCK(path.lstat().st_mode):
        return False
    with socket.socket(socket.AF_UNIX) as sock:
        sock.setblocking(False)
        try:
            sock.connect(str(path))
        except ConnectionRefusedError:
            return False
        except OSError:  # it is too busy
            return True
    return True
