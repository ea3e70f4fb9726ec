"""The files that values are written to: NPY for an array alone, else pickle.

Large buffers follow a pickle in its file, so that they are never copied in memory.
"""

import hashlib
import io
import itertools
import json
import pickle
import struct
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO

from .pickling import CLASS_MARK, NOTEBOOK_MARK, Sharing

LARGE = 1 << 16  # bytes of a buffer that follows its pickle


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


def is_array(value: Any) -> bool:
    """Say whether a value is an array that NPY holds as it is."""
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


def write_array(array: Any, sink: Sink) -> None:
    """Write an array as NPY, in parts where it is not contiguous."""
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


def read_array(file: BinaryIO) -> Any:
    """Read an array that was written as NPY."""
    import numpy

    return numpy.load(file, allow_pickle=False)


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
