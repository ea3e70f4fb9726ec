"""How a comparison of two runs becomes a proof."""

import math

import pytest

from mlops_nb.jobs.promote import compare_values as values
from mlops_nb.jobs.promote.compare import Comparison, Side, compare, settle

SAME = Comparison(differs={"a": (), "b": ()}, close={}, metrics=())


def differing(step: str, *names: str, metrics: tuple[str, ...] = ()) -> Comparison:
    return Comparison(differs={"a": (), "b": (), step: names}, close={}, metrics=metrics)


def never() -> Comparison:
    raise AssertionError("the source must not run again where nothing differs")


def test_nothing_that_differs_is_equal_without_another_run():
    found = settle(SAME, again=never, matters={"model"}, tolerance=None)
    assert found.equal is True
    assert found.because == "bitwise equal"


def test_what_differs_between_notebook_and_bundle_alone_refuses_and_names_the_first_step():
    found = settle(differing("b", "x"), again=lambda: SAME, matters=set(), tolerance=None)
    assert found.equal is False
    assert "step 'b' makes 'x' differently" in found.because


def test_what_varies_by_itself_is_listed_and_lets_through_what_does_not_matter():
    found = settle(
        differing("b", "noise"),
        again=lambda: differing("b", "noise"),
        matters={"model"},
        tolerance=None,
    )
    assert found.equal is True
    assert found.steps[1].varying == ("noise",)


def test_a_model_that_varies_refuses_and_a_tolerance_lets_it_through():
    vary = differing("b", "model")
    refused = settle(vary, again=lambda: vary, matters={"model"}, tolerance=None)
    assert refused.equal is False
    assert "not seeded" in refused.because
    assert settle(vary, again=lambda: vary, matters={"model"}, tolerance=0.01).equal is True


def test_a_metric_that_differs_refuses_even_where_every_value_agrees():
    found = settle(
        differing("a", metrics=("auc",)), again=lambda: SAME, matters=set(), tolerance=None
    )
    assert found.equal is False


def test_digests_decide_and_an_unknown_value_is_never_equal_to_a_known_one(tmp_path):
    left = Side(values={"a": {"x": {"digest": "1", "type": "t"}}}, metrics={"auc": 0.5})
    right = Side(values={"a": {"x": {"digest": "unknown", "type": "t"}}}, metrics={"auc": 0.5})
    found = compare(left, right, python="python", scratch=tmp_path)
    assert found.differs["a"] == ("x",)
    assert compare(left, left, python="python", scratch=tmp_path).equal


def test_metrics_are_held_to_a_relative_tolerance(tmp_path):
    left, right = Side(metrics={"auc": 0.5}), Side(metrics={"auc": 0.5 + 1e-12})
    assert compare(left, right, python="python", scratch=tmp_path).metrics == ()
    right = Side(metrics={"auc": 0.5001})
    assert compare(left, right, python="python", scratch=tmp_path).metrics == ("auc",)
    assert compare(left, right, python="python", scratch=tmp_path, rtol=0.01).metrics == ()
    assert compare(left, Side(), python="python", scratch=tmp_path).metrics == ("auc",)


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        (1.0, 1.0 + 1e-12, True),
        (1.0, 1.001, False),
        (float("nan"), float("nan"), True),
        ([1.0, {"a": 2.0}], [1.0 + 1e-12, {"a": 2.0}], True),
        ([1.0], [1.0, 2.0], False),
        (1, True, False),
        ("a", "b", False),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, False),
    ],
)
def test_values_are_close_or_not(left, right, same):
    assert values.close(left, right, 1e-9) is same


def test_frames_and_arrays_are_close_within_the_tolerance_only():
    import numpy as np
    import pandas as pd

    array = np.array([1.0, np.nan])
    assert values.close(array, array * (1 + 1e-12), 1e-9)
    assert not values.close(array, array * 1.1, 1e-9)
    assert not values.close(array, array.astype("f4"), 1e-9)
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]})
    assert values.close(frame, frame * 1, 1e-9)
    assert not values.close(frame, frame.rename(columns={"a": "c"}), 1e-9)
    assert not values.close(object(), object(), 1e-9)


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        (math.nan, math.nan, True),
        (math.inf, math.inf, True),
        (math.inf, -math.inf, False),
        (math.nan, 0.5, False),
        (0.5, math.inf, False),
        (math.inf, 0.5, False),
    ],
)
def test_metrics_that_are_no_finite_numbers_equal_only_themselves(left, right, equal, tmp_path):
    sides = (Side(metrics={"loss": left}), Side(metrics={"loss": right}))
    found = compare(*sides, python="", scratch=tmp_path, rtol=1e-9)
    assert (found.metrics == ()) is equal
