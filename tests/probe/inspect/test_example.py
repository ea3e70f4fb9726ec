"""Which rows become the example of a model's input, and when none are known."""

import json
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from mlops_nb.probe.inspect import example

FRAME = pd.DataFrame({"a": np.arange(9.0), "b": 1.0, "y": 2.0})


@pytest.fixture
def found(tmp_path, monkeypatch):
    """Return what is found in a namespace: the rows, and the description or the error."""

    def look(space: dict, *, given: tuple = (), read: tuple = ()):
        monkeypatch.setattr(example, "namespace", lambda: space)
        path = tmp_path / "rows.example"
        asked = {"name": "model", "given": given, "read": read, "path": str(path)}
        answer = json.loads(example.write(json.dumps(asked)))
        rows = pickle.loads(path.read_bytes()) if path.exists() else None
        return rows, answer.get("of") or answer["error"]

    return look


def fitted(data) -> LinearRegression:
    return LinearRegression().fit(data, FRAME["y"])


def test_the_frame_that_was_passed_comes_first(found):
    space = {"model": fitted(FRAME[["a", "b"]]), "X": FRAME[["a", "b"]], "df": FRAME}
    rows, of = found(space, given=("X",), read=("df",))
    pd.testing.assert_frame_equal(rows, FRAME[["a", "b"]].head(5))
    assert of == "the first 5 rows of X"


def test_a_wider_frame_gives_the_columns_that_the_model_names(found):
    rows, of = found({"model": fitted(FRAME[["b", "a"]]), "df": FRAME}, read=("df",))
    assert list(rows.columns) == ["b", "a"]
    assert of == "the first 5 rows of df"


def test_a_frame_of_just_these_columns_comes_before_a_wider_one(found):
    scaled = FRAME[["a", "b"]] / 10
    space = {"model": fitted(scaled), "df": FRAME, "scaled": scaled}
    assert found(space, read=("df", "scaled"))[1] == "the first 5 rows of scaled"


def test_an_array_is_an_example_where_its_width_is_the_models(found):
    array = FRAME[["a", "b"]].to_numpy()
    space = {"model": fitted(array), "X": array, "y": FRAME["y"].to_numpy()}
    rows, _ = found(space, read=("X", "y"))
    assert rows.tolist() == array[:5].tolist()


def test_arrays_of_one_width_are_not_told_apart_by_guessing(found):
    array = FRAME[["a", "b"]].to_numpy()
    space = {"model": fitted(array), "X": array, "weights": array * 2}
    assert found(space, read=("X", "weights")) == (
        None,
        "no data that the model takes is known and loaded",
    )
    assert found(space, given=("X",), read=("weights",))[0] is not None


def test_a_model_that_names_no_columns_has_an_example_only_of_what_is_passed(found):
    space = {"model": len, "texts": ["a", "b"], "df": FRAME}
    assert found(space, read=("texts", "df"))[0] is None
    assert found(space, given=("texts",))[0] == ["a", "b"]


def test_nothing_to_take_or_to_pickle_is_an_answer_and_no_error(found):
    assert found({"model": len}, given=("gone",))[0] is None
    rows, why = found({"model": len, "odd": [iter(())]}, given=("odd",))
    assert rows is None or rows
    assert why
    assert "1 MB" in found({"model": len, "X": np.zeros((5, 10**6))}, given=("X",))[1]
