"""Whether new data still looks as the bundle's data did."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_nb.data.contract import (
    carried,
    changes,
    checked_columns,
    inferred,
    misfit,
    objection,
    sentence,
)

NUMBER, TEXT, ANY = {"kind": "number"}, {"kind": "text"}, {"kind": "any"}


def frame(rows=3, **columns):
    return {"schema": {"rows": rows, "columns": columns}}


def said(found, expected=None):
    schema = {"frames": {"load": {"df": (expected or frame(9, x=NUMBER, t=TEXT))["schema"]}}}
    return objection(schema, "load", found)


@pytest.mark.parametrize(
    "found",
    [
        frame(1, x=NUMBER, t=TEXT),
        frame(900, x=NUMBER, t=TEXT),
        frame(3, t=TEXT, x=NUMBER, new=TEXT),
        frame(3, x=ANY, t=TEXT),
    ],
    ids=["fewer rows", "more rows", "a new column", "a column without values"],
)
def test_what_fits_is_let_through(found):
    assert said({"df": found}) == ""


@pytest.mark.parametrize(
    ("found", "why"),
    [
        ({"df": frame(3, x=NUMBER)}, "'df' of step 'load' has no column 't'"),
        ({"df": frame(3, x=TEXT, t=TEXT)}, "column 'x' of 'df' is text, it was number"),
        ({"df": frame(0, x=NUMBER, t=TEXT)}, "'df' of step 'load' has no rows"),
        ({"df": {"digest": "abc"}}, "'df' of step 'load' is no data frame any more"),
        ({}, "'df' of step 'load' is no data frame any more"),
    ],
)
def test_what_does_not_fit_is_said(found, why):
    assert said(found) == f"the data does not fit schema.json: {why}"


def test_what_does_not_fit_is_told_by_frame_column_and_rows():
    schema = {"frames": {"load": {"df": frame(9, x=NUMBER, t=TEXT)["schema"]}}}

    def told(values):
        found = misfit(schema, "load", values)
        return tuple(found[key] for key in ("name", "rows", "column", "check"))

    assert told({"df": frame(3, x=NUMBER)}) == ("df", 3, "t", "is not there")
    assert told({"df": frame(3, x=TEXT, t=TEXT)}) == ("df", 3, "x", "is text, it was number")
    assert told({"df": frame(0)}) == ("df", 0, "", "has no rows")
    assert told({}) == ("df", 0, "", "is no data frame any more")
    assert misfit(schema, "load", {"df": frame(3, x=NUMBER, t=TEXT)}) == {}


def test_a_frame_that_had_no_rows_may_have_none_again():
    assert said({"df": frame(0)}, frame(0)) == ""


def test_other_steps_and_bundles_without_a_schema_are_let_through():
    schema = {"frames": {"load": {"df": frame(3, x=NUMBER)["schema"]}}}
    assert objection(schema, "train", {}) == ""
    assert objection({}, "load", {}) == ""


def test_a_column_that_may_be_gone_is_not_missed():
    expected = frame(9, x=NUMBER, t={"kind": "text", "optional": True})
    assert said({"df": frame(3, x=NUMBER)}, expected) == ""


def test_an_edited_schema_need_not_say_how_many_rows_there_were():
    schema = {"frames": {"load": {"df": {"columns": {"x": NUMBER}}}}}
    assert objection(schema, "load", {"df": frame(0, x=NUMBER)}) == ""


# what is asked of a column


def asked(kind="number", dtype="float64", rows=1000, **seen):
    numbers = {"missing": 0.0, "min": 0.0, "max": 10.0, "distinct": 500, "whole": False}
    known = {"missing": 0.0} if kind != "number" else numbers
    return inferred({"kind": kind, "dtype": dtype}, known | seen, rows)


def test_a_range_goes_as_far_beyond_what_was_seen_as_that_was_wide():
    found = asked(min=0.0, max=10.0)
    assert (found["min"], found["max"], found["outside"]) == (0, 20, 0.001)
    found = asked(min=-1.0, max=10.0)
    assert (found["min"], found["max"], found["outside"]) == (-12, 21, 0.001)


@pytest.mark.parametrize(("low", "high"), [(-70.0, 1272.0), (2e-7, 9e-7), (1e12, 1e12 + 5)])
def test_a_range_holds_twice_and_catches_sixty_times_what_was_seen(low, high):
    found = asked(min=low, max=high)
    width = high - low
    assert found["min"] <= max(low - width * 0.99, 0.0 if low >= 0 else -math.inf)
    assert found["max"] >= high + width * 0.99
    assert high + 30 * width > found["max"]


@pytest.mark.parametrize(
    "seen",
    [
        {"min": 7.0, "max": 7.0, "distinct": 1},
        {"min": 1.0, "max": 1000.0, "distinct": 1000, "whole": True},
        {"min": 0.0, "max": float("inf")},
    ],
    ids=["a constant", "a key", "no end"],
)
def test_what_has_no_sensible_range_is_given_none(seen):
    assert not {"min", "max"} & asked(**seen).keys()


@given(st.floats(0, 1e9), st.floats(1e-3, 1e9))
def test_limits_do_not_pass_0_if_no_value_does(low, width):
    assert asked(min=low, max=low + width).get("min", 0) >= 0
    assert asked(min=-low - width, max=-low).get("max", 0) <= 0


def test_a_yes_or_no_is_0_or_1():
    found = asked(dtype="int64", min=0.0, max=1.0, distinct=2, whole=True)
    assert (found["min"], found["max"]) == (0, 1)


def test_few_whole_numbers_leave_room_for_the_next_months_and_years():
    months = asked(dtype="int64", min=1.0, max=2.0, distinct=2, whole=True)
    assert months["min"] == 0
    assert 12 < months["max"] < 120
    years = asked(dtype="int64", min=2013.0, max=2014.0, distinct=2, whole=True)
    assert years["max"] > 2050


@pytest.mark.parametrize(
    ("kind", "dtype", "missing", "said", "most"),
    [
        ("number", "int64", 0.0, "never", None),
        ("boolean", "bool", 0.0, "never", None),
        ("number", "Int64", 0.0, "allowed", 0.5),
        ("number", "float64", 0.2, "allowed", 0.6),
        ("text", "str", 0.0, "allowed", 0.5),
        ("text", "str", 1.0, "allowed", None),
    ],
)
def test_what_cannot_be_missing_may_never_be_and_the_rest_mostly_not(
    kind, dtype, missing, said, most
):
    found = asked(kind, dtype, missing=missing)
    assert (found["missing"], found.get("most_missing")) == (said, most)


def test_categories_are_noted_and_new_ones_only_reported():
    found = asked("text", "str", categories=["a", "b"])
    assert (found["categories"], found["new"]) == (["a", "b"], "reported")


def test_only_columns_with_limits_are_looked_at():
    columns = {
        "a": {"kind": "number", "min": 0},
        "b": {"kind": "number", "missing": 0.1},
        "c": {"kind": "text", "categories": ["x"], "new": "reported"},
        "d": {"kind": "text", "categories": ["x"], "new": "refused"},
        "e": {"kind": "any", "missing": "never"},
        "f": {"kind": "any", "most_missing": 0.5},
    }
    assert [*checked_columns({"columns": columns})] == ["a", "d", "e", "f"]


def failure(column, check, rows, row=None, value=None):
    examples = [] if row is None else [{"row": row, "value": value}]
    return {"column": column, "check": check, "rows": rows, "examples": examples}


def test_every_column_that_fails_is_named_the_worst_first():
    found = sentence(
        "load",
        "df",
        1000,
        [
            failure("a", "is below 0", 2, 7, -1),
            failure("a", "is above 9", 1100, 8, 10.5),
            failure("b", "has no value", 900, "x7"),
            *(failure(name, "has no value", 1) for name in "cde"),
        ],
    )
    assert found == (
        "the data does not fit schema.json: "
        "column 'a' of 'df' (step 'load') is above 9 in 1,100 of 1,000 rows, first at row 8: 10.5, "
        "and is below 0 in 2; "
        "column 'b' of 'df' (step 'load') has no value in 900 of 1,000 rows, first at row x7; "
        "column 'c' of 'df' (step 'load') has no value in 1 of 1,000 rows; nor do 'd', 'e'"
    )


def test_an_edit_is_told_by_its_place():
    def schema(**x):
        return {"frames": {"load": {"df": {"rows": 9, "columns": {"x": x}}}}}

    assert changes(schema(kind="number"), schema(kind="number")) == []
    assert changes(schema(max=3), schema(max=4, missing="never")) == [
        "schema.json: load.df.x.max: 3 → 4",
        "schema.json: load.df.x.missing: nothing → 'never'",
    ]
    assert changes(schema(max=3), schema()) == ["schema.json: load.df.x.max: 3 → nothing"]
    other = {**schema(), "profile": {"load": {"df": {"x": {"missing": 0.1}}}}}
    assert changes(schema(), other) == ["schema.json: profile"]


def of(**columns):
    return {"version": 1, "frames": {"load": {"df": {"rows": 9, "columns": columns}}}}


def test_what_a_person_edited_is_carried_over_and_the_rest_is_inferred_anew():
    promoted = of(x={"kind": "number", "min": 0, "max": 3, "outside": 0.1}, y=NUMBER, z=NUMBER)
    edited = of(
        x={"kind": "number", "min": 0, "max": 9},
        y={**NUMBER, "max": 1},
        z={**NUMBER, "max": 1},
        other=NUMBER,
    )
    fresh = of(x={"kind": "number", "min": -5, "max": 4, "outside": 0.1}, z=TEXT, new=TEXT)
    found = carried(promoted, edited, fresh)
    assert found == of(x={"kind": "number", "min": -5, "max": 9}, z=TEXT, new=TEXT)
    assert fresh["frames"]["load"]["df"]["columns"]["x"]["max"] == 4


def test_a_schema_that_nobody_edited_carries_nothing_over():
    was = of(x={"kind": "number", "max": 3})
    fresh = of(x={"kind": "number", "max": 4}, y=TEXT)
    assert carried(was, was, fresh) == fresh
    assert carried({}, {}, fresh) == fresh
