"""Reads the files of a prediction log, and merges small ones."""

import contextlib
import time
import warnings
from collections.abc import Callable, Collection, Iterator
from datetime import datetime, timedelta
from io import BytesIO
from typing import Any, BinaryIO

from mlops_nb.serving import prediction_table
from mlops_nb.serving.prediction_table import LIVE
from mlops_nb.storage.ports import PredictionFiles
from mlops_nb.storage.predictions import DAY

SMALL = 16  # files of a day that are left as they are
BIG = 64 * 2**20  # bytes of a file that is not merged with others any more
OLD = 5.0  # s, before a file is merged with others
TRIES = 100  # to list a day whose files change; rows that come meanwhile may be left out
WEEK = 7  # days
INPUT = "in_"  # the prefix of input columns
ANSWERS = (LIVE, "canary", "batch")  # the sources of rows that a caller got
INPUT = "in_"
COLUMNS = ("request_id", "time", "model_version", "source", "prediction", "score", "seconds")


class Torn(Exception):
    """A file that is no whole Parquet file."""


class Foreign(Exception):
    """A file that holds no answers."""


def compact(files: PredictionFiles, day: str) -> None:
    """Merge the small files of a day into one, if there are many; a repeated row stays once."""
    small, size = [], 0
    for file in files.entries(day):
        settled = abs(time.time() - file.changed) > OLD  # clocks of disks and processes may differ
        fits = file.size < BIG and size < 2 * BIG and settled
        if file.name.endswith(".parquet") and fits:
            small.append(file.name)
            size += file.size
    if len(small) <= SMALL:
        return
    tables: dict[str, Any] = {}
    for name in small:
        try:
            tables[name] = parsed(files, day, name)
        except Torn:
            files.set_aside(day, name)
        except Foreign:
            continue
        except FileNotFoundError:
            return  # another process merges
    merged = prediction_table.without_repeats(prediction_table.combined(list(tables.values())))
    files.write(day, merged, instead_of=list(tables))


def parsed(files: PredictionFiles, day: str, name: str) -> Any:
    """Return the table of a file.

    Raises Torn or Foreign for one that cannot be used, OSError if it cannot be reached.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with files.open(day, name) as opened:
        content = opened.read()
    try:
        table = pq.ParquetFile(BytesIO(content)).read()
    except (pa.ArrowException, OSError):
        raise Torn(name) from None
    _refuse_foreign(table.schema, name)
    return table


def _refuse_foreign(schema: Any, name: str) -> None:
    import pyarrow as pa

    if not set(COLUMNS) <= set(schema.names) or not pa.types.is_timestamp(
        schema.field("time").type
    ):
        raise Foreign(name)


def read(
    files: PredictionFiles,
    since: datetime | None = None,
    until: datetime | None = None,
    sources: Collection[str] = ANSWERS,
) -> Any:
    """Return the rows of a log as a pandas frame, sorted by time, the first row of each request id.

    since, until: aware; rows from `since` on and before `until`

    Only the days in between are read. A file that cannot be used is named in a warning.
    """
    import pyarrow as pa

    tables = [t for day in days(files, since, until) for t in _of_day(files, day, parsed)]
    if not tables:
        return pa.table({name: pa.nulls(0) for name in COLUMNS}).to_pandas()
    found = _within(prediction_table.combined(tables), since, until, sources)
    frame = found.sort_by([("time", "ascending")]).to_pandas()
    return frame.drop_duplicates("request_id", ignore_index=True)


@contextlib.contextmanager
def opened_day(files: PredictionFiles, day: str) -> Iterator[list[Any]]:
    """Open the Parquet files of a day, which stay readable while others are merged.

    A row may be in two of them. A file that cannot be used is named in a warning.
    """
    found = _of_day(files, day, _opened)
    try:
        yield [file for _, file in found]
    finally:
        for handle, _ in found:
            handle.close()


def _opened(files: PredictionFiles, day: str, name: str) -> tuple[BinaryIO, Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    handle = files.open(day, name)
    try:
        found = pq.ParquetFile(handle)
        texts = [f.name for f in found.schema_arrow if _is_category(f)]
        found = pq.ParquetFile(handle, metadata=found.metadata, read_dictionary=texts)
    except (pa.ArrowException, OSError):
        handle.close()
        raise Torn(name) from None
    try:
        _refuse_foreign(found.schema_arrow, name)
    except Foreign:
        handle.close()
        raise
    return handle, found


def _is_category(field: Any) -> bool:
    """Return whether a column is an input of texts, which are read as a dictionary."""
    import pyarrow as pa

    return bool(field.name.startswith(INPUT) and pa.types.is_string(field.type))


def rows_a_day(files: PredictionFiles) -> float:
    """Return how many rows a day of a log has, in the mean of the last week that has rows.

    What cannot be reached counts for nothing.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    counts: list[int] = []
    with contextlib.suppress(OSError):
        for day in days(files, None, None)[-WEEK:]:
            count = 0
            for file in files.entries(day):
                with contextlib.suppress(OSError, pa.ArrowInvalid):  # merged meanwhile, or torn
                    if file.name.endswith(".parquet"):
                        with files.open(day, file.name) as opened:
                            count += pq.ParquetFile(opened).metadata.num_rows
            counts.append(count)
    return sum(counts) / len(counts) if counts else 0.0


