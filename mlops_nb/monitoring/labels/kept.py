"""The labels that were taken: one Parquet file a delivery, whose row groups each hold one day."""

import os
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from mlops_nb import files

JOINED = ("request_id", "label", "delivered")
COLUMNS = (*JOINED, "digest", "day")
SAMPLES = "samples"  # the folder of the rows that were drawn for labelling
DAYS = "days"  # the key of the days that a sample was drawn from


class LabelFiles:
    """The labels of one model, in a folder.

    A row's `day` is the UTC day of its prediction; null: the row was not on record when the label
    was taken.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._groups: dict[str, list[tuple[int, str | None]]] = {}

    def has(self, digest: str) -> bool:
        """Return whether a file with this content was taken."""
        return self._path(digest).is_file()

    def write(self, table: Any, digest: str) -> None:
        """Write the labels of one file under a temporary name, and put them in place.

        table: request_id, label, delivered, day
        """
        import pyarrow as pa
        import pyarrow.compute as pc
        from pyarrow import parquet

        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        ordered = table.sort_by([("day", "ascending"), ("request_id", "ascending")])
        handle, part = tempfile.mkstemp(dir=self.folder, suffix=".part")
        schema = empty(COLUMNS).schema
        try:
            with os.fdopen(handle, "wb") as file:
                with parquet.ParquetWriter(file, schema) as writer:
                    counts = pc.value_counts(ordered["day"]).to_pylist()
                    at = 0
                    for one in counts:
                        labels = ordered.slice(at, one["counts"])
                        digests = pa.repeat(pa.scalar(digest, pa.string()), len(labels))
                        labels = labels.append_column("digest", digests).select(COLUMNS)
                        writer.write_table(labels.cast(schema))  # DuckDB's times are of its zone
                        at += one["counts"]
                file.flush()
                os.fsync(file.fileno())
            os.chmod(part, files.mode_of(self._path(digest)))
            os.replace(part, self._path(digest))
        except BaseException:
            Path(part).unlink(missing_ok=True)
            raise

    def names(self) -> list[str]:
        """Return the names of the files."""
        return sorted(path.name for path in self.folder.glob("*.parquet"))

    def files_of(self, day: str) -> list[str]:
        """Return the names of the files that have labels of a day."""
        return [n for n in self.names() if any(found == day for _, found in self._of(n))]

    def last_day(self) -> str:
        """Return the last day that has labels, "" for none."""
        found = (day for name in self.names() for _, day in self._of(name) if day is not None)
        return max(found, default="")

    def read(self, days: Collection[str]) -> Any:
        """Return the labels of days, and those of rows that were not on record."""
        import pyarrow as pa
        from pyarrow import parquet

        tables = []
        for name in self.names():
            groups = [n for n, day in self._of(name) if day is None or day in days]
            if groups:
                with (self.folder / name).open("rb") as opened:
                    file = parquet.ParquetFile(opened)
                    tables.append(file.read_row_groups(groups, columns=list(JOINED)))
        return pa.concat_tables(tables) if tables else empty()

    def samples(self) -> list[str]:
        """Return the names of the samples that were drawn, the oldest first."""
        return sorted(path.name for path in (self.folder / SAMPLES).glob("*.parquet"))

    def write_sample(self, table: Any, days: Sequence[str], name: str) -> None:
        """Record the rows that were drawn for labelling.

        table: request_id, day, probability; days: those that were drawn from
        """
        from pyarrow import parquet

        place = self.folder / SAMPLES
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        named = table.replace_schema_metadata({DAYS: ",".join(days)})
        handle, part = tempfile.mkstemp(dir=place, suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                parquet.write_table(named, file)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(part, files.mode_of(place / name))
            os.replace(part, place / name)
        except BaseException:
            Path(part).unlink(missing_ok=True)
            raise

    def sample_of(self, day: str) -> str | None:
        """Return the name of the last sample that was drawn from a day, None for none."""
        from pyarrow import parquet

        for name in reversed(self.samples()):
            metadata = parquet.read_schema(self.folder / SAMPLES / name).metadata or {}
            if day in metadata.get(DAYS.encode(), b"").decode().split(","):
                return name
        return None

    def drawn(self, day: str) -> Any | None:
        """Return request_id and probability of the rows that were drawn last from a day."""
        from pyarrow import parquet

        name = self.sample_of(day)
        if name is None:
            return None
        with (self.folder / SAMPLES / name).open("rb") as opened:
            return parquet.read_table(opened, columns=["request_id", "probability"])

    def ever_drawn(self) -> Any:
        """Return the request ids of all samples."""
        import pyarrow as pa
        from pyarrow import parquet

        found = [pa.chunked_array([], pa.string())]
        for name in self.samples():
            with (self.folder / SAMPLES / name).open("rb") as opened:
                found.append(parquet.read_table(opened, columns=["request_id"])["request_id"])
        return pa.chunked_array([chunk for one in found for chunk in one.chunks], pa.string())

    def _of(self, name: str) -> list[tuple[int, str | None]]:
        """Return the row groups of a file, each with its day."""
        from pyarrow import parquet

        if name not in self._groups:
            place = COLUMNS.index("day")
            with (self.folder / name).open("rb") as opened:
                about = parquet.ParquetFile(opened).metadata
                found = []
                for number in range(about.num_row_groups):
                    stats = about.row_group(number).column(place).statistics
                    found.append((number, stats.min if stats.has_min_max else None))
            self._groups[name] = found
        return self._groups[name]

    def _path(self, digest: str) -> Path:
        return self.folder / f"{digest}.parquet"


def empty(columns: Sequence[str] = JOINED) -> Any:
    """Return a table of labels without rows."""
    import pyarrow as pa

    kinds = {"delivered": pa.timestamp("us", tz="UTC")}
    return pa.schema({name: kinds.get(name, pa.string()) for name in columns}).empty_table()
