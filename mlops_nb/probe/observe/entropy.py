"""Notices randomness that nothing seeded, by whatever door it comes in.

Two functions of the standard library hand out all of it: `os.urandom`, and `random.Random.seed`
without a seed. Who asked is found on the stack: a library that names a thing of its own by chance
(a table's id, a folder) is left alone, the notebook's own code is not, nor is a generator that a
library makes without a seed.
"""

import ast
import functools
import itertools
import linecache
import os
import random
import sys
import types
from collections.abc import Iterable
from typing import Any

from ..introspect import words

DOORS = words("random secrets uuid tempfile os")  # modules that pass it on
PACKAGES = ("site-packages", "dist-packages", os.path.dirname(os.__file__) + os.sep)
# what hands out what no run can repeat, by the module that is used for it
WORDS = {
    "uuid": words("uuid1 getnode"),
    "os": words("getpid getppid getrandom times"),
    "threading": words("get_ident get_native_id"),
    "tempfile": words("mkdtemp mkstemp mktemp NamedTemporaryFile TemporaryDirectory"),
}
BUILTINS = words("id hash")

_asked: list[str] = []


def install() -> None:
    """Notice from now on who asks for entropy (once)."""
    if getattr(os.urandom, "noted", False):
        return
    urandom, seed = os.urandom, random.Random.seed

    @functools.wraps(urandom)
    def noted(size: int, /) -> bytes:
        _note()
        return urandom(size)

    @functools.wraps(seed)
    def seeded(self: random.Random, a: Any = None, version: int = 2) -> None:
        if a is None:
            _note()
        seed(self, a, version)

    noted.noted = True  # type: ignore[attr-defined]
    os.urandom = random._urandom = noted  # type: ignore[attr-defined]
    random.Random.seed = seeded  # type: ignore[method-assign]
    random.seed = random._inst.seed


def take() -> str:
    """Return who asked for entropy since the last time, "" if nobody did."""
    found = _asked[0] if _asked else ""
    _asked.clear()
    return found


def words_of(
    attrs: Iterable[str], named: Iterable[tuple[str, Any]], builtins: Iterable[str]
) -> str:
    """Return what of a cell's code hands out something that no run can repeat."""
    asked, values = set(attrs), [value for _, value in named]
    for module, names in WORDS.items():
        owner: Any = sys.modules.get(module)
        for name in sorted(names) if owner is not None else ():
            own = getattr(owner, name, None)
            if any((value is owner and name in asked) or value is own for value in values):
                return f"{module}.{name}"
    return next(iter(sorted(BUILTINS.intersection(builtins))), "")


def _note() -> None:
    frame: types.FrameType | None = sys._getframe(2)
    passed = set()
    while frame is not None and _top(frame) in DOORS and _is_installed(frame):
        passed.add(_top(frame))
        frame = frame.f_back
    if frame is None or _is_seeded(frame):
        return
    if not _is_installed(frame):
        _asked.append("/".join(sorted(passed)) or "os.urandom")
    elif passed == {"random"} and not _is_imported(frame):  # numpy asks for a seed there, too
        _asked.append(f"a generator of {_top(frame)}")


def _top(frame: types.FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def _is_installed(frame: types.FrameType) -> bool:
    return any(part in frame.f_code.co_filename for part in PACKAGES)


def _is_imported(frame: types.FrameType | None) -> bool:
    """Return whether a module is being imported: what it draws then is its own affair."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _is_seeded(frame: types.FrameType) -> bool:
    """Return whether the call that a frame is in makes a `RandomState` with a seed.

    numpy asks for entropy there first, and drops it.
    """
    positions = itertools.islice(frame.f_code.co_positions(), frame.f_lasti // 2, None)
    first, last, start, end = next(positions, (None, None, None, None))
    if first is None or last is None:
        return False
    lines = linecache.getlines(frame.f_code.co_filename, frame.f_globals)[first - 1 : last]
    text = "".join(lines).encode()
    after = len(lines[-1].encode()) - (end or 0) if lines else 0
    try:
        call = ast.parse(text[start : len(text) - after].decode(), mode="eval").body
    except (SyntaxError, ValueError):
        return False
    if not isinstance(call, ast.Call) or _last_name(call.func) != "RandomState":
        return False
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    return any(not (isinstance(one, ast.Constant) and one.value is None) for one in given)


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
