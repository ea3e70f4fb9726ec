"""Finds the slice of each answer, as the evaluation of the notebook cut its rows."""

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from mlops_nb.monitoring.labels.classes import number_of

MISSING = ("nan", "None", "<NA>", "NaT")  # texts that an evaluation has for a missing value


class SliceColumn(Struct, frozen=True, kw_only=True):
    """A slicing of the evaluation, and the column of the log that it is found in.

    slices: the values that the evaluation had, as texts
    """

    name: str
    log: str
    slices: tuple[str, ...]


def codes(values: Any, of: SliceColumn) -> Any:
    """Return the (n,) place of each value of an Arrow column among the slices.

    A value that the evaluation did not have is at the place after the last one.
    """
    import numpy as np
    import pyarrow as pa

    if not pa.types.is_dictionary(values.type):
        values = values.dictionary_encode()
    whole = values.unify_dictionaries().combine_chunks()
    parts = whole.chunks if isinstance(whole, pa.ChunkedArray) else [whole]
    other = len(of.slices)
    exact = {text: place for place, text in enumerate(of.slices)}
    numbers = _numbers(of.slices)
    missing = next((exact[text] for text in MISSING if text in exact), other)
    found = []
    for part in parts:
        texts = part.dictionary.to_pylist()
        places = np.array([*(_place(v, exact, numbers) for v in texts), missing], np.int64)
        found.append(places[part.indices.fill_null(len(texts)).to_numpy(zero_copy_only=False)])
    return np.concatenate(found) if found else np.zeros(0, np.int64)


def _numbers(slices: Iterable[str]) -> dict[float, int]:
    """Return number → place of the slices that are numbers or truth values."""
    found: dict[float, int] = {}
    for place, text in enumerate(slices):
        number = number_of(text)
        if number is not None:
            found.setdefault(number, place)
    return found


def _place(value: Any, exact: Mapping[str, int], numbers: Mapping[float, int]) -> int:
    """Return the place of a value: that of its text, or of an equal number of another type."""
    if value is None or value != value:  # noqa: PLR0124  NaN
        return next((exact[text] for text in MISSING if text in exact), len(exact))
    text = str(value)
    if text in exact:
        return exact[text]
    number = None if isinstance(value, str) else number_of(value)
    return len(exact) if number is None else numbers.get(number, len(exact))
