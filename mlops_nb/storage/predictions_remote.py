"""Prediction files at a URL that fsspec knows, such as s3://bucket/folder."""

import io
import re
import time
import uuid
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from functools import partial
from typing import Any, BinaryIO

from mlops_nb.errors import Refused
from mlops_nb.storage.ports import PredictionFile

LOGIN = re.compile(r"//[^/@]*@")  # user and password of a URL


class RemotePredictions:
    """The prediction files of one model below a URL.

    A file appears as a whole where the file system writes objects as a whole, as object stores do.
    """

    def __init__(self, url: str) -> None:
        self.where = LOGIN.sub("//", url)
        try:
            import fsspec
        except ImportError:
            raise Refused(
                f"the prediction log is at {self.where}, and fsspec is not installed",
                fix="pip install 'mlops-nb[remote]', and what fsspec needs for it, such as s3fs",
            ) from None
        try:
            self.system, self.root = fsspec.url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise Refused(
                f"the prediction log cannot be at {self.where}: {error}",
                fix="install what fsspec needs for it, or correct the setting `predictions`",
            ) from None

    def days(self) -> list[str]:
        """Return the days that have files, the oldest first."""
        found = (_name(entry) for entry in self._listed(self.root))
        return sorted(n.removeprefix("day=") for n in found if n.startswith("day="))

    def entries(self, day: str) -> list[PredictionFile]:
        """Return the files of a day, the oldest first."""
        found = [
            PredictionFile(
                name=_name(entry), size=int(entry.get("size") or 0), changed=_changed(entry)
            )
            for entry in self._listed(self._day(day))
            if entry["type"] == "file"
        ]
        return sorted(found, key=lambda file: file.name)

    def open(self, day: str, name: str) -> BinaryIO:
        """Open a file of a day for reading."""
        path = f"{self._day(day)}/{name}"
        return io.BufferedReader(RemoteFile(_reached(lambda: self.system.open(path, "rb"))))

    def write(self, day: str, table: Any, instead_of: Collection[str] = ()) -> None:
        """Write a table as a file of a day, then remove those whose place it takes.

        If this process is killed in between, rows are there twice until the next merge.
        """
        import pyarrow.parquet as pq

        made = io.BytesIO()
        pq.write_table(table, made)
        folder = self._day(day)
        name = f"{time.time_ns()}-{uuid.uuid4().hex[:8]}.parquet"
        _reached(lambda: self.system.makedirs(folder, exist_ok=True))
        _reached(lambda: self.system.pipe_file(f"{folder}/{name}", made.getvalue()))
        for old in instead_of:
            _reached(partial(self.system.rm_file, f"{folder}/{old}"))

    def set_aside(self, day: str, name: str) -> None:
        """Rename a damaged file, so that it is read no more."""
        path = f"{self._day(day)}/{name}"
        _reached(lambda: self.system.mv(path, f"{path.removesuffix('.parquet')}.damaged"))

    def remove(self, day: str) -> None:
        """Remove a day."""
        _reached(lambda: self.system.rm(self._day(day), recursive=True))

    def recover(self) -> None:
        """Do nothing: a merge that was cut off lost no row."""

    def _day(self, day: str) -> str:
        return f"{self.root}/day={day}"

    def _listed(self, folder: str) -> list[dict[str, Any]]:
        try:
            found = _reached(lambda: self.system.ls(folder, detail=True, refresh=True))
        except FileNotFoundError:
            return []
        return [entry for entry in found if _name(entry)]


class RemoteFile(io.RawIOBase):
    """A file that is read through a file system of fsspec, all of whose errors are OSError."""

    def __init__(self, opened: Any) -> None:
        self.opened = opened

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read bytes into a buffer; return how many."""
        found = _reached(lambda: self.opened.read(len(buffer)))
        buffer[: len(found)] = found
        return len(found)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to an offset; return the new one."""
        return int(self.opened.seek(offset, whence))

    def tell(self) -> int:
        """Return the offset."""
        return int(self.opened.tell())

    def close(self) -> None:
        """Close the file."""
        if not self.closed:
            self.opened.close()
        super().close()


def _reached(work: Callable[[], Any]) -> Any:
    """Return what a file system answers; each has errors of its own, which become OSError."""
    try:
        return work()
    except OSError:
        raise
    except Exception as error:  # the libraries of a file system raise errors of their own
        raise OSError(f"{type(error).__name__}: {error}") from error


def _name(entry: dict[str, Any]) -> str:
    return str(entry["name"]).rstrip("/").rpartition("/")[2]


def _changed(entry: dict[str, Any]) -> float:
    """Return when a file was changed, s since 1970; 0 where the file system does not tell."""
    found = next((entry[k] for k in ("mtime", "LastModified", "created") if entry.get(k)), 0.0)
    if isinstance(found, datetime):
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    return float(found) if isinstance(found, int | float) else 0.0
