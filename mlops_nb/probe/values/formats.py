"""The files that values are written to: JSON, NPY and Arrow where they say all, else pickle.

A form is taken only where what is read equals what was written; in doubt it is pickle. Large
buffers follow a pickle in its file, so that they are never copied in memory.
"""

import hashlib
import io
import itertools
import json
import pickle
import struct
import sys
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, NamedTuple

from .pickling import CLASS_MARK, NOTEBOOK_MARK, Sharing

MOST_PLAIN = 10_000  # parts of a value that is written as JSON
DEEPEST_PLAIN = 50
WIDEST_INTEGER = 4096  # bits; Python reads and writes longer ones only where it is told to
LARGE = 1 << 16  # bytes of a buffer that follows its pickle
MOST_KINDS = 100  # of frames that are remembered
BATCH = 1 << 26  # bytes of a frame's rows that are brought to Arrow at once
ARROW_KINDS = frozenset("biufmM")
POLARS_KINDS = frozenset(
    {
        "Boolean",
        "Int8",
        "Int16",
        "Int32",
        "Int64",
        "UInt8",
        "UInt16",
        "UInt32",
        "UInt64",
        "Float32",
        "Float64",
        "String",
        "Date",
    }
)
_come_back: dict[tuple[Any, ...], bool] = {}  # axes and kinds of a frame → whether Arrow keeps them


class Sink(io.RawIOBase):
    """A new file that knows the sha256 of what was written to it."""

    def __init__(self, path: str) -> None:
        self.hash = hashlib.sha256()
        self.size = 0
        self.file = open(path, "xb")  # noqa: SIM115  closed by close()

    def writable(self) -> bool:
        """Say that it can be written."""
        return True

    def write(self, data: Any) -> int:
        """Write bytes, all of them."""
        size = memoryview(data).nbytes
        self.file.write(data)
        self.hash.update(data)
        self.size += size
        return size

    def close(self) -> None:
        """Close the file; raises OSError where the disk does not take the rest."""
        if not self.closed:
            super().close()
            self.file.close()


class Format(NamedTuple):
    """How values of some kind are written alone."""

    suffix: str
    fits: Callable[[Any], bool]
    write: Callable[[Any, Sink], None]
    read: Callable[[BinaryIO], Any]


# plain values


def _is_plain(value: Any) -> bool:
    """Say whether JSON tells all of a value: a tree of few plain parts, none of it twice."""
    seen: set[int] = set()
    level: list[Any] = [value]
    for _ in range(DEEPEST_PLAIN):
        below: list[Any] = []
        for part in level:
            if type(part) in (list, dict):
                if id(part) in seen or len(seen) + len(below) + len(part) > MOST_PLAIN:
                    return False
                seen.add(id(part))
                below += [*part, *part.values()] if type(part) is dict else part
                if type(part) is dict and not all(type(key) is str for key in part):
                    return False
            elif not _is_plain_atom(part):
                return False
        if not below:
            return True
        level = below
    return False


def _is_plain_atom(value: Any) -> bool:
    kind = type(value)
    if kind is int:
        return bool(value.bit_length() < WIDEST_INTEGER)
    if kind is float:
        return bool(value - value == 0)  # neither infinite nor NaN
    return kind in (bool, type(None)) or (kind is str and _is_text(value))


def _is_text(value: str) -> bool:
    return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)


def _write_json(value: Any, sink: Sink) -> None:
    sink.write(json.dumps(value, ensure_ascii=False, allow_nan=False).encode())


# arrays


def _is_array(value: Any) -> bool:
    numpy = sys.modules.get("numpy")
    if numpy is None or type(value) is not getattr(numpy, "ndarray", None):
        return False
    dtype = value.dtype
    return bool(
        dtype.kind in "biufcSUmM"
        and dtype.itemsize
        and dtype.metadata is None
        and value.flags.writeable
        and value.nbytes <= _held(value)
        and numpy.dtype(dtype.str) == dtype
    )


