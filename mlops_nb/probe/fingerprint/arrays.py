"""How numpy arrays and scalars and torch tensors are written: kind, shape, then data at its speed.

numpy and torch are looked up where they are loaded; nothing here imports them.
"""

import sys
from collections.abc import Iterator
from typing import Any

from .walk import Rule, Unknown, Walk

BLOCK = 1 << 19  # bytes: what a cache holds while it is first checked for NaN and then hashed
SMALL = 4096  # bytes that are copied sooner than looked at
HALF = 2  # bytes of a float16
LONG = "gG"  # characters of long doubles and pairs of them


def rule(kind: type) -> Rule | None:
    """Return the rule for a kind of numpy."""
    numpy: Any = sys.modules["numpy"]
    if issubclass(kind, numpy.generic):
        plain = issubclass(kind, numpy.number | numpy.bool_)
        return Rule(write_scalar, tracked=False, many=write_scalars if plain else None)
    if issubclass(kind, numpy.ndarray):
        masked: Any = sys.modules.get("numpy.ma")
        is_masked = masked is not None and issubclass(kind, masked.MaskedArray)
        return Rule(write_masked if is_masked else write_array)
    if issubclass(kind, numpy.dtype):
        return Rule(lambda walk, v: walk.raw(b"dtype", told(v).encode()), tracked=False)
    return None


def told(dtype: Any) -> str:
    """Return what a dtype is, without where the padding of its fields lies."""
    if dtype.fields:
        return f"{{{','.join(f'{name!r}:{told(dtype[name])}' for name in dtype.names)}}}"
    if dtype.subdtype:
        return f"{told(dtype.base)}{dtype.shape}"
    return repr(dtype) if dtype.kind == "T" else str(dtype.str)


def write_scalar(walk: Walk, value: Any) -> None:
    """Take in a numpy scalar."""
    array = sys.modules["numpy"].asarray(value)
    walk.raw(b"scalar", told(array.dtype).encode())
    fill(walk, array)


def write_scalars(walk: Walk, values: Any) -> None:
    """Take in many numpy scalars of one kind."""
    array = sys.modules["numpy"].array(values)
    walk.raw(b"scalars", told(array.dtype).encode())
    fill(walk, array)


def write_array(walk: Walk, array: Any) -> None:
    """Take in an array, one of a class of its own with the class and what hangs on it."""
    numpy: Any = sys.modules["numpy"]
    kind = type(array)
    if kind is not numpy.ndarray and kind is not numpy.memmap:
        walk.value(kind)
        held = getattr(array, "__dict__", None)
        if held:
            walk.pairs(held)
    plain(walk, numpy.asarray(array))


def write_masked(walk: Walk, array: Any) -> None:
    """Take in a masked array: data, mask and fill value."""
    masked: Any = sys.modules["numpy.ma"]
    walk.raw(b"masked")
    walk.value(type(array))
    plain(walk, masked.getdata(array))
    plain(walk, masked.getmaskarray(array))
    walk.value(array.fill_value)


def plain(walk: Walk, array: Any) -> None:
    """Take in dtype, shape and data of an array of numpy's own."""
    walk.raw(b"array", f"{told(array.dtype)}{array.shape}".encode())
    fill(walk, array)


def fill(walk: Walk, array: Any) -> None:
    """Take in an array's data in C order; its number of items was written before."""
    numpy: Any = sys.modules["numpy"]
    dtype = array.dtype
    if (
        dtype.kind in "biuf" and dtype.char not in LONG and array.nbytes <= BLOCK
    ):  # most arrays: no more is asked than needed
        flat = array.reshape(-1) if array.flags.c_contiguous else array.ravel()
        made = _settled(flat) if dtype.kind == "f" and flat.size else flat
        if made.nbytes < SMALL:
            walk.parts.append(made.tobytes())
        else:
            walk.data(made.view(numpy.uint8), made.nbytes)
        return
    if dtype.fields and not _is_simple(dtype):
        for name in dtype.names:
            fill(walk, array[name])
        return
    if dtype.hasobject or dtype.kind == "T":
        walk.items(array.ravel().tolist())
        return
    if dtype.char in LONG:  # their bytes are padded
        walk.items([repr(one) for one in array.ravel()])
        return
    packed = numpy.dtype([(n, dtype[n]) for n in dtype.names]) if dtype.fields else None
    for block in blocks(array, whole=packed is None and dtype.kind not in "fc"):
        made = _settled(block) if packed is None else _packed(block, packed)
        walk.data(made.view(numpy.uint8), made.nbytes)


