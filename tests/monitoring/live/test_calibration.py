"""Thresholds by leaving out days of the reference: against plain loops, and on simulated days."""

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from live_model import plain

from mlops_nb.monitoring.live import calibration, reference
from mlops_nb.monitoring.live.calibration import OwnDays
from mlops_nb.monitoring.live.count import counts
from mlops_nb.monitoring.live.movement import movement
from mlops_nb.probe.answer import days as probe_days
from mlops_nb.probe.answer import reference as probe_reference

START = pd.Timestamp("2026-01-05")
KINDS = {"age": "float", "city": "text", "gap": "float"}


def days_alike(draw, days, rows=100, shift=0.0, at=0):
    """Return rows of days that differ: each has a level, a mix and a missing rate of its own."""
    parts = []
    for day in range(at, at + days):
        mix = draw.dirichlet([40, 20, 10])
        gap = draw.beta(4, 40)
        frame = pd.DataFrame(
            {
                "date": START + timedelta(days=day),
                "age": draw.normal(50 + shift + draw.normal(0, 4), 10, rows),
                "city": draw.choice(["Seoul", "Busan", "Daegu"], rows, p=mix),
                "gap": np.where(draw.random(rows) < gap, np.nan, draw.normal(0, 1, rows)),
            }
        )
        parts.append(frame)
    return pd.concat(parts, ignore_index=True)


def arrow(values):
    return pa.chunked_array([pa.array(values.tolist(), from_pandas=True)])


class Evaluation:
    def __init__(self, rows):
        values = {f"in_{name}": plain(rows[name]) for name in KINDS}
        self.described = {
            f"in_{n}": probe_reference.describe_column(values[f"in_{n}"], k)
            for n, k in KINDS.items()
        }
        self.columns = {n: reference.column(n, f"in_{n}", self.described[f"in_{n}"]) for n in KINDS}
        told = probe_days.describe({}, rows[["date"]], values, self.described)
        self.own = reference.days_from(told)

    def moved(self, rows, own=None):
        by_day = [(f"{d:%Y-%m-%d}", r) for d, r in rows.groupby("date")]
        names, own = [day for day, _ in by_day], self.own if own is None else own
        return {
            name: movement(
                was,
                [counts(arrow(r[name]), was) for _, r in by_day],
                own.of(was.log, names, len(self.columns)),
            )
            for name, was in self.columns.items()
        }


def test_the_counts_of_days_are_those_that_a_look_makes_of_the_same_rows():
    rows = days_alike(np.random.default_rng(0), 30)
    made = Evaluation(rows)
    for name, was in made.columns.items():
        of_days = [counts(arrow(r[name]), was) for _, r in rows.groupby("date")]
        assert list(made.own.columns[f"in_{name}"]) == of_days


@settings(max_examples=30, deadline=None)
@given(
    st.integers(28, 70),
    st.integers(1, 9),
    st.integers(0, 6),
    st.integers(0, 2**32 - 1),
    st.sampled_from(["ks", "tv", "unseen"]),
)
def test_no_run_of_the_reference_is_beyond_its_threshold(days, watched, weekday, seed, kind):
    """The distances are those of plain loops over days."""
    parts = np.random.default_rng(seed).poisson(3, (days, 6)).astype(float)
    names = [(date(2026, 1, 5) + timedelta(days=n)).isoformat() for n in range(days)]
    own = OwnDays(days=names, counts=(), first=names[weekday], watched=watched, columns=3)
    length, apart = own.length, own.apart
    found = []
    for start in range(days - length + 1):
        same = date.fromisoformat(names[start]).weekday() == weekday
        enough = sum(date.fromisoformat(n).weekday() == weekday for n in names[: days - length + 1])
        if length % 7 and enough >= calibration.LEAST_STARTS and not same:
            continue
        inside = range(start, start + length)
        beside = range(start - apart, start + length + apart)
        left_out = sum(parts[n] for n in inside)
        rest = sum((parts[n] for n in range(days) if n not in beside), np.zeros(6))
        found.append(loops(kind, left_out, rest))
    noise, by_chance = 0.01, 1e-3
    distance = getattr(calibration, kind)
    bound = own.threshold(parts, distance, by_chance=by_chance, noise=1e9)  # no rows to tell apart
    assert bound >= max(found)
    assert own.threshold(parts, distance, by_chance=by_chance, noise=noise) >= by_chance


