"""Which instructions of a function may run where plain values decide its branches.

Only what plain globals, constants and known arguments decide is ruled out; whatever else a
condition is made of leaves both ways open. Names of instructions are those of CPython 3.11 to 3.13.
"""

import dis
import types
from collections.abc import Callable, Mapping
from typing import Any

from .conditions import COMPARED, UNKNOWN
from .fp_walk import SCALARS

Expression = tuple[Any, ...]  # ("global", name), ("local", name), ("const", value), (operator, …)
OPEN: Expression = ("open",)
LOADS = {"LOAD_GLOBAL": "global", "LOAD_NAME": "global", "LOAD_FAST": "local",
         "LOAD_FAST_CHECK": "local", "LOAD_CONST": "const"}  # fmt: skip
COMPARISONS = {"==": "Eq", "!=": "NotEq", "<": "Lt", "<=": "LtE", ">": "Gt", ">=": "GtE"}
OPERATORS = {kind.__name__: compare for kind, compare in COMPARED.items()}
ENDS = frozenset({"RETURN_VALUE", "RETURN_CONST", "RAISE_VARARGS", "RERAISE"})
PASSED_OVER = frozenset({"CACHE", "NOP", "RESUME", "TO_BOOL", "EXTENDED_ARG", "NOT_TAKEN"})


class Branches:
    """The branches of one code object.

    steps:   its instructions
    decided: place of a jump → (what decides it, when it jumps: True, False, or at None)
    """

    def __init__(self, code: types.CodeType) -> None:
        self.steps = [s for s in dis.get_instructions(code) if s.opname not in PASSED_OVER]
        self.places = {step.offset: place for place, step in enumerate(self.steps)}
        self.handlers = [
            (entry.start, entry.end, entry.target)
            for entry in getattr(dis.Bytecode(code), "exception_entries", ())
        ]
        self.decided = self._decided()

    def _decided(self) -> dict[int, tuple[Expression, Any]]:
        found: dict[int, tuple[Expression, Any]] = {}
        stack: list[Expression] = []
        loops = any(step.opname.startswith("JUMP_BACKWARD") for step in self.steps)
        bound = {s.argval for s in self.steps if loops and _binds(s)}  # by the time of a jump
        for place, step in enumerate(self.steps):
            if step.is_jump_target:
                stack = []
            when = _when(step.opname)
            if when is not None and stack and stack[-1] != OPEN:
                found[place] = stack[-1], when[0]
            _push(stack, step, bound)
            if _binds(step):
                bound.add(step.argval)
        return found

    def _target(self, offset: int) -> int:
        """Return the place of the instruction that a jump leads to."""
        while offset not in self.places:  # it leads to one that is passed over
            offset += 2
        return self.places[offset]

    def _next(self, place: int, value_of: "Rule") -> list[int]:
        """Return the places that may be come to from one."""
        step, onward = self.steps[place], [place + 1]
        jump = [self._target(step.argval)] if step.opcode in JUMPS else []
        if step.opname in ENDS:
            return []
        if not jump or step.opname.startswith(("JUMP_FORWARD", "JUMP_BACKWARD", "JUMP_NO")):
            return jump or onward
        expression, when = self.decided.get(place, (OPEN, None))
        value = value_of(expression)
        if value is UNKNOWN:
            return jump + onward
        jumps = (value is None) is when[1] if type(when) is tuple else bool(value) is when
        return jump if jumps else onward

    def come_to(self, value_of: "Rule") -> list[dis.Instruction]:
        """Return the instructions that may run; value_of: what an expression comes to, UNKNOWN."""
        seen: set[int] = set()
        pending = [0]
        while pending:
            place = pending.pop()
            if place in seen or place >= len(self.steps):
                continue
            seen.add(place)
            pending += self._next(place, value_of)
            offset = self.steps[place].offset
            pending += [self._target(t) for start, end, t in self.handlers if start <= offset < end]
        return [self.steps[place] for place in sorted(seen)]


JUMPS = frozenset(dis.hasjrel) | frozenset(dis.hasjabs)
CONDITIONAL = {code for name, code in dis.opmap.items() if "JUMP" in name and "IF" in name}


def _binds(step: dis.Instruction) -> bool:
    return step.opname.startswith(("STORE_FAST", "DELETE_FAST"))


def _when(opname: str) -> tuple[Any] | None:
    """Return when a conditional jump jumps: (True,), (False,), at None ((None, is),); or None."""
    if "JUMP" not in opname or "IF" not in opname:
        return None
    if "NONE" in opname:
        return ((None, "NOT_NONE" not in opname),)
    return ("IF_TRUE" in opname,)


def _push(stack: list[Expression], step: dis.Instruction, bound: set[str]) -> None:
    """Follow what one instruction does to the stack, as far as it can be told.

    bound: locals that are no arguments any more
    """
    name = step.opname
    if name in LOADS:
        known = LOADS[name] != "local" or step.argval not in bound
        stack.append((LOADS[name], step.argval) if known else OPEN)
    elif name == "UNARY_NOT" and stack:
        stack.append(("not", stack.pop()))
    elif name in {"COMPARE_OP", "IS_OP", "CONTAINS_OP"} and len(stack) > 1:
        right, left = stack.pop(), stack.pop()
        stack.append((_operator(step), left, right))
    else:
        jump = False if step.opcode in JUMPS else None
        size = len(stack) + dis.stack_effect(step.opcode, step.arg, jump=jump)
        stack[:] = [OPEN] * max(0, size)


def _operator(step: dis.Instruction) -> str:
    if step.opname == "IS_OP":
        return "IsNot" if step.arg else "Is"
    if step.opname == "CONTAINS_OP":
        return "NotIn" if step.arg else "In"
    return COMPARISONS.get(str(step.argval).removeprefix("bool(").removesuffix(")"), "")


class Rule:
    """Tells the value of an expression in one call, UNKNOWN where it is open.

    value:     returns a global's, UNKNOWN where it is not plain or something binds it meanwhile
    arguments: of the call
    """

    def __init__(self, value: Callable[[str], Any], arguments: Mapping[str, Any]) -> None:
        self.value, self.arguments = value, arguments

    def __call__(self, expression: Expression) -> Any:
        """Return the value."""
        kind, *parts = expression
        if kind in {"const", "global", "local"}:
            found = self._looked_up(kind, parts[0])
            return found if type(found) in SCALARS else UNKNOWN
        values = [self(part) for part in parts]
        if UNKNOWN in values or kind not in {"not", *OPERATORS}:
            return UNKNOWN
        try:
            return not values[0] if kind == "not" else OPERATORS[kind](*values)
        except TypeError:  # an order that values do not have
            return UNKNOWN

    def _looked_up(self, kind: str, name: Any) -> Any:
        if kind == "const":
            return name
        return self.value(name) if kind == "global" else self.arguments.get(name, UNKNOWN)
