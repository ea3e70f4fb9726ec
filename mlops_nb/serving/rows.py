"""Reads the rows of a request, and checks them against the signature of a model."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from mlops_nb.errors import MlopsError

INT64 = 2**63
JSON_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "text": "a text",
    "time": "a time such as 2026-01-31T12:00:00",
    "category": "one of its categories",
    "other": "a value",
}


class BadRequest(MlopsError):
    """A request that cannot be answered; `status` is its HTTP status."""

    status = 422


class Malformed(BadRequest):
    """A body that is not what the route takes."""

    status = 400


class BodyTooLarge(BadRequest):
    """A body with more bytes or rows than the limit."""

    status = 413


class RowReader:
    """Turns rows into columns, as the model process takes them.

    beside:  columns that no model takes, and that are logged where callers send them
    unknown: column that no model knows → how often it came
    """

    def __init__(
        self, signature: Mapping[str, Any], most_rows: int, beside: Iterable[str] = ()
    ) -> None:
        self.columns = [(c["name"], c["kind"], c) for c in signature["columns"]]
        self.names = {c["name"] for c in signature["columns"]}
        self.beside = [name for name in beside if name not in self.names]
        self.known = self.names | {*self.beside}
        self.most_rows = most_rows
        self.unknown: dict[str, int] = {}
        self.missing: dict[str, int] = {}

    def columns_of(self, rows: Any) -> dict[str, list[Any]]:
        """Return column → its values. Raises BadRequest with row, column and kind."""
        self._refuse_shape(rows)
        found: dict[str, list[Any]] = {}
        for name, kind, column in self.columns:
            try:
                values = [row[name] for row in rows]
            except (KeyError, TypeError):
                raise self._without(rows, name) from None
            found[name] = self._checked(values, name, kind, column)
        for name in self.beside:
            found[name] = [row.get(name) for row in rows]
        for row in rows:
            if len(row) != len(self.names):
                for name in row.keys() - self.known:
                    self.unknown[name] = self.unknown.get(name, 0) + 1
        return found

    def _refuse_shape(self, rows: Any) -> None:
        if not isinstance(rows, list):
            raise Malformed("`rows` is no list", fix='send {"rows": [{column: value}]}')
        if len(rows) > self.most_rows:
            raise BodyTooLarge(
                f"{len(rows)} rows are more than {self.most_rows}",
                fix="send fewer at once, or use mlops-nb predict for a file",
            )

    def _without(self, rows: Sequence[Any], name: str) -> BadRequest:
        for number, row in enumerate(rows):
            if not isinstance(row, dict):
                return Malformed(
                    f"row {number} of `rows` is no object", fix="send {column: value} for each row"
                )
            if name not in row:
                self.missing[name] = self.missing.get(name, 0) + 1
                return BadRequest(
                    f"row {number} has no column {name!r}",
                    fix=f"send {', '.join(n for n, _, _ in self.columns)}",
                    where=f"row {number}, column {name}",
                )
        raise AssertionError(name)  # one of the rows raised

    def _checked(
        self, values: list[Any], name: str, kind: str, column: Mapping[str, Any]
    ) -> list[Any]:
        """Return the values of a column, numbers as its kind has them."""
        fits = FITS[kind]
        for number, value in enumerate(values):
            if value is None:
                if column["missing"] or kind == "other":
                    continue
            elif fits(value, column):
                continue
            shown = repr(value)[:60]
            raise BadRequest(
                f"row {number}: {name!r} is {shown}, which is not {JSON_KINDS[kind]}",
                fix=f"send {JSON_KINDS[kind]}" + (", or null" if column["missing"] else ""),
                where=f"row {number}, column {name}",
            )
        return values


def _is_int(value: Any, _: Mapping[str, Any]) -> bool:
    if type(value) is int:
        return -INT64 <= value < INT64
    return type(value) is float and value.is_integer() and abs(value) < INT64


def _is_float(value: Any, _: Mapping[str, Any]) -> bool:
    return type(value) is int or (type(value) is float and math.isfinite(value))


def _is_time(value: Any, _: Mapping[str, Any]) -> bool:
    if not isinstance(value, str):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


FITS: Mapping[str, Callable[[Any, Mapping[str, Any]], bool]] = {
    "int": _is_int,
    "float": _is_float,
    "bool": lambda value, _: isinstance(value, bool),
    "text": lambda value, _: isinstance(value, str),
    "time": _is_time,
    "category": lambda value, column: value in column["categories"],
    "other": lambda *_: True,
}


def of_invocation(body: Any) -> Any:
    """Return the rows of a body of MLflow's protocol.

    Raises Malformed for another body.

    >>> of_invocation({"dataframe_split": {"columns": ["a"], "data": [[1], [2]]}})
    [{'a': 1}, {'a': 2}]
    """
    if isinstance(body, dict):
        if isinstance(body.get("dataframe_records"), list):
            return body["dataframe_records"]
        split = body.get("dataframe_split")
        if isinstance(split, dict) and isinstance(split.get("data"), list):
            names = split.get("columns")
            if isinstance(names, list) and all(isinstance(row, list) for row in split["data"]):
                return [dict(zip(names, row, strict=False)) for row in split["data"]]
        for key in ("instances", "inputs"):
            if isinstance(body.get(key), list):
                return body[key]
            if isinstance(body.get(key), dict):
                lists = body[key]
                return [
                    dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=False)
                ]
    raise Malformed(
        "the body is none of dataframe_records, dataframe_split, instances, inputs",
        fix='send {"dataframe_records": [{column: value}]}',
    )
