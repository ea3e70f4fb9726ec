"""Which rows to label for the money, and the mean loss of all rows from those that were labelled.

A row is drawn with a known probability π. Of a loss ℓ, whose expectation by the score is f, the
mean over all rows is that of ψ = λ f + (ξ / π) (ℓ − λ f), where ξ says whether the row was drawn; λ
is tuned so that the variance is least, and the weights ξ / π are scaled to the number of rows.

Losses of few rows that tell much (rare classes, large weights) have a variance that is itself known
badly: intervals take Student's t, with the degrees of freedom that the fourth moment leaves.

Sources: Zrnic and Candes, "Active statistical inference" (2024); Angelopoulos, Duchi and Zrnic,
"PPI++: efficient prediction-powered inference" (2023); Sarndal, Swensson and Wretman, "Model
assisted survey sampling" (1992), section 6.4; Satterthwaite, "An approximate distribution of
estimates of variance components" (1946).

numpy is imported by the functions that need it.
"""

import math
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from mlops_nb.evaluation.metrics import wilson

UNIFORM = 0.2  # share of the draw that does not depend on the expected spread
PILOT = 200  # labelled rows, from which on their spread is known
GROUPS = 10  # of rows by their expected spread
PRIOR = 10.0  # rows of the whole that a group's spread is shrunk towards


def inclusion(spread: Any, size: int, uniform: float = UNIFORM) -> Any:
    """Return the probabilities by which rows are drawn, in proportion to a spread.

    spread:  (n,) not negative; size: rows that are drawn; uniform: share of equal probability

    The probabilities sum to `size`, or are all 1 if there are no more rows.
    """
    import numpy as np

    n = len(spread)
    if size >= n:
        return np.ones(n)
    mean = float(spread.mean())
    shape = uniform + (1 - uniform) * spread / mean if mean > 0 else np.ones(n)
    found = np.zeros(n)
    free = np.ones(n, bool)
    while True:  # what would be beyond 1 is certain, and the rest shares what is left
        left = size - np.count_nonzero(~free)
        found = np.where(free, left * shape / shape[free].sum(), 1.0)
        beyond = free & (found > 1)
        if not beyond.any():
            return found
        free &= ~beyond


def draw(probabilities: Any, seed: int) -> Any:
    """Return the places of the drawn rows, in random order: as many as the probabilities sum to.

    Systematic sampling of rows in random order (Madow 1949).
    """
    import numpy as np

    random = np.random.default_rng(seed)
    order = random.permutation(len(probabilities))
    ends = np.cumsum(probabilities[order])
    size = round(float(ends[-1]))
    marks = np.arange(size) + random.random()
    chosen = order[np.minimum(np.searchsorted(ends, marks), len(order) - 1)]
    return random.permutation(chosen)


def learned_spread(expected: Any, known: Any, losses: Any) -> Any:
    """Return the spread of each row's loss, as earlier labels of like rows show it.

    expected: (n,) spread by the scores, which may mislead
    known:    (m,) the same of labelled rows; losses: (m,) their losses

    Rows are grouped by their expected spread. With few labels nothing is known: all are equal.
    """
    import numpy as np

    if len(known) < PILOT or float(np.ptp(known)) == 0:
        return np.ones(len(expected))
    cuts = np.unique(np.quantile(known, np.linspace(0, 1, GROUPS + 1)[1:-1]))
    groups = np.searchsorted(cuts, known, side="right")
    count = np.bincount(groups, minlength=len(cuts) + 1)
    total = np.bincount(groups, weights=losses, minlength=len(cuts) + 1)
    squares = np.bincount(groups, weights=losses * losses, minlength=len(cuts) + 1)
    whole = float(losses.var())
    apart = squares - total * total / np.maximum(count, 1)
    variance = (apart + PRIOR * whole) / (count + PRIOR)
    return np.sqrt(variance)[np.searchsorted(cuts, expected, side="right")]


POWERS = tuple((a, b) for a in range(5) for b in range(5 - a))  # of losses and of expected ones


class WeightedSums(Struct, frozen=True, kw_only=True):
    """Sums over labelled rows, from which the mean loss of all rows follows; they can be added.

    rows:     all rows, labelled or not; forecast: the sum of their expected losses f
    labels:   labelled rows
    w, wl, wf, wlf, wff: sums of weights w, of w ℓ, w f, w ℓ f, w f f
    ww, wwl, wwf, wwll, wwlf, wwff: the same with the squares of weights
    fourths: sums of w^4 l^a f^b, in the order of `POWERS`
    """

    rows: int = 0
    forecast: float = 0.0
    labels: int = 0
    w: float = 0.0
    wl: float = 0.0
    wf: float = 0.0
    wlf: float = 0.0
    wff: float = 0.0
    ww: float = 0.0
    wwl: float = 0.0
    wwf: float = 0.0
    wwll: float = 0.0
    wwlf: float = 0.0
    wwff: float = 0.0
    fourths: tuple[float, ...] = ()


class MeanEstimate(Struct, frozen=True, kw_only=True):
    """A mean with its 95 % interval. by_days: the interval follows from the days."""

    value: float
    low: float
    high: float
    by_days: bool = False