def blocks(array: Any, *, whole: bool) -> Iterator[Any]:
    """Yield an array's items in C order as flat contiguous stretches that fit a cache.

    whole: yield contiguous data in one stretch.
    """
    numpy: Any = sys.modules["numpy"]
    if not array.size:
        return
    if array.flags.c_contiguous:
        flat = array.reshape(-1)
        step = flat.size if whole else max(1, BLOCK // array.itemsize)
        for start in range(0, flat.size, step):
            yield flat[start : start + step]
        return
    row = array.nbytes // len(array)
    if array.ndim > 1 and row > BLOCK:
        for inner in array:
            yield from blocks(inner, whole=whole)
        return
    step = max(1, BLOCK // row)
    for start in range(0, len(array), step):
        yield numpy.ascontiguousarray(array[start : start + step]).reshape(-1)


def _settled(block: Any) -> Any:
    """Return a flat block with one NaN in the place of any; nothing is copied without need."""
    numpy: Any = sys.modules["numpy"]
    kind, size = block.dtype.kind, block.dtype.itemsize
    if kind == "c":
        return _settled(block.view(f"{block.dtype.str[0]}f{size // 2}"))
    if kind != "f":
        return block
    if size == HALF:
        found = (block.view(f"{block.dtype.str[0]}u2") & 0x7FFF).max() > 0x7C00  # noqa: PLR2004
    else:
        peak = numpy.maximum.reduce(block)  # a NaN wins, and no sum can overflow
        found = peak != peak  # noqa: PLR0124
    if found:
        block = block.copy()
        numpy.copyto(block, numpy.nan, where=numpy.isnan(block))
    return block


def _is_simple(dtype: Any) -> bool:
    """Tell whether a record's fields are plain numbers, texts or dates."""
    inner = [dtype[name] for name in dtype.names]
    return all(
        one.kind in "?biufSUmM" and not one.subdtype and one.char not in LONG for one in inner
    )


def _packed(block: Any, packed: Any) -> Any:
    """Return records side by side: padding between their fields is no content."""
    numpy: Any = sys.modules["numpy"]
    made = numpy.empty(len(block), packed)
    for name in packed.names:
        field = block[name]
        made[name] = _settled(numpy.ascontiguousarray(field)) if field.dtype.kind == "f" else field
    return made


def tensor(kind: type) -> Rule | None:
    """Return the rule for a kind of torch."""
    torch: Any = sys.modules.get("torch")
    if torch is not None and issubclass(kind, torch.Tensor):
        return Rule(write_tensor)
    return None


def write_tensor(walk: Walk, value: Any) -> None:
    """Take in a tensor: kind, device, gradient and data."""
    torch: Any = sys.modules["torch"]
    if value.layout is not torch.strided:
        raise Unknown(f"a tensor of layout {value.layout} has no plain data")
    walk.raw(b"tensor", f"{value.dtype} {value.device} {value.requires_grad}".encode())
    walk.value(type(value))
    data = value.detach().cpu()
    try:
        array = data.numpy()
    except TypeError:  # bfloat16 and shorter: numpy has no such thing, and every float32 holds it
        array = data.to(torch.float32).numpy()
    plain(walk, array)
    walk.value(value.grad if value.is_leaf else None)