def loops(kind, left_out, rest):
    now, was = left_out / left_out.sum(), rest / rest.sum()
    if kind == "unseen":
        return sum(a for a, b in zip(now, was, strict=True) if b == 0)
    if kind == "tv":
        return sum(abs(a - b) for a, b in zip(now, was, strict=True)) / 2
    return max(abs(now[:n].sum() - was[:n].sum()) for n in range(1, len(now) + 1))


@pytest.mark.parametrize("watched", [2, 7])
def test_days_that_differ_raise_no_alarm_and_without_them_most_do(watched):
    flagged, by_chance, seeds = 0, 0, 40
    for seed in range(seeds):
        draw = np.random.default_rng(seed)
        made = Evaluation(days_alike(draw, 63))
        later = days_alike(draw, watched, at=70)
        flagged += sum(one.drifted for one in made.moved(later).values())
        unknown = made.moved(later, reference.ReferenceDays())
        by_chance += sum(one.drifted for one in unknown.values())
    assert flagged <= 2
    assert by_chance > 5 * flagged


@pytest.mark.parametrize("rows", [30, 100, 400])
def test_a_shift_beyond_that_of_days_is_found_at_any_volume(rows):
    draw = np.random.default_rng(5)
    made = Evaluation(days_alike(draw, 63))
    later = days_alike(draw, 7, rows=rows, shift=25.0, at=70)
    age = made.moved(later)["age"]
    assert (age.drifted, age.direction) == (True, "higher")


def test_more_rows_a_day_lower_the_part_of_chance_alone():
    draw = np.random.default_rng(6)
    made = Evaluation(days_alike(draw, 63))
    bounds = [
        made.moved(days_alike(draw, 7, rows=rows, at=70))["age"].threshold
        for rows in (20, 200, 2000)
    ]
    assert bounds == sorted(bounds, reverse=True)
    assert bounds[-1] > 0.1  # the days themselves


def test_the_days_are_those_of_the_frame_that_the_rows_were_taken_from():
    rows = days_alike(np.random.default_rng(1), 40)
    late = rows["date"] > rows["date"].max() - timedelta(days=30)
    test = rows.loc[late, ["age", "city"]]
    other = pd.DataFrame({"age": rows["age"].iloc[::-1].to_numpy(), "date": rows["date"]})
    values = {"in_age": plain(test["age"])}
    described = {"in_age": probe_reference.describe_column(values["in_age"], "float")}
    told = probe_days.describe({"other": other, "rows": rows}, test, values, described)
    assert (told["time"], len(told["days"])) == ("rows.date", 30)
    assert [day["rows"] for day in told["columns"]["in_age"]] == [100] * 30


@pytest.mark.parametrize(
    ("rows", "lacking"),
    [
        (pd.DataFrame({"age": [1.0] * 50}), "no column of times"),
        (days_alike(np.random.default_rng(2), 20), "20 days, and 28 are needed"),
        (
            days_alike(np.random.default_rng(3), 3).assign(
                date=lambda f: START + pd.to_timedelta(np.arange(len(f)) * 400, unit="D")
            ),
            "no column of times",
        ),
    ],
)
def test_without_days_the_thresholds_are_those_of_chance_and_it_says_why(rows, lacking):
    values = {"in_age": plain(rows["age"])}
    described = {"in_age": probe_reference.describe_column(values["in_age"], "float")}
    own = reference.days_from(probe_days.describe({}, rows, values, described))
    assert lacking in own.lacking
    assert own.of("in_age", ["2026-03-01"], 1) is None


def test_packages_of_before_have_no_days(tmp_path):
    own = reference.read_days(tmp_path)
    assert (own.days, own.of("in_age", ["2026-03-01"], 1)) == ((), None)
    assert "does not say" in own.lacking
