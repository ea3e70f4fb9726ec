"""The store on a local disk: artifacts named by the sha256 of their bytes."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

from mlops_nb import files
from mlops_nb.errors import NotFound, Unreachable


class LocalStore:
    """Content-addressed files under one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _place(self, digest: str) -> Path:
        return self.folder / digest[:2] / digest

    def put(self, file: Path) -> str:
        """Take a file's bytes in; return their sha256.

        Raises Unreachable where the disk does not take them; nothing half-written stays.
        """
        digest = files.sha256(file)
        place = self._place(digest)
        if place.is_file() and files.sha256(place) == digest:
            return digest
        part = place.with_name(f".{digest}.{os.getpid()}.part")
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, part)
            with part.open("rb") as written:
                os.fsync(written.fileno())
            part.replace(place)
        except OSError as error:
            with suppress(OSError):
                part.unlink()
            raise Unreachable(
                f"the artifact cannot be stored: {error.strerror}",
                fix="free some space on this disk and run again",
                where=str(self.folder),
            ) from None
        return digest

    def path(self, digest: str) -> Path:
        """Return the file with these bytes, verified.

        Raises NotFound where there is none, or its bytes are no longer what they were.
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
