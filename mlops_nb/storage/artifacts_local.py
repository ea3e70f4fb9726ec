"""The store on a local disk: artifacts named by the sha256 of their bytes."""

import os
import re
import shutil
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from mlops_nb import files
from mlops_nb.errors import NotFound, Unreachable

DIGEST = re.compile(r"[0-9a-f]{64}")
PART = re.compile(r"\.[0-9a-f]{64}\.(?:(?P<host>.+)\.)?(?P<pid>\d+)\.part")
FOREIGN = 24 * 3600  # s after which another machine's unfinished file is given up


class LocalStore:
    """Content-addressed files under one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _place(self, digest: str) -> Path:
        return self.folder / digest[:2] / digest

    def put(self, file: Path, *, move: bool = False, durable: bool = True) -> str:
        """Store the content of a file; return its sha256.

        move:    remove the file; it is renamed if it is on the same disk
        durable: sync it, so that it survives a power cut; without, an incomplete file is a miss
                 later, never a wrong value

        Raises Unreachable if the content cannot be written; no partial file remains.
        """
        digest = files.sha256(file)
        place = self._place(digest)
        try:
            if place.is_file() and files.sha256(place) == digest:
                os.utime(place)  # renew its age, as it is in use again
            else:
                self._take(file, place, move=move, durable=durable)
            if move and (file.is_symlink() or file.resolve() != place.resolve()):
                file.unlink()
        except OSError as error:
            raise Unreachable(
                f"the artifact cannot be stored: {error.strerror}",
                fix="free some space on this disk and run again",
                where=str(self.folder),
            ) from None
        return digest

    def _take(self, file: Path, place: Path, *, move: bool, durable: bool) -> None:
        """Bring a file's bytes to their place, whole or not at all."""
        host = re.sub(r"[^\w-]", "-", socket.gethostname())
        name = f".{place.name}.{host}.{uuid.uuid4().hex[:8]}.{os.getpid()}.part"
        part = place.with_name(name)
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            if not (move and _linked(file, part)):
                shutil.copyfile(file, part)
            part.chmod(files.mode_of(place))
            os.utime(part)
            if durable:
                _sync(part)
            part.replace(place)
        except BaseException:
            with suppress(OSError):
                part.unlink()
            raise
        if durable:
            _sync(place.parent)

    def path(self, digest: str) -> Path:
        """Return the file with these bytes, verified.

        Raises NotFound if there is none, or its bytes are no longer what they were.
        """
        place = self._place(digest)
        if not place.is_file() or files.sha256(place) != digest:
            state = "is damaged" if place.is_file() else "is not in the store"
            raise NotFound(
                f"artifact {digest[:12]} {state}",
                fix="run the job again, or bring the store back from a copy",
                where=str(place),
            )
        return place

    def holds(self, digest: str) -> bool:
        """Return whether the store has a file of this name; its content is not verified."""
        return self._place(digest).is_file()

    def contents(self) -> Iterator[tuple[str, int, datetime]]:
        """Yield the digest and size of each artifact, and when it was stored last."""
        for place in sorted(self.folder.glob("??/*")):
            if DIGEST.fullmatch(place.name):
                with suppress(FileNotFoundError):  # another process was faster
                    found = place.stat()
                    yield place.name, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC)

    def remove(self, digest: str) -> None:
        """Remove an artifact if it exists."""
        self._place(digest).unlink(missing_ok=True)

    def tidy(self) -> int:
        """Remove incomplete files of dead processes; return their size, bytes."""
        freed = 0
        for part in self.folder.glob("??/.*.part"):
            with suppress(FileNotFoundError):
                found = part.stat()
                if _is_left_over(part.name, time.time() - found.st_mtime):
                    part.unlink()
                    freed += found.st_size
        return freed


def _linked(file: Path, part: Path) -> bool:
    """Create a hard link to a file instead of a copy; return whether that was possible."""
    if file.is_symlink() or file.stat().st_nlink > 1:
        return False  # another process could change the bytes through the other name
    try:
        os.link(file, part)
    except OSError:  # another disk, or one without links
        return False
    return True


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _is_left_over(name: str, age: float) -> bool:
    """Return whether the writer of a partial file is gone; `age`: s since the last write."""
    found = PART.fullmatch(name)
    if found is None:
        return False
    here = re.sub(r"[^\w-]", "-", socket.gethostname())
    if found["host"] and found["host"].partition(".")[0] != here:
        return age > FOREIGN
    try:
        os.kill(int(found["pid"]), 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:  # another person's process
        return False
    return age > FOREIGN  # the number was given to another process since
