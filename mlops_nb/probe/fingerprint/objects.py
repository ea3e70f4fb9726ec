"""How any other object is written: taken apart as a pickle would, its state by value."""

import copyreg
import sys
import types
import weakref
from typing import Any

from .walk import Rule, Unknown, Walk

REFUSED = {
    types.GeneratorType,
    types.CoroutineType,
    types.AsyncGeneratorType,
    weakref.ProxyType,
    weakref.CallableProxyType,
}
# what asking a value something leaves behind in it, and what says who wrote it
SPARSE = {"maxprint", "_has_sorted_indices", "_has_canonical_format", "has_canonical_format"}
TREE_COUNTERS = slice(7, 11)  # of KDTree and BallTree: trims, leaves, splits, calls


def write_object(walk: Walk, value: Any) -> None:
    """Take in an object: its class and what its `__reduce_ex__` gives.

    Raises Unknown for what cannot be taken apart.
    """
    kind = type(value)
    reduced = _reduced(value, kind)
    walk.raw(b"object")
    walk.value(kind)
    if isinstance(reduced, str):
        walk.raw(b"global", f"{getattr(value, '__module__', '')} {reduced}".encode())
        return
    maker, arguments = reduced[:2]
    state, listed, paired = (*reduced[2:5], None, None, None)[:3]
    if maker is copyreg.__newobj__ and arguments[0] is kind:  # type: ignore[attr-defined]
        walk.raw(b"new", b"%d" % len(arguments))
        walk.items(arguments[1:])
    else:
        walk.raw(b"made")
        walk.value(maker)
        walk.value(arguments)
    _state(walk, kind, state)
    for tag, part in ((b"listed", listed), (b"paired", paired)):
        if part is not None:
            items = list(part)
            walk.raw(tag, b"%d" % len(items))
            walk.items(items)


def _reduced(value: Any, kind: type) -> Any:
    if kind in REFUSED or hasattr(kind, "fileno") or kind.__module__ == "itertools":
        raise Unknown(f"a {kind.__name__} has no content of its own")
    reducing: Any = kind  # asked as a class: what stands in for another object would ask that one
    reduce = copyreg.dispatch_table.get(kind)
    try:
        return reduce(value) if reduce is not None else reducing.__reduce_ex__(value, 4)
    except Exception as error:  # noqa: BLE001  the value's own code
        raise Unknown(f"a {kind.__name__} cannot be taken apart ({error})") from None


def _state(walk: Walk, kind: type, state: Any) -> None:
    module = kind.__module__
    if type(state) is dict:  # by value: some objects give their own dict, some a copy of it
        left = SPARSE if module.startswith("scipy.sparse") else set()
        if "_sklearn_version" in state or not left.isdisjoint(state):
            left = left | {"_sklearn_version"}
            state = {name: item for name, item in state.items() if name not in left}
        walk.pairs(state)
        return
    if module.startswith("sklearn.neighbors") and type(state) is tuple and len(state) > 11:  # noqa: PLR2004
        state = (*state[: TREE_COUNTERS.start], *state[TREE_COUNTERS.stop :])
    walk.value(state)


def write_refused(_: Walk, value: Any) -> None:
    """Refuse a value whose content looking at it changes."""
    raise Unknown(f"a {type(value).__name__} has no content that holds still")


def drawing(kind: type) -> Rule | None:
    """Return the rule for a kind of matplotlib: drawing a figure changes its state."""
    artist: Any = sys.modules.get("matplotlib.artist")
    bases: Any = sys.modules.get("matplotlib.backend_bases")
    drawn = artist is not None and issubclass(kind, artist.Artist)
    shown = bases is not None and issubclass(kind, bases.FigureCanvasBase | bases.FigureManagerBase)
    return Rule(write_refused) if drawn or shown else None


OBJECT = Rule(write_object)
