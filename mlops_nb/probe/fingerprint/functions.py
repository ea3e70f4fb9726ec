"""How functions, classes and compiled code are written: by what they do, wherever they stand."""

import dis
import functools
import hashlib
import os
import sys
import types
import weakref
from typing import Any

from .walk import Rule, Walk

# what Python keeps in a class beside what its author wrote, some of it only once it was asked for
UNWRITTEN = {
    "__dict__",
    "__weakref__",
    "__doc__",
    "__module__",
    "_abc_impl",
    "__slotnames__",
    "__annotations__",
    "__firstlineno__",
    "__static_attributes__",
    "_value2member_map_",
    "_member_map_",
}
# instructions that depend on where a function stands: `np.log(x)` is compiled in another way
# where `import numpy as np` stands in the same file
PLACED = {"CACHE", "RESUME", "PUSH_NULL", "PRECALL", "NOP", "EXTENDED_ARG", "NOT_TAKEN"}
SAME = {"LOAD_METHOD": "LOAD_ATTR", "CALL_METHOD": "CALL", "CALL_FUNCTION": "CALL"}
_told: "weakref.WeakKeyDictionary[types.CodeType, bytes]" = weakref.WeakKeyDictionary()


def write_code(walk: Walk, code: types.CodeType) -> None:
    """Take in compiled code, which is read once: it never changes."""
    told = _told.get(code)
    if told is None:
        inner = Walk(hashlib.sha256, walk.find, walk.depth)
        inner.value(_instructions(code))
        nested = 0x10  # the same function, defined inside another one, does the same
        flags = code.co_flags & ~nested
        counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount)
        inner.value((code.co_names, code.co_varnames, code.co_freevars, flags, counts))
        inner.value(code.co_consts)
        told = _told[code] = inner.finish()
    walk.raw(b"code", told)


def write_function(walk: Walk, function: types.FunctionType) -> None:
    """Take in a function: code, defaults, closure, attributes; an installed one by its code."""
    walk.raw(b"function", function.__name__.encode())
    write_code(walk, function.__code__)
    if _is_installed(function):
        walk.raw(b"installed", f"{function.__module__}.{function.__qualname__}".encode())
        return
    walk.value(function.__defaults__)
    walk.value(function.__kwdefaults__)
    closure = function.__closure__ or ()
    walk.raw(b"closure", b"%d" % len(closure))
    for cell in closure:
        try:
            held = cell.cell_contents
        except ValueError:
            walk.raw(b"empty")
            continue
        walk.value(held)
    if function.__dict__:
        walk.pairs(function.__dict__)


def _is_installed(function: types.FunctionType) -> bool:
    """Tell whether a function is found by its name in an installed module."""
    name = function.__module__
    if not isinstance(name, str) or not _installed(name):
        return False
    found: Any = sys.modules.get(name)
    for part in function.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is function


@functools.lru_cache(maxsize=4096)
def _installed(name: str) -> bool:
    if name == "__main__" or name not in sys.modules:
        return False
    place = getattr(sys.modules[name], "__file__", None)
    if place is None:
        return name in sys.builtin_module_names
    library = os.path.dirname(os.__file__) + os.sep
    return "site-packages" in place or "dist-packages" in place or place.startswith(library)


def write_class(walk: Walk, value: type) -> None:
    """Take in a class by its name, one of the notebook by all that stands in it."""
    walk.raw(b"class", f"{value.__module__}.{value.__qualname__}".encode())
    if value.__module__ != "__main__":
        return
    if type(value) is not type:
        walk.value(type(value))
    walk.value(value.__bases__)
    kept = sorted((name, item) for name, item in vars(value).items() if name not in UNWRITTEN)
    walk.raw(b"body", b"%d" % len(kept))
    for name, item in kept:
        walk.value(name)
        walk.value(item)


def write_method(walk: Walk, value: Any) -> None:
    """Take in a bound method or a function written in C, with what it is bound to."""
    walk.raw(b"method", f"{value.__module__} {value.__qualname__}".encode())
    if isinstance(value, types.MethodType):
        walk.value(value.__func__)
    owner = getattr(value, "__self__", None)
    walk.value(None if isinstance(owner, types.ModuleType) else owner)


def write_described(walk: Walk, value: Any) -> None:
    """Take in what stands in a class for a function or a dict of it."""
    walk.raw(b"described", type(value).__name__.encode())
    if isinstance(value, types.MappingProxyType):
        walk.pairs(dict(value))
    elif isinstance(value, property):
        walk.value((value.fget, value.fset, value.fdel))
    elif isinstance(value, functools.cached_property):
        walk.value(value.func)
    else:
        walk.value(value.__func__)


def write_cached(walk: Walk, value: Any) -> None:
    """Take in a function with a cache; how it was called so far stands in its counts."""
    walk.raw(b"cached")
    walk.value(value.__wrapped__)
    walk.value((tuple(value.cache_info()), tuple(value.cache_parameters().items())))


def _instructions(code: types.CodeType) -> list[Any]:
    """Return what a code object does, without what depends on where it was compiled."""
    kept = [i for i in dis.get_instructions(code) if i.opname not in PLACED]
    jumps = {*dis.hasjrel, *dis.hasjabs}
    places = {one.offset: place for place, one in enumerate(kept)}
    last = 0
    for one in dis.get_instructions(code):  # a target is counted in what is kept
        last = places.setdefault(one.offset, last)
        last += one.opname not in PLACED
    found: list[Any] = []
    for one in kept:
        argument = one.argval
        if one.opcode in jumps:
            argument = places.get(argument, len(kept))
        elif one.opcode in dis.hasconst:
            argument = one.arg  # a place among the constants, which are taken in by themselves
        found += [SAME.get(one.opname, one.opname), argument]
    return found


DESCRIBED = (staticmethod, classmethod, property, functools.cached_property, types.MappingProxyType)
RULES: dict[type, Rule] = {
    types.FunctionType: Rule(write_function),
    types.CodeType: Rule(write_code, tracked=False),
    types.BuiltinFunctionType: Rule(write_method),
    types.MethodType: Rule(write_method),
    type: Rule(write_class),
    functools._lru_cache_wrapper: Rule(write_cached),
    **{kind: Rule(write_described) for kind in DESCRIBED},
}
