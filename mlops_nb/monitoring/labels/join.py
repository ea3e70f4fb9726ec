"""Joins labels with the prediction log: which day a label belongs to, and which one holds."""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct

from mlops_nb.monitoring import sql
from mlops_nb.serving import prediction_files
from mlops_nb.serving.prediction_files import ANSWERS
from mlops_nb.storage.ports import PredictionFiles

# The label that was delivered last holds; of one time, the larger text, so that order is no matter.
CHANGED = """
WITH ids AS (SELECT DISTINCT request_id FROM taken),
old AS (
    SELECT request_id, label, delivered FROM was WHERE request_id IN (SELECT request_id FROM ids)
),
every AS (SELECT * FROM old UNION ALL SELECT request_id, label, delivered FROM taken),
one AS (
    SELECT request_id, arg_max(label, (delivered, label)) AS label FROM old GROUP BY request_id
),
two AS (
    SELECT request_id, arg_max(label, (delivered, label)) AS label FROM every GROUP BY request_id
)
SELECT count(*) FROM one JOIN two USING (request_id) WHERE one.label <> two.label
"""
# Without times, a label is new if another one holds; with them, if it is not there at that time.
UNKNOWN = """
SELECT * FROM taken ANTI JOIN (
    SELECT request_id, arg_max(label, (delivered, label)) AS label
    FROM kept WHERE request_id IN (SELECT request_id FROM taken) GROUP BY request_id
) USING (request_id, label)
"""
UNKNOWN_TIMED = "SELECT * FROM taken ANTI JOIN kept USING (request_id, label, delivered)"
WITH_DAYS = """
COPY (
    WITH known AS (
        SELECT request_id, min(day) AS day FROM logged
        WHERE request_id IN (SELECT request_id FROM labels) GROUP BY request_id
    )
    SELECT l.request_id, l.label, l.delivered, k.day
    FROM labels l LEFT JOIN known k USING (request_id)
    ORDER BY k.day NULLS LAST, l.request_id, l.delivered
) TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE 100000)
"""
AT_ONCE = 100_000  # labels of a file that are read at once


@contextmanager
def with_days(labels: Any, files: PredictionFiles, spill: Path) -> Iterator["PlacedLabels"]:
    """Write labels with the day of each prediction into a file, which is removed at the end.

    An id that was answered on several days belongs to the first.
    """
    import pyarrow as pa

    schema = pa.schema({"day": pa.string(), "request_id": pa.string()})
    logged = pa.RecordBatchReader.from_batches(schema, _logged(files, schema))
    spill.mkdir(parents=True, exist_ok=True, mode=0o700)
    place = Path(tempfile.mkdtemp(dir=spill, prefix="sql-"))
    try:
        path = place / "placed.parquet"
        with sql.database(spill, labels=labels, logged=logged) as opened:
            opened.sql(WITH_DAYS.format(path=str(path).replace("'", "''")))
        yield PlacedLabels(path)
    finally:
        shutil.rmtree(place, ignore_errors=True)


class PlacedLabels:
    """Labels in a file, sorted by the day of their predictions; null: it is not on record."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def batches(self) -> Iterator[Any]:
        """Yield the labels in parts: request_id, label, delivered, day."""
        from pyarrow import parquet

        with self.path.open("rb") as opened:
            yield from parquet.ParquetFile(opened).iter_batches(AT_ONCE)

    def counts(self) -> tuple[int, int]:
        """Return how many ids are on record, and how many are not."""
        import pyarrow.compute as pc

        found = {True: 0, False: 0}
        last: str | None = None
        for batch in self.batches():
            names, known = batch["request_id"], pc.is_valid(batch["day"])
            is_new = [names[0].as_py() != last]
            is_new += pc.not_equal(names[1:], names[:-1]).to_pylist()
            last = names[-1].as_py()
            for is_known, new in zip(known.to_pylist(), is_new, strict=True):
                found[is_known] += new
        return found[True], found[False]

    def dataset(self) -> Any:
        """Return the labels, to be read in parts."""
        from pyarrow import dataset

        return dataset.dataset(str(self.path), format="parquet")


def _logged(files: PredictionFiles, schema: Any) -> Iterator[Any]:
    """Yield the request ids of a log, day by day."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for day in prediction_files.days(files, None, None):
        with prediction_files.opened_day(files, day) as opened:
            for file in opened:
                table = file.read(columns=["request_id", "source"])
                answered = table.filter(pc.is_in(table["source"], pa.array(ANSWERS)))
                ids = answered["request_id"].cast(pa.string()).combine_chunks()
                if len(ids):
                    days = pa.repeat(pa.scalar(day, pa.string()), len(ids))
                    yield from pa.table([days, ids], schema=schema).to_batches()


def changed(before: Any, taken: Any, spill: Path) -> int:
    """Return how many ids have another label once the taken ones count as well.

    before, taken: datasets of labels
    """
    with sql.database(spill, was=before, taken=taken) as opened:
        found = opened.sql(CHANGED).fetchall()
    return int(found[0][0])


def unknown(taken: Any, kept: Any, spill: Path, *, timed: bool) -> Any:
    """Return the rows of a table of labels that are not kept yet, in the order of their ids.

    kept:  a dataset of labels
    timed: the labels say when they became known; else one that holds is not new at a later time
    """
    with sql.database(spill, taken=taken, kept=kept) as opened:
        found = sql.arrow(opened.sql(UNKNOWN_TIMED if timed else UNKNOWN))
    keys = ("request_id", "delivered", "label")
    return found.sort_by([(name, "ascending") for name in keys]).cast(taken.schema)


def digest(labels: Any) -> str:
    """Return the sha256 of labels and their times."""
    import pyarrow as pa

    content = pa.BufferOutputStream()
    with pa.ipc.new_stream(content, labels.schema) as stream:
        stream.write_table(labels.combine_chunks())
    return hashlib.sha256(content.getvalue()).hexdigest()


class Held(Struct, frozen=True, kw_only=True):
    """The labels that hold for some rows. places: (labels,) of their rows; since: when known."""

    places: Any
    labels: Any
    since: Any


def holding(labels: Any, ids: Any) -> Held:
    """Return the label that holds for each of some ids, and when its id was labelled first.

    labels: request_id, label, delivered; ids: an Arrow array without repeated ids
    """
    import numpy as np
    import pyarrow.compute as pc

    places = pc.index_in(labels["request_id"], value_set=ids)
    asked = labels.filter(pc.is_valid(places))
    rows = places.drop_null().to_numpy()
    if not len(rows) or np.bincount(rows).max() == 1:
        return Held(places=rows, labels=asked["label"], since=asked["delivered"])
    keys = [("delivered", "ascending"), ("label", "ascending")]
    order = pc.sort_indices(asked, sort_keys=keys).to_numpy()
    last, first = (np.full(len(ids), -1) for _ in range(2))
    last[rows[order]] = order  # of a repeated row, the last one is assigned
    first[rows[order[::-1]]] = order[::-1]
    kept = np.flatnonzero(last >= 0)
    return Held(
        places=kept,
        labels=asked["label"].take(last[kept]),
        since=asked["delivered"].take(first[kept]),
    )
