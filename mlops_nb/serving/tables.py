"""Reads the rows of CSV and Parquet files for a model, and writes them with its answers."""

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from mlops_nb.errors import MlopsError, Refused

CHUNK = 10_000  # rows that are read and answered at once
KINDS = (".csv", ".parquet")
ADDED = ("request_id", "prediction", "score", "model_version")
NO_NUMBER = {"", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"}  # in columns of numbers
BOOLS = {"true": True, "false": False, "1": True, "0": False}


class TableFile:
    """A CSV or Parquet file whose rows a model answers.

    A CSV has texts alone; the signature says which of its columns are numbers.
    """

    def __init__(self, path: Path, signature: Mapping[str, Any]) -> None:
        self.path = path
        self.columns: Sequence[Mapping[str, Any]] = signature["columns"]
        self.is_csv = path.suffix.lower() == ".csv"
        self.names = self._names()

    def _names(self) -> list[str]:
        """Return the names of the columns.

        Raises Refused if the model cannot answer them, or if an answer has the same name.
        """
        with reading(self.path):
            names = self._header()
        for name in names:
            if names.count(name) > 1:
                raise Refused(
                    f"{self.path.name} has two columns {name!r}", fix="rename one of them"
                )
        if taken := [name for name in ADDED if name in names]:
            raise Refused(
                f"{self.path.name} has a column {taken[0]!r} already, which the output adds",
                fix=f"rename or drop {', '.join(taken)}; is it the output of predict?",
            )
        if missing := [c["name"] for c in self.columns if c["name"] not in names]:
            raise Refused(
                f"{self.path.name} has no column {missing[0]!r}",
                fix=f"the model takes {', '.join(c['name'] for c in self.columns)}",
            )
        return names

    def _header(self) -> list[str]:
        import pyarrow.csv as pc
        import pyarrow.parquet as pq

        if self.is_csv:
            with self.path.open("rb") as text:
                blank = not text.read(1 << 16).strip()
            if blank:
                raise Refused(f"{self.path.name} is empty", fix="give a file with rows")
            with pc.open_csv(self.path, parse_options=_parse_options()) as opened:
                return list(opened.schema.names)
        with pq.ParquetFile(self.path) as opened:
            return list(opened.schema_arrow.names)

    def chunks(self) -> Iterator[Any]:
        """Yield Arrow tables of some rows each. Raises Refused if the file cannot be read."""
        import pyarrow as pa

        batches = self._batches()
        while True:
            with reading(self.path):
                batch = next(batches, None)
            if batch is None:
                return
            table = pa.Table.from_batches([batch])
            for start in range(0, len(table), CHUNK):
                yield table.slice(start, CHUNK)

    def _batches(self) -> Iterator[Any]:
        import pyarrow as pa
        import pyarrow.csv as pc
        import pyarrow.parquet as pq

        if not self.is_csv:
            with pq.ParquetFile(self.path) as opened:
                yield from opened.iter_batches(CHUNK)
            return
        options = pc.ConvertOptions(
            column_types=dict.fromkeys(self.names, pa.string()),
            strings_can_be_null=True,
            null_values=[""],
            quoted_strings_can_be_null=False,
        )
        with pc.open_csv(
            self.path, parse_options=_parse_options(), convert_options=options
        ) as opened:
            yield from opened

    def typed(self, table: Any) -> Any:
        """Return rows that the signature takes with the numbers of a CSV as such, not as texts."""
        import pyarrow as pa

        kinds = {"int": pa.int64(), "float": pa.float64()}
        for column in self.columns if self.is_csv else ():
            name, kind = column["name"], kinds.get(column["kind"])
            if kind is not None:
                values = [_of_text(v, column) for v in table.column(name).to_pylist()]
                place = self.names.index(name)
                table = table.set_column(place, name, pa.array(values, kind))
        return table

    def rows(self, table: Any, beside: Sequence[str] = ()) -> list[dict[str, Any]]:
        """Return the columns of the signature as callers would send them, row by row.

        beside: names of more columns, as far as the file has them
        """
        found = []
        more = [{"name": name, "kind": "text"} for name in beside if name in table.column_names]
        columns = [*self.columns, *more]
        for column in columns:
            values = table.column(column["name"]).to_pylist()
            of = _of_text if self.is_csv else _of_value
            found.append([of(value, column) for value in values])
        names = [column["name"] for column in columns]
        return [dict(zip(names, row, strict=True)) for row in zip(*found, strict=True)]


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Raise Refused for a file that cannot be read, instead of the errors of Arrow."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError) as error:
        what = " ".join(str(error).split())
        raise Refused(f"{path.name} cannot be read: {what}", fix="check the file") from None


def _parse_options() -> Any:
    import pyarrow.csv as pc

    return pc.ParseOptions(newlines_in_values=True)


def _of_text(value: Any, column: Mapping[str, Any]) -> Any:
    """Return a value of a CSV as its column's kind has it; a text that does not fit stays."""
    kind = column["kind"]
    if value is None or not isinstance(value, str):
        return "" if value is None and kind == "text" and not column["missing"] else value
    text = value.strip()
    if kind in {"int", "float"}:
        return None if text in NO_NUMBER else _number(text, kind, value)
    if kind == "bool":
        return None if not text else BOOLS.get(text.lower(), value)
    if kind == "category":
        return next((one for one in column["categories"] if str(one) == value), value)
    return value


def _number(text: str, kind: str, value: str) -> Any:
    convert: tuple[Callable[[str], Any], ...] = (int, float) if kind == "int" else (float,)
    for one in convert if "_" not in text else ():
        try:
            found = one(text)
        except (ValueError, OverflowError):
            continue
        whole = kind == "int" and isinstance(found, float) and found.is_integer()
        return int(found) if whole else found  # an int column with nulls is written as floats
    return value


def _of_value(value: Any, column: Mapping[str, Any]) -> Any:
    """Return a value of a Parquet file as JSON has it."""
    if value is None or value != value:  # noqa: PLR0124  NaN
        return None
    if isinstance(value, Decimal) and column["kind"] in {"int", "float"}:
        return float(value)
    if isinstance(value, timedelta | Decimal):
        return str(value)
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


class TableWriter:
    """Writes tables to one CSV or Parquet file; the first one fixes the columns."""

    def __init__(self, path: Path, suffix: str) -> None:
        self.path, self.is_csv = path, suffix.lower() == ".csv"
        self.opened: Any = None
        self.schema: Any = None

    def write(self, table: Any) -> None:
        """Write some rows."""
        import pyarrow.csv as pc
        import pyarrow.parquet as pq

        table = _flat(table) if self.is_csv else table
        if self.opened is None:
            kind = pc.CSVWriter if self.is_csv else pq.ParquetWriter
            self.opened, self.schema = kind(self.path, table.schema), table.schema
        self.opened.write_table(table.cast(self.schema))

    def close(self) -> None:
        """Write what is left."""
        if self.opened is not None:
            self.opened.close()


def _flat(table: Any) -> Any:
    """Return a table with lists and structs as JSON texts, for CSV has neither."""
    import pyarrow as pa

    for place, field in enumerate(table.schema):
        if pa.types.is_nested(field.type):
            values = table.column(place).to_pylist()
            texts = [None if v is None else json.dumps(v, default=str) for v in values]
            table = table.set_column(place, field.name, pa.array(texts, pa.string()))
    return table


def type_of(values: Sequence[Any]) -> Any:
    """Return the Arrow type of answers; text for those of several types.

    >>> str(type_of([1, 0.5])), str(type_of([1, "a"])), str(type_of([[0.5, 0.5]]))
    ('double', 'string', 'list<item: double>')
    """
    import pyarrow as pa

    try:
        found = pa.array(values).type
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.string()
    return pa.string() if pa.types.is_null(found) else found


def array_of(values: Sequence[Any], kind: Any) -> Any:
    """Return answers as an array of a type; other values are written as JSON in a text column.

    Raises MlopsError if a value does not fit.
    """
    import pyarrow as pa

    if pa.types.is_string(kind):
        return pa.array([v if v is None or isinstance(v, str) else json.dumps(v) for v in values])
    try:
        return pa.array(values, kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        raise MlopsError(
            f"the answers are not all {kind}, as the golden ones are: {error}",
            fix="let the model, or its decide function, answer values of one type",
        ) from None
