"""The alarm of harm: its sums are those of every day on which a rise may have begun."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_nb.evaluation import detector
from mlops_nb.evaluation.detector import RISES, Cohort, Detector


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=30))
def test_the_sums_are_over_all_days_on_which_a_rise_may_have_begun(days):
    sums = (0.0,) * len(RISES)
    for above in days:
        sums = detector.after(sums, above)
    for rise, found in zip(RISES, sums, strict=True):
        steps = [rise * above - rise * rise / 2 for above in days]
        wanted = sum(math.exp(sum(steps[start:])) for start in range(len(days)))
        assert found == pytest.approx(wanted)


def days_of(draw, losses, labels=400):
    """Return days with so many labels each, of true mean losses."""
    seen = draw.binomial(labels, losses) / labels
    return [Cohort(loss=float(x), labels=labels, variance=float(x * (1 - x))) for x in seen]


def test_a_fall_is_seen_and_good_months_before_it_do_not_hide_it():
    draw = np.random.default_rng(3)
    for healthy in (1, 300):
        watched = Detector(days_of(draw, [0.15] * 28), series=20, tolerance=0.01)
        days = days_of(draw, [0.15] * healthy + [0.32] * 10)
        first = detector.first_alarm(watched, days)
        assert healthy <= first <= healthy + 2


def test_an_improvement_and_a_change_within_the_tolerance_are_no_harm():
    draw = np.random.default_rng(4)
    for loss in (0.05, 0.155):
        watched = Detector(days_of(draw, [0.15] * 28), tolerance=0.01)
        assert detector.first_alarm(watched, days_of(draw, [loss] * 365)) is None


def test_days_that_are_alike_are_taken_as_few_rows_and_days_that_are_not_as_many():
    draw = np.random.default_rng(5)
    apart = Detector(days_of(draw, np.clip(draw.normal(0.15, 0.05, 60), 0, 1)))
    alike = Detector(days_of(draw, [0.15] * 60))
    assert apart.spread(400) == pytest.approx(math.sqrt(0.05**2 + 0.15 * 0.85 / 400), rel=0.3)
    assert alike.spread(400) == pytest.approx(math.sqrt(0.15 * 0.85 / 400), rel=0.3)
    assert alike.spread(40) > alike.spread(400)


def test_fewer_than_seven_days_promise_nothing():
    with pytest.raises(ValueError, match="6 days promise nothing"):
        Detector(days_of(np.random.default_rng(6), [0.1] * 6))
