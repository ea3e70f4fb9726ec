"""What a model answers is what it was judged on: a frame with its dtypes, or the array of one."""

import json

import numpy as np
import pandas as pd
import pytest

from mlops_nb.probe.answer import frames

DTYPES = ("int64", "int32", "float64", "float32", "uint8")


@pytest.mark.parametrize("seed", range(30))
def test_the_array_of_columns_is_the_array_of_their_frame(seed):
    draw = np.random.default_rng(seed)
    columns, rows = [], {}
    for number in range(draw.integers(1, 6)):
        dtype = str(draw.choice(DTYPES))
        kind = "float" if "float" in dtype else "int"
        values = draw.integers(0, 200, 7).tolist()
        if draw.random() < 0.3:
            values[2] = None
        columns.append({"name": f"c{number}", "kind": kind, "dtype": dtype})
        rows[f"c{number}"] = values
    signature = {"input": "frame", "columns": columns}
    wanted = frames.to_input(rows, signature).to_numpy()
    found = frames.to_array(rows, signature)
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted)
    assert found.flags["F_CONTIGUOUS"] == wanted.flags["F_CONTIGUOUS"]


@pytest.mark.parametrize("kind", ["text", "category", "bool", "time"])
def test_a_column_that_is_no_number_stays_in_its_frame(kind):
    column = {"name": "a", "kind": kind, "dtype": "object", "categories": ["x"]}
    if kind == "time":
        column["dtype"] = "datetime64[ns]"
    values = {"text": ["x"], "category": ["x"], "bool": [True], "time": ["2026-01-01"]}[kind]
    signature = {"input": "frame", "columns": [column]}
    assert frames.to_array({"a": values}, signature).equals(
        frames.to_input({"a": values}, signature)
    )


VALUES = {
    **dict.fromkeys(("int64", "int8", "uint8", "Int64", "UInt8", "int64[pyarrow]"), (1, 0, 127)),
    **dict.fromkeys(("float64", "float32", "Float64", "double[pyarrow]"), (1.5, -0.25, 3.0)),
    **dict.fromkeys(("bool", "boolean"), (True, False, True)),
    **dict.fromkeys(("str", "string", "string[pyarrow]", "object"), ("a", "", "서울")),
    "category": ("a", "b", "a"),
    **dict.fromkeys(
        ("datetime64[us]", "datetime64[ns]", "datetime64[s, UTC]"),
        ("2026-01-01", "1999-12-31", "2026-02-28T23:59:59"),
    ),
}
NEVER_MISSING = {"int64", "int8", "uint8", "bool", "int64[pyarrow]", "double[pyarrow]"}


def frame_of(draw, *, missing):
    """Return a frame with columns of some dtypes, as a notebook has it."""
    found = {}
    for number, dtype in enumerate(draw.choice(list(VALUES), draw.integers(1, 7))):
        values = [VALUES[dtype][k] for k in draw.integers(0, 3, 8)]
        if missing and dtype not in NEVER_MISSING:
            values[3] = None
        found[f"c{number}"] = pd.Series(values, dtype=str(dtype))
    return pd.DataFrame(found)


def sent(frame):
    """Return the columns of a frame as a caller's JSON has them, and its signature."""
    names = list(frame)
    columns = json.loads(json.dumps(frames.to_columns(frame, names), allow_nan=False))
    return columns, {"input": "frame", "columns": frames.description(frame, names)}


@pytest.mark.parametrize("old", [False, True], ids=["pandas 3", "pandas 2"])
@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("seed", range(20))
def test_a_frame_comes_back_from_json_with_its_dtypes(seed, missing, old, monkeypatch):
    frame = frame_of(np.random.default_rng(seed), missing=missing)
    if old:
        monkeypatch.delattr(pd.api, "internals")
    asked = sent(frame)
    made = frames.to_input(*asked)
    pd.testing.assert_frame_equal(made, frame)
    again = made.copy()
    pd.testing.assert_frame_equal(changed(made), changed(frame))
    pd.testing.assert_frame_equal(frames.to_input(*asked), again)


def changed(frame):
    """Return what a features function may make of a frame, which it changes."""
    frame.columns.name = "changed"  # in no frame that is made later
    frame["new"] = frame["c0"].isna()
    frame.insert(0, "first", range(len(frame)))
    frame.loc[2, "c0"] = frame["c0"][1]
    del frame["new"]
    return frame.sort_values("first", ascending=False).set_index("first").T
