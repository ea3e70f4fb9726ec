"""Measures how the columns of a window moved from the reference, with direction.

A threshold is a distance that hardly any days of the reference reach if they are left out of it
(`calibration`). Where the days of the reference are not known, it is one that samples of these
sizes hardly reach by chance: rows of days that are alike count for fewer, by the design effect of
the window's own days. It is never below the floors of `data.drift`.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from mlops_nb.data.drift import FLOORS, SURE, tv
from mlops_nb.monitoring.live import calibration, count
from mlops_nb.monitoring.live.calibration import OwnDays
from mlops_nb.monitoring.live.reference import ReferenceColumn
from mlops_nb.monitoring.live.sums import OTHER, ColumnCounts

CHANCE = 5e-4  # that a distance is beyond its threshold by chance
LEAST_DAYS = 5  # from which on days are compared with each other
FEW = 5  # rows of the reference below which a category is none of its own
UNSEEN_FLOOR = 0.003


class Movement(Struct, frozen=True, kw_only=True):
    """How far a column moved, by the statistic that is farthest beyond its threshold.

    direction: higher, lower, other mix, more missing, fewer missing, unseen: VALUE; "" if it did
               not move
    """

    column: str
    statistic: str
    value: float
    threshold: float
    direction: str = ""

    @property
    def drifted(self) -> bool:
        """Whether it is beyond its threshold."""
        return self.value > self.threshold

    @property
    def excess(self) -> float:
        """The value as a multiple of its threshold."""
        return self.value / self.threshold


def movement(
    was: ReferenceColumn, days: Sequence[ColumnCounts], own: OwnDays | None = None
) -> Movement | None:
    """Return the movement of a column; None if either side has no values.

    own: the days of the reference, by which thresholds are made; None: they are not known
    """
    now = count.added(days)
    if not now.rows or not was.rows:
        return None
    if own is not None:
        days = [now]  # the reference says how days differ
    found = [missing(was, days, own)]
    if now.rows > now.missing and was.known >= 1:
        if was.edges:
            found.append(_numbers(was, now, days, own))
        elif was.shares:
            found += _categories(was, now, days, own)
    return max(found, key=lambda one: one.excess)


def missing(
    was: ReferenceColumn, days: Sequence[ColumnCounts], own: OwnDays | None = None
) -> Movement:
    """Return how the share of missing values moved."""
    now = count.added(days)
    share = now.missing / now.rows
    pooled = (now.missing + was.missing * was.rows + 1) / (now.rows + was.rows + 2)
    alike = _design_effect([([day.missing], day.rows) for day in days])
    noise = 1 / now.rows + 1 / was.rows
    bound = SURE * math.sqrt(pooled * (1 - pooled) * (alike / now.rows + 1 / was.rows)) + noise
    if own is not None:
        parts = calibration.of_missing(own.counts)
        bound = own.threshold(parts, calibration.tv, by_chance=bound, noise=noise)
    return Movement(
        column=was.name,
        statistic="missing",
        value=abs(share - was.missing),
        threshold=max(FLOORS["missing"], bound),
        direction="more missing" if share > was.missing else "fewer missing",
    )


def _numbers(
    was: ReferenceColumn, now: ColumnCounts, days: Sequence[ColumnCounts], own: OwnDays | None
) -> Movement:
    """Return the distance of two distributions of numbers, at the edges of the reference.

    Bins are the values below the first edge, at it, between it and the second, and so on.
    """
    total = sum(now.bins)
    shares = [0.0]
    for rows in now.bins:
        shares.append(shares[-1] + rows / total)
    up = down = 0.0
    for place, (smaller, not_larger) in enumerate(zip(was.below, was.at_most, strict=True)):
        pairs = ((shares[2 * place + 1], smaller), (shares[2 * place + 2], not_larger))
        for share, (low, high) in pairs:
            up, down = max(up, low - share), max(down, share - high)
    noise = _noise(was, days, total)
    bound = math.sqrt(math.log(2 / CHANCE) / 2) * math.sqrt(noise)
    if own is not None:
        parts = calibration.of_bins(own.counts)
        bound = own.threshold(parts, calibration.ks, by_chance=bound, noise=noise)
    threshold = max(FLOORS["ks"], bound)
    direction = "higher" if up >= down else "lower"
    return Movement(
        column=was.name,
        statistic="ks",
        value=max(up, down),
        threshold=threshold,
        direction="other mix" if min(up, down) > threshold else direction,
    )


def _categories(
    was: ReferenceColumn, now: ColumnCounts, days: Sequence[ColumnCounts], own: OwnDays | None
) -> list[Movement]:
    total = now.rows - now.missing
    noise = _noise(was, days, total)
    common = {name for name, share in was.shares.items() if share * was.known >= FEW}
    before = _grouped(was.shares, common, 1.0)
    after = _grouped({n: c / total for n, c in now.categories.items()}, common, 1.0)
    pooled = [(before[n] + after[n]) / 2 for n in before]
    by_chance = sum(math.sqrt(p * (1 - p) * noise * 2 / math.pi) for p in pooled) / 2
    bound = by_chance + math.sqrt(math.log(1 / CHANCE) / 2 * noise)
    if own is not None:
        parts = calibration.of_categories(own.counts, sorted(common))
        bound = own.threshold(parts, calibration.tv, by_chance=bound, noise=noise)
    found = [
        Movement(
            column=was.name,
            statistic="tv",
            value=tv(before, after),
            threshold=max(FLOORS["tv"], bound),
            direction="other mix",
        )
    ]
    if was.whole and was.once is not None:
        found.append(_unseen(was, now, noise, own))
    return found


def _grouped(shares: Mapping[str, float], own: set[str], whole: float) -> dict[str, float]:
    """Return the shares of some categories, and of all others together."""
    kept = {name: shares.get(name, 0.0) for name in sorted(own)}
    return kept | {OTHER: max(0.0, whole - sum(kept.values()))}


def _unseen(was: ReferenceColumn, now: ColumnCounts, noise: float, own: OwnDays | None) -> Movement:
    """Return the share of values that the reference never had.

    By Good and Turing, it is expected to be that of the values that the reference had once.
    """
    total = now.rows - now.missing
    new = {n: c for n, c in now.categories.items() if n not in was.shares}
    once = was.once or 0
    expected = min(1.0, (once + SURE * math.sqrt(once) + FEW) / was.known)
    rows = 1 / max(noise - 1 / was.known, 1 / total)  # that count, as days are alike
    bound = expected + SURE * math.sqrt(expected * (1 - expected) / rows)
    if own is not None:
        parts = calibration.of_categories(own.counts, sorted(was.shares))
        bound = own.threshold(parts, calibration.unseen, by_chance=bound, noise=noise)
    named = sorted((n for n in new if n != OTHER), key=lambda n: (-new[n], n))
    return Movement(
        column=was.name,
        statistic="unseen",
        value=sum(new.values()) / total,
        threshold=max(UNSEEN_FLOOR, bound),
        direction=f"unseen: {named[0]}" if named else "",
    )


def _noise(was: ReferenceColumn, days: Sequence[ColumnCounts], total: int) -> float:
    """Return 1 / n + 1 / m of the rows that count of the window, n, and the reference, m."""
    if was.edges:
        parts = [(list(itertools.accumulate(day.bins)), sum(day.bins)) for day in days]
    else:
        names = sorted({name for day in days for name in day.categories})
        parts = [
            ([day.categories.get(name, 0) for name in names], day.rows - day.missing)
            for day in days
        ]
    return _design_effect(parts) / total + 1 / was.known


def _design_effect(days: Sequence[tuple[list[int], int]]) -> float:
    """Return by how much the days differ more than samples of rows would, at least 1.

    days: for each day, in order, the rows of each bin, and all rows

    Only days that follow each other are compared (von Neumann 1941), so that a change for good in
    the middle of the window does not count as noise.
    """
    known = [(bins, rows) for bins, rows in days if rows]
    if len(known) < LEAST_DAYS:
        return 1.0
    import numpy as np

    bins: Any = np.array([one for one, _ in known], float)
    rows: Any = np.array([number for _, number in known], float)
    total = rows.sum()
    shares = bins.sum(axis=0) / total
    apart = bins - rows[:, None] * shares
    number = len(known)
    steps = np.diff(apart, axis=0)
    clustered = number / (2 * (number - 1)) * (steps * steps).sum() / total**2
    independent = (shares * (1 - shares)).sum() / total
    return max(1.0, float(clustered / independent)) if independent else 1.0
