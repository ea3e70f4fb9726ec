"""How pandas objects are written: by value, column by column, wherever their blocks lie.

pandas is looked up where it is loaded; nothing here imports it.
"""

import sys
from collections.abc import Callable, Iterable
from typing import Any

from . import arrays, arrow
from .walk import Rule, Walk

# what pandas keeps in an object; what else there is, a cell has set
INNER = {"_mgr", "_item_cache", "_attrs", "_flags", "_name", "_cacher", "_is_copy", "_references"}


def rule(kind: type) -> Rule | None:
    """Return the rule for a kind of pandas."""
    pandas: Any = sys.modules["pandas"]
    if not hasattr(pandas, "DataFrame"):  # it is being imported
        return None
    whole: dict[type, Callable[[Walk, Any], None]] = {
        pandas.DataFrame: write_frame,
        pandas.Series: write_series,
        pandas.Index: write_index,
        pandas.api.extensions.ExtensionArray: write_values,
    }
    for base, write in whole.items():
        if issubclass(kind, base):
            return Rule(write)
    if issubclass(kind, pandas.Timestamp | pandas.Timedelta):
        return Rule(write_moment, tracked=False)
    if kind in (type(pandas.NaT), type(pandas.NA)):
        return Rule(lambda walk, v: walk.raw(b"missing", str(v).encode()), tracked=False)
    return None


def _own(walk: Walk, value: Any, base: type) -> None:
    """Take in the class of a value of a derived one, and what that class carries along."""
    if type(value) is not base:
        walk.value(type(value))
        for name in getattr(value, "_metadata", ()):
            walk.value((name, getattr(value, name, None)))
    kind = type(value)
    own = [n for n in vars(value) if n not in INNER and not hasattr(kind, n)]
    walk.value([(name, vars(value)[name]) for name in sorted(own)])  # pickle drops them


def write_frame(walk: Walk, frame: Any) -> None:
    """Take in a data frame."""
    walk.raw(b"frame", b"%d,%d" % frame.shape)
    _own(walk, frame, sys.modules["pandas"].DataFrame)
    names = list(frame.columns)
    walk.items(names)
    walk.value((tuple(frame.columns.names), dict(frame.attrs)))
    write_index(walk, frame.index)
    for values in _columns(frame):
        column(walk, values)


def _columns(frame: Any) -> Iterable[Any]:
    quick = getattr(frame, "_iter_column_arrays", None)  # without a Series for each
    if quick is not None:
        found: Iterable[Any] = quick()
        return found
    return [frame.iloc[:, place].array for place in range(frame.shape[1])]


def write_series(walk: Walk, series: Any) -> None:
    """Take in a series."""
    walk.raw(b"series", b"%d" % len(series))
    _own(walk, series, sys.modules["pandas"].Series)
    walk.value((series.name, dict(series.attrs)))
    write_index(walk, series.index)
    column(walk, series.array)


def write_index(walk: Walk, index: Any) -> None:
    """Take in an index."""
    pandas: Any = sys.modules["pandas"]
    walk.raw(b"index", f"{type(index).__name__} {len(index)}".encode())
    walk.items(list(index.names))
    if isinstance(index, pandas.RangeIndex):
        walk.items([index.start, index.stop, index.step])
    elif isinstance(index, pandas.MultiIndex):
        for level in range(index.nlevels):
            write_index(walk, index.get_level_values(level))
    else:
        if isinstance(index, pandas.DatetimeIndex | pandas.TimedeltaIndex):
            walk.value(index.freqstr)
        column(walk, index.array)


def write_values(walk: Walk, values: Any) -> None:
    """Take in an array of pandas' own."""
    walk.raw(b"values", f"{type(values).__name__} {len(values)}".encode())
    column(walk, values)


def write_moment(walk: Walk, value: Any) -> None:
    """Take in a Timestamp or a Timedelta with its unit and zone."""
    told = f"{value.isoformat()} {getattr(value, 'unit', '')} {getattr(value, 'tz', '')}"
    walk.raw(type(value).__name__.encode(), told.encode())


def column(walk: Walk, values: Any) -> None:
    """Take in a column's values, whose number was written before."""
    numpy: Any = sys.modules["numpy"]
    if type(values).__name__ in WRAPPED:
        values = values.to_numpy()
    dtype = values.dtype
    if isinstance(dtype, numpy.dtype):
        walk.raw(b"column", arrays.told(dtype).encode())
        arrays.fill(walk, numpy.asarray(values))
        return
    walk.raw(b"column", f"{type(dtype).__name__} {dtype}".encode())
    for told, write in EXTENDED:
        if all(hasattr(values, name) for name in told):
            write(walk, values)
            return
    walk.items(list(values))


def _category(walk: Walk, values: Any) -> None:
    walk.raw(b"categories", f"{values.ordered} {len(values.categories)}".encode())
    column(walk, values.categories.array)
    arrays.plain(walk, sys.modules["numpy"].asarray(values.codes))


def _nullable(walk: Walk, values: Any) -> None:
    numpy: Any = sys.modules["numpy"]
    mask, data = values._mask, values._data
    if mask.any():
        arrays.plain(walk, mask)
        data = numpy.where(mask, data.dtype.type(0), data)
    arrays.plain(walk, data)


def _sparse(walk: Walk, values: Any) -> None:
    walk.value(values.fill_value)
    arrays.plain(walk, values.sp_index.indices)
    arrays.plain(walk, values.sp_values)


def _interval(walk: Walk, values: Any) -> None:
    column(walk, values.left.array)
    column(walk, values.right.array)


WRAPPED = {"NumpyExtensionArray", "PandasArray"}  # what pandas calls an array of numpy's own
# how the arrays of pandas are told apart, by what they have; the first that fits
EXTENDED: tuple[tuple[tuple[str, ...], Callable[[Walk, Any], None]], ...] = (
    (("codes", "categories"), _category),
    (("_pa_array",), lambda walk, v: arrow.column(walk, v._pa_array.chunks, v._pa_array.type)),
    (("_mask", "_data"), _nullable),
    (("sp_index", "sp_values"), _sparse),
    (("asi8",), lambda walk, v: arrays.plain(walk, v.asi8)),  # the zone or period is the dtype
    (("left", "right", "closed"), _interval),
)
