"""Reads labels of a file or a query, and refuses those that cannot be joined."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from msgspec import Struct

from mlops_nb.errors import Refused
from mlops_nb.monitoring.labels import classes
from mlops_nb.monitoring.labels.classes import AnswerKind
from mlops_nb.serving.settings import LABEL_QUERY, LabelSettings
from mlops_nb.storage.queries import QueryRows

SHOWN = 3
AT_ONCE = 200_000  # ids that are hashed at once
PROBABILITY = "probability"  # the column of a file that was drawn for labelling


class LabelOrigin(Struct, frozen=True, kw_only=True):
    """Where labels come from, for messages.

    what:    the file, or the query
    columns: how its columns get the right names
    present: how rows without a value are left out
    """

    where: str
    what: str
    columns: str
    present: str


def read(file: Path, settings: LabelSettings, kind: AnswerKind, now: datetime) -> Any:
    """Return the labels of a file as an Arrow table of request_id, label and delivered.

    now: when a label was delivered if the file does not say

    A label that is there several times is there once. Of a file that was drawn for labelling, rows
    without a label are left out.

    Raises Refused for a file that cannot be
    used.
    """
    table = _table(file, settings)
    origin = LabelOrigin(
        where=str(file),
        what="the file",
        columns=f"name the columns {', '.join(_wanted(settings))}, or set labels.key and "
        "labels.column in job.yaml, then: mlops-nb apply JOB",
        present="leave these rows out, and deliver them when they are known",
    )
    _refuse_columns(table.column_names, settings, origin)
    if PROBABILITY in table.column_names:
        table = _filled_in(table, settings.column, file)
    if not len(table):
        raise Refused("the file has no rows", fix="give a file with labels", where=str(file))
    return _checked(table, settings, kind, now, origin)


def of_query(
    parts: Iterable[QueryRows], settings: LabelSettings, kind: AnswerKind, now: datetime
) -> Any:
    """Return the labels of a query as `read` does; a query without rows has none.

    Its values are read as the texts that a CSV file has. Raises Refused for rows that cannot be
    used.
    """
    import pyarrow as pa

    wanted = _wanted(settings)
    origin = LabelOrigin(
        where=LABEL_QUERY,
        what="the query",
        columns=f"let {LABEL_QUERY}.sql return {', '.join(wanted)} (SELECT … AS …), or set "
        "labels.key and labels.column in job.yaml; then: mlops-nb apply JOB",
        present=f"let {LABEL_QUERY}.sql leave them out: WHERE … IS NOT NULL; then: "
        "mlops-nb apply JOB",
    )
    tables = []
    for part in parts:
        texts = zip(*part.rows, strict=True) if part.rows else ((),) * len(part.names)
        columns = [
            pa.array([_text(v, name, origin) for v in values], pa.string())
            for name, values in zip(part.names, texts, strict=True)
            if name in wanted
        ]
        names = [name for name in part.names if name in wanted]
        if len(set(names)) < len(names) or len(names) < len(wanted):
            _refuse_columns(part.names, settings, origin)
        tables.append(pa.table(columns, names=names))
    return _checked(pa.concat_tables(tables), settings, kind, now, origin)


def _text(value: Any, name: str, origin: LabelOrigin) -> str | None:
    """Return a value of a database as a CSV file has it; None for a missing one."""
    if value is None or value != value:  # noqa: PLR0124  NaN
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, bytes | memoryview):
        raise Refused(
            f"{name!r} holds bytes, where texts or numbers are needed",
            fix=origin.columns,
            where=origin.where,
        )
    if isinstance(value, date):  # a datetime is one
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value:f}"
    return str(value)


def _wanted(settings: LabelSettings) -> list[str]:
    return [settings.key, settings.column, *([settings.time] if settings.time else [])]


def _refuse_columns(names: Iterable[str], settings: LabelSettings, origin: LabelOrigin) -> None:
    found = list(names)
    for name in _wanted(settings):
        if found.count(name) != 1:
            times = "several columns" if name in found else "no column"
            raise Refused(
                f"{origin.what} has {times} {name!r}; its columns are "
                f"{', '.join(map(repr, found))}",
                fix=origin.columns,
                where=origin.where,
            )


def _checked(
    table: Any, settings: LabelSettings, kind: AnswerKind, now: datetime, origin: LabelOrigin
) -> Any:
    """Return request_id, label and delivered of a table. Raises Refused for unusable values."""
    import pyarrow as pa

    for name in _wanted(settings):
        _refuse_missing(table[name], name, origin)
    where = origin.where
    made = pa.table(
        {
            "request_id": _ids(table[settings.key], settings.key, where),
            "label": _labels(table[settings.column], kind, where),
            "delivered": _times(table, settings.time, now, where),
        }
    )
    return _distinct(made, origin)


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


def _refuse_missing(column: Any, name: str, origin: LabelOrigin) -> None:
    import pyarrow.compute as pc

    missing = pc.is_null(column, nan_is_null=True)
    count = pc.sum(missing).as_py() or 0
    if count:
        first = pc.index(missing, value=True).as_py() + 1
        raise Refused(
            f"{count} of {len(column)} rows have no {name!r}; the first is row {first}",
            fix=origin.present,
            where=origin.where,
        )


def _ids(column: Any, name: str, where: str) -> Any:
    import pyarrow as pa

    try:
        return column.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise Refused(
            f"{name!r} holds no ids: its type is {column.type}",
            fix="give the request ids as texts",
            where=where,
        ) from None


def _labels(column: Any, kind: AnswerKind, where: str) -> Any:
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
            where=where,
        ) from None


def _times(table: Any, name: str | None, now: datetime, where: str) -> Any:
    import pyarrow as pa

    kind = pa.timestamp("us", tz="UTC")
    if name is None:
        return pa.repeat(pa.scalar(now.astimezone(UTC), kind), len(table))
    column = table[name]
    if not (pa.types.is_temporal(column.type) or pa.types.is_string(column.type)):
        raise _no_times(name, f"their type is {column.type}", where)
    try:
        if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
            in_utc = column.cast(pa.timestamp("us", tz=getattr(column.type, "tz", None)))
            return in_utc.cast(kind)
        import pandas as pd

        parsed = pd.to_datetime(column.to_pandas(), utc=True, format="ISO8601")
        utc = parsed.dt.tz_convert(None).to_numpy().astype("datetime64[us]")
        return pa.array(utc, pa.timestamp("us")).cast(kind)
    except (ValueError, pa.ArrowException) as error:
        raise _no_times(name, str(error).splitlines()[0], where) from None


def _no_times(name: str, why: str, where: str) -> Refused:
    return Refused(
        f"{name!r} holds no times: {why}",
        fix="write them like 2026-01-31T12:00:00+00:00",
        where=where,
    )


def _are_distinct(ids: Any) -> bool:
    """Return whether no id is there twice; seldom False for some that are not.

    By hashes: the ids themselves would be copied.
    """
    import numpy as np
    import pandas as pd

    hashes = np.empty(len(ids), np.uint64)
    for at in range(0, len(ids), AT_ONCE):
        part = ids.slice(at, AT_ONCE).to_numpy()
        hashes[at : at + len(part)] = pd.util.hash_array(part, categorize=False)
    hashes.sort()
    return not bool((hashes[1:] == hashes[:-1]).any())


def _distinct(table: Any, origin: LabelOrigin) -> Any:
    """Return each label once; refuse an id with two labels of the same time."""
    import pyarrow.compute as pc

    if _are_distinct(table["request_id"]):
        return table
    once = table.group_by(["request_id", "label", "delivered"], use_threads=False).aggregate([])
    keys = once.group_by(["request_id", "delivered"], use_threads=False).aggregate(
        [("label", "count")]
    )
    twice = keys.filter(pc.greater(keys["label_count"], 1))
    if len(twice):
        shown = ", ".join(map(repr, twice["request_id"].slice(0, SHOWN).to_pylist()))
        raise Refused(
            f"{len(twice)} request ids have different labels in {origin.what}, such as {shown}",
            fix="keep the label that holds; a later delivery can correct it",
            where=origin.where,
        )
    return once.select(["request_id", "label", "delivered"])
