"""What of a value is compared after each cell: its content, and what is changed beside that."""

import itertools
import types
from typing import Any

from ..fingerprint.digest import quick
from ..fingerprint.walk import SCALARS
from ..introspect import module_of, name_of
from . import external
from .aliasing import own
from .attributes import buffered, extras
from .figures import holds_artists
from .local_modules import is_local, state

QUIET = frozenset({"_thread", "threading", "logging", "ipywidgets", "IPython"})
_numbers = itertools.count()


def print_of(value: Any) -> bytes | None:
    """Return a few bytes that tell whether a value changed, None where that cannot be told."""
    kind = type(value)
    if issubclass(kind, types.ModuleType):
        name = own(value, "__name__")
        return quick(state(name)) if is_local(name) else b"module"
    if external.draws_from_channel(value):
        return b"channel"
    if module_of(kind).startswith(external.FIXED):
        return b"fixed"
    if module_of(kind).startswith(external.LOOKS) and (held := own(value, "obj")) is not None:
        asked = [own(value, name) for name in own(value, "_attributes") or ()]
        plain = [one for one in asked if type(one) in SCALARS]
        return quick([held, plain])  # what it remembers of it by now is no change
    if holds_artists(value):
        return b"artist %d" % next(_numbers)  # whatever uses it counts as a change
    if (seen := buffered(value)) is not None:
        return quick(seen)
    content, more = quick(value), extras(value)
    known = content is not None or not module_of(kind).startswith(("numpy", "pandas"))
    return quick([content, more]) if more is not None and known else content


def is_quiet(value: Any) -> bool:
    """Say whether using a value of unknown content is not held to change it: a lock, a logger."""
    home = module_of(type(value))
    return not home.startswith("IPython.lib") and (
        home.partition(".")[0] in QUIET or name_of(type(value)) == "NpzFile"
    )
