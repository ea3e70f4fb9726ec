"""Slices are shrunk as far as their noise asks for: nearer to the truth, with honest intervals."""

import math

import numpy as np
import pytest
from scipy.optimize import brentq

from mlops_nb.evaluation.shrinkage import Change, between, shrunk

NOTHING = Change(value=0.0, variance=0.0)


def changes(values, variances):
    return [
        Change(value=float(v), variance=float(d)) for v, d in zip(values, variances, strict=True)
    ]


@pytest.mark.parametrize("seed", range(20))
def test_the_variance_between_slices_solves_its_equation(seed):
    draw = np.random.default_rng(seed)
    count = int(draw.integers(2, 40))
    noise = draw.gamma(1, 0.5, count) + 1e-3
    values = draw.normal(0.3, draw.choice([0, 0.5, 5]), count) + draw.normal(0, np.sqrt(noise))

    def excess(apart):
        return ((values - 0.3) ** 2 / (apart + noise)).sum() - (count - 1)

    expected = brentq(excess, 0, 1e4, xtol=1e-12) if excess(0) > 0 else 0.0
    assert between(changes(values, noise), 0.3) == pytest.approx(expected, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("spread", [0.0, 0.3, 3.0])
def test_shrunk_changes_are_nearer_to_the_truth(spread):
    draw = np.random.default_rng(1)
    raw, better, held, count = 0.0, 0.0, 0, 0
    for _ in range(300):
        truth = draw.normal(0.1, spread, 30)
        noise = draw.choice([0.01, 0.2, 1.0], 30)
        values = truth + draw.normal(0, np.sqrt(noise))
        found = shrunk(changes(values, noise), Change(value=0.1, variance=0.0))
        means = np.array([one.value for one in found])
        half = 1.96 * np.sqrt([one.variance for one in found])
        raw += ((values - truth) ** 2).sum()
        better += ((means - truth) ** 2).sum()
        held += int((np.abs(means - truth) <= half).sum())
        count += 30
    assert better < raw
    if spread:  # without any, the model says that there is none, and often is right
        assert 0.92 < held / count < 0.97


def test_a_slice_without_noise_stays_and_one_that_is_all_noise_is_the_whole():
    whole = Change(value=-0.1, variance=0.04)
    found = shrunk(changes([1.0, -1.0, 0.5], [0.0, 0.0, math.inf]), whole)
    assert [one.value for one in found] == pytest.approx([1.0, -1.0, -0.1])
    assert [one.variance for one in found] == pytest.approx([0.0, 0.0, 0.04])


def test_equal_slices_are_the_whole():
    whole = Change(value=0.2, variance=0.01)
    assert shrunk(changes([0.21, 0.19, 0.2], [1, 1, 1]), whole) == [whole] * 3
    assert shrunk(changes([5.0], [1.0]), whole) == [whole]
    assert shrunk([], whole) == []


def test_the_order_of_slices_changes_nothing():
    draw = np.random.default_rng(2)
    given = changes(draw.normal(0, 1, 12), draw.gamma(1, 1, 12))
    order = draw.permutation(12)
    one, two = shrunk(given, NOTHING), shrunk([given[i] for i in order], NOTHING)
    assert [x.value for x in two] == pytest.approx([one[i].value for i in order])
