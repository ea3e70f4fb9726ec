"""Tells which columns of a frame are, value by value, columns of frames that were there before."""

import itertools
from typing import Any

from ..fingerprint.digest import quick

MOST = 2000  # columns of a frame that are looked at
_known: dict[str, dict[bytes, list[str]]] = {}  # frame → what its columns hold → their names


def origins(name: str, frame: Any) -> dict[str, list[list[str]]]:
    """Return column → [[frame, column], …] of what was looked at before and holds the same values.

    The frame is known by its name from now on; what had that name before counts as well. Of several
    columns that are alike the one of the same name is told, or none: nobody knows which it was. Nor
    does a column of one and the same value come from anywhere.

    frame: a pandas data frame with column names of which none is there twice
    """
    held: dict[bytes, list[str]] = {}
    for label, values in itertools.islice(frame.items(), MOST):
        mark = quick(values.array)
        seen = any(mark in known for known in _known.values())
        if mark is not None and (not seen or _varies(values)):
            held.setdefault(mark, []).append(str(label))
    found: dict[str, list[list[str]]] = {}
    for mark, columns in held.items():
        for other, known in _known.items():
            alike = known.get(mark, [])
            for column in columns:
                if column in alike or len(alike) == len(columns) == 1:
                    source = column if column in alike else alike[0]
                    found.setdefault(column, []).append([other, source])
    _known[name] = held
    return found


def _varies(values: Any) -> bool:
    """Say whether a series has two different values at least."""
    try:
        present = values.dropna()
        return len(present) > 1 and bool((present != present.iloc[0]).any())
    except Exception:  # noqa: BLE001  comparing is the values' own code
        return False
