"""Rows are read as the signature says, and an error names row, column and kind."""

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_nb.serving.rows import BadRequest, BodyTooLarge, RowReader, of_invocation

COLUMNS = [
    {"name": "age", "kind": "int", "dtype": "int64", "missing": False},
    {"name": "income", "kind": "float", "dtype": "float64", "missing": True},
    {"name": "city", "kind": "text", "dtype": "str", "missing": False},
    {
        "name": "size",
        "kind": "category",
        "dtype": "category",
        "missing": False,
        "categories": ["s"],
    },
    {"name": "day", "kind": "time", "dtype": "datetime64[ns]", "missing": False},
    {"name": "new", "kind": "bool", "dtype": "bool", "missing": False},
]
ROW = {"age": 1, "income": 2.5, "city": "a", "size": "s", "day": "2026-01-01", "new": True}


@pytest.fixture
def reader() -> RowReader:
    return RowReader({"columns": COLUMNS}, most_rows=10)


def test_rows_become_columns_and_unknown_ones_are_counted(reader):
    found = reader.columns_of([ROW, {**ROW, "income": None, "extra": 1, "other": 2}])
    assert found["income"] == [2.5, None]
    assert list(found) == list(ROW)
    assert reader.unknown == {"extra": 1, "other": 1}


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("age", "old"),
        ("age", 1.5),
        ("age", True),
        ("age", None),
        ("age", 2**63),
        ("income", "much"),
        ("income", math.inf),
        ("income", False),
        ("city", 7),
        ("size", "xl"),
        ("size", []),
        ("day", "yesterday"),
        ("day", 5),
        ("new", 1),
    ],
)
def test_a_value_that_does_not_fit_is_named(reader, column, value):
    with pytest.raises(BadRequest) as error:
        reader.columns_of([ROW, {**ROW, column: value}])
    assert error.value.where == f"row 1, column {column}"
    assert error.value.status == 422


def test_a_missing_column_is_named_and_counted(reader):
    with pytest.raises(BadRequest, match="row 1 has no column 'city'"):
        reader.columns_of([ROW, {k: v for k, v in ROW.items() if k != "city"}])
    assert reader.missing == {"city": 1}


@pytest.mark.parametrize("rows", [7, None, "rows", {"a": 1}, [1], [[1]], [None]])
def test_what_is_no_list_of_objects_is_refused(reader, rows):
    with pytest.raises(BadRequest) as error:
        reader.columns_of(rows)
    assert error.value.status == 400


def test_too_many_rows_are_refused(reader):
    with pytest.raises(BodyTooLarge):
        reader.columns_of([ROW] * 11)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)
rows = st.lists(st.fixed_dictionaries(dict.fromkeys(ROW, anything)), max_size=3)


@given(body=rows | anything)
def test_any_body_is_read_or_refused(body):
    reader = RowReader({"columns": COLUMNS}, most_rows=10)
    with contextlib.suppress(BadRequest):
        found = reader.columns_of(body)
        assert all(len(values) == len(body) for values in found.values())


def test_mlflows_protocol_has_four_forms():
    records = [{"a": 1, "b": 2}]
    assert of_invocation({"dataframe_records": records}) == records
    assert of_invocation({"dataframe_split": {"columns": ["a", "b"], "data": [[1, 2]]}}) == records
    assert of_invocation({"instances": records}) == records
    assert of_invocation({"inputs": {"a": [1], "b": [2]}}) == records
    for wrong in ({}, [], {"dataframe_split": {"columns": "ab", "data": [[1]]}}, {"inputs": 1}):
        with pytest.raises(BadRequest):
            of_invocation(wrong)
