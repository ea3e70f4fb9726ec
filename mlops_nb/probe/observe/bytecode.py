"""Finds what code objects name: globals, attributes and texts, those of inner functions too."""

import dis
import types
from dataclasses import dataclass, field


@dataclass(slots=True)
class Code:
    """What a code object, and those inside it, name."""

    globals: set[str] = field(default_factory=set)
    attrs: set[str] = field(default_factory=set)
    texts: list[str] = field(default_factory=list)


_known: dict[types.CodeType, Code] = {}


def code_of(code: types.CodeType) -> Code:
    """Return what a code object names."""
    found = _known.get(code)
    if found is None:
        found = _known[code] = _named(code)
    return found


def _named(code: types.CodeType) -> Code:
    found = Code()
    for one in dis.get_instructions(code):
        name = one.opname
        if name == "IMPORT_NAME" or "ATTR" in name or "METHOD" in name:
            found.attrs.add(str(one.argval))
        elif name.endswith(("_GLOBAL", "_NAME")):
            found.globals.add(one.argval)
    for constant in code.co_consts:
        if isinstance(constant, str):
            found.texts.append(constant)
        elif isinstance(constant, types.CodeType):
            inner = code_of(constant)
            found.globals |= inner.globals
            found.attrs |= inner.attrs
            found.texts += inner.texts
    return found