def _held(array: Any) -> int:
    """Return the bytes that an array spans; one that repeats itself has more than it spans."""
    steps = zip(array.shape, array.strides, strict=True)
    return int(array.itemsize + sum((count - 1) * abs(stride) for count, stride in steps))


def _write_array(array: Any, sink: Sink) -> None:
    import numpy

    head = numpy.lib.format
    head.write_array_header_2_0(sink, head.header_data_from_array_1_0(array))
    if array.flags.f_contiguous and not array.flags.c_contiguous:
        array = array.T
    if array.flags.c_contiguous:
        sink.write(array.reshape(-1).view(numpy.uint8))
        return
    walk: Any = numpy.nditer(
        array, flags=["external_loop", "buffered", "zerosize_ok"], order="C", buffersize=1 << 20
    )
    for part in walk:
        sink.write(part.tobytes())


def _read_array(file: BinaryIO) -> Any:
    import numpy

    return numpy.load(file, allow_pickle=False)


# frames


def _is_frame(value: Any) -> bool:
    pandas: Any = sys.modules.get("pandas")
    if pandas is None or type(value) is not getattr(pandas, "DataFrame", None):
        return False
    columns, index = value.columns, value.index
    if value.attrs or not value.flags.allows_duplicate_labels:
        return False
    if type(columns) is not pandas.Index or columns.name is not None or not columns.is_unique:
        return False
    named = index.name is None or (type(index.name) is str and index.name not in columns)
    simple = type(index) is pandas.RangeIndex or (
        type(index) is pandas.Index and getattr(index.dtype, "kind", "") in "iu"
    )
    texts = all(type(name) is str and _is_text(name) for name in columns)
    if not (len(columns) and named and simple and texts and all(map(_is_known, value.dtypes))):
        return False
    alike = (type(index), index.dtype, index.name, columns.dtype, *columns, *value.dtypes)
    if alike not in _come_back:
        if len(_come_back) >= MOST_KINDS:
            _come_back.clear()
        _come_back[alike] = _comes_back(value.head(0))
    return _come_back[alike]


def _is_known(dtype: Any) -> bool:
    if type(dtype).__name__ == "StringDtype":  # the one that pandas 3 gives texts by itself
        return getattr(dtype, "storage", "") == "pyarrow" and dtype.na_value != dtype.na_value
    numpy: Any = sys.modules["numpy"]
    return (
        isinstance(dtype, numpy.dtype)
        and dtype.kind in ARROW_KINDS
        and dtype.isnative
        and (dtype.kind != "f" or dtype.itemsize in (4, 8))
        and dtype.metadata is None
    )


def _comes_back(empty: Any) -> bool:
    """Say whether a frame without rows comes back from Arrow with all its kinds."""
    try:
        back = _table(empty, _schema(empty)).to_pandas()
    except Exception:  # noqa: BLE001  what pyarrow cannot do, or is not there for, pickle does
        return False

    def kinds(frame: Any) -> list[str]:
        axes = [type(frame.index), frame.index.dtype, type(frame.columns), frame.columns.dtype]
        return [repr(kind) for kind in (*axes, *frame.dtypes)]

    return kinds(back) == kinds(empty)


def _schema(frame: Any) -> Any:
    import pyarrow

    return pyarrow.Schema.from_pandas(frame)


def _table(rows: Any, schema: Any) -> Any:
    import pyarrow

    columns = [rows[name].array for name in rows.columns]
    if len(schema) > len(columns):
        columns.append(rows.index.array)
    arrays = [
        pyarrow.array(column if hasattr(column, "_pa_array") else column.to_numpy())
        for column in columns
    ]
    return pyarrow.Table.from_arrays(arrays, schema=schema)


