"""Counts the rows of an evaluation day by day, so that it is known how much its own days differ.

The day of a row is that of a column of times: of the rows themselves, or of a frame of the notebook
that they were taken from.
"""

import sys
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from . import frames

LEAST = 28  # days, without which too little is known of how days differ
MOST = 366  # days that are counted, the last ones
DENSE = 0.5  # share of the days of its span that a column of times must have


def describe(
    space: Mapping[str, Any],
    raw: Any,
    columns: Mapping[str, Sequence[Any]],
    described: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """Return the days of an evaluation, and the counts of each of its columns by day.

    columns:   column → its values, one a row; described: column → what `reference` says of it

    Without times, or with too few days, "days" is empty and "lacking" says why.
    """
    name, of_rows = _days(space, raw)
    if of_rows is None:
        return _without("", "the evaluation has no column of times")
    days = sorted(set(of_rows))
    if len(days) < LEAST:
        return _without(name, f"the evaluation has {len(days)} days, and {LEAST} are needed")
    days = days[-MOST:]
    places: dict[str, list[int]] = {day: [] for day in days}
    for place, day in enumerate(of_rows):
        if day in places:
            places[day].append(place)
    return {
        "version": 1,
        "time": name,
        "days": days,
        "columns": {
            column: [_counts([values[i] for i in places[day]], described[column]) for day in days]
            for column, values in columns.items()
        },
    }


def _without(name: str, lacking: str) -> dict[str, Any]:
    return {"version": 1, "time": name, "lacking": lacking, "days": [], "columns": {}}


def _counts(values: Sequence[Any], described: Mapping[str, Any]) -> dict[str, Any]:
    """Return the rows and missing values of a day, and its bins or categories."""
    known = [value for value in values if value is not None]
    found: dict[str, Any] = {"rows": len(values), "missing": len(values) - len(known)}
    if "quantiles" in described:
        known.sort()
        ends = [0]
        for edge in sorted(set(described["quantiles"])):
            ends += [bisect_left(known, edge), bisect_right(known, edge)]
        ends.append(len(known))
        found["bins"] = [ends[i + 1] - ends[i] for i in range(len(ends) - 1)]
    elif "shares" in described:
        counted = Counter(map(str, known))
        found["categories"] = {v: n for v, n in counted.items() if v in described["shares"]}
    return found


def _days(space: Mapping[str, Any], raw: Any) -> tuple[str, list[str] | None]:
    """Return the name of the times of rows, and the day of each row; None without times."""
    pandas = sys.modules.get("pandas")
    if pandas is None or not isinstance(raw, pandas.DataFrame | pandas.Series):
        return "", None
    shorter: tuple[str, list[str] | None] = ("", None)
    for name, frame in _frames(space, raw, pandas):
        for column in frame.columns:
            of_rows = _as_days(frame[column], pandas)
            if of_rows is not None and len(set(of_rows)) > len(set(shorter[1] or ())):
                shorter = f"{name}{column}", of_rows
                if len(set(of_rows)) >= LEAST:
                    return shorter
    return shorter


def _frames(space: Mapping[str, Any], raw: Any, pandas: Any) -> Any:
    """Yield the rows, then the same rows of each frame that they were taken from, with a name."""
    own = raw.to_frame() if isinstance(raw, pandas.Series) else raw
    yield "", own
    for name, value in list(space.items()):
        if name.startswith("_") or not isinstance(value, pandas.DataFrame) or value is raw:
            continue
        same = [column for column in own.columns if column in value.columns]
        if len(value) < len(own) or not same or not value.index.is_unique:
            continue
        if not own.index.isin(value.index).all():
            continue
        rows = value.loc[own.index]
        if all(_is_unique(rows, c) and rows[c].equals(own[c]) for c in same):
            yield f"{name}.", rows


def _is_unique(frame: Any, column: Any) -> bool:
    return getattr(frame[column], "ndim", 0) == 1


def _as_days(values: Any, pandas: Any) -> list[str] | None:
    """Return the UTC day of each time of a column; None if it has none, or days far apart."""
    if getattr(values, "ndim", 0) != 1 or not len(values) or values.isna().any():
        return None
    if not pandas.api.types.is_datetime64_any_dtype(values):
        return None
    if values.dt.tz is not None:
        values = values.dt.tz_convert("UTC")
    days = values.dt.strftime("%Y-%m-%d")
    span = (values.max() - values.min()).days + 1
    return list(frames.plain(days)) if days.nunique() >= DENSE * span else None
