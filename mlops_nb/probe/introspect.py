"""Inspects classes and values without running any code of theirs."""

import sys
import types
from collections.abc import Callable, Mapping
from typing import Any

# packages whose values are mostly memory
LARGE = frozenset({"numpy", "pandas", "polars", "pyarrow", "scipy", "tensorflow", "torch"})


def words(text: str) -> frozenset[str]:
    """Return the words of a text.

    >>> sorted(words("a b"))
    ['a', 'b']
    """
    return frozenset(text.split())


lineage: Callable[[type], tuple[type, ...]] = type.__dict__["__mro__"].__get__
inside: Callable[[type], Mapping[str, Any]] = type.__dict__["__dict__"].__get__
name_of: Callable[[type], str] = type.__dict__["__name__"].__get__


def module_of(kind: type) -> str:
    """Return the name of the module of a class, without the attribute lookup of its metaclass."""
    found = type.__dict__["__module__"].__get__(kind)
    return found if type(found) is str else ""


class Gone:
    """The identity of a value that was released before a cell dropped it."""

    __slots__ = ("id", "top")

    def __init__(self, value: Any) -> None:
        self.id, self.top = id(value), top_of(value)


def is_same(old: Any, new: Any) -> bool:
    """Say whether a name is bound to the same object as before."""
    return old is new or (type(old) is Gone and old.id == id(new))


def is_code(value: Any) -> bool:
    """Say whether a value is a module, a class or a function."""
    return issubclass(type(value), types.ModuleType | type | types.FunctionType)


def is_own_code(value: Any) -> bool:
    """Say whether a value is a function or a class of the notebook."""
    if type(value) is types.FunctionType:
        return bool(value.__module__ == "__main__")
    return issubclass(type(value), type) and module_of(value) == "__main__"


def is_own(value: Any) -> bool:
    """Say whether a value is an object of a class of the notebook."""
    return module_of(type(value)) == "__main__"


def top_of(value: Any) -> str:
    """Return the top-level package of a value, "" for builtins and the notebook's own values."""
    kind = type(value)
    if kind is Gone:
        name = value.top
    elif issubclass(kind, types.ModuleType):
        name = value.__name__
    elif issubclass(kind, type):
        name = module_of(value)
    elif kind in (types.FunctionType, types.BuiltinFunctionType):
        name = value.__module__ or module_of(type(getattr(value, "__self__", None)))
    else:
        name = module_of(kind)
    top = str(name).partition(".")[0]
    return "" if top in {"__main__", "builtins"} else top


def home_of(value: Any) -> str:
    """Return the name of the module that a value, or its class, is defined in."""
    kind = type(value)
    if issubclass(kind, types.ModuleType):
        return str(value.__name__)
    if kind is types.FunctionType:
        return str(value.__module__)
    return module_of(value if issubclass(kind, type) else kind)


def namespace() -> dict[str, Any]:
    """Return the namespace of the kernel's shell, or that of the program without a shell."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    found: dict[str, Any] = vars(sys.modules["__main__"]) if shell is None else shell.user_ns
    return found
