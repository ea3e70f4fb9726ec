"""Keeps the sums of days that have ended, so that a later look reads only what changed."""

import contextlib
import hashlib
from collections.abc import Callable, Collection
from pathlib import Path

import msgspec
from msgspec import Struct

from mlops_nb import files
from mlops_nb.monitoring.labels.kept import LabelFiles
from mlops_nb.monitoring.labels.samples import SampleFiles
from mlops_nb.monitoring.live.day import DayQuestion
from mlops_nb.monitoring.live.sums import DaySums
from mlops_nb.storage.ports import PredictionFiles

FORM = 6  # of the sums: those of another form are made anew


class KeptDay(Struct, frozen=True, kw_only=True):
    """The sums of a day, and the digest of all that they depend on."""

    key: str
    sums: DaySums


class KeptDays:
    """The sums of the days of one model, in a folder; threads may share them.

    The decoder is made by one thread: two that let msgspec read the fields of a record for the
    first time at once can crash the process.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.decoder = msgspec.json.Decoder(KeptDay)

    def get(self, day: str, key: str, make: Callable[[], DaySums]) -> DaySums:
        """Return the sums of a day: those kept if nothing changed, else new ones."""
        path = self.folder / f"day={day}.json"
        with contextlib.suppress(OSError, msgspec.MsgspecError):  # made anew
            found = self.decoder.decode(path.read_bytes())
            if found.key == key:
                return found.sums
        made = make()
        with contextlib.suppress(OSError):  # a full disk, or a folder to read alone
            files.write_bytes(path, msgspec.json.encode(KeptDay(key=key, sums=made)))
        return made

    def forget(self, days: Collection[str]) -> None:
        """Remove the sums of days that the log has no more. days: those that it has."""
        for path in self.folder.glob("day=*.json"):
            if path.stem.removeprefix("day=") not in days:
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)


def key_of(
    day: str,
    log: PredictionFiles,
    labelled: tuple[LabelFiles, SampleFiles],
    asked: DayQuestion,
    *,
    mature: bool,
) -> str:
    """Return the digest of all that the sums of a day depend on: rows, labels and the question."""
    labels, samples = labelled
    entries = [
        (one.name, one.size, one.changed)
        for one in log.entries(day)
        if one.name.endswith(".parquet")
    ]
    depends = (
        FORM,
        day,
        entries,
        labels.files_of(day),
        samples.of_day(day),
        msgspec.to_builtins(asked),
        mature,
    )
    return hashlib.sha256(msgspec.json.encode(depends)).hexdigest()
