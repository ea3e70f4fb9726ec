"""The rows that were drawn for labelling: one Parquet file a draw, with their probabilities."""

import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mlops_nb.monitoring.labels import parquet_file

FOLDER = "samples"  # in the folder of the labels
DAYS = "days"  # the key of the days that a sample was drawn from


class SampleFiles:
    """The samples of one model, in a folder. Their names are in the order of the draws."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / FOLDER
        self._days: dict[str, set[str]] = {}

    def names(self) -> list[str]:
        """Return the names of the samples, the oldest first."""
        return sorted(path.name for path in self.folder.glob("*.parquet"))

    def new_name(self) -> str:
        """Return the name of the next sample."""
        last = self.names()[-1:]
        number = int(last[0].partition("-")[0]) + 1 if last else 1
        return f"{number:08d}-{secrets.token_hex(4)}.parquet"

    def write(self, table: Any, days: Sequence[str], name: str) -> None:
        """Record the rows that were drawn.

        table: request_id, day, probability; days: those that were drawn from
        """
        from pyarrow import parquet

        named = table.replace_schema_metadata({DAYS: ",".join(days)})
        parquet_file.put(self.folder / name, lambda file: parquet.write_table(named, file))

    def of_day(self, day: str) -> list[str]:
        """Return the names of the samples that were drawn from a day, the newest first."""
        return [name for name in reversed(self.names()) if day in self._days_of(name)]

    def drawn(self, day: str) -> Iterator[Any]:
        """Yield request_id and probability of each sample of a day, the newest first."""
        for name in self.of_day(day):
            yield self._read(name, ["request_id", "probability"])

    def ever_drawn(self) -> Any:
        """Return the request ids of all samples."""
        import pyarrow as pa

        ids = [self._read(name, ["request_id"])["request_id"] for name in self.names()]
        return pa.chunked_array([chunk for one in ids for chunk in one.chunks], pa.string())

    def _read(self, name: str, columns: list[str]) -> Any:
        from pyarrow import parquet

        with (self.folder / name).open("rb") as opened:
            return parquet.read_table(opened, columns=columns)

    def _days_of(self, name: str) -> set[str]:
        from pyarrow import parquet

        if name not in self._days:
            metadata = parquet.read_schema(self.folder / name).metadata or {}
            self._days[name] = set(metadata.get(DAYS.encode(), b"").decode().split(","))
        return self._days[name]
