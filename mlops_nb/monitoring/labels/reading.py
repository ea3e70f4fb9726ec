"""Reads files of labels, CSV or Parquet, and refuses those that cannot be joined."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlops_nb.errors import Refused
from mlops_nb.monitoring.labels import classes
from mlops_nb.monitoring.labels.classes import AnswerKind
from mlops_nb.serving.settings import LabelSettings

SHOWN = 3
PROBABILITY = "probability"  # the column of a file that was drawn for labelling


def read(file: Path, settings: LabelSettings, kind: AnswerKind, now: datetime) -> Any:
    """Return the labels of a file as an Arrow table of request_id, label and delivered.

    now: when a label was delivered if the file does not say

    A label that is there several times is there once. Of a file that was drawn for labelling, rows
    without a label are left out.

    Raises Refused for a file that cannot be
    used.
    """
    import pyarrow as pa

    table = _table(file, settings)
    wanted = [settings.key, settings.column, *([settings.time] if settings.time else [])]
    if lacking := [name for name in wanted if name not in table.column_names]:
        raise Refused(
            f"the file has no column {lacking[0]!r}; its columns are "
            f"{', '.join(map(repr, table.column_names))}",
            fix=f"name the columns {', '.join(wanted)}, or set labels.key and labels.column in "
            "job.yaml, then: mlops-nb apply JOB",
            where=str(file),
        )
    if PROBABILITY in table.column_names:
        table = _filled_in(table, settings.column, file)
    if not len(table):
        raise Refused("the file has no rows", fix="give a file with labels", where=str(file))
    for name in wanted:
        _refuse_missing(table[name], name, file)
    made = pa.table(
        {
            "request_id": _ids(table[settings.key], settings.key, file),
            "label": _labels(table[settings.column], kind, file),
            "delivered": _times(table, settings.time, now, file),
        }
    )
    return _distinct(made, file)


def _filled_in(table: Any, column: str, file: Path) -> Any:
    """Return the rows of a drawn sample that have a label by now. Raises Refused if none has."""
    import pyarrow.compute as pc

    found = table.filter(pc.is_valid(table[column]))
    if len(table) and not len(found):
        raise Refused(
            f"no row has a {column!r} yet",
            fix=f"fill in the column {column!r}: of some rows is enough",
            where=str(file),
        )
    return found


def _table(file: Path, settings: LabelSettings) -> Any:
    import pyarrow as pa
    from pyarrow import csv, parquet

    try:
        if file.suffix.lower() in {".parquet", ".pq"}:
            with file.open("rb") as opened:
                return parquet.ParquetFile(opened).read()
        texts = {settings.key: pa.string(), settings.column: pa.string()}
        if settings.time:
            texts[settings.time] = pa.string()
        options = csv.ConvertOptions(
            column_types=texts, strings_can_be_null=True, null_values=["", "null", "NULL", "NaN"]
        )
        found = csv.read_csv(file, convert_options=options)
        _ = found.column_names  # not decoded before
        return found  # noqa: TRY300  decoding may fail
    except FileNotFoundError:
        raise Refused(f"there is no file {str(file)!r}", fix="check its path") from None
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if isinstance(error, pa.ArrowInvalid) and "Empty CSV" in str(error):
            raise Refused(
                "the file is empty", fix="give a file with labels", where=str(file)
            ) from None
        raise Refused(
            f"the file cannot be read: {str(error).splitlines()[0]}",
            fix="give a CSV file with a line of names, or a Parquet file",
            where=str(file),
        ) from None


def _refuse_missing(column: Any, name: str, file: Path) -> None:
    import pyarrow.compute as pc

    missing = pc.is_null(column, nan_is_null=True)
    count = pc.sum(missing).as_py() or 0
    if count:
        first = pc.index(missing, value=True).as_py() + 1
        raise Refused(
            f"{count} of {len(column)} rows have no {name!r}; the first is row {first}",
            fix="leave these rows out, and deliver them when they are known",
            where=str(file),
        )


def _ids(column: Any, name: str, file: Path) -> Any:
    import pyarrow as pa

    try:
        return column.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise Refused(
            f"{name!r} holds no ids: its type is {column.type}",
            fix="give the request ids as texts",
            where=str(file),
        ) from None


def _labels(column: Any, kind: AnswerKind, file: Path) -> Any:
    """Return labels as texts: those of the classes, or of numbers."""
    import pyarrow as pa

    if not kind.is_number:
        return classes.class_texts(column, kind)
    try:
        return classes.numbers(column).cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise Refused(
            f"the model answers with numbers, and a label is none: {str(error).splitlines()[0]}",
            fix="give the labels as numbers",
            where=str(file),
        ) from None


def _times(table: Any, name: str | None, now: datetime, file: Path) -> Any:
    import pyarrow as pa

    kind = pa.timestamp("us", tz="UTC")
    if name is None:
        return pa.repeat(pa.scalar(now.astimezone(UTC), kind), len(table))
    column = table[name]
    if not (pa.types.is_temporal(column.type) or pa.types.is_string(column.type)):
        raise _no_times(name, f"their type is {column.type}", file)
    try:
        if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
            in_utc = column.cast(pa.timestamp("us", tz=getattr(column.type, "tz", None)))
            return in_utc.cast(kind)
        import pandas as pd

        parsed = pd.to_datetime(column.to_pandas(), utc=True, format="ISO8601")
        utc = parsed.dt.tz_convert(None).to_numpy().astype("datetime64[us]")
        return pa.array(utc, pa.timestamp("us")).cast(kind)
    except (ValueError, pa.ArrowException) as error:
        raise _no_times(name, str(error).splitlines()[0], file) from None


def _no_times(name: str, why: str, file: Path) -> Refused:
    return Refused(
        f"{name!r} holds no times: {why}",
        fix="write them like 2026-01-31T12:00:00+00:00",
        where=str(file),
    )


def _distinct(table: Any, file: Path) -> Any:
    """Return each label once; refuse an id with two labels of the same time."""
    import pyarrow.compute as pc

    if pc.count_distinct(table["request_id"]).as_py() == len(table):
        return table
    once = table.group_by(["request_id", "label", "delivered"], use_threads=False).aggregate([])
    keys = once.group_by(["request_id", "delivered"], use_threads=False).aggregate(
        [("label", "count")]
    )
    twice = keys.filter(pc.greater(keys["label_count"], 1))
    if len(twice):
        shown = ", ".join(map(repr, twice["request_id"].slice(0, SHOWN).to_pylist()))
        raise Refused(
            f"{len(twice)} request ids have different labels in the same file, such as {shown}",
            fix="keep the label that holds; a later file can correct it",
            where=str(file),
        )
    return once.select(["request_id", "label", "delivered"])
