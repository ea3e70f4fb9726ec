"""Which values share memory: changing one of them may change the other."""

import collections
import contextlib
import functools
import gc
import itertools
import sys
import types
import weakref
from collections.abc import Callable, Iterable
from typing import Any

from ..introspect import inside, lineage, module_of
from .external import LOOKS
from .local_modules import is_local

PLAIN = frozenset({int, float, complex, bool, str, bytes, type(None), type(...), range})
CODE = frozenset({types.CodeType})
CONSTANT = frozenset({"numpy.dtypes"})  # modules of classes whose values nothing changes
DEEP = 6
MOST_OBJECTS = 20_000
MOST_ITEMS = 5_000  # changeable items of one container
MOST_BASES = 64  # views of views
AGAIN = frozenset({list, tuple, set, frozenset, type({}.values())})  # can be gone through twice
VIEWS: frozenset[type] = frozenset(
    {types.MappingProxyType, type({}.keys()), type({}.values()), type({}.items())}
)
# what goes on where it stopped → how the names of its code and of its frame begin
SUSPENDED = {types.GeneratorType: "gi", types.CoroutineType: "cr", types.AsyncGeneratorType: "ag"}
# of what goes through other values one by one, or writes to them
ITERATORS = frozenset({"builtins", "itertools", "_csv", "_io"})
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
        if kind is types.ModuleType:
            if is_local(own(item, "__name__")):
                seen.update((id(item), id(vars(item))))
                queue += [(part, depth + 1) for part in _changeable(vars(item).values())]
            continue
        if issubclass(kind, type):
            if is_local(module_of(item)):
                seen.add(id(vars(sys.modules[module_of(item)])))
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


def pending(values: Iterable[Any]) -> list[Any]:
    """Return the tasks of asyncio among values that are under way."""
    kind = getattr(sys.modules.get("asyncio"), "Task", ())
    return [one for one in values if issubclass(type(one), kind) and not one.done()]


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
        home = sys.modules[item.__module__] if is_local(item.__module__) else None
        kept = (*(item.__defaults__ or ()), *(item.__kwdefaults__ or {}).values())
        return [
            *(c.cell_contents for c in cells if filled(c)),
            *_changeable((home, *kept, *item.__dict__.values())),
        ]
    if kind in SUSPENDED:
        frame = getattr(item, f"{SUSPENDED[kind]}_frame")
        return [] if frame is None else _changeable(frame.f_locals.values())
    if issubclass(kind, BaseException):
        return _changeable(own(item, "args"))
    if module_of(kind) in ITERATORS and not issubclass(kind, CONTAINERS):
        return _changeable(gc.get_referents(item))
    if issubclass(kind, type):
        return _changeable(inside(item).values())
    known = LIBRARIES.get(module_of(kind).partition(".")[0])
    return _held(item, kind) if known is None else known(item, kind, seen)


def in_slots(item: Any) -> list[tuple[str, Any]]:
    """Return what an object keeps in slots that classes of the notebook gave it, by name."""
    found: list[tuple[str, Any]] = []
    for owner in lineage(type(item)):
        if module_of(owner) != "__main__":
            continue
        for name, slot in list(inside(owner).items()):
            if type(slot) is types.MemberDescriptorType:
                with contextlib.suppress(AttributeError):  # it is empty
                    found.append((name, slot.__get__(item)))
    return found


def _shown(item: memoryview) -> list[Any]:
    try:
        return [item.obj]
    except ValueError:  # it was released
        return []


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


def bases(item: Any) -> frozenset[int]:
    """Return the ids of the arrays that a frame lies in, which may be the notebook's own.

    Frames that lie in one array are copied when one is written to; whoever writes to the array
    itself writes to all of them.
    """
    found: set[int] = set()
    for block in getattr(own(item, "_mgr"), "blocks", ()):
        base = block.values
        while base is not None and id(base) not in found:
            found.add(id(base))
            base = own(base, "base")
    return frozenset(found)


def items_of(item: Any) -> Iterable[Any]:
    """Return the items of a container, a dict's values; nothing of what is no container.

    They come by its base's own methods: those of a derived one may do anything.
    """
    kind = type(item)
    for base in CONTAINERS:
        if issubclass(kind, base):
            values: Iterable[Any] = dict.values(item) if base is dict else base.__iter__(item)
            return values
    return ()


def _held(item: Any, kind: type) -> list[Any]:
    """Return what an object refers to: its attributes, slots and items."""
    parts: list[Any] = []
    held = own(item, "__dict__")
    if type(held) is dict:
        parts.append(held)
    if module_of(kind) == "__main__" or is_local(module_of(kind)):
        parts.append(kind)  # a class that is changed changes its objects
        parts += [value for _, value in in_slots(item)]
    return parts + _changeable(items_of(item))


def _numpy(item: Any, _: type, seen: set[int]) -> list[Any]:
    base = item
    for _step in range(MOST_BASES):  # a dtype is its own base; a notebook's class may do anything
        above = next(iter(_shown(base)), None) if type(base) is memoryview else own(base, "base")
        if above is None or above is base:
            break
        base = above
        seen.add(id(base))
    held = _changeable(objects_in(item))
    if held:
        return held
    maker = getattr(item, "bit_generator", None)
    return [] if maker is None else [maker]


def _copied(item: Any, kind: type, seen: set[int]) -> list[Any]:
    """Frames are copied when written to; what groups or windows one looks at that very frame."""
    if module_of(kind).startswith(LOOKS):
        seen.add(id(own(item, "obj")))
    return _changeable(objects_in(item))


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


def _answers(item: Any) -> list[Any]:
    """Return what an `lru_cache` has answered so far."""
    found: list[Any] = []
    for part in gc.get_referents(item):
        found += part.values() if type(part) is dict else [part]
    return _changeable(found)


def _changeable(items: Iterable[Any]) -> list[Any]:
    found = items if type(items) in AGAIN else list(items)
    if set(map(type, found)) <= PLAIN:  # of millions, mostly
        return []
    return [item for item in itertools.islice(found, MOST_ITEMS) if type(item) not in PLAIN]


KINDS: dict[type, Callable[[Any], list[Any]]] = {
    dict: lambda item: _changeable(item.values()),
    **dict.fromkeys((list, tuple, set, frozenset), _changeable),
    **dict.fromkeys((types.MethodType, types.BuiltinFunctionType), lambda item: [item.__self__]),
    **dict.fromkeys(VIEWS, gc.get_referents),
    weakref.ReferenceType: lambda item: [item()],
    memoryview: _shown,
    functools._lru_cache_wrapper: _answers,
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
