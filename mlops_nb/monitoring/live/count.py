"""Counts the values of a column by the edges or categories of its reference."""

from collections.abc import Sequence
from typing import Any

from mlops_nb.monitoring.live.reference import ReferenceColumn
from mlops_nb.monitoring.live.sums import OTHER, ColumnCounts

MOST_NEW = 20  # categories without a reference that are counted one by one


def counts(values: Any, was: ReferenceColumn) -> ColumnCounts:
    """Return the counts of an Arrow column."""
    if was.edges:
        return _numbers(values, was.edges)
    return _categories(values, was)


def _numbers(values: Any, edges: Sequence[float]) -> ColumnCounts:
    import numpy as np

    numbers = as_numbers(values)
    present = numbers[~np.isnan(numbers)]
    present.sort()
    below, at_most = (np.searchsorted(present, edges, side=side) for side in ("left", "right"))
    bins = np.diff(np.stack([below, at_most], axis=1).ravel(), prepend=0, append=len(present))
    return ColumnCounts(
        rows=len(numbers), missing=len(numbers) - len(present), bins=tuple(bins.tolist())
    )


def as_numbers(values: Any) -> Any:
    """Return an Arrow column as floats; what is no number is NaN."""
    import numpy as np
    import pyarrow as pa

    if pa.types.is_floating(values.type):
        return values.to_numpy().astype(float, copy=False)
    if pa.types.is_integer(values.type) or pa.types.is_boolean(values.type):
        if pa.types.is_boolean(values.type):
            values = values.cast(pa.int8())
        return values.cast(pa.float64(), safe=False).to_numpy()
    if pa.types.is_null(values.type):
        return np.full(len(values), np.nan)
    import pandas as pd

    if pa.types.is_dictionary(values.type):
        values = values.cast(pa.string())
    return pd.to_numeric(values.to_pandas(), errors="coerce").to_numpy(dtype=float)


def _categories(values: Any, was: ReferenceColumn) -> ColumnCounts:
    found = _found(values)
    missing = len(values) - sum(found.values())
    kept = {name: count for name, count in found.items() if name in was.shares}
    new = sorted((n for n in found if n not in was.shares), key=lambda n: (-found[n], n))
    kept |= {name: found[name] for name in new[:MOST_NEW]}
    if rest := sum(found[name] for name in new[MOST_NEW:]):
        kept[OTHER] = rest
    return ColumnCounts(rows=len(values), missing=missing, categories=kept)


def _found(values: Any) -> dict[str, int]:
    """Return how often each value of a column occurs, as text."""
    import numpy as np
    import pyarrow as pa

    if not pa.types.is_dictionary(values.type):
        values = values.dictionary_encode()
    whole = values.unify_dictionaries().combine_chunks()
    parts = whole.chunks if isinstance(whole, pa.ChunkedArray) else [whole]
    found: dict[str, int] = {}
    for part in parts:
        codes = part.indices.drop_null().to_numpy()
        names = part.dictionary.to_pylist()
        for name, count in zip(names, np.bincount(codes, minlength=len(names)), strict=True):
            if count and name is not None:
                found[str(name)] = found.get(str(name), 0) + int(count)
    return found


def added(parts: Sequence[ColumnCounts]) -> ColumnCounts:
    """Return the counts of a column on several days together."""
    values: dict[str, int] = {}
    for part in parts:
        for name, count in part.categories.items():
            values[name] = values.get(name, 0) + count
    bins = [part.bins for part in parts if part.bins]
    return ColumnCounts(
        rows=sum(part.rows for part in parts),
        missing=sum(part.missing for part in parts),
        bins=tuple(map(sum, zip(*bins, strict=True))),
        categories=values,
    )
