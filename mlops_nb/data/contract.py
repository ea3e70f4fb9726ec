"""The data contract: infers schema.json from data, and checks data against it."""

import copy
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

STOPS = "the data does not fit schema.json: "
FEW = 12  # at most so many distinct whole numbers are codes, such as months
FEW_AWAY = 100.0  # how far new codes may be outside the observed range
OUTSIDE = 0.001  # share of rows that may be outside an inferred range
SHOWN = 3  # columns that an error message describes; it only names the others


def objection(schema: Mapping[str, Any], step: str, values: Mapping[str, Any]) -> str:
    """Return why a step's frames violate the schema of the bundle, "" if they do not.

    A missing column, a column of another kind, and a frame without rows are violations; a new
    column is none, and neither are whole numbers instead of fractions.

    >>> columns = {"x": {"kind": "number"}}
    >>> schema = {"frames": {"load": {"df": {"rows": 9, "columns": columns}}}}
    >>> objection(schema, "load", {"df": {"schema": {"rows": 3, "columns": {}}}})
    "the data does not fit schema.json: 'df' of step 'load' has no column 'x'"
    """
    found = misfit(schema, step, values)
    return found["sentence"] if found else ""


def misfit(schema: Mapping[str, Any], step: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the first frame of a step that violates the schema, {} if none does.

    {"name": of the frame, "rows": of it, "column": "" for the whole frame, "check": the violation,
    "sentence": the same as a sentence}
    """
    for name, expected in schema.get("frames", {}).get(step, {}).items():
        seen = values.get(name, {}).get("schema")
        found = _frame(name, step, expected, seen)
        if found:
            column, check, text = found
            return {
                "name": name,
                "rows": seen["rows"] if seen else 0,
                "column": column,
                "check": check,
                "sentence": f"{STOPS}{text}",
            }
    return {}


def _frame(
    name: str, step: str, expected: Mapping[str, Any], found: Mapping[str, Any] | None
) -> tuple[str, str, str] | None:
    """Return a violation: the column, or "" for the whole frame; the check; and a sentence."""
    if found is None:
        check = "is no data frame any more"
        return "", check, f"{name!r} of step {step!r} {check}"
    if not found["rows"] and expected.get("rows"):
        return "", "has no rows", f"{name!r} of step {step!r} has no rows"
    for column, was in expected["columns"].items():
        now = found["columns"].get(column)
        if now is None:
            if was.get("optional"):
                continue
            return column, "is not there", f"{name!r} of step {step!r} has no column {column!r}"
        if now["kind"] != was["kind"] and "any" not in {now["kind"], was["kind"]}:
            check = f"is {now['kind']}, it was {was['kind']}"
            return column, check, f"column {column!r} of {name!r} {check}"
    return None


def inferred(column: Mapping[str, Any], seen: Mapping[str, Any], rows: int) -> dict[str, Any]:
    """Return the contract of a column, inferred from one state of the data.

    column: its kind and dtype
    seen: "missing" share, and of numbers "min", "max", "distinct", "whole"; of texts "categories"

    Limits are wide: they catch another unit of measurement, not a new maximum. A range extends the
    observed one by its own width on each side, but not beyond 0 if no value does; a yes or no is 0
    or 1. A thousandth of the rows may lie outside. Constants and keys have no limits.

    >>> seen = {"missing": 0.0, "min": -70.0, "max": 1272.0, "distinct": 500, "whole": False}
    >>> found = inferred({"kind": "number", "dtype": "float64"}, seen, 9000)
    >>> found["min"], found["max"], found["missing"]
    (-1500, 2700, 'allowed')
    """
    kind, dtype, missing = column["kind"], column["dtype"], seen["missing"]
    holds_none = dtype.startswith(("int", "uint", "bool"))  # no missing values
    found: dict[str, Any] = {"kind": kind, "dtype": dtype}
    found["missing"] = "never" if holds_none and rows and not missing else "allowed"
    if found["missing"] == "allowed" and missing < 1 and rows:
        found["most_missing"] = math.ceil(50 * (1 + missing)) / 100
    if kind == "number" and "min" in seen:
        found |= _range(seen, rows)
    elif kind == "text" and seen.get("categories"):
        found |= {"categories": list(seen["categories"]), "new": "reported"}
    return found


def _range(seen: Mapping[str, Any], rows: int) -> dict[str, Any]:
    low, high = float(seen["min"]), float(seen["max"])
    width = high - low
    key = seen["whole"] and seen["distinct"] == rows and rows > FEW
    if not math.isfinite(width) or not width or key:
        return {}
    if seen["whole"] and (low, high) == (0.0, 1.0):  # a yes or no
        return {"min": 0, "max": 1, "outside": OUTSIDE}
    few = seen["whole"] and seen["distinct"] <= FEW
    away = max(width, FEW_AWAY) if few else width
    digits = 1 - math.floor(math.log10(width + 2 * away))  # two of the range are enough to read
    lowest, highest = (
        math.floor((low - away) * 10.0**digits),
        math.ceil((high + away) * 10.0**digits),
    )
    lowest, highest = (
        max(lowest, 0) if low >= 0 else lowest,
        min(highest, 0) if high <= 0 else highest,
    )
    return {"min": _plain(lowest, digits), "max": _plain(highest, digits), "outside": OUTSIDE}


def _plain(count: int, digits: int) -> float | int:
    """Return a number as a count of units of its last digit."""
    found = count * 10**-digits if digits <= 0 else round(count / 10**digits, digits)
    return int(found) if float(found).is_integer() else found


def checked_columns(expected: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the columns with limits beyond their kind, whose values must be checked.

    >>> checked_columns({"columns": {"a": {"kind": "number", "max": 3}, "b": {"kind": "number"}}})
    {'a': {'kind': 'number', 'max': 3}}
    """
    return {name: spec for name, spec in expected["columns"].items() if _asks(spec)}


def _asks(spec: Mapping[str, Any]) -> bool:
    return (
        spec.get("missing") == "never"
        or spec.get("new") == "refused"
        or any(key in spec for key in ("min", "max", "most_missing"))
    )


def sentence(step: str, name: str, rows: int, failures: Sequence[Mapping[str, Any]]) -> str:
    """Return in words why a frame violates its contract; every failed column is named or counted.

    failures: {"column", "check", "rows", "examples": [{"row", "value"}]}

    >>> one = {"column": "x", "check": "is above 3000", "rows": 1204,
    ...        "examples": [{"row": 80213, "value": 4860.0}]}
    >>> print(sentence("load", "flights", 110000, [one]))
    the data does not fit schema.json: column 'x' of 'flights' (step 'load') is above 3000 in \
1,204 of 110,000 rows, first at row 80213: 4860.0
    """
    columns: dict[str, list[Mapping[str, Any]]] = {}
    for one in sorted(failures, key=lambda one: -one["rows"]):
        columns.setdefault(one["column"], []).append(one)
    parts = []
    for column, (worst, *others) in list(columns.items())[:SHOWN]:
        first = worst["examples"][0] if worst["examples"] else None
        at = "" if first is None else f", first at row {first['row']}"
        value = "" if first is None or first["value"] is None else f": {first['value']!r}"
        also = "".join(f", and {one['check']} in {one['rows']:,}" for one in others)
        parts.append(
            f"column {column!r} of {name!r} (step {step!r}) {worst['check']} in "
            f"{worst['rows']:,} of {rows:,} rows{at}{value}{also}"
        )
    more = [repr(column) for column in list(columns)[SHOWN:]]
    if more:
        parts.append(f"nor do {', '.join(more)}")
    return STOPS + "; ".join(parts)


def changes(was: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return the changes of an edited schema, one line each.

    >>> was = {"frames": {"load": {"df": {"columns": {"x": {"kind": "number", "max": 3}}}}}}
    >>> now = {"frames": {"load": {"df": {"columns": {"x": {"kind": "number", "max": 9}}}}}}
    >>> changes(was, now)
    ['schema.json: load.df.x.max: 3 → 9']
    """
    old, new = (dict(_leaves(s.get("frames", {}))) for s in (was, now))
    lines = [
        f"schema.json: {'.'.join(key)}: {_shown(old.get(key))} → {_shown(new.get(key))}"
        for key in dict.fromkeys([*old, *new])
        if old.get(key, ...) != new.get(key, ...)
    ]
    if was.get("profile", {}) != now.get("profile", {}):
        lines.append("schema.json: profile")
    return lines


def carried(
    promoted: Mapping[str, Any], edited: Mapping[str, Any], fresh: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a newly inferred schema with the manual edits of the one before.

    promoted: as inferred before; edited: as applied; fresh: as inferred now

    Edits of columns that are removed, or of another kind now, are dropped.

    >>> def schema(**x):
    ...     return {"frames": {"load": {"df": {"columns": {"x": {"kind": "number", **x}}}}}}
    >>> carried(schema(max=3), schema(max=9), schema(max=4, min=0))["frames"]["load"]["df"]
    {'columns': {'x': {'kind': 'number', 'max': 9, 'min': 0}}}
    """
    found: dict[str, Any] = copy.deepcopy(dict(fresh))
    for step, frames in found["frames"].items():
        for name, frame in frames.items():
            for column, spec in frame["columns"].items():
                was, by_hand = (
                    one.get("frames", {}).get(step, {}).get(name, {}).get("columns", {}).get(column)
                    for one in (promoted, edited)
                )
                if was is not None and by_hand is not None and by_hand["kind"] == spec["kind"]:
                    _carry(was, by_hand, spec)
    return found


def _carry(was: Mapping[str, Any], by_hand: Mapping[str, Any], spec: dict[str, Any]) -> None:
    for key in {*was, *by_hand} - {"kind", "dtype"}:
        if by_hand.get(key) == was.get(key):
            continue
        if key in by_hand:
            spec[key] = by_hand[key]
        else:
            spec.pop(key, None)
    if "new" in spec and "categories" not in spec:
        del spec["new"]


def _shown(value: Any) -> str:
    return "nothing" if value is None else repr(value)


def _leaves(tree: Any, above: tuple[str, ...] = ()) -> Iterable[tuple[tuple[str, ...], Any]]:
    if not isinstance(tree, Mapping):
        yield above, tree
        return
    for key, value in tree.items():
        yield from _leaves(value, above if key == "columns" else (*above, str(key)))
