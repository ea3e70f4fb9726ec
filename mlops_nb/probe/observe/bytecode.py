"""What code objects name: globals, attributes, texts; those inside them that they may call, too."""

import dis
import types

from ..syntax.names import ARITHMETIC

BETWEEN = {"MAKE_FUNCTION", "SET_FUNCTION_ATTRIBUTE", "PRECALL", "CALL", "NOP"}


class Code:
    """What a code object and those inside it name: globals, attributes and texts.

    writes: globals that it binds
    stores: attributes that it sets, as a global's name and what is looked up on that
    """

    __slots__ = ("attrs", "globals", "stores", "texts", "writes")

    def __init__(self) -> None:
        self.globals: set[str] = set()
        self.writes: set[str] = set()
        self.attrs: set[str] = set()
        self.stores: set[tuple[str, tuple[str, ...]]] = set()
        self.texts: list[str] = []

    def add(self, other: "Code") -> None:
        """Take in what another one names."""
        self.globals |= other.globals
        self.writes |= other.writes
        self.attrs |= other.attrs
        self.stores |= other.stores
        self.texts += other.texts


_known: dict[types.CodeType, Code] = {}


def code_of(code: types.CodeType) -> Code:
    """Return what a code object names; of inner functions, only of those that it may call."""
    found = _known.get(code)
    if found is None:
        found = _known[code] = _named(list(dis.get_instructions(code)))
        found.texts = [c for c in code.co_consts if isinstance(c, str)] + found.texts
    return found


def _named(steps: list[dis.Instruction]) -> Code:
    """Return what the instructions of a code object name."""
    found = Code()
    before: list[dis.Instruction] = []
    for one in steps:
        name = one.opname
        if name in {"LOAD_GLOBAL", "LOAD_NAME"}:
            found.globals.add(one.argval)
        elif name in {"STORE_GLOBAL", "DELETE_GLOBAL"}:
            found.globals.add(one.argval)
            found.writes.add(one.argval)
        elif ("ATTR" in name or "METHOD" in name or name == "IMPORT_NAME") and isinstance(
            one.argval, str
        ):
            found.attrs.add(one.argval)
        elif name == "BINARY_OP":
            found.attrs.add(ARITHMETIC)
        elif "CONST" in name and isinstance(one.argval, str):
            found.texts.append(one.argval)
        elif (
            "CONST" in name
            and isinstance(one.argval, types.CodeType)
            and not _only_returned(steps, one.argval)
        ):
            found.add(code_of(one.argval))
        if name == "STORE_ATTR" and (target := _target(before)):
            found.stores.add((target[0], (*target[1:], one.argval)))
        before.append(one)
    return found


def _target(steps: list[dis.Instruction]) -> tuple[str, ...]:
    """Return the global, and what is looked up on it, whose attribute is set after these steps."""
    path: list[str] = []
    for one in reversed(steps):
        if one.opname == "LOAD_ATTR":
            path.insert(0, one.argval)
        elif one.opname == "LOAD_GLOBAL":
            return (one.argval, *path)
        elif one.opname != "CACHE":
            break
    return ()


def _only_returned(steps: list[dis.Instruction], inner: types.CodeType) -> bool:
    """Say whether a function makes an inner one and hands it back uncalled, as decorators do."""
    for place, one in enumerate(steps):
        if one.argval is not inner:
            continue
        rest = [s for s in steps[place + 1 :] if s.opname != "CACHE"]
        after = next(s for s in rest if s.opname not in BETWEEN)  # a decorator may be called
        if after.opname == "RETURN_VALUE":
            return True
        name = after.argval
        if after.opname not in {"STORE_FAST", "STORE_DEREF"} or name in inner.co_freevars:
            return False
        loads = [n for n, s in enumerate(rest) if "LOAD" in s.opname and s.argval == name]
        return bool(loads) and all(rest[n + 1].opname == "RETURN_VALUE" for n in loads)
    return False
