"""Prediction files in a folder: one folder a day, one Parquet file a write."""

import json
import os
import time
import uuid
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from mlops_nb import files
from mlops_nb.storage import scratch
from mlops_nb.storage.ports import PredictionFile

MERGING = "merging.json"  # the files that a merged one replaces, until they are removed
DAMAGED = ".damaged"
GIVEN_UP = 3600.0  # s without a change, after which an incomplete file is given up
PRIVATE = 0o600


class LocalPredictions:
    """The prediction files of one model below a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.where = str(folder)

    def days(self) -> list[str]:
        """Return the days that have a folder, the oldest first, as ISO dates."""
        if self.folder.is_symlink() or not self.folder.is_dir():
            return []
        found = (path for path in self.folder.glob("day=*") if not path.is_symlink())
        return sorted(path.name.removeprefix("day=") for path in found if path.is_dir())

    def entries(self, day: str) -> list[PredictionFile]:
        """Return the files of a day, the oldest first."""
        found = []
        with suppress(FileNotFoundError), os.scandir(self._day(day)) as inside:
            for entry in inside:
                with suppress(FileNotFoundError):
                    about = entry.stat(follow_symlinks=False)
                    made = PredictionFile(
                        name=entry.name, size=about.st_size, changed=about.st_mtime
                    )
                    found.append(made)
        return sorted(found, key=lambda file: file.name)

    def open(self, day: str, name: str) -> BinaryIO:
        """Open a file of a day for reading."""
        return (self._day(day) / name).open("rb")

    def write(self, day: str, table: Any, instead_of: Collection[str] = ()) -> None:
        """Write a table as a file of a day, which takes the place of others.

        It is written under a temporary name first. Nothing is written in place of files that
        another process merges, or has merged.
        """
        import pyarrow.parquet as pq

        folder = self._day(day)
        folder.mkdir(parents=True, exist_ok=True, mode=self._mode_of_folders)
        part = folder / f"{time.time_ns()}-{uuid.uuid4().hex[:8]}.part"
        try:
            pq.write_table(table, part)
            part.chmod(files.mode_of(part) if self._is_inside else PRIVATE)
            if instead_of:
                self._replace(folder, part, instead_of)
            else:
                os.replace(part, part.with_suffix(".parquet"))
        except BaseException:
            if not (folder / MERGING).is_file():
                part.unlink(missing_ok=True)
            raise

    def _replace(self, folder: Path, part: Path, names: Collection[str]) -> None:
        lock = scratch.lock_of(self.folder)
        try:
            if lock is None or not all((folder / name).is_file() for name in names):
                part.unlink()
                return
            listed = {"part": part.name, "files": sorted(names)}
            files.write_text(folder / MERGING, json.dumps(listed))
            finish_merge(folder)
        finally:
            scratch.release(lock)

    def set_aside(self, day: str, name: str) -> None:
        """Rename a damaged file, so that it is read no more."""
        file = self._day(day) / name
        os.replace(file, file.with_suffix(DAMAGED))

    def remove(self, day: str) -> None:
        """Remove a day."""
        for file in self._day(day).iterdir():
            file.unlink(missing_ok=True)
        self._day(day).rmdir()

    def recover(self) -> None:
        """Finish merges that a killed process left, unless another process merges."""
        if not self.days():
            return
        lock = scratch.lock_of(self.folder)
        try:
            for day in self.days() if lock is not None else ():
                finish_merge(self._day(day))
        finally:
            scratch.release(lock)

    def _day(self, day: str) -> Path:
        return self.folder / f"day={day}"

    @property
    def _mode_of_folders(self) -> int:
        return 0o777 if self._is_inside else 0o700

    @property
    def _is_inside(self) -> bool:
        """Whether the folder lies in .mlops/, which decides who may read what is in it."""
        return any(parent.name == files.PRIVATE for parent in self.folder.parents)


def finish_merge(day: Path) -> None:
    """Let a merged file take the place of those that it was made of.

    The merged file is there before the others go, so that a reader finds each row at least once.
    """
    listed = day / MERGING
    if not listed.is_file():
        for part in day.glob("*.part"):
            with suppress(FileNotFoundError):
                if time.time() - part.stat().st_mtime > GIVEN_UP:
                    part.unlink()
        return
    found = json.loads(listed.read_text(encoding="utf-8"))
    part = day / found["part"]
    if part.is_file():
        os.replace(part, part.with_suffix(".parquet"))
    for name in found["files"]:
        (day / name).unlink(missing_ok=True)
    listed.unlink()
