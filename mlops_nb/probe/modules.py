"""Modules of the notebook's own: files beside it, and those that it made by hand."""

import sys
import types
from typing import Any

from . import audit
from .fingerprint import quick

CODE = (types.ModuleType, types.FunctionType, types.BuiltinFunctionType, type)
MOST = 500  # attributes of a module that are looked at
LARGE = 10_000  # items of one: a table is told by its length alone
_known: dict[str, bool] = {}  # path of a module → whether it is data


def is_local(name: Any) -> bool:
    """Say whether a module lies beside the notebook, or was made by hand, rather than installed."""
    module = sys.modules.get(name) if type(name) is str and name != "__main__" else None
    if type(module) is not types.ModuleType:
        return False
    file = getattr(module, "__file__", None)
    if type(file) is str:
        if file not in _known:
            _known[file] = audit.is_data(file) and "mlops_nb" not in name
        return _known[file]
    return getattr(module, "__spec__", None) is None and not name.startswith("_")


def state(name: str) -> list[Any]:
    """Return what a module holds beside code: its names, and what tells their values apart."""
    held = list(vars(sys.modules[name]).items())[:MOST]
    kinds = [value for _, value in held if type(value) is type and value.__module__ == name]
    held += [one for kind in kinds for one in vars(kind).items()]
    return [
        (key, _told(value)) for key, value in held
        if not key.startswith("__") and not issubclass(type(value), CODE)
        and not hasattr(type(value), "__get__")
    ]  # fmt: skip


def _told(value: Any) -> Any:
    size = len(value) if type(value) in (list, dict, set, tuple) else 0
    return (id(value), size) if size > LARGE else quick(value)
