"""The rows of one UTC day of a prediction log, read column by column."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from mlops_nb.serving import prediction_table
from mlops_nb.serving.prediction_table import CANARY, DROPPED, LIVE

REQUESTS, BATCH = (LIVE, CANARY), ("batch",)
KEYS = ("request_id", "time", "source", "model_version")
AT_ONCE = 4_000_000  # values that are read at once


class DayRows:
    """The rows of a day between two times, the first of each request id and source.

    opened: the open Parquet files of the day
    """

    def __init__(
        self, opened: Sequence[Any], since: datetime | None = None, until: datetime | None = None
    ) -> None:
        self.opened = [(file, set(file.schema_arrow.names)) for file in opened]
        self.names = set().union(*(names for _, names in self.opened))
        self.keys: Any = self._keys(since, until) if opened else None

    def _keys(self, since: datetime | None, until: datetime | None) -> Any:
        """Return the keys of the rows that count, with their `place` in the files."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        table = self._read(KEYS)
        table = table.append_column("place", pa.array(np.arange(len(table))))
        for bound, compare in ((since, pc.greater_equal), (until, pc.less)):
            if bound is not None:
                at = pa.scalar(bound, table["time"].type)
                table = table.filter(compare(table["time"], at))
        ids = table["request_id"].combine_chunks()
        if pc.count_distinct(ids).as_py() < len(table):
            table = _first(table)
        return table

    def count(self, sources: Collection[str]) -> int:
        """Return how many rows have one of some sources."""
        return len(self.of(sources)) if self.keys is not None else 0

    def of(self, sources: Collection[str]) -> Any:
        """Return the keys of the rows of some sources."""
        import pyarrow as pa
        import pyarrow.compute as pc

        return self.keys.filter(pc.is_in(self.keys["source"], pa.array(list(sources))))

    @property
    def dropped(self) -> int:
        """How many rows of the day are not on record."""
        return self.count([DROPPED])

    def columns(self, names: Sequence[str], keys: Any) -> Any:
        """Return columns of the rows with some keys, in their order.

        A column that no file has is left out.
        """
        there = [name for name in names if name in self.names]
        table = self._read(there)
        places = keys["place"].to_numpy()
        is_whole = len(table) == len(keys) and bool((places[1:] > places[:-1]).all())
        return table if is_whole else table.take(keys["place"])

    def groups(self, names: Sequence[str]) -> list[list[str]]:
        """Return names in groups of which each can be read at once."""
        rows = sum(file.metadata.num_rows for file, _ in self.opened)
        size = max(1, AT_ONCE // max(rows, 1))
        return [list(names[at : at + size]) for at in range(0, len(names), size)]

    def _read(self, names: Sequence[str]) -> Any:
        tables = []
        for file, known in self.opened:
            there = [name for name in names if name in known]
            tables.append(file.read(columns=there, use_threads=False))
        return prediction_table.combined(tables)


def _first(table: Any) -> Any:
    """Return the first row of each request id and source, in their order in the files."""
    ordered = table.sort_by([("time", "ascending"), ("place", "ascending")])
    groups = ordered.group_by(["request_id", "source"], use_threads=False)
    first = groups.aggregate([("place", "first")])["place_first"]
    import pyarrow.compute as pc

    return table.filter(pc.is_in(table["place"], first.combine_chunks()))
