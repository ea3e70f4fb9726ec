"""Modules of the notebook's own: files beside it, and those that it made by hand."""

import sys
import types
from typing import Any

from ..fingerprint.digest import quick
from ..introspect import LARGE, inside, lineage, top_of
from . import paths

CODE = (types.ModuleType, types.FunctionType, types.BuiltinFunctionType, type)
MOST = 500  # attributes of a module that are looked at
LONG = 10_000  # items of one, or bytes of an array: it is told by these alone
_known: dict[str, bool] = {}  # path of a module → whether it is data
_states: dict[str, list[Any]] = {}  # module → what was told of it in this cell


def is_local(name: Any) -> bool:
    """Say whether a module lies beside the notebook, or was made by hand, rather than installed."""
    module = sys.modules.get(name) if type(name) is str and name != "__main__" else None
    if type(module) is not types.ModuleType:
        return False
    file = vars(module).get("__file__")
    if type(file) is str:
        if file not in _known:
            _known[file] = paths.is_data(file) and "mlops_nb" not in name
        return _known[file]
    return vars(module).get("__spec__") is None and not name.startswith("_")


def forget() -> None:
    """Look at modules anew: code of the notebook has run."""
    _states.clear()


def state(name: str) -> list[Any]:
    """Return what a module holds beside code: its names, and what tells their values apart."""
    if name not in _states:
        _states[name] = _held(name)
    return _states[name]


def _held(name: str) -> list[Any]:
    held = list(vars(sys.modules[name]).items())[:MOST]
    kinds = [value for _, value in held if type(value) is type and value.__module__ == name]
    held += [one for kind in kinds for one in vars(kind).items()]
    return [
        (key, _told(value))
        for key, value in held
        if not key.startswith("__")
        and not issubclass(type(value), CODE)
        and not any("__get__" in inside(owner) for owner in lineage(type(value)))
    ]


def _told(value: Any) -> Any:
    """Return what tells a value from another one: its identity and size, where it is large."""
    size = None
    if type(value) in (list, dict, set, tuple):
        size = len(value)
    elif top_of(value) in LARGE:
        size = getattr(value, "nbytes", LONG)  # of a table, nobody knows without asking each column
    return (id(value), size) if type(size) is int and size >= LONG else quick(value)