def weighted_sums(losses: Any, weights: Any, expected: Any, *, rows: int, forecast: float) -> Any:
    """Return the sums of labelled rows. losses, weights, expected: (labels,)."""
    double = weights * weights

    def total(values: Any) -> float:
        return float(values.sum())

    return WeightedSums(
        rows=rows,
        forecast=forecast,
        labels=len(losses),
        w=total(weights),
        wl=total(weights * losses),
        wf=total(weights * expected),
        wlf=total(weights * losses * expected),
        wff=total(weights * expected * expected),
        ww=total(double),
        wwl=total(double * losses),
        wwf=total(double * expected),
        wwll=total(double * losses * losses),
        wwlf=total(double * losses * expected),
        wwff=total(double * expected * expected),
        fourths=tuple(total(double * double * losses**a * expected**b) for a, b in POWERS),
    )


def added(parts: Sequence[WeightedSums]) -> WeightedSums:
    """Return the sums of several groups of rows together.

    >>> added([WeightedSums(rows=2, w=1.5), WeightedSums(rows=3, w=2.0)]).w
    3.5
    """
    names = [name for name in WeightedSums.__struct_fields__ if name != "fourths"]
    fourths = zip(*(one.fourths for one in parts if one.fourths), strict=True)
    return WeightedSums(
        **{name: sum(getattr(one, name) for one in parts) for name in names},
        fourths=tuple(map(sum, fourths)),
    )


def estimate(
    parts: Sequence[WeightedSums], quantile: float | None = None, *, bounded: bool = False
) -> MeanEstimate:
    """Return the mean loss of all rows.

    parts:    the sums of each day
    quantile: of Student's t, for an interval that follows from how the days differ; None: from rows
    bounded:  the loss lies in [0, 1]
    """
    whole = added(parts)
    slope, away = _tuned(whole)
    mean, expected = whole.wl / whole.w, whole.wf / whole.w
    value = mean + slope * away
    if quantile is not None:
        apart = [
            one.wl - mean * one.w - slope * (one.wf - expected * one.w)
            for one in parts
            if one.labels
        ]
        number = len(apart)
        variance = number / (number - 1) * sum(x * x for x in apart) / whole.w**2
        half = quantile * math.sqrt(variance)
    else:
        half = _student(_freedom(whole, slope)) * math.sqrt(_row_variance(whole, slope))
    low, high = value - half, value + half
    if bounded:
        if quantile is None:
            low, high = _proportion(value, whole, slope)
        low, high = max(0.0, low), min(1.0, high)
    return MeanEstimate(value=value, low=low, high=high, by_days=quantile is not None)


def _tuned(whole: WeightedSums) -> tuple[float, float]:
    """Return λ, and by how much the expected losses of all rows exceed those of labelled ones.

    λ is the slope of the losses on the expected ones, weighted as they are in the variance.
    """
    away = whole.forecast / whole.rows - whole.wf / whole.w if whole.rows else 0.0
    mean, expected = whole.wl / whole.w, whole.wf / whole.w
    both = whole.wwlf - expected * whole.wwl - mean * whole.wwf + mean * expected * whole.ww
    own = whole.wwff - 2 * expected * whole.wwf + expected * expected * whole.ww
    if own <= 1e-12 * whole.ww or whole.labels < LEAST_TUNED:
        return 0.0, away
    return both / own, away


LEAST_TUNED = 30  # labels, below which λ is 0: its error would widen the interval


def _row_variance(whole: WeightedSums, slope: float) -> float:
    mean, expected = whole.wl / whole.w, whole.wf / whole.w
    ll = whole.wwll - 2 * mean * whole.wwl + mean * mean * whole.ww
    lf = whole.wwlf - expected * whole.wwl - mean * whole.wwf + mean * expected * whole.ww
    ff = whole.wwff - 2 * expected * whole.wwf + expected * expected * whole.ww
    residual = max(0.0, ll - 2 * slope * lf + slope * slope * ff)
    lost = _fitted(slope)
    return residual * whole.labels / max(whole.labels - lost, 1) / whole.w**2


def _fitted(slope: float) -> int:
    """Return how many parameters were fitted."""
    return 2 if slope else 1


def _freedom(whole: WeightedSums, slope: float) -> float:
    """Return the degrees of freedom of the variance.

    Of the sum of the squares of n independent residuals r it is 2 (Σr²)² / (Σr⁴ − (Σr²)² / n): that
    of a chi-square with the same mean and variance.
    """
    most = float(max(whole.labels - _fitted(slope), 1))
    mean, expected = whole.wl / whole.w, whole.wf / whole.w
    rest = slope * expected - mean
    fourth = sum(
        math.comb(4, a) * math.comb(4 - a, b) * (-slope) ** b * rest ** (4 - a - b) * total
        for (a, b), total in zip(POWERS, whole.fourths, strict=False)
    )
    squares = _row_variance(whole, slope) * whole.w**2 * most / max(whole.labels, 1)
    apart = fourth - squares**2 / max(whole.labels, 1)
    if squares <= 0 or apart <= 0:
        return most
    return min(most, max(1.0, 2 * squares**2 / apart))


def _student(freedom: float) -> float:
    """Return the 97.5 % quantile of Student's t."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 0.975))


def _proportion(value: float, whole: WeightedSums, slope: float) -> tuple[float, float]:
    """Return the interval of a share: Wilson's, of as many rows as the variance is worth.

    Student's t takes the place of the normal distribution.
    """
    plain = _row_variance(whole, 0.0)
    gain = _row_variance(whole, slope) / plain if plain > 0 else 1.0
    mean = min(max(value, 0.0), 1.0)
    usual = mean * (1 - mean)
    worth = whole.w**2 / whole.ww  # rows of equal weight (Kish 1965)
    if plain > 0 and usual > 0:
        worth = usual / (plain * gain)
    worth = max(1.0, worth)
    return wilson(mean * worth, worth, _student(_freedom(whole, slope)))
