"""Describes columns of rows, so that what comes later can be compared with them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from . import frames

QUANTILES = tuple(i / 20 for i in range(21))
MOST = 50  # values of a column of texts that are counted each
NUMBERS = {"int", "float"}


def describe(columns: frames.Columns, signature: Mapping[str, Any]) -> dict[str, Any]:
    """Return column → its kind, rows, share of missing values, and quantiles or shares."""
    return {
        c["name"]: {"kind": c["kind"], **_described(columns[c["name"]], c["kind"])}
        for c in signature["columns"]
    }


def _described(values: Sequence[Any], kind: str) -> dict[str, Any]:
    known = [v for v in values if v is not None]
    found: dict[str, Any] = {
        "rows": len(values),
        "missing": 1 - len(known) / len(values) if values else 0.0,
    }
    if kind in NUMBERS and known:
        known.sort()
        found["quantiles"] = [known[round(q * (len(known) - 1))] for q in QUANTILES]
        found["mean"] = sum(known) / len(known)
    elif known:
        counted = Counter(map(str, known))
        found["distinct"] = len(counted)
        found["shares"] = {v: n / len(known) for v, n in counted.most_common(MOST)}
    return found
