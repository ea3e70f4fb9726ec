"""What of a value is no part of its content, and may be changed all the same: flags, traits.

Of widgets, of a `threading.local` and of what shows another value it is all that can be told.
"""

import gc
import io
import sys
import threading
import types
import weakref
from collections.abc import Callable
from typing import Any

from ..fingerprint.walk import SCALARS
from ..introspect import inside, lineage, module_of
from .aliasing import VIEWS, own
from .local_modules import is_local, state

PLAIN = SCALARS | {list, tuple, dict}
THREAD = frozenset({"_flag", "_value", "_count", "_state", "_name", "_daemonic"})
FRAME = frozenset({"_mgr", "_attrs", "_flags", "_name", "_item_cache"})


def extras(value: Any) -> Any:
    """Return what is changed apart from a value's content, None where there is nothing of it."""
    kind = type(value)
    if kind is types.FunctionType:
        return state(value.__module__) if is_local(value.__module__) else None
    if issubclass(kind, type):
        home = module_of(value)
        return state(home) if is_local(home) else _registered(value)
    if kind is weakref.ReferenceType:
        return [value()]
    if kind in VIEWS:
        return gc.get_referents(value)
    ask = LIBRARIES.get(module_of(kind).partition(".")[0])
    if ask is not None:
        return ask(value)
    if any(module_of(owner).startswith("ipywidgets") for owner in lineage(kind)):
        return _traits(value)
    return None


def _array(value: Any) -> Any:
    """Say whether an array, or what holds one, was made read-only."""
    flags = getattr(value, "flags", None)
    return None if flags is None or getattr(flags, "writeable", True) else "read-only"


def _frame(value: Any) -> Any:
    """Return the flags of a frame that are set, and the attributes that were hung on it."""
    held = own(value, "__dict__")
    if type(held) is not dict or "_flags" not in held:
        return None  # an index, which keeps what it worked out
    hung = {name: item for name, item in held.items() if name not in FRAME}
    strict = not getattr(held.get("_flags"), "allows_duplicate_labels", True)
    return [hung, strict] if hung or strict else None


def _traits(value: Any) -> Any:
    """Return the plain traits of a widget, or of whatever else has any, and who watches them."""
    traits, watchers = own(value, "_trait_values"), own(value, "_trait_notifiers")
    if type(traits) is not dict:
        return None
    plain = {name: item for name, item in traits.items() if _is_plain(item)}
    watched = type(watchers) is dict and [
        (name, [id(one) for ones in by_type.values() for one in ones])
        for name, by_type in watchers.items()
    ]
    return [plain, watched]


def _is_plain(value: Any) -> bool:
    kind = type(value)
    if kind in (list, tuple):
        return all(type(item) in SCALARS for item in value)
    return kind in PLAIN


def _registered(value: type) -> Any:
    """Return the classes that were registered with an abstract class of the notebook."""
    abstract: Any = sys.modules.get("_abc")
    if module_of(value) != "__main__" or "_abc_impl" not in inside(value) or abstract is None:
        return None
    return [id(one()) for one in abstract._get_dump(value)[0]] or None


def buffered(value: Any) -> Any:
    """Return what a text or bytes in memory holds and where it stands, None of anything else."""
    if type(value) not in (io.StringIO, io.BytesIO) or value.closed:
        return None
    return value.getvalue(), value.tell()


def _digest(value: Any) -> Any:
    return value.digest() if hasattr(value, "digest_size") and value.digest_size else None


def _thread_state(value: Any) -> Any:
    """Return what a lock, a thread or what it waits for stands at; that it ended is no change."""
    if issubclass(type(value), threading.local):
        return getattr(value, "__dict__", None)  # what this thread sees of it
    if (asked := getattr(value, "locked", None)) is not None:
        return bool(asked())
    held = own(value, "__dict__")
    flags = (own(held.get(name), "_flag") for name in ("_started", "finished"))
    plain = {name: held[name] for name in THREAD & held.keys()}
    return [plain, *flags]


LIBRARIES: dict[str, Callable[[Any], Any]] = {
    "numpy": _array,
    "pandas": _frame,
    **dict.fromkeys(("_hashlib", "_blake2", "_sha2", "_md5"), _digest),
    **dict.fromkeys(("_thread", "threading"), _thread_state),
}
