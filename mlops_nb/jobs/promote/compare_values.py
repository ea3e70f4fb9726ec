"""Compares pickled values of two runs: equal, close within a tolerance, or different.

A program of its own: `python compare_values.py REQUEST`, where REQUEST is a JSON file with
{pairs: [[name, file, file]], rtol, answer}. It runs in the job's interpreter, which has the
packages that the values are made of, and imports nothing of this package.

An object is compared by its state, the one that pickle takes. Three things in the state of an
object differ in runs that computed the same: how long the fit took, where something lay in memory,
and ids that are drawn for each run.
"""

import json
import pickle
import re
import sys
import types
from collections.abc import Callable, Iterable
from typing import Any

DURATION = re.compile(r"(^|_)(times?|seconds|duration|elapsed|timestamp)(_|$)")
RANDOM_ID = re.compile(r"\b[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}\b")
LOWEST, HIGHEST, ALIGNED = 2**36, 2**48, 8  # of addresses on 64-bit machines
Path = tuple[str, ...]


def differing(left: Any, right: Any, rtol: float) -> str | None:
    """Return where two values differ by more than rtol, such as "coef_[0]"; None if nowhere.

    Numbers are compared relatively, texts exactly, objects by their own `==` or by their state.

    >>> differing({"a": [1.0, 2.0]}, {"a": [1.0, 3.0]}, 1e-9)
    "['a'][1]"
    """
    return _Comparison(rtol).difference(left, right, ())


def close(left: Any, right: Any, rtol: float) -> bool:
    """Return whether two values are the same but for numbers that differ by at most rtol."""
    return differing(left, right, rtol) is None


class _Comparison:
    """One comparison; `seen` holds the pairs of objects that are being compared already."""

    def __init__(self, rtol: float) -> None:
        self.rtol = rtol
        self.seen: set[tuple[int, int]] = set()
        self.kept: list[Any] = []  # states that were made on the way: their ids stay taken

    def difference(self, left: Any, right: Any, path: Path) -> str | None:
        """Return the place of the first difference, None if there is none."""
        if left is right:
            return None
        if type(left) is not type(right) and not _are_copies(type(left), type(right)):
            return _text(path)
        if isinstance(left, bool | str | bytes | bytearray | type(None)):
            return None if left == right or _are_ids(left, right, path) else _text(path)
        if isinstance(left, int | float | complex):
            return None if self._near(left, right, path) else _text(path)
        pair = (id(left), id(right))
        if pair in self.seen:
            return None
        self.seen.add(pair)
        self.kept += [left, right]
        return self._parts(left, right, path)

    def _near(self, left: Any, right: Any, path: Path) -> bool:
        if abs(left - right) <= self.rtol * max(abs(left), abs(right)):
            return True
        both_nan = left != left and right != right  # noqa: PLR0124
        return both_nan or _is_duration(path) or (_is_address(left) and _is_address(right))

    def _parts(self, left: Any, right: Any, path: Path) -> str | None:
        if type(left) is dict:
            return self._mapping(left, right, path, ordered=True)
        if isinstance(left, type):
            copies = _are_copies(left, right)
            return self._mapping(_body(left), _body(right), path) if copies else _text(path)
        if isinstance(left, list | tuple | types.FunctionType | types.CodeType):
            return self._sequence(_items(left), _items(right), path)
        known = self._of_libraries(left, right, path)
        if known is not None:
            return known or None
        if _has_own_equality(left) and _says_equal(left, right):
            return None
        return self._state(left, right, path)

    def _sequence(self, left: Any, right: Any, path: Path) -> str | None:
        if len(left) != len(right):
            return _text(path)
        places = range(len(left))
        pairs = (self.difference(left[i], right[i], (*path, f"[{i}]")) for i in places)
        return next((place for place in pairs if place is not None), None)

    def _mapping(self, left: Any, right: Any, path: Path, *, ordered: bool = False) -> str | None:
        if (list(left) != list(right)) if ordered else (left.keys() != right.keys()):
            return _text(path)
        form: Callable[[Any], str] = (lambda k: f"[{k!r}]") if ordered else (lambda k: f".{k}")
        pairs = (self.difference(left[k], right[k], (*path, form(k))) for k in left)
        return next((place for place in pairs if place is not None), None)

    def _of_libraries(self, left: Any, right: Any, path: Path) -> str | None:
        """Return the place where arrays or frames differ, "" if nowhere, None for other objects."""
        numpy, pandas = sys.modules.get("numpy"), sys.modules.get("pandas")
        if numpy is not None and isinstance(left, numpy.ndarray | numpy.generic):
            return self._arrays(left, right, path, numpy)
        if pandas is not None and isinstance(left, pandas.DataFrame | pandas.Series | pandas.Index):
            form = {"DataFrame": "frame", "Series": "series"}.get(type(left).__name__, "index")
            test = getattr(pandas.testing, f"assert_{form}_equal")
            try:
                test(left, right, rtol=self.rtol, atol=0)
            except AssertionError:
                return _text(path)
            return ""
        return None

    def _arrays(self, left: Any, right: Any, path: Path, numpy: Any) -> str:
        if left.shape != right.shape or left.dtype != right.dtype:
            return _text(path)
        if left.dtype.kind == "O":
            return self._sequence(left.ravel().tolist(), right.ravel().tolist(), path) or ""
        if left.dtype.names:
            fields = (
                self._arrays(left[n], right[n], (*path, f"[{n!r}]"), numpy)
                for n in left.dtype.names
            )
            return next((place for place in fields if place), "")
        if left.dtype.kind in "fc":
            same = numpy.allclose(left, right, rtol=self.rtol, atol=0, equal_nan=True)
            return "" if same or _is_duration(path) else _text(path)
        return "" if bool((left == right).all()) else _text(path)

    def _state(self, left: Any, right: Any, path: Path) -> str | None:
        try:
            one, two = _reduced(left), _reduced(right)
        except Exception:  # noqa: BLE001  the object's own code; it does not show its state
            return _text(path)
        self.kept += [one, two]
        if isinstance(one, str) or isinstance(two, str) or len(one) != len(two):
            return None if one == two else _text(path)
        for mine, other in zip(one, two, strict=True):
            if isinstance(mine, dict) and isinstance(other, dict):
                place = self._mapping(mine, other, path)
            elif isinstance(mine, tuple) and isinstance(other, tuple):
                place = self._sequence(mine, other, path)
            else:
                place = self.difference(mine, other, path)
            if place is not None:
                return place
        return None