def _write_frame(frame: Any, sink: Sink) -> None:
    import pyarrow

    schema = _schema(frame)
    size = sum(1 if kind.kind == "O" else kind.itemsize for kind in frame.dtypes)
    rows = max(1024, BATCH // max(1, size))
    with pyarrow.ipc.new_file(sink, schema) as writer:
        for start in range(0, len(frame), rows):
            writer.write_table(_table(frame.iloc[start : start + rows], schema))


def _read_frame(file: BinaryIO) -> Any:
    import pyarrow

    with pyarrow.memory_map(file.name) as mapped:
        reader = pyarrow.ipc.open_file(mapped)
        if any(str(field.type).endswith("string") for field in reader.schema):
            file.seek(0)  # texts stay in Arrow's memory, which must not be the file's
            return pyarrow.ipc.open_file(pyarrow.PythonFile(file)).read_all().to_pandas()
        return reader.read_all().to_pandas()


def _is_polars(value: Any) -> bool:
    polars: Any = sys.modules.get("polars")
    if polars is None or type(value) is not getattr(polars, "DataFrame", None):
        return False
    return value.width > 0 and all(str(kind) in POLARS_KINDS for kind in value.dtypes)


def _write_polars(frame: Any, sink: Sink) -> None:
    frame.write_ipc(sink, compression="uncompressed")


def _read_polars(file: BinaryIO) -> Any:
    import polars

    return polars.read_ipc(file)


ALONE = {
    "json": Format("json", _is_plain, _write_json, lambda file: json.loads(file.read())),
    "npy": Format("npy", _is_array, _write_array, _read_array),
    "arrow": Format("arrow", _is_frame, _write_frame, _read_frame),
    "polars": Format("arrow", _is_polars, _write_polars, _read_polars),
}


# everything else, and what shares memory


def write_pickle(values: dict[str, Any], sharing: Sharing, sink: Sink) -> str:
    """Write values together, their large buffers behind them; return the format."""
    buffers: list[memoryview] = []

    def follows(buffer: pickle.PickleBuffer) -> bool:
        raw = buffer.raw()
        if raw.nbytes < LARGE:
            return True  # it stays in the pickle
        buffers.append(raw)
        return False

    sharing.pickler(sink, follows).dump(values)
    if not buffers:
        return "pickle"
    places: list[tuple[int, int, bool]] = []
    for raw in buffers:
        places.append((sink.size, raw.nbytes, raw.readonly))
        sink.write(raw)
    tail = json.dumps(places).encode()
    sink.write(tail + struct.pack("<q", len(tail)))
    return "pickle+buffers"


def read_pickle(file: BinaryIO, form: str, space: dict[str, Any]) -> dict[str, Any]:
    """Return what was written together; functions of the notebook read the globals in `space`."""
    buffers: Iterator[Any] = iter(())
    if form == "pickle+buffers":
        file.seek(-8, 2)
        (size,) = struct.unpack("<q", file.read(8))
        file.seek(-8 - size, 2)
        buffers = iter([_buffer(file, *place) for place in json.loads(file.read(size))])
        file.seek(0)
    load = _Unpickler(file, buffers=buffers)
    load.space = space
    found = load.load()
    return dict(found)


def _buffer(file: BinaryIO, start: int, size: int, readonly: bool) -> Any:  # noqa: FBT001
    file.seek(start)
    if readonly:
        return file.read(size)
    made = bytearray(size)
    view = memoryview(made)
    for at in itertools.takewhile(lambda at: at < size, itertools.count(0, 1 << 30)):
        file.readinto(view[at : at + (1 << 30)])  # type: ignore[attr-defined]
    return made


class _Unpickler(pickle.Unpickler):
    space: dict[str, Any]

    def persistent_load(self, mark: Any) -> Any:
        if mark == NOTEBOOK_MARK:
            return self.space
        if isinstance(mark, str) and mark.startswith(CLASS_MARK):
            return self.space[mark.removeprefix(CLASS_MARK)]
        raise pickle.UnpicklingError(f"an unknown mark: {mark!r}")
