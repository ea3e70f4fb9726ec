"""Harm from closed cohorts: against simulated streams, and against a look that ends earlier."""

from datetime import date, timedelta

import numpy as np
import pytest

from mlops_nb.evaluation.detector import Promise
from mlops_nb.events import CohortClosed
from mlops_nb.monitoring.incidents import harm
from mlops_nb.monitoring.incidents.harm import WatchedRelease

START = date(2026, 1, 1)


def day(number):
    return (START + timedelta(days=number)).isoformat()


def stream(losses, labels=500, seed=0, version=1):
    """Return closed days whose rows are missed with the probability of each day."""
    draw = np.random.default_rng(seed)
    return [
        cohort(day(place), int(draw.binomial(labels, 1 - loss)), labels, version)
        for place, loss in enumerate(losses)
    ]


def cohort(name, hits, labels, version=1):
    one = {"version": version, "rows": labels, "labels": labels}
    return CohortClosed(
        job="m",
        model="m",
        day=name,
        versions=({**one, "losses": {"hit": [labels, float(hits), float(hits)]}},),
    )


def release(**more):
    return WatchedRelease(version=1, since=day(0), **more)


PROMISED = {"hit": Promise(loss=0.15, rows=4000, days=20.0)}


@pytest.mark.parametrize("promised", [{}, PROMISED])
def test_a_fall_of_a_fifth_is_found_within_two_days_in_the_median(promised):
    delays = []
    for seed in range(20):
        losses = [0.15] * 200 + [0.32] * 10
        found = harm.harms(stream(losses, seed=seed), release(promised=promised))
        (one,) = found
        assert (one.metric, one.version, one.primary) == ("accuracy", 1, True)
        assert 0.63 < one.value < 0.75
        assert 0.83 < one.promised < 0.87
        delays.append((date.fromisoformat(one.day) - START).days - 199)
    assert np.median(delays) <= 2


def ranked(values, seed=0, queries=100):
    """Return closed days of queries whose gain has a mean of each day."""
    draw = np.random.default_rng(seed)
    found = []
    for place, value in enumerate(values):
        gains = draw.beta(12 * value, 12 * (1 - value), queries)
        sums = [queries, float(gains.sum()), float((gains**2).sum())]
        one = {"version": 1, "rows": 900, "labels": 900, "losses": {"ndcg": sums}}
        found.append(CohortClosed(job="m", model="m", day=day(place), versions=(one,)))
    return found


@pytest.mark.parametrize("promised", [{}, {"ndcg": Promise(loss=0.2, rows=800, days=8.0)}])
def test_a_ranking_that_gets_worse_is_harm_and_one_that_does_not_is_none(promised):
    for seed in range(10):
        assert harm.harms(ranked([0.8] * 120, seed), release(promised=promised)) == []
        (one,) = harm.harms(ranked([0.8] * 120 + [0.7] * 5, seed), release(promised=promised))
        assert (one.metric, one.primary) == ("ndcg", True)
        assert 0.67 < one.value < 0.73
        assert 0.77 < one.bound < one.promised < 0.83


def test_a_healthy_year_raises_no_alarm_in_nineteen_of_twenty():
    wrong = sum(
        bool(harm.harms(stream([0.15] * 365, seed=s), release(promised=PROMISED)))
        for s in range(100)
    )
    assert wrong <= 5


def test_a_season_within_the_tolerance_is_no_harm():
    losses = 0.15 + 0.01 * np.sin(np.arange(365) / 365 * 2 * np.pi)
    assert harm.harms(stream(losses), release(promised=PROMISED)) == []


def test_the_change_is_dated():
    found = harm.harms(stream([0.15] * 60 + [0.3] * 8), release(promised=PROMISED))
    away = (date.fromisoformat(found[0].since) - START).days - 60
    assert abs(away) <= 2


def test_a_release_that_is_bad_from_its_first_day_is_found_by_its_promise():
    losses = [0.3] * 10
    assert harm.harms(stream(losses), release(promised=PROMISED))
    assert harm.harms(stream(losses), release()) == []  # nothing says that it was better


def test_what_comes_later_changes_no_earlier_decision():
    """Decisions with the future cut off are those that were taken."""
    losses = [0.15] * 50 + [0.2] * 40
    whole = stream(losses, labels=60, seed=3)
    (found,) = harm.harms(whole, release(promised=PROMISED))
    for end in range(1, len(whole) + 1):
        early = harm.harms(whole[:end], release(promised=PROMISED))
        if whole[end - 1].day < found.day:
            assert early == []
        else:
            assert early[0].day == found.day
            assert early[0].since == found.since


def test_a_level_that_a_person_accepted_is_no_harm_and_a_further_fall_is():
    losses = [0.15] * 30 + [0.3] * 20
    accepted = release(promised=PROMISED, accepted=day(49))
    later = [*losses, *[0.3] * 30]
    assert harm.harms(stream(later), release(promised=PROMISED))
    assert harm.harms(stream(later), accepted) == []
    assert harm.harms(stream([*later, *[0.5] * 8]), accepted)


def test_another_version_and_days_before_the_release_do_not_count():
    bad = stream([0.5] * 40, version=2)
    assert harm.harms(bad, release(promised=PROMISED)) == []
    early = stream([0.5] * 20 + [0.15] * 30)
    late = WatchedRelease(version=1, since=day(20), promised=PROMISED)
    assert harm.harms(early, late) == []


def test_the_fall_that_a_trigger_allows_is_no_harm():
    losses = stream([0.15] * 30 + [0.18] * 60)
    assert harm.harms(losses, release(promised=PROMISED))
    allowed = release(promised=PROMISED, tolerances={"accuracy": 0.06})
    assert harm.harms(losses, allowed) == []


def test_few_labels_a_day_are_joined():
    days = harm.joined(harm.days_of(stream([0.2] * 20, labels=3), 1, day(0)))
    assert {one.labels for one in days} == {12}
    assert [one.first for one in days] == [day(4 * n) for n in range(5)]
