"""Tells which columns of a frame are, value by value, columns of frames that were there before."""

from typing import Any

from .fingerprint import quick

MOST = 2000  # columns of a frame that are looked at
_known: dict[str, dict[bytes, list[str]]] = {}  # frame → what its columns hold → their names


def origins(name: str, frame: Any) -> dict[str, list[list[str]]]:
    """Return column → [[frame, column], …] of what was looked at before and holds the same values.

    The frame is known by its name from now on; what had that name before counts as well. Of several
    columns that are alike the one of the same name is told, or none: nobody knows which it was.

    frame: a pandas data frame with column names of which none is there twice
    """
    held: dict[bytes, list[str]] = {}
    if len(frame):
        for label, values in list(frame.items())[:MOST]:
            mark = quick(values.array)
            if mark is not None:
                held.setdefault(mark, []).append(str(label))
    found: dict[str, list[list[str]]] = {}
    for mark, columns in held.items():
        for other, known in _known.items():
            alike = known.get(mark, [])
            for column in columns:
                if column in alike or len(alike) == 1:
                    source = column if column in alike else alike[0]
                    found.setdefault(column, []).append([other, source])
    _known[name] = held
    return found
