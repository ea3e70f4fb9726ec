"""Drawing rows for labelling, and the mean of all rows from those that were labelled."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from labelling import KINDS, LOSSES, run
from scipy.stats import binom, t

from mlops_nb.evaluation import sampling

RUNS = 200


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("loss", LOSSES)
def test_intervals_cover_and_are_never_wider_than_those_of_a_plain_sample(kind, loss):
    draw = np.random.default_rng(7)
    found = np.array([run(draw, kind, loss, 500, 1000) for _ in range(RUNS)])
    covered = found[:, 0].sum()
    low, high = binom.ppf([1e-4, 1 - 1e-4], RUNS, 0.95)
    assert low <= covered <= high
    assert found[:, 2].mean() <= 1.05 * found[:, 3].mean()


@pytest.mark.parametrize("kind", ["calibrated", "rare"])
def test_scores_that_are_right_save_labels(kind):
    draw = np.random.default_rng(8)
    found = np.array([run(draw, kind, "hit", 500, 1000) for _ in range(100)])
    assert found[:, 2].mean() < 0.9 * found[:, 3].mean()


@given(
    st.lists(st.floats(0, 5), min_size=1, max_size=60),
    st.integers(1, 80),
    st.floats(0, 1),
)
def test_probabilities_sum_to_the_size_and_are_none_beyond_one(spread, size, uniform):
    found = sampling.inclusion(np.array(spread), size, uniform)
    assert found.sum() == pytest.approx(min(size, len(spread)))
    assert found.min() >= 0
    assert found.max() <= 1 + 1e-9


@given(st.integers(1, 60), st.integers(0, 1000))
def test_a_draw_has_as_many_rows_as_asked_for_and_none_twice(size, seed):
    spread = np.random.default_rng(seed).lognormal(size=60)
    chosen = sampling.draw(sampling.inclusion(spread, size), seed)
    assert len(chosen) == len(set(chosen.tolist())) == size


def test_rows_are_drawn_as_often_as_their_probability_says():
    spread = np.random.default_rng(1).lognormal(size=40)
    probability = sampling.inclusion(spread, 10)
    drawn = np.zeros(40)
    for seed in range(4000):
        drawn[sampling.draw(probability, seed)] += 1
    error = np.sqrt(probability * (1 - probability) / 4000)
    assert (np.abs(drawn / 4000 - probability) < 5 * error + 1e-9).all()


def test_labels_of_all_rows_give_their_mean_and_no_forecast_moves_it():
    draw = np.random.default_rng(2)
    losses, expected = draw.random(300), draw.random(300)
    whole = sampling.weighted_sums(
        losses, np.ones(300), expected, rows=300, forecast=float(expected.sum())
    )
    assert sampling.estimate([whole]).value == pytest.approx(losses.mean())


def test_sums_of_days_are_those_of_all_rows():
    draw = np.random.default_rng(3)
    losses, weights, expected = draw.random((3, 90))
    whole = sampling.weighted_sums(losses, weights, expected, rows=500, forecast=200.0)
    parts = [
        sampling.weighted_sums(
            losses[at : at + 30],
            weights[at : at + 30],
            expected[at : at + 30],
            rows=rows,
            forecast=forecast,
        )
        for at, rows, forecast in ((0, 100, 50.0), (30, 150, 70.0), (60, 250, 80.0))
    ]
    one, other = sampling.estimate([whole]), sampling.estimate(parts)
    assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high))


def test_the_freedom_is_that_of_the_residuals_themselves():
    draw = np.random.default_rng(9)
    losses, weights, expected = draw.beta(0.1, 2, 80), draw.uniform(1, 9, 80), draw.random(80)
    sums = sampling.weighted_sums(losses, weights, expected, rows=500, forecast=240.0)
    slope, _ = sampling._tuned(sums)
    mean, middle = (weights @ values / weights.sum() for values in (losses, expected))
    apart = weights * (losses - mean - slope * (expected - middle))
    squares = (apart**2).sum()
    wanted = 2 * squares**2 / ((apart**4).sum() - squares**2 / 80)
    assert sampling._freedom(sums, slope) == pytest.approx(min(78, wanted))
    found = sampling.estimate([sums])
    error = np.sqrt(squares * 80 / 78) / weights.sum()
    assert found.high - found.low == pytest.approx(2 * t.ppf(0.975, min(78, wanted)) * error)


def test_a_loss_of_few_rows_that_tell_much_is_covered_more_often_than_by_a_normal_interval():
    draw = np.random.default_rng(10)
    found = np.array([run(draw, "rare", "brier", 200, 0) for _ in range(RUNS)])
    low, high = binom.ppf([1e-4, 1 - 1e-4], RUNS, 0.95)
    assert low <= found[:, 0].sum() <= high


def test_with_few_earlier_labels_every_row_is_as_likely():
    expected = np.random.default_rng(4).random(50)
    few = np.random.default_rng(5).random(sampling.PILOT - 1)
    assert set(sampling.learned_spread(expected, few, few)) == {1.0}
