"""Frames as a kernel writes them: what they look like, whether they fit, and in which rows not."""

import decimal
import json
import sys

import numpy as np
import pandas as pd
import pytest

from mlops_nb.data import contract, profile
from mlops_nb.probe import introspect
from mlops_nb.probe.inspect import columns as inspect_columns
from mlops_nb.probe.inspect import values


@pytest.fixture(params=["arrow", "pickle"])
def written(request, tmp_path, monkeypatch):
    """Return what writes a frame, as a kernel with and without pyarrow does, and reads it."""

    def write(frame, **wanted):
        monkeypatch.setitem(introspect.namespace(), "df", frame)
        asked = {"name": "df", "columns": wanted or None, "file": str(tmp_path / "columns")}
        with monkeypatch.context() as without:
            if request.param == "pickle":
                without.delitem(sys.modules, "pyarrow")
            told = json.loads(inspect_columns.write(json.dumps(asked)))
        assert told["format"] == request.param
        return profile.read(told)

    return write


def kinds(frame):
    return values._schema(frame)["columns"]


def asks(written, frame):
    return {n: one["asks"] for n, one in profile.profile(written(frame), kinds(frame)).items()}


def failures(written, frame, **asked):
    found = profile.failures(written(frame), {n: {"kind": "any"} | a for n, a in asked.items()})
    return [(f["column"], f["check"], f["rows"], f["examples"]) for f in found]


def numbers(n=100, **other):
    return pd.DataFrame({"x": np.linspace(0, 10, n), **other})


