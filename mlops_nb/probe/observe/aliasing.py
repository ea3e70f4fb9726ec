"""Finds which values share memory: changing one of them may change the other.

What a value consists of is what the garbage collector sees of it. Arrays, frames, functions and
artists are the exceptions.
"""

import collections
import gc
import itertools
import sys
import types
from collections.abc import Iterable
from typing import Any

from ..introspect import home_of, module_of, top_of, words
from .local_modules import is_local

PLAIN = frozenset({int, float, complex, bool, str, bytes, type(None), type(...), range})
IMMUTABLE = frozenset({tuple, frozenset})
OPAQUE = (types.CodeType, types.FrameType, types.TracebackType)
MOST_OBJECTS = 20_000
MOST_ITEMS = 5_000  # changeable items of one container
MOST_BASES = 64  # views of views
FRAMES = words("pandas polars pyarrow")
DRAWN = words("matplotlib mpl_toolkits")
SHELLS = words("IPython ipykernel traitlets zmq")  # their objects lead to everything
# looks at a frame that it keeps
LOOKS = ("pandas.api.typing", "pandas.core.groupby", "pandas.core.window", "pandas.core.resample")
CONTAINERS: tuple[Any, ...] = (dict, list, tuple, set, frozenset, collections.deque)
# what continues where it stopped → how the names of its code and of its frame begin
SUSPENDED = {types.GeneratorType: "gi", types.CoroutineType: "cr", types.AsyncGeneratorType: "ag"}


def shares(value: Any) -> frozenset[int]:
    """Return the ids of the changeable objects that a value consists of, and of its buffers.

    Two values whose sets meet share memory: changing one may change the other.
    """
    skipped = {id(vars(sys.modules["__main__"])), id(sys.modules)}
    seen: set[int] = set()
    found: set[int] = set()
    queue = [value]
    while queue and len(seen) < MOST_OBJECTS:
        item = queue.pop()
        kind = type(item)
        if kind in PLAIN or id(item) in seen or id(item) in skipped or not _is_changeable(item):
            continue
        seen.add(id(item))
        if kind not in IMMUTABLE:
            found.add(id(item))
        queue += parts(item, found)
    return frozenset(found)


def _is_changeable(item: Any) -> bool:
    """Say whether cells can change an item: no code of a library, no dtype."""
    kind = type(item)
    if kind in OPAQUE or module_of(kind) == "numpy.dtypes":
        return False
    if kind is types.ModuleType or issubclass(kind, type):
        home = home_of(item)
        return is_local(home) or (home == "__main__" and kind is not types.ModuleType)
    return True


def parts(item: Any, found: set[int]) -> list[Any]:
    """Return the objects that an item consists of; add the ids of its buffers to `found`."""
    kind = type(item)
    if kind is types.FunctionType:
        known = (item.__globals__, item.__builtins__)
        held = [one for one in gc.get_referents(item) if all(one is not space for space in known)]
        return _changeable([*held, sys.modules.get(item.__module__)])
    if issubclass(kind, BaseException):
        return _changeable(own(item, "args"))
    top = top_of(item)
    if top == "numpy":
        return _array(item, found)
    if top in FRAMES:
        if module_of(kind).startswith(LOOKS):
            found.add(id(own(item, "obj")))
        return _changeable(objects_in(item))
    if (buffer := _buffer(item, top)) is not None:
        found.add(buffer)
        return []
    return _changeable(gc.get_referents(item))


def _buffer(item: Any, top: str) -> int | None:
    """Return an id of what an artist or a tensor shares with others: its figure, its storage."""
    if top in SHELLS:
        return id(item)
    if top in DRAWN and (figure := getattr(item, "figure", None)) is not None:
        return id(figure)
    if top == "torch" and hasattr(item, "untyped_storage"):
        return int(item.untyped_storage().data_ptr())
    return None


def _array(item: Any, found: set[int]) -> list[Any]:
    base = item
    for _ in range(MOST_BASES):  # a dtype is its own base; a notebook's class may do anything
        above = base.obj if type(base) is memoryview else own(base, "base")
        if above is None or above is base:
            break
        base = above
        found.add(id(base))
    return _changeable(objects_in(item)) or _changeable(gc.get_referents(item))


def own(value: Any, name: str) -> Any:
    """Return an attribute that the object itself has, without asking its class's own lookup."""
    try:
        return object.__getattribute__(value, name)
    except Exception:  # noqa: BLE001  the value's own descriptors
        return None


def objects_in(item: Any) -> Iterable[Any]:
    """Return the objects that an array or a frame holds as such, nothing where it is large."""
    kind = type(item)
    top = module_of(kind).partition(".")[0]
    if top == "numpy" and getattr(getattr(item, "dtype", None), "hasobject", False):
        return item.flat if 0 < getattr(item, "size", 0) < MOST_ITEMS else ()
    blocks = getattr(own(item, "_mgr"), "blocks", ()) if top == "pandas" else ()
    return itertools.chain.from_iterable(
        block.values.flat
        for block in blocks
        if str(block.dtype) == "object" and 0 < block.values.size < MOST_ITEMS
    )


def items_of(item: Any) -> Iterable[Any]:
    """Return the items of a container, a dict's values; nothing for any other value.

    They come by its base's own methods: those of a derived one may do anything.
    """
    kind = type(item)
    for base in CONTAINERS:
        if issubclass(kind, base):
            values: Iterable[Any] = dict.values(item) if base is dict else base.__iter__(item)
            return values
    return ()


def _changeable(items: Iterable[Any]) -> list[Any]:
    found = list(items)
    if set(map(type, found)) <= PLAIN:  # of millions, mostly
        return []
    return [item for item in itertools.islice(found, MOST_ITEMS) if type(item) not in PLAIN]
