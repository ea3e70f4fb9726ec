"""Turns the values of a request into what a model or its features function takes, and back."""

import datetime
import functools
import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

Columns = Mapping[str, Sequence[Any]]  # column → its JSON values, one a row


def to_input(columns: Columns, signature: Mapping[str, Any]) -> Any:
    """Return columns as the frame, array or series that the signature describes.

    Raises ValueError for values that do not fit.
    """
    import pandas

    named = {c["name"]: _column(columns[c["name"]], c, pandas) for c in signature["columns"]}
    if signature["input"] == "frame":
        return _frame(named, pandas)
    if signature["input"] == "series":
        (name, values), *_ = named.items()
        return pandas.Series(values, name=name)
    import numpy

    return numpy.column_stack(list(named.values()))


def _frame(named: Mapping[str, Any], pandas: Any) -> Any:
    """Return columns as a frame, each with its own dtype: a frame of a dict infers some again."""
    import numpy

    are_blocks = all(
        isinstance(values, numpy.ndarray)
        or isinstance(values.dtype, pandas.StringDtype | pandas.CategoricalDtype)
        for values in named.values()
    )
    names = _index(tuple(named)).view()  # the notebook's function may give it a name
    internals: Any = getattr(pandas.api, "internals", None)  # since pandas 3
    if internals is None or not named or not are_blocks:
        series = {name: pandas.Series(v, dtype=v.dtype) for name, v in named.items()}
        frame = pandas.DataFrame(series, copy=False)
        frame.columns = names
        return frame
    blocks = [
        (values.reshape(1, -1) if isinstance(values, numpy.ndarray) else values, numpy.array([at]))
        for at, values in enumerate(named.values())
    ]
    count = len(next(iter(named.values())))
    return internals.create_dataframe_from_blocks(
        blocks, index=pandas.RangeIndex(count), columns=names
    )


@functools.lru_cache(maxsize=64)
def _index(names: tuple[str, ...]) -> Any:
    import pandas

    return pandas.Index(names)


@functools.lru_cache(maxsize=64)
def _is_numpy(dtype: str) -> bool:
    """Return whether NumPy has a dtype; pandas adds some, such as Int64."""
    import numpy

    try:
        numpy.dtype(dtype)
    except TypeError:
        return False
    return True


@functools.lru_cache(maxsize=64)
def _dtype(name: str) -> Any:
    """Return the dtype of a name, which pandas takes long to read."""
    import pandas

    return pandas.api.types.pandas_dtype(name)


def to_array(columns: Columns, signature: Mapping[str, Any]) -> Any:
    """Return columns as `to_input` does, a frame of numbers as the array of its values."""
    numbers = all(
        c["kind"] in {"int", "float"} and _is_numpy(c["dtype"]) for c in signature["columns"]
    )
    if signature["input"] != "frame" or not numbers:
        return to_input(columns, signature)
    import numpy

    made = [_column(columns[c["name"]], c, None) for c in signature["columns"]]
    return numpy.array(made, numpy.result_type(*made)).T


def _column(values: Sequence[Any], column: Mapping[str, Any], pandas: Any) -> Any:
    import numpy

    kind, dtype = column["kind"], column["dtype"]
    if kind in {"int", "float", "bool"} and not _is_numpy(dtype):
        return pandas.array(list(values), dtype=_dtype(dtype))
    if kind == "int" and None not in values:
        return numpy.asarray(values, dtype)
    if kind in {"int", "float"}:
        number = dtype if kind == "float" else "float64"
        return numpy.asarray([math.nan if v is None else v for v in values], number)
    if kind == "bool":
        return numpy.asarray(values, "object" if None in values else "bool")
    if kind == "category":
        return pandas.Categorical(values, categories=column["categories"])
    if kind == "time":
        return pandas.to_datetime(list(values), format="ISO8601").astype(dtype)
    return (
        _objects(values) if dtype == "object" else pandas.array(list(values), dtype=_dtype(dtype))
    )


def _objects(values: Sequence[Any]) -> Any:
    import numpy

    made = numpy.empty(len(values), dtype=object)
    made[:] = values
    return made


def to_columns(frame: Any, names: Sequence[str]) -> dict[str, list[Any]]:
    """Return the columns of a frame, an array or a series as JSON values."""
    if hasattr(frame, "iloc"):
        if getattr(frame, "ndim", 1) == 1:
            return {names[0]: plain(frame)}
        columns = (column for _, column in frame.items())
        return {name: plain(column) for name, column in zip(names, columns, strict=True)}
    return {name: plain(frame[:, place]) for place, name in enumerate(names)}


def plain(values: Any) -> list[Any]:
    """Return the values of an array or a series as JSON values; missing ones are None."""
    found = values.tolist() if hasattr(values, "tolist") else list(values)
    dtype = getattr(values, "dtype", None)
    if getattr(dtype, "kind", "") in {"i", "u", "b"} and not hasattr(dtype, "na_value"):
        return list(found)
    return [_plain(value) for value in found]


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, datetime.datetime | datetime.date):
        text = value.isoformat()
        return None if text == "NaT" else text
    if hasattr(value, "item"):
        return _plain(value.item())
    pandas: Any = sys.modules.get("pandas")
    if pandas is not None and value is pandas.NA:
        return None
    return str(value)


def description(values: Any, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the columns of a signature: the names, kinds and dtypes of a frame's columns."""
    import pandas

    frame = values if getattr(values, "ndim", 2) == 2 else values.to_frame()  # noqa: PLR2004
    found = []
    for place, name in enumerate(names):
        column = frame.iloc[:, place] if hasattr(frame, "iloc") else pandas.Series(frame[:, place])
        kind = _kind(column, pandas)
        one = {
            "name": name,
            "kind": kind,
            "dtype": str(column.dtype),
            "missing": bool(column.isna().any()),
        }
        if kind == "category":
            one["categories"] = plain(column.cat.categories)
        found.append(one)
    return found


def _kind(column: Any, pandas: Any) -> str:
    test = pandas.api.types
    if isinstance(column.dtype, pandas.CategoricalDtype):
        return "category"
    for kind, is_kind in (
        ("bool", test.is_bool_dtype),
        ("int", test.is_integer_dtype),
        ("float", test.is_float_dtype),
        ("time", test.is_datetime64_any_dtype),
    ):
        if is_kind(column.dtype):
            return kind
    texts = all(isinstance(v, str) for v in column.dropna().head(1000))
    return "text" if texts else "other"
