"""Tables of answered rows: what is masked, which rows are kept, how tables become one."""

import hashlib
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from logging_rows import package_of, rows
from msgspec.structs import replace

from mlops_nb.serving import prediction_table
from mlops_nb.serving.prediction_table import Mask, is_kept, table_of
from mlops_nb.serving.settings import PredictionSettings

NAMES = ("age", "city", "old")


def mask(**settings):
    return Mask(
        settings=PredictionSettings(**settings),
        pseudonym=lambda value: (
            None if value is None else hashlib.md5(str(value).encode()).hexdigest()
        ),
    )


@settings(deadline=None)
@given(
    drop=st.sets(st.sampled_from(NAMES)),
    hashed=st.sets(st.sampled_from(NAMES)),
    subject=st.sampled_from([None, "age", "city"]),
)
def test_a_masked_table_differs_only_where_it_is_masked(drop, hashed, subject):
    group = [rows("a", "b"), rows("c", city="Busan", age=None)]
    plain = table_of(package_of(), group)
    chosen = mask(drop=tuple(drop), hash=tuple(hashed), subject=subject)
    masked = table_of(package_of(), group, chosen)
    gone = {f"in_{n}" for n in drop} | {f"f_{n}" for n in drop | hashed}
    added = {"subject"} if subject else set()
    assert set(masked.column_names) == (set(plain.column_names) - gone) | added
    for name in masked.column_names:
        if name == "subject":
            expected = [chosen.pseudonym(v) for v in plain[f"in_{subject}"].to_pylist()]
        elif name.removeprefix("in_") in hashed:
            expected = [chosen.pseudonym(v) for v in plain[name].to_pylist()]
            assert masked.schema.field(name).type == pa.string()
        else:
            expected = plain[name].to_pylist()
        assert masked[name].to_pylist() == expected


@settings(deadline=None)
@given(times=st.lists(st.floats(0, 4e9), min_size=1, max_size=20))
def test_days_are_those_that_datetime_says(times):
    some = rows(*(str(n) for n in range(len(times))))
    table = table_of(package_of(), [replace(some, times=times)])
    found = {
        i: day
        for day, part in prediction_table.by_day(table)
        for i in part["request_id"].to_pylist()
    }
    micro = table["time"].to_pylist()
    assert found == {str(n): at.astimezone(UTC).date().isoformat() for n, at in enumerate(micro)}


@settings(deadline=None)
@given(ids=st.lists(st.text(), unique=True), share=st.floats(0.01, 1), other=st.floats(0.01, 1))
def test_a_larger_sample_holds_a_smaller_one(ids, share, other):
    small, large = sorted((share, other))
    kept = {one for one in ids if is_kept(one, small)}
    assert kept <= {one for one in ids if is_kept(one, large)}
    assert all(is_kept(one, 1.0) for one in ids)


def test_a_sample_has_its_share():
    for share in (0.01, 0.25, 0.9):
        kept = sum(is_kept(f"id-{n}", share) for n in range(50_000)) / 50_000
        assert abs(kept - share) < 4 * (share * (1 - share) / 50_000) ** 0.5


def test_scores_of_classes_stay_lists_beside_rows_without_a_score():
    package = replace(package_of(), golden={"scores": [[0.2, 0.3, 0.5]]})
    empty = ({"predictions": [None], "scores": None, "features": None}, {})
    table = table_of(package, [replace(rows("a"), answers=[empty])])
    assert table.schema.field("score").type == pa.list_(pa.float64())


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ([pa.array([1]), pa.array([0.5])], [1.0, 0.5]),
        ([pa.array([1]), pa.array(["a"])], ["1", "a"]),
        ([pa.array([None], pa.float64()), pa.array([[0.5]])], [None, [0.5]]),
        ([pa.array([True]), pa.array([0.5]), pa.array([None], pa.string())], ["true", "0.5", None]),
    ],
)
def test_columns_of_several_tables_become_one(columns, expected):
    made = prediction_table.combined([pa.table({"x": one}) for one in columns])
    assert made["x"].to_pylist() == expected


def test_columns_that_only_some_tables_have_are_null_elsewhere():
    made = prediction_table.combined([pa.table({"x": [1]}), pa.table({"y": ["a"]})])
    assert made.to_pylist() == [{"x": 1, "y": None}, {"x": None, "y": "a"}]


@settings(deadline=None)
@given(pairs=st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["live", "shadow"]))))
def test_the_first_row_of_each_id_and_source_stays(pairs):
    times = [datetime.fromtimestamp(len(pairs) - n, UTC) for n in range(len(pairs))]
    table = pa.table(
        {
            "request_id": pa.array([i for i, _ in pairs], pa.string()),
            "source": pa.array([s for _, s in pairs], pa.string()),
            "time": pa.array(times, pa.timestamp("us", tz="UTC")),
        }
    )
    first = {}
    for (i, s), at in sorted(zip(pairs, times, strict=True), key=lambda one: one[1]):
        first.setdefault((i, s), at)
    found = prediction_table.without_repeats(table).to_pylist()
    assert {(r["request_id"], r["source"]): r["time"] for r in found} == first
    assert len(found) == len(first)
