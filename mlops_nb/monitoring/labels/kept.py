"""The labels that were taken: one Parquet file a delivery, whose row groups each hold one day."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from mlops_nb.monitoring.labels import parquet_file

JOINED = ("request_id", "label", "delivered")
MOST_ROWS = 500_000  # of a row group
COLUMNS = (*JOINED, "digest", "day")


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

    def write(self, parts: Iterable[Any], digest: str) -> None:
        """Write the labels of one file under a temporary name, and put them in place.

        parts: record batches of request_id, label, delivered and day, ascending by day, null last
        """
        parquet_file.put(self._path(digest), lambda file: _write_days(parts, digest, file))

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

    def dataset(self) -> Any:
        """Return all labels, to be read in parts."""
        from pyarrow import dataset

        paths = [str(self.folder / name) for name in self.names()]
        return dataset.dataset(paths or empty(COLUMNS), format="parquet" if paths else None)

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


def _write_days(parts: Iterable[Any], digest: str, file: BinaryIO) -> None:
    """Write labels that are sorted by day, each day as a row group, or as several large ones."""
    import pyarrow as pa
    from pyarrow import parquet

    schema = empty(COLUMNS).schema
    with parquet.ParquetWriter(file, schema) as writer:
        for labels in _groups(parts):
            digests = pa.repeat(pa.scalar(digest, pa.string()), len(labels))
            named = labels.append_column("digest", digests).select(COLUMNS)
            writer.write_table(named.cast(schema), row_group_size=MOST_ROWS)


def _groups(parts: Iterable[Any]) -> Iterator[Any]:
    """Yield the labels of each day as a table, those of a day with very many as several."""
    import pyarrow as pa
    import pyarrow.compute as pc

    open_day: list[Any] = []
    for part in parts:
        at = 0
        for one in pc.value_counts(part["day"]).to_pylist():
            piece = part.slice(at, one["counts"])
            at += one["counts"]
            rows = sum(map(len, open_day))
            if open_day and (
                open_day[0]["day"][0].as_py() != one["values"] or rows + len(piece) > MOST_ROWS
            ):
                yield pa.Table.from_batches(open_day)
                open_day = []
            open_day.append(piece)
    if open_day:
        yield pa.Table.from_batches(open_day)


def empty(columns: Sequence[str] = JOINED) -> Any:
    """Return a table of labels without rows."""
    import pyarrow as pa

    kinds = {"delivered": pa.timestamp("us", tz="UTC")}
    return pa.schema({name: kinds.get(name, pa.string()) for name in columns}).empty_table()
