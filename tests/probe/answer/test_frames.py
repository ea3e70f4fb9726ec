"""The array that a model answers is that of the frame that it answers."""

import numpy as np
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
