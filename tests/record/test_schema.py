"""Whether new data still looks as the bundle's data did."""

import pytest

from mlops_nb.record.schema import objection

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


def test_a_frame_that_had_no_rows_may_have_none_again():
    assert said({"df": frame(0)}, frame(0)) == ""


def test_other_steps_and_bundles_without_a_schema_are_let_through():
    schema = {"frames": {"load": {"df": frame(3, x=NUMBER)["schema"]}}}
    assert objection(schema, "train", {}) == ""
    assert objection({}, "load", {}) == ""
