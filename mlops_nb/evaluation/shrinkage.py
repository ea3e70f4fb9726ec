"""Shrinks what few rows show of a slice towards what all rows show: empirical Bayes.

The change of a slice k, d_k, is measured with the variance D_k; the true changes of the slices are
taken as draws from a normal distribution around the change of the whole, m, with the variance A.
Then the best estimate of a slice's change is m + B (d_k − m), with B = A / (A + D_k): of a large
slice what it shows itself, of a small one what the whole shows. A is what makes the weighted
squares sum((d_k − m)² / (A + D_k)) as large as there are degrees of freedom, or 0. The variance of
the estimate is B D_k + (1 − B)² V, where V is that of m; that A is itself an estimate is left out.

Sources: Efron and Morris, "Data analysis using Stein's estimator and its generalizations" (1975);
Paule and Mandel, "Consensus values and weighting factors" (1982), for A.
"""

import math
from collections.abc import Sequence

from msgspec import Struct

HALVINGS = 80  # of the range that A lies in


class Change(Struct, frozen=True, kw_only=True):
    """A change, and the variance that it is known with."""

    value: float
    variance: float


def shrunk(slices: Sequence[Change], whole: Change) -> list[Change]:
    """Return the changes of slices, each shrunk towards that of the whole.

    >>> whole = Change(value=0.0, variance=0.0)
    >>> large, small = (Change(value=1.0, variance=v) for v in (0.01, 4.0))
    >>> [round(one.value, 2) for one in shrunk([large, small], whole)]
    [0.99, 0.23]
    """
    apart = between(slices, whole.value)
    found = []
    for one in slices:
        own = apart / (apart + one.variance) if apart else 0.0
        variance = (1 - own) ** 2 * whole.variance
        if own:
            variance += own * one.variance
        found.append(Change(value=whole.value + own * (one.value - whole.value), variance=variance))
    return found


def between(slices: Sequence[Change], mean: float) -> float:
    """Return the variance of the true changes of slices around a mean, 0 for fewer than two."""
    known = [one for one in slices if math.isfinite(one.variance)]
    freedom = len(known) - 1
    if freedom < 1:
        return 0.0
    low, high = 0.0, max((one.value - mean) ** 2 for one in known) * len(known)
    if _squares(known, mean, low) <= freedom:
        return 0.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if _squares(known, mean, middle) > freedom:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _squares(slices: Sequence[Change], mean: float, apart: float) -> float:
    total = 0.0
    for one in slices:
        away, variance = (one.value - mean) ** 2, apart + one.variance
        total += away / variance if variance else (math.inf if away else 0.0)
    return total
