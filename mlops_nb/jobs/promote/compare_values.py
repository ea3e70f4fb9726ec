"""Compares pickled values of two runs: equal, close within a tolerance, or different.

A program of its own: `python compare_values.py REQUEST`, where REQUEST is a JSON file with
{pairs: [[name, file, file]], rtol, answer}. It runs in the job's interpreter, which has the
packages that the values are made of, and imports nothing of this package.
"""

import json
import pickle
import sys
from typing import Any


def close(left: Any, right: Any, rtol: float) -> bool:
    """Return whether two values are the same but for numbers that differ by at most rtol."""
    if type(left) is not type(right):
        return False
    if isinstance(left, bool | str | bytes | type(None)):
        return bool(left == right)
    if isinstance(left, int | float | complex):
        return bool(abs(left - right) <= rtol * max(abs(left), abs(right))) or (
            left != left and right != right  # noqa: PLR0124  two NaN
        )
    if isinstance(left, list | tuple):
        pairs = zip(left, right, strict=False)
        return len(left) == len(right) and all(close(a, b, rtol) for a, b in pairs)
    if isinstance(left, dict):
        return list(left) == list(right) and all(close(left[k], right[k], rtol) for k in left)
    return _close_data(left, right, rtol)


def _close_data(left: Any, right: Any, rtol: float) -> bool:
    numpy, pandas = sys.modules.get("numpy"), sys.modules.get("pandas")
    if numpy is not None and isinstance(left, numpy.ndarray | numpy.generic):
        if left.shape != right.shape or left.dtype != right.dtype:
            return False
        if left.dtype.kind in "fc":
            return bool(numpy.allclose(left, right, rtol=rtol, atol=0, equal_nan=True))
        return bool((left == right).all())
    if pandas is not None and isinstance(left, pandas.DataFrame | pandas.Series | pandas.Index):
        kind = type(left).__name__
        test = {
            "DataFrame": pandas.testing.assert_frame_equal,
            "Series": pandas.testing.assert_series_equal,
        }.get(kind, pandas.testing.assert_index_equal)
        try:
            test(left, right, rtol=rtol, atol=0)
        except AssertionError:
            return False
        return True
    return False  # other objects, such as models, are equal or different


def _bytes(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _load(path: str) -> Any:
    with open(path, "rb") as file:
        return pickle.load(file)  # noqa: S301  written a moment ago by the same proof


def compare(request: dict[str, Any]) -> dict[str, str]:
    """Return name → "close" or "differs", or "unreadable" if a pickle does not load."""
    found = {}
    for name, left, right in request["pairs"]:
        try:
            same = _bytes(left) == _bytes(right) or close(
                _load(left), _load(right), request["rtol"]
            )
            found[name] = "close" if same else "differs"
        except Exception as error:  # noqa: BLE001  the values' own unpickling code
            found[name] = f"unreadable: {error}"
    return found


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as asked_file:
        asked_for = json.load(asked_file)
    with open(asked_for["answer"], "w", encoding="utf-8") as answer_file:
        json.dump(compare(asked_for), answer_file)
