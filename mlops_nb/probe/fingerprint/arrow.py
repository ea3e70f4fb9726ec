"""How Arrow and polars columns are written: by value, whatever their chunks and offsets.

Both are looked up where they are loaded; nothing here imports them.
"""

import sys
from collections.abc import Callable
from typing import Any

from . import arrays
from .walk import Rule, Unknown, Walk


def rule(kind: type) -> Rule | None:
    """Return the rule for a kind of pyarrow."""
    arrow: Any = sys.modules["pyarrow"]
    whole: dict[type, Callable[[Walk, Any], None]] = {
        arrow.Table: write_table,
        arrow.RecordBatch: write_table,
        arrow.ChunkedArray: write_chunked,
        arrow.Array: write_array,
        arrow.Scalar: write_scalar,
        arrow.Buffer: lambda walk, v: walk.raw(b"buffer", memoryview(v)),
    }
    return next((Rule(w) for base, w in whole.items() if issubclass(kind, base)), None)


def write_table(walk: Walk, table: Any) -> None:
    """Take in a table or a record batch."""
    walk.raw(b"table", f"{type(table).__name__} {table.num_rows} {table.num_columns}".encode())
    walk.value(table.schema.metadata)
    for place, field in enumerate(table.schema):
        walk.value((field.name, str(field.type), field.nullable, field.metadata))
        held = table.column(place)
        column(walk, getattr(held, "chunks", [held]), field.type)


def write_chunked(walk: Walk, array: Any) -> None:
    """Take in a chunked array."""
    walk.raw(b"chunked", f"{array.type} {len(array)}".encode())
    column(walk, array.chunks, array.type)


def write_array(walk: Walk, array: Any) -> None:
    """Take in an array."""
    walk.raw(b"arrow", f"{array.type} {len(array)}".encode())
    column(walk, [array], array.type)


def write_scalar(walk: Walk, scalar: Any) -> None:
    """Take in a scalar."""
    walk.raw(b"arrow scalar", str(scalar.type).encode())
    walk.value(scalar.as_py())


def column(walk: Walk, chunks: list[Any], kind: Any) -> None:
    """Take in a column's chunks as one; their length and kind were written before."""
    types: Any = sys.modules["pyarrow"].types
    if types.is_dictionary(kind):
        column(walk, [chunk.dictionary_decode() for chunk in chunks], kind.value_type)
        return
    if hasattr(kind, "storage_type"):
        column(walk, [chunk.storage for chunk in chunks], kind.storage_type)
        return
    numpy = _numpy()
    missing = sum(chunk.null_count for chunk in chunks)
    walk.raw(b"missing", b"%d" % missing)
    if missing:
        for chunk in chunks:
            told = numpy.asarray(chunk.is_valid().to_numpy(zero_copy_only=False))
            arrays.fill(walk, told)
    write = _writers.get(kind.id)
    if write is None:
        fits = (w for names, w in KINDS if any(getattr(types, f"is_{n}")(kind) for n in names))
        write = _writers[kind.id] = next(fits, _others)
    write(walk, chunks, kind)


def _others(walk: Walk, chunks: list[Any], _: Any) -> None:
    walk.items([item for chunk in chunks for item in chunk.to_pylist()])


def _numpy() -> Any:
    numpy = sys.modules.get("numpy")
    if numpy is None:
        raise Unknown("an Arrow column is read with numpy, which is not installed")
    return numpy


def _numbers(walk: Walk, chunks: list[Any], kind: Any) -> None:
    arrow: Any = sys.modules["pyarrow"]
    for chunk in chunks:
        made = chunk
        if arrow.types.is_temporal(kind):
            made = made.view(arrow.int64() if kind.bit_width == 64 else arrow.int32())  # noqa: PLR2004
        if made.null_count:
            zero = False if arrow.types.is_boolean(kind) else 0
            made = made.fill_null(arrow.scalar(zero, made.type))
        arrays.fill(walk, made.to_numpy(zero_copy_only=False))


def _texts(walk: Walk, chunks: list[Any], kind: Any) -> None:
    """Take in all lengths, then all bytes."""
    numpy, arrow = _numpy(), sys.modules["pyarrow"]
    is_text = arrow.types.is_string(kind) or arrow.types.is_large_string(kind)
    stretches = []
    for chunk in chunks:
        if not len(chunk):
            continue
        made = chunk.fill_null("" if is_text else b"") if chunk.null_count else chunk
        _, places, data = made.buffers()
        wide = arrow.types.is_large_string(kind) or arrow.types.is_large_binary(kind)
        offsets = numpy.frombuffer(places, numpy.int64 if wide else numpy.int32)
        offsets = offsets[made.offset : made.offset + len(made) + 1]
        arrays.fill(walk, (offsets[1:] - offsets[:-1]).astype(numpy.int64, copy=False))
        stretches.append((data, int(offsets[0]), int(offsets[-1])))
    for data, start, stop in stretches:
        if stop > start:
            walk.data(memoryview(data)[start:stop], stop - start)


Writer = Callable[[Walk, list[Any], Any], None]
_writers: dict[int, Writer] = {}  # by the number that Arrow gives a kind
KINDS: tuple[tuple[tuple[str, ...], Writer], ...] = (
    (("string", "large_string", "binary", "large_binary"), _texts),
    (("integer", "floating", "boolean", "date", "time", "timestamp", "duration"), _numbers),
)


def polars(kind: type) -> Rule | None:
    """Return the rule for a kind of polars."""
    library: Any = sys.modules["polars"]
    if issubclass(kind, library.DataFrame):
        return Rule(write_frame)
    if issubclass(kind, library.Series):
        return Rule(write_series)
    if issubclass(kind, library.LazyFrame):
        return Rule(write_lazy)
    return None


def write_lazy(_: Walk, value: Any) -> None:
    """Refuse a query that has not run: it reads what may change."""
    raise Unknown(f"a {type(value).__name__} has no content yet")


def write_frame(walk: Walk, frame: Any) -> None:
    """Take in a frame of polars."""
    walk.raw(b"polars frame", b"%d,%d" % frame.shape)
    for series in frame.get_columns():
        write_series(walk, series)


def write_series(walk: Walk, series: Any) -> None:
    """Take in a series of polars."""
    walk.raw(b"polars", f"{series.dtype!r} {len(series)}".encode())
    walk.value(series.name)
    library: Any = sys.modules["polars"]
    dtype, made = series.dtype, series
    if dtype in (library.Categorical, library.Enum):
        made = made.cast(library.String)
    elif dtype == library.Boolean:
        made = made.cast(library.UInt8)
    elif dtype.is_temporal():
        made = made.to_physical()
    missing = made.null_count()
    walk.raw(b"missing", b"%d" % missing)
    if missing:
        arrays.fill(walk, made.is_null().cast(library.UInt8).to_numpy())
    if made.dtype == library.String:
        made = made.fill_null("")
        arrays.fill(walk, made.str.len_bytes().to_numpy())
        text = (made.str.join("").item() or "").encode()
        walk.data(text, len(text))
    elif (made.dtype.is_integer() or made.dtype.is_float()) and made.dtype not in (
        library.Int128,
        getattr(library, "UInt128", library.Int128),
    ):
        arrays.fill(walk, (made.fill_null(0) if missing else made).to_numpy())
    else:
        walk.items(made.to_list())
