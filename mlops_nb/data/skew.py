"""Compares the features of served answers with those that training computed.

It is beside `drift`, as it compares frames and knows neither the log nor a model.
"""

from typing import Any

from msgspec import Struct

RTOL, ATOL = 1e-9, 1e-12  # up to which two numbers are the same


class Skew(Struct, frozen=True, kw_only=True):
    """How the served values of a feature differ from those of training.

    rows:    compared, of which each is one served answer
    differ:  share of them whose values differ; a missing value equals only a missing one, and an
             infinite one counts as missing, as the log has none
    largest: difference of two numbers; None where there is none
    """

    column: str
    rows: int
    differ: float
    largest: float | None


def skew(served: Any, trained: Any, *, on: str) -> tuple[Skew, ...]:
    """Return the skew of each feature that two pandas frames have, the largest share first.

    served:  one row an answer; an entity may have several
    trained: one row an entity; of several, the last counts
    on:      the column of both that names the entity; entities of one frame alone are left out

    >>> import pandas as pd
    >>> was = pd.DataFrame({"id": [1, 2], "age": [30.0, 40.0]})
    >>> skew(pd.DataFrame({"id": [2, 1], "age": [40.0, 33.0]}), was, on="id")
    (Skew(column='age', rows=2, differ=0.5, largest=3.0),)
    """
    features = [name for name in served.columns if name in trained.columns and name != on]
    last = trained.drop_duplicates(on, keep="last").set_index(on)
    known = served[served[on].isin(last.index) & served[on].notna()]
    matched = last[features].reindex(known[on])
    found = [_of_column(name, known[name], matched[name]) for name in features]
    return tuple(sorted(found, key=lambda one: -one.differ))


def _of_column(name: str, served: Any, trained: Any) -> Skew:
    """Return the skew of a column, two series of the same length."""
    import numpy as np

    count, largest = len(served), None
    numbers = [_numbers(values) for values in (served, trained)]
    if all(values is not None for values in numbers):
        was, now = numbers[1], numbers[0]
        missing = np.isfinite(was) != np.isfinite(now)
        both = np.isfinite(was) & np.isfinite(now)
        gap = np.where(both, np.abs(np.where(both, now, 0) - np.where(both, was, 0)), 0.0)
        scale = np.where(both, np.maximum(np.abs(now), np.abs(was)), 0.0)
        apart = gap > np.maximum(ATOL, RTOL * scale)
        differ = int((missing | apart).sum())
        largest = float(gap[apart].max()) if apart.any() else None
    else:
        pairs = zip(_texts(served), _texts(trained), strict=True)
        differ = sum(one != other for one, other in pairs)
    return Skew(column=name, rows=count, differ=differ / count if count else 0.0, largest=largest)


def _numbers(values: Any) -> Any:
    """Return a series as floats, missing values as NaN; None if it holds something else."""
    if values.dtype.kind in "mM":
        return None
    try:
        return values.astype("Float64").to_numpy(dtype="float64", na_value=float("nan"))
    except (TypeError, ValueError):
        return None


def _texts(values: Any) -> list[str | None]:
    missing = values.isna().tolist()
    return [None if no else _text(one) for one, no in zip(values.tolist(), missing, strict=True)]


def _text(value: Any) -> str:
    """Return a value as the prediction log writes it where it is no number."""
    return str(value.isoformat() if hasattr(value, "isoformat") else value)