def _reduced(value: Any) -> Any:
    """Return what pickle keeps of an object; the items of iterators as lists."""
    found = value.__reduce_ex__(4)
    if isinstance(found, str):
        return found
    return tuple(list(part) if place >= 3 and part else part for place, part in enumerate(found))  # noqa: PLR2004


def _says_equal(left: Any, right: Any) -> bool:
    try:
        return bool(left == right)
    except Exception:  # noqa: BLE001  the object's own code
        return False


def _are_copies(left: type, right: type) -> bool:
    """Return whether two classes are one class of the notebook, which is pickled by value."""
    names = {(c.__module__, c.__qualname__) for c in (left, right)}
    return len(names) == 1 and left.__module__ == "__main__"


def _body(value: type) -> dict[str, Any]:
    own = {"__dict__", "__weakref__", "__doc__", "__module__", "__abstractmethods__", "_abc_impl"}
    return {name: part for name, part in vars(value).items() if name not in own}


def _is_duration(path: Path) -> bool:
    """Return whether an attribute of an object is named as a time, such as `refit_time_`."""
    return _is_attribute(path) and any(DURATION.search(part.strip(".[]'")) for part in path)


def _is_attribute(path: Path) -> bool:
    return any(part.startswith(".") for part in path)


def _are_ids(left: Any, right: Any, path: Path) -> bool:
    """Return whether two texts in an object are the same but for random ids in them."""
    if not isinstance(left, str) or not _is_attribute(path):
        return False
    return bool(RANDOM_ID.search(left)) and RANDOM_ID.sub("", left) == RANDOM_ID.sub("", right)


def _is_address(value: Any) -> bool:
    return type(value) is int and LOWEST < value < HIGHEST and value % ALIGNED == 0


def _has_own_equality(value: Any) -> bool:
    return next(c for c in type(value).__mro__ if "__eq__" in vars(c)) is not object


def _items(value: Any) -> tuple[Any, ...]:
    """Return the items of a list or tuple; of a function or its code, what makes it what it is."""
    if isinstance(value, types.FunctionType):
        inside: Iterable[Any] = value.__closure__ or ()
        closure = tuple(cell.cell_contents for cell in inside)
        return value.__code__, value.__defaults__, value.__kwdefaults__, closure
    if isinstance(value, types.CodeType):
        return value.co_code, value.co_consts, value.co_names, value.co_varnames
    return tuple(value)


def _text(path: Path) -> str:
    return "".join(path).removeprefix(".") or "."


def _bytes(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _load(path: str) -> Any:
    with open(path, "rb") as file:
        return pickle.load(file)  # noqa: S301  written a moment ago by the same proof


def compare(request: dict[str, Any]) -> dict[str, str]:
    """Return name → "close", "differs PLACE", or "unreadable: …" if a pickle does not load."""
    found = {}
    for name, left, right in request["pairs"]:
        try:
            same = _bytes(left) == _bytes(right)
            place = None if same else differing(_load(left), _load(right), request["rtol"])
            found[name] = "close" if place is None else f"differs {place}"
        except Exception as error:  # noqa: BLE001  the values' own unpickling code
            found[name] = f"unreadable: {error}"
    return found


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as asked_file:
        asked_for = json.load(asked_file)
    with open(asked_for["answer"], "w", encoding="utf-8") as answer_file:
        json.dump(compare(asked_for), answer_file)
