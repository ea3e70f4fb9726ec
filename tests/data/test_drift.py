"""Distances between what a column was and is, and from where on they are worth a word."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from mlops_nb.data import drift
from mlops_nb.data import profile as data_profile


def shares(least=1):
    counts = st.lists(st.integers(least, 50), min_size=4, max_size=4).filter(any)
    return counts.map(lambda found: [count / sum(found) for count in found])


@given(shares(), shares())
def test_no_distance_is_negative_and_only_the_same_is_near(was, now):
    for distance in (drift.psi, drift.ks):
        assert distance(was, was) == pytest.approx(0)
        assert distance(was, now) >= 0
    as_tv = [dict(zip("abcd", found, strict=True)) for found in (was, now)]
    assert 0 <= drift.tv(*as_tv) <= 1
    assert drift.ks(was, now) <= drift.tv(*as_tv) + 1e-12  # one set of bins against all of them


@given(shares(0), shares(0))
def test_an_empty_bin_is_no_infinity(was, now):
    assert math.isfinite(drift.psi(was, now))


def whole(values, **other):
    """Return values as columns that a kernel wrote."""
    arrays = {"x": np.asarray(values), **other}
    kinds = {n: "number" if a.dtype.kind in "iuf" else "text" for n, a in arrays.items()}
    return data_profile.Columns(len(arrays["x"]), kinds, arrays)


def profile(values, **other):
    found = whole(values, **other)
    told = {n: {"kind": k, "dtype": str(found.arrays[n].dtype)} for n, k in found.kinds.items()}
    return {n: one["profile"] for n, one in data_profile.profile(found, told).items()}


def moved(was, now):
    """Return the statistic by which a column of numbers moved, "" where it did not."""
    (found,) = data_profile.moved(whole(now), profile(was), len(was))
    return found["statistic"] if found["drifted"] else ""


def normal(n=5000, seed=0, **other):
    return np.random.default_rng(seed).normal(size=n, **other)


def test_the_distance_by_bins_is_nearly_that_of_every_value():
    was, now = normal(), normal(seed=1, loc=0.3)
    of_bins = profile(was)["x"]
    place = np.searchsorted(of_bins["edges"], now, side="right")
    shares = np.bincount(place, minlength=len(of_bins["shares"])) / len(now)
    exact = ks_2samp(was, now).statistic
    assert exact - 0.02 <= drift.ks(of_bins["shares"], shares) <= exact + 1e-6


def test_another_sample_of_the_same_never_or_hardly_ever_moved():
    alarms = sum(bool(moved(normal(seed=s), normal(seed=1000 + s))) for s in range(40))
    assert alarms <= 2


@pytest.mark.parametrize("n", [50, 300, 20_000])
def test_the_same_in_fewer_or_more_rows_has_not_moved(n):
    assert sum(bool(moved(normal(seed=s), normal(n=n, seed=99 + s))) for s in range(20)) <= 2


@pytest.mark.parametrize(
    ("now", "statistics"),
    [
        (normal(seed=1, loc=0.3), {"ks", "psi"}),
        (normal(seed=1, scale=2), {"ks", "psi"}),
        (normal(seed=1) * 60, {"ks", "psi"}),
        (np.where(np.arange(5000) % 20 == 0, np.nan, normal(seed=1)), {"missing"}),
    ],
    ids=["another middle", "another width", "another unit", "values missing"],
)
def test_what_has_moved_is_seen_by_the_statistic_that_is_for_it(now, statistics):
    assert moved(normal(), now) in statistics


def test_bins_of_few_values_are_few_and_a_constant_is_one_bin():
    found = profile([0, 0, 0, 1] * 50)["x"]
    assert found["edges"] == [1.0]
    assert found["shares"] == [0.75, 0.25]
    assert profile([7] * 20)["x"]["shares"] == [1.0]


def text(*parts):
    return np.array(parts, dtype=object)


def test_categories_are_told_with_those_that_were_never_seen():
    was = profile(range(300), place=text(*["a"] * 200, *["b"] * 100))
    assert was["place"]["shares"] == pytest.approx({"a": 2 / 3, "b": 1 / 3}, abs=1e-6)
    now = whole(range(300), place=text(*["a"] * 200, *["c"] * 99, None))
    (found,) = data_profile.moved(now, {"place": was["place"]}, 300)
    assert (found["statistic"], found["drifted"]) == ("tv", True)
    assert found["value"] == pytest.approx(1 / 3, abs=1e-3)
    assert found["unseen"] == ["c"]


def test_texts_that_seldom_repeat_are_no_categories():
    names = text(*(f"n{i}" for i in range(40)))
    assert "shares" not in profile(range(40), name=names)["name"]


def test_the_same_data_gives_the_same_thresholds():
    assert profile(normal()) == profile(normal())


def test_thresholds_are_wider_for_few_rows_and_never_below_the_floor():
    few, many = (profile(normal(n))["x"]["thresholds"] for n in (200, 200_000))
    assert few["ks"] > 2 * many["ks"]
    assert many["ks"] == drift.FLOORS["ks"]
    assert all(many[name] >= drift.FLOORS[name] for name in many)


def test_new_categories_alone_are_a_move_too():
    was = profile(range(1000), place=text(*["a"] * 1000))
    now = whole(range(1000), place=text(*["a"] * 999, "b"))
    (found,) = data_profile.moved(now, {"place": was["place"]}, 1000)
    assert (found["statistic"], found["value"], found["drifted"]) == ("unseen", 1, True)
    assert found["unseen"] == ["b"]


def test_each_column_is_told_of_once_by_what_moved_farthest():
    was = profile(normal(), other=normal(seed=3))
    now = whole(normal(seed=1, loc=5), other=np.where(np.arange(5000) % 2, np.nan, normal(seed=4)))
    found = {one["column"]: one for one in data_profile.moved(now, was, 5000)}
    assert found.keys() == {"x", "other"}
    assert found["x"]["statistic"] in {"ks", "psi"}
    assert found["other"]["statistic"] == "missing"
