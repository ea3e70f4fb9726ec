"""Columns that moved are found, with direction; those that did not are left in peace."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from mlops_nb.data.drift import FLOORS
from mlops_nb.monitoring.live.count import counts
from mlops_nb.monitoring.live.movement import movement
from mlops_nb.monitoring.live.reference import column
from mlops_nb.probe.answer import reference

SIZES = (200, 2_000, 50_000)
SEEDS = 200


def people(draw, rows):
    return pd.DataFrame(
        {
            "age": draw.integers(18, 90, rows),
            "income": draw.lognormal(10, 0.5, rows),
            "visits": draw.poisson(0.7, rows),
            "gap": np.where(draw.random(rows) < 0.1, np.nan, draw.normal(0, 1, rows)),
            "city": draw.choice(["Seoul", "Busan", "Daegu"], rows, p=[0.6, 0.3, 0.1]),
            "code": draw.zipf(1.6, rows).astype(str),
            "same": "x",
            "id": [f"{n:x}" for n in draw.integers(0, 2**62, rows)],
        }
    )


def described(values, kind):
    plain = [None if pd.isna(v) else v for v in values.tolist()]
    return reference.describe_column(plain, kind)


def kind(values):
    return {"i": "int", "f": "float"}.get(getattr(values.dtype, "kind", "O"), "text")


def references(frame, drop=()):
    found = {}
    for name in frame:
        told = described(frame[name], kind(frame[name]))
        found[name] = column(name, f"in_{name}", {k: v for k, v in told.items() if k not in drop})
    return found


def arrow(values):
    return pa.chunked_array([pa.array(values.tolist(), from_pandas=True)])


def moved(was, frame, days=1):
    parts = np.array_split(np.arange(len(frame)), days)
    return {
        name: movement(one, [counts(arrow(frame[name].iloc[p]), one) for p in parts])
        for name, one in was.items()
    }


REFERENCE = people(np.random.default_rng(99), 2000)
NEW = references(REFERENCE)
OLD = references(REFERENCE, drop=("at_most", "below", "once"))  # as packages of before have it


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("was", [NEW, OLD], ids=["new", "old"])
def test_a_window_of_the_reference_itself_moves_nowhere(was, size):
    flagged, seeds = 0, SEEDS if size < 50_000 else SEEDS // 4
    for seed in range(seeds):
        draw = np.random.default_rng(seed)
        frame = REFERENCE.iloc[draw.integers(0, len(REFERENCE), size)]
        flagged += sum(one.drifted for one in moved(was, frame).values())
    assert flagged <= 0.01 * seeds * len(was)


@pytest.mark.parametrize("size", SIZES)
def test_other_rows_of_the_same_source_move_nowhere(size):
    flagged, seeds = 0, SEEDS if size < 50_000 else SEEDS // 10
    for seed in range(seeds):
        draw = np.random.default_rng(seed)
        was = references(people(draw, 2000))
        flagged += sum(one.drifted for one in moved(was, people(draw, size)).values())
    assert flagged <= 0.01 * seeds * len(NEW)


@pytest.mark.parametrize("size", SIZES)
def test_known_shifts_are_found_with_their_direction(size):
    draw = np.random.default_rng(1)
    frame = people(draw, size)
    half = draw.random(size) < 0.5
    shifted = frame.assign(
        age=frame.age + 25,
        income=frame.income / 2,
        gap=frame.gap.where(draw.random(size) < 0.5),
        city=frame.city.where(half, "Gwangju"),
    )
    for was in (NEW, OLD):
        found = moved(was, shifted)
        told = {name: one.direction for name, one in found.items() if one.drifted}
        assert told == {
            "age": "higher",
            "income": "lower",
            "gap": "more missing",
            "city": "unseen: Gwangju",
        }


def test_another_mix_of_categories_is_found():
    draw = np.random.default_rng(2)
    frame = people(draw, 2000).assign(city=draw.choice(["Seoul", "Busan", "Daegu"], 2000))
    city = moved(NEW, frame)["city"]
    assert (city.statistic, city.direction, city.drifted) == ("tv", "other mix", True)


def test_a_wider_spread_of_numbers_is_another_mix():
    draw = np.random.default_rng(3)
    frame = people(draw, 20_000)
    frame["income"] = draw.lognormal(10, 2, 20_000)
    income = moved(NEW, frame)["income"]
    assert (income.statistic, income.direction) == ("ks", "other mix")


def test_fewer_missing_values_are_found():
    frame = people(np.random.default_rng(4), 5000)
    gap = moved(NEW, frame.assign(gap=frame.gap.fillna(0.0)))["gap"]
    assert gap.drifted
    assert gap.direction in {"fewer missing", "other mix", "higher", "lower"}


def test_thresholds_are_never_below_the_floors():
    found = moved(NEW, people(np.random.default_rng(5), 50_000))
    assert all(one.threshold >= FLOORS.get(one.statistic, 0.003) for one in found.values())


def test_days_that_are_alike_count_for_less():
    draw = np.random.default_rng(6)
    age = np.concatenate([draw.normal(50 + draw.normal(0, 10), 10, 500) for _ in range(30)])
    was = references(pd.DataFrame({"age": draw.normal(50, 14, 20_000)}))
    frame = pd.DataFrame({"age": age})
    assert moved(was, frame, 30)["age"].threshold > 3 * moved(was, frame)["age"].threshold


def test_a_column_without_values_on_one_side_is_left_out():
    empty = references(pd.DataFrame({"age": [None, None]}))
    assert movement(empty["age"], [counts(pa.chunked_array([pa.array([1, 2])]), empty["age"])])
    assert movement(NEW["age"], []) is None


def test_a_column_that_is_all_missing_now_has_moved():
    frame = people(np.random.default_rng(7), 300)
    gone = moved(NEW, frame.assign(age=np.nan, city=None))
    assert gone["age"].direction == gone["city"].direction == "more missing"


@pytest.mark.parametrize("days", [5, 10, 30])
def test_days_that_are_alike_raise_no_alarm_by_chance(days):
    draw = np.random.default_rng(0)
    normal = draw.normal(50, np.hypot(10, 10), 50_000)
    was = references(pd.DataFrame({"age": normal, "city": draw.choice(list("abcd"), len(normal))}))
    flagged = 0
    for seed in range(SEEDS):
        day = np.random.default_rng(seed)
        ages = [day.normal(50 + day.normal(0, 10), 10, 100) for _ in range(days)]
        cities = [day.choice(list("abcd"), 100, p=day.dirichlet([20] * 4)) for _ in range(days)]
        frame = pd.DataFrame({"age": np.concatenate(ages), "city": np.concatenate(cities)})
        flagged += sum(one.drifted for one in moved(was, frame, days).values())
    assert flagged <= 0.01 * SEEDS * len(was)
