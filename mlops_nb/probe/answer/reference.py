"""Describes columns of rows, so that what comes later can be compared with them."""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from . import frames

QUANTILES = tuple(i / 20 for i in range(21))
MOST = 500  # values of a column of texts that are counted each
NUMBERS = {"int", "float"}
INPUT = "in_"  # the prefix of input columns in the log


def describe(columns: frames.Columns, signature: Mapping[str, Any]) -> dict[str, Any]:
    """Return column → its kind, rows, share of missing values, and quantiles or shares."""
    return {c["name"]: describe_column(columns[c["name"]], c["kind"]) for c in signature["columns"]}


def describe_column(values: Sequence[Any], kind: str) -> dict[str, Any]:
    """Return the kind of a column, its rows, share of missing values, and quantiles or shares.

    at_most, below: for each distinct quantile the share of values that are not larger, and smaller
    once:           values that occur once, of those that are no numbers
    """
    known = [v for v in values if v is not None]
    found: dict[str, Any] = {
        "kind": kind,
        "rows": len(values),
        "missing": 1 - len(known) / len(values) if values else 0.0,
    }
    if kind in NUMBERS and known:
        known.sort()
        found["quantiles"] = [known[round(q * (len(known) - 1))] for q in QUANTILES]
        edges = sorted(set(found["quantiles"]))
        found["at_most"] = [bisect_right(known, edge) / len(known) for edge in edges]
        found["below"] = [bisect_left(known, edge) / len(known) for edge in edges]
        found["mean"] = sum(known) / len(known)
    elif known:
        counted = Counter(map(str, known))
        found["distinct"] = len(counted)
        found["once"] = sum(count == 1 for count in counted.values())
        found["shares"] = {v: n / len(known) for v, n in counted.most_common(MOST)}
    return found
