"""Skew: served features equal those of training, or it says where they do not."""

import math

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_nb.data.skew import skew

values = st.one_of(
    st.none(), st.just(math.nan), st.just(math.inf), st.floats(-1e6, 1e6), st.integers(-99, 99)
)


def plain(served: dict, trained: dict) -> tuple[int, int, float | None]:
    """Return rows, differing rows and the largest difference, row by row."""
    rows = differ = 0
    gaps = []
    for entity, one in served:
        if entity not in trained:
            continue
        rows += 1
        other = trained[entity]
        known = [v is not None and math.isfinite(v) for v in (one, other)]
        if all(known) and abs(one - other) > max(1e-12, 1e-9 * max(abs(one), abs(other))):
            differ += 1
            gaps.append(abs(float(one) - float(other)))
        differ += known[0] != known[1]
    return rows, differ, max(gaps, default=None)


@settings(deadline=None)
@given(
    served=st.lists(st.tuples(st.integers(0, 5), values), min_size=1, max_size=20),
    trained=st.dictionaries(st.integers(0, 5), values, min_size=1),
)
def test_numbers_are_compared_as_row_by_row(served, trained):
    left = pd.DataFrame({"id": [e for e, _ in served], "x": [v for _, v in served]}, dtype=object)
    right = pd.DataFrame({"id": list(trained), "x": list(trained.values())}, dtype=object)
    rows, differ, largest = plain(served, trained)
    for kind in (object, float):
        (found,) = skew(left.astype({"x": kind}), right.astype({"x": kind}), on="id")
        assert (found.rows, found.largest) == (rows, largest)
        assert found.differ == (differ / rows if rows else 0.0)


def test_equal_frames_have_no_skew_whatever_the_order_and_the_types():
    trained = pd.DataFrame(
        {
            "id": list("abcd"),
            "small": np.array([0.1, 0.2, 0.3, np.nan], dtype="float64"),
            "flag": [True, False, True, False],
            "kind": pd.Categorical(["x", "y", "x", None]),
            "at": pd.to_datetime(["2026-01-01", "2026-01-02", None, "2026-01-04"]),
            "count": pd.array([1, 2, None, 4], dtype="Int64"),
        }
    )
    served = trained.sample(frac=3, replace=True, random_state=1).assign(
        flag=lambda f: f["flag"].astype(float),
        at=lambda f: [None if pd.isna(t) else t.isoformat() for t in f["at"]],
        count=lambda f: f["count"].astype(float),
    )
    found = skew(served, trained, on="id")
    assert {one.column for one in found} == {"small", "flag", "kind", "at", "count"}
    assert all(one.rows == 12 and one.differ == 0 and one.largest is None for one in found)


def test_the_largest_share_is_first_and_texts_have_no_distance():
    trained = pd.DataFrame({"id": [1, 2], "x": [1.0, 2.0], "y": ["a", "b"], "z": [0, 0]})
    served = pd.DataFrame({"id": [1, 2, 3], "x": [1.0, 2.5, 9], "y": ["b", "a", "c"], "w": 0})
    assert [(s.column, s.differ, s.largest) for s in skew(served, trained, on="id")] == [
        ("y", 1.0, None),
        ("x", 0.5, 0.5),
    ]


def test_of_several_training_rows_of_an_entity_the_last_counts():
    trained = pd.DataFrame({"id": [1, 1], "x": [1.0, 2.0]})
    (found,) = skew(pd.DataFrame({"id": [1], "x": [2.0]}), trained, on="id")
    assert found.differ == 0
