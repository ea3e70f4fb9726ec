"""Measures the drift of columns from their profiles: distances, and their thresholds.

There are no p-values: with a million rows the smallest difference is significant. A threshold is a
distance that two samples of the reference hardly reach by chance, and at least a fixed floor.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

FLOORS = {"ks": 0.02, "psi": 0.05, "tv": 0.02, "missing": 0.003}  # measured: facts/operations.md
LEAST = 1e-6  # the share that PSI uses instead of 0, which has no logarithm
EXAMPLES = 5
SURE = 4.0  # standard errors of a share that are unlikely by chance
OTHER = "(other)"

Shares = Sequence[float]


def psi(was: Shares, now: Shares) -> float:
    """Return the population stability index of two distributions over the same bins.

    sum((now - was) * ln(now / was)); see Yurdakul 2018, "Statistical properties of PSI".

    >>> round(psi([0.5, 0.5], [0.6, 0.4]), 4)
    0.0405
    """
    pairs = [(max(a, LEAST), max(b, LEAST)) for a, b in zip(was, now, strict=True)]
    return sum((b - a) * math.log(b / a) for a, b in pairs)


def ks(was: Shares, now: Shares) -> float:
    """Return the Kolmogorov-Smirnov distance of binned values, a lower bound of the true one.

    >>> ks([0.25, 0.25, 0.5], [0.5, 0.25, 0.25])
    0.25
    """
    widest = apart = 0.0
    for a, b in zip(was, now, strict=True):
        apart += b - a
        widest = max(widest, abs(apart))
    return widest


def tv(was: Mapping[str, float], now: Mapping[str, float]) -> float:
    """Return the total variation distance of two distributions over categories.

    >>> tv({"a": 0.5, "b": 0.5}, {"a": 0.75, "c": 0.25})
    0.5
    """
    return sum(abs(was.get(k, 0.0) - now.get(k, 0.0)) for k in {*was, *now}) / 2


def thresholds(
    profile: Mapping[str, Any], rows: int, pairs: Iterable[tuple[Shares, Shares]]
) -> dict[str, float]:
    """Return statistic → threshold: the largest distance of the pairs, or the floor.

    rows:  rows of the reference
    pairs: shares of two random samples of the reference; two, as the reference is a sample, too
    """
    share = (profile["missing"] * rows + 1) / (rows + 2)  # rule of succession
    far = {"missing": SURE * math.sqrt(2 * share * (1 - share) / max(rows, 1))}
    if "edges" in profile:
        found = [(ks(*pair), psi(*pair)) for pair in pairs]
        far["ks"] = max((k for k, _ in found), default=0.0)
        far["psi"] = max((p for _, p in found), default=0.0)
    elif "shares" in profile:
        far["tv"] = max((_apart(*pair) for pair in pairs), default=0.0)
    return {name: round(max(FLOORS[name], value), 6) for name, value in far.items()}


def _apart(was: Shares, now: Shares) -> float:
    return sum(abs(a - b) for a, b in zip(was, now, strict=True)) / 2


def drift(
    column: str, was: Mapping[str, Any], now: Mapping[str, Any], rows: tuple[int, int]
) -> dict[str, Any]:
    """Return the drift of a column: {column, statistic, value, threshold, drifted}.

    was:  {"missing", "edges" and "shares" of bins, or "shares" of categories, "thresholds"}
    now:  the same of the current data, over the same bins; "unseen": categories that are new
    rows: of the reference and of the current data; samples with few rows vary more

    The statistic that is farthest beyond its threshold is reported; new categories are added.

    >>> was = {"missing": 0.0, "shares": {"a": 1.0}, "thresholds": {"tv": 0.02}}
    >>> drift("c", was, {"missing": 0.0, "shares": {"b": 1.0}}, (9, 9))["value"]
    1.0
    """
    found = {"missing": abs(now["missing"] - was["missing"])}
    if "edges" in was:
        found["psi"] = psi(was["shares"], now["shares"])
        found["ks"] = ks(was["shares"], now["shares"])
    elif "shares" in was:
        found["tv"] = tv(was["shares"], now["shares"])
    wider = max(1.0, math.sqrt((1 + rows[0] / max(rows[1], 1)) / 2))  # for unequal samples
    bounds = {
        name: max(was["thresholds"].get(name, FLOORS[name]), LEAST)
        * (wider**2 if name == "psi" else wider)
        for name in found
    }
    unseen = list(now.get("unseen", ()))
    name = max(found, key=lambda one: found[one] / bounds[one])
    result = {
        "column": column,
        "statistic": name,
        "value": round(found[name], 6),
        "threshold": round(bounds[name], 6),
        "drifted": found[name] > bounds[name],
    }
    if unseen and not result["drifted"]:
        result |= {"statistic": "unseen", "value": len(unseen), "threshold": 0, "drifted": True}
    return result | ({"unseen": unseen[:EXAMPLES]} if unseen else {})