def recent_rows(
    files: PredictionFiles, count: int, pseudonyms: Collection[str] = ()
) -> list[dict[str, Any]]:
    """Return the inputs of the rows that were answered last, the oldest first, as they came.

    pseudonyms: columns that are left out, as those that are dropped: a version that needs them
                cannot be asked these rows
    """
    import pyarrow.compute as pc

    found: list[dict[str, Any]] = []
    listed: list[str] = []
    with contextlib.suppress(OSError):  # it cannot be reached: nothing is replayed
        listed = days(files, None, None)
    for day in reversed(listed):
        with contextlib.suppress(OSError):
            for table in _of_day(files, day, parsed):
                live = table.filter(pc.equal(table["source"], LIVE))
                masked = {INPUT + name for name in pseudonyms}
                names = [n for n in table.column_names if n.startswith(INPUT) and n not in masked]
                rows = live.sort_by("time").select(["time", *names])
                found += rows.slice(max(0, len(rows) - count)).to_pylist()
        if len(found) >= count:
            break
    found.sort(key=lambda row: row["time"])
    return [
        {n.removeprefix(INPUT): v for n, v in row.items() if n != "time"} for row in found[-count:]
    ]


def days(files: PredictionFiles, since: datetime | None, until: datetime | None) -> list[str]:
    """Return the days of a log that may have rows in an interval."""
    utc = timedelta()
    first = "" if since is None else (since - (since.utcoffset() or utc)).date().isoformat()
    last = "9" if until is None else (until - (until.utcoffset() or utc)).date().isoformat()
    return [day for day in files.days() if DAY.fullmatch(day) and first <= day <= last]


def _of_day(
    files: PredictionFiles, day: str, read_file: Callable[[PredictionFiles, str, str], Any]
) -> list[Any]:
    """Return what `read_file` makes of each file of a day.

    A list of files is no moment in time: while they are merged, it may have neither the new file
    nor the old ones. So they are listed again until a list has none that is new, and lacks none of
    the list before.
    """
    tables: dict[str, Any] = {}
    bad: dict[str, None] = {}
    before: set[str] | None = None
    for _ in range(TRIES):
        listed = [f.name for f in files.entries(day) if f.name.endswith(".parquet")]
        fresh = [name for name in listed if name not in tables and name not in bad]
        if before is not None and not fresh and before <= set(listed):
            break
        before = set(listed)
        for name in fresh:
            try:
                tables[name] = read_file(files, day, name)
            except FileNotFoundError:  # merged: the next list has the new file
                continue
            except (Torn, Foreign):
                bad[name] = None
    if bad:
        warnings.warn(
            f"not read, as they are damaged or hold no answers: {', '.join(bad)} "
            f"(day {day}, {files.where})",
            stacklevel=2,
        )
    return list(tables.values())


def _within(
    table: Any, since: datetime | None, until: datetime | None, sources: Collection[str]
) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    kept = pc.is_in(table["source"], pa.array(list(sources), pa.string()))
    for bound, compare in ((since, pc.greater_equal), (until, pc.less)):
        if bound is not None:
            at = pa.scalar(bound, table["time"].type)
            kept = pc.and_(kept, compare(table["time"], at))
    return table.filter(kept)