def test_what_a_frame_looks_like_fits_the_frame_itself(written):
    n = 100
    frame = numbers(
        whole=np.arange(n) % 17,
        small=np.arange(n, dtype="uint8"),
        half=np.float16(np.arange(n)),
        maybe=pd.array([1, None] * (n // 2), dtype="Int64"),
        truth=np.arange(n) % 3 == 0,
        unsure=pd.array([True, None] * (n // 2), dtype="boolean"),
        text=["a", "b"] * (n // 2),
        kind=pd.Categorical(["u", None] * (n // 2)),
        odd=[decimal.Decimal(i % 4) for i in range(n)],
        lists=[[1]] * n,
        when=pd.date_range("2020", periods=n),
        there=pd.date_range("2020", periods=n, tz="UTC"),
        apart=pd.to_timedelta(np.arange(n), unit="s"),
        turn=np.arange(n) * 1j,
        nothing=[None] * n,
        gaps=[1.5, np.nan] * (n // 2),
    )
    found = profile.profile(written(frame), kinds(frame))
    assert found.keys() == set(frame.columns)
    json.dumps(found, allow_nan=False)
    asked = {name: one["asks"] for name, one in found.items()}
    assert profile.failures(written(frame), contract.checked_columns({"columns": asked})) == []
    drift = profile.moved(written(frame), {n: o["profile"] for n, o in found.items()}, n)
    assert [d for d in drift if d["drifted"]] == []
    assert asked["text"]["categories"] == ["a", "b"]
    assert asked["kind"]["categories"] == ["u"]
    assert asked["whole"]["max"] >= 32
    assert asked["maybe"]["missing"] == "allowed"
    assert asked["gaps"]["most_missing"] == 0.75


def test_a_frame_without_rows_or_of_nothing_but_gaps_can_be_described(written):
    for frame in (numbers().head(0), pd.DataFrame({"x": [np.nan] * 5})):
        assert asks(written, frame)["x"].keys() == {"kind", "dtype", "missing"}


def test_values_outside_are_told_by_how_many_and_which_come_first(written):
    frame = numbers(10)
    frame.loc[[3, 5, 6, 7], "x"] = [99.5, np.nan, -3, 100]
    found = failures(written, frame, x={"kind": "number", "min": 0, "max": 20})
    assert sorted(found) == [
        ("x", "is above 20", 2, [{"row": 3, "value": 99.5}, {"row": 7, "value": 100.0}]),
        ("x", "is below 0", 1, [{"row": 6, "value": -3.0}]),
    ]


def test_as_many_as_may_lie_outside_are_let_pass_and_one_more_is_not(written):
    asked = {"kind": "number", "max": 20, "outside": 0.02}
    frame = numbers(100)
    frame.loc[[1, 2], "x"] = 21
    assert failures(written, frame, x=asked) == []
    frame.loc[3, "x"] = 21
    assert [found[2] for found in failures(written, frame, x=asked)] == [3]
    assert failures(written, frame, x={"kind": "number", "max": 20})[0][2] == 3


def test_whole_numbers_are_told_as_such(written):
    frame = pd.DataFrame({"x": [1, 2, 300]})
    ((_, _, _, examples),) = failures(written, frame, x={"kind": "number", "max": 20})
    assert examples == [{"row": 2, "value": 300}]
    assert type(examples[0]["value"]) is int


def test_a_value_that_is_missing_where_none_may_be_is_told(written):
    frame = pd.DataFrame({"x": [1.0, np.nan, 3], "t": ["a", None, None], "w": [pd.NaT] * 3})
    never = {"missing": "never"}
    found = failures(written, frame, x=never, t=never, w=never)
    assert [(column, check, rows) for column, check, rows, _ in found] == [
        ("x", "has no value", 1),
        ("t", "has no value", 2),
        ("w", "has no value", 3),
    ]
    assert found[1][3] == [{"row": 1, "value": None}, {"row": 2, "value": None}]


def test_a_column_that_lost_most_of_its_values_is_told(written):
    frame = pd.DataFrame({"x": [1.0, np.nan, np.nan]})
    assert failures(written, frame, x={"most_missing": 0.67}) == []
    ((_, check, rows, _),) = failures(written, frame, x={"most_missing": 0.5})
    assert (check, rows) == ("has too few values: more than 50% are missing", 2)


def test_a_category_that_is_not_listed_is_told_where_it_is_refused(written):
    frame = pd.DataFrame({"t": ["a", "b", None, "c", "c"]})
    asked = {"kind": "text", "categories": ["a", "b"], "new": "refused"}
    ((_, check, rows, examples),) = failures(written, frame, t=asked)
    assert (check, rows) == ("is none of its categories", 2)
    assert examples[0] == {"row": 3, "value": "c"}
    assert failures(written, frame, t={**asked, "new": "reported"}) == []


def test_only_what_is_asked_for_is_written(written):
    frame = numbers(t=["a"] * 100)
    found = written(frame, x="missing")
    assert found.arrays.keys() == {"x"}
    assert found.kinds == {"x": "missing"}
    assert found.arrays["x"].dtype == bool


def test_rows_are_told_by_their_labels(monkeypatch):
    def labels(index):
        frame = pd.DataFrame({"x": range(3)}, index=index)
        monkeypatch.setitem(introspect.namespace(), "df", frame)
        return json.loads(inspect_columns.labels(json.dumps({"name": "df", "rows": [0, 2]})))[
            "labels"
        ]

    assert labels(pd.RangeIndex(5, 8)) == [5, 7]
    assert labels(["a", "b", "c"]) == ["a", "c"]
    assert labels(pd.date_range("2020-01-01", periods=3)) == [
        "2020-01-01 00:00:00",
        "2020-01-03 00:00:00",
    ]
    assert labels(pd.MultiIndex.from_tuples([("a", 1), ("b", 2), ("c", 3)]))[1] == "('c', 3)"


def test_a_frame_that_cannot_be_written_says_why(monkeypatch, tmp_path):
    monkeypatch.setitem(introspect.namespace(), "df", numbers())
    asked = {"name": "df", "columns": None, "file": str(tmp_path / "no" / "columns")}
    assert "No such file" in json.loads(inspect_columns.write(json.dumps(asked)))["error"]
