"""Which values share memory: changing one of them may change the other."""

import collections
import functools
import gc
import itertools
import types
import weakref
from collections.abc import Callable, Iterable
from typing import Any

from .outside import LOOKS, inside, lineage, module_of

PLAIN = frozenset({int, float, complex, bool, str, bytes, type(None), type(...), range})
CODE = frozenset({types.ModuleType, types.CodeType})
CONSTANT = frozenset({"numpy.dtypes"})  # modules of classes whose values nothing changes
DEEP = 6
MOST_OBJECTS = 20_000
MOST_ITEMS = 5_000  # changeable items of one container
MOST_BASES = 64  # views of views
AGAIN = frozenset({list, tuple, set, frozenset, type({}.values())})  # can be gone through twice
SHOWING: frozenset[type] = frozenset(
    {types.MappingProxyType, type({}.keys()), type({}.values()), type({}.items())}
)
CONTAINERS: tuple[Any, ...] = (dict, list, tuple, set, frozenset, collections.deque)


def shares(value: Any) -> frozenset[int]:
    """Return the ids of the changeable objects that a value is made of, and of its buffers.

    Two values whose sets meet share memory: changing one may change the other.
    """
    seen: set[int] = set()
    queue: list[tuple[Any, int]] = [(value, 0)]
    while queue and len(seen) < MOST_OBJECTS:
        item, depth = queue.pop()
        kind = type(item)
        if kind in PLAIN or kind in CODE or id(item) in seen or module_of(kind) in CONSTANT:
            continue
        if issubclass(kind, type):
            if module_of(item) != "__main__":
                continue  # classes of libraries: `Reach` and `channels` know of what is patched
            seen.update(id(owner) for owner in lineage(item) if module_of(owner) == "__main__")
        seen.add(id(item))
        if depth < DEEP:
            queue += [(part, depth + 1) for part in _parts(item, kind, seen)]
    return frozenset(seen)


def own(value: Any, name: str) -> Any:
    """Return an attribute that the object itself has, without asking its class's own lookup."""
    try:
        return object.__getattribute__(value, name)
    except Exception:  # noqa: BLE001  the value's own descriptors
        return None


def filled(cell: types.CellType) -> bool:
    """Say whether a variable of a closure has been bound."""
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True


def _parts(item: Any, kind: type, seen: set[int]) -> list[Any]:
    parts = KINDS.get(kind)
    if parts is not None:
        return parts(item)
    if kind is types.FunctionType:
        cells = item.__closure__ or ()
        seen.update(id(cell) for cell in cells)
        return [c.cell_contents for c in cells if filled(c)]
    if issubclass(kind, type):
        return _changeable(inside(item).values())
    known = LIBRARIES.get(module_of(kind).partition(".")[0])
    return _held(item, kind) if known is None else known(item, kind, seen)


def _held(item: Any, kind: type) -> list[Any]:
    """Return what an object refers to: its attributes, slots and items."""
    parts: list[Any] = []
    held = own(item, "__dict__")
    if type(held) is dict:
        parts.append(held)
    if module_of(kind) == "__main__":
        parts.append(kind)  # a class that is changed changes its objects
        slots = inside(kind).get("__slots__", ())
        parts += [own(item, slot) for slot in ([slots] if type(slots) is str else slots)]
    for base in CONTAINERS:
        if issubclass(kind, base):  # by the base's own methods: a derived one may do anything
            values = dict.values(item) if base is dict else base.__iter__(item)
            parts += _changeable(values)
            break
    return parts


def _numpy(item: Any, _: type, seen: set[int]) -> list[Any]:
    base = item
    for _step in range(MOST_BASES):  # a dtype is its own base; a notebook's class may do anything
        above = base.obj if type(base) is memoryview else own(base, "base")
        if above is None or above is base:
            break
        base = above
        seen.add(id(base))
    dtype = getattr(item, "dtype", None)
    if dtype is not None and getattr(dtype, "hasobject", False) and item.size < MOST_ITEMS:
        return _changeable(item.flat)
    maker = getattr(item, "bit_generator", None)
    return [] if maker is None else [maker]


def _copied(item: Any, kind: type, seen: set[int]) -> list[Any]:
    """Frames are copied when written to; what groups or windows one looks at that very frame."""
    if module_of(kind).startswith(LOOKS):
        seen.add(id(own(item, "obj")))
    if str(getattr(item, "dtype", "")) == "object" and 0 < item.size < MOST_ITEMS:
        return _changeable(item.to_numpy().flat)  # a copy holds the same objects
    return []


def _torch(item: Any, kind: type, seen: set[int]) -> list[Any]:
    if not hasattr(item, "untyped_storage"):
        return _held(item, kind)
    seen.add(item.untyped_storage().data_ptr())
    return []


def _artist(item: Any, kind: type, seen: set[int]) -> list[Any]:
    """Whatever is drawn is part of one figure."""
    figure = getattr(item, "figure", None)
    if figure is None:
        return _held(item, kind)
    seen.add(id(figure))
    return []


def _changeable(items: Iterable[Any]) -> list[Any]:
    found = items if type(items) in AGAIN else list(items)
    if set(map(type, found)) <= PLAIN:  # of millions, mostly
        return []
    return [item for item in itertools.islice(found, MOST_ITEMS) if type(item) not in PLAIN]


KINDS: dict[type, Callable[[Any], list[Any]]] = {
    dict: lambda item: _changeable(item.values()),
    **dict.fromkeys((list, tuple, set, frozenset), _changeable),
    **dict.fromkeys((types.MethodType, types.BuiltinFunctionType), lambda item: [item.__self__]),
    **dict.fromkeys(SHOWING, gc.get_referents),
    weakref.ReferenceType: lambda item: [item()],
    memoryview: lambda item: [item.obj],
    functools.partial: lambda item: [item.func, *item.args, *item.keywords.values()],
}
LIBRARIES = {
    "numpy": _numpy,
    "pandas": _copied,
    "polars": _copied,
    "pyarrow": _copied,
    "torch": _torch,
    "matplotlib": _artist,
    "mpl_toolkits": _artist,
}
