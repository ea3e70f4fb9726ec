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


def test_a_metric_beyond_the_tolerance_is_refused():
    found = differing("a", metrics=("auc",))
    varies = settle(found, again=lambda: found, matters={"auc"}, tolerance=0.01)
    assert "'auc' varies from run to run" in varies.because
    steady = settle(found, again=lambda: SAME, matters={"auc"}, tolerance=0.01)
    assert steady.because == "the bundle measures 'auc' differently"


def test_digests_decide_and_an_unknown_value_is_never_equal_to_a_known_one(tmp_path):
    left = Side(values={"a": {"x": {"digest": "1", "type": "t"}}}, metrics={"auc": 0.5})
    right = Side(values={"a": {"x": {"digest": "unknown", "type": "t"}}}, metrics={"auc": 0.5})
    found = compare(left, right, python="python", scratch=tmp_path)
    assert found.differs["a"] == ("x",)
    assert compare(left, left, python="python", scratch=tmp_path).equal


def test_values_that_cannot_be_compared_are_counted_and_need_no_other_run(tmp_path):
    side = Side(values={"a": {"ax": {"digest": "unknown", "type": "Axes"}, "x": {"digest": "1"}}})
    found = compare(side, side, python="python", scratch=tmp_path)
    assert found.uncompared == {"a": ("ax",)}
    proof = settle(found, again=never, matters={"x"}, tolerance=None)
    assert proof.equal is True
    assert proof.because == "1 value could not be compared (ax); the others are bitwise equal"
    assert settle(found, again=never, matters={"ax"}, tolerance=None).equal is False


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


class Fitted:
    """An object as estimators are: what it learnt, how long that took, where its text lies."""

    def __init__(self, weights, fit_time=0.1, text_id=0x7F0000001000, **more):
        self.coef_ = weights
        self.results_ = {"mean_fit_time": [fit_time], "refit_time": fit_time}
        self._text_id = text_id
        self.__dict__ |= more


def test_objects_are_compared_by_their_state_without_clocks_and_addresses():
    left = Fitted([1.0, 2.0])
    assert values.close(left, Fitted([1.0, 2.0 + 1e-12], 0.2, 0x7F0000002000), 1e-9)
    assert values.differing(left, Fitted([1.0, 2.5]), 1e-9) == "coef_[1]"
    assert values.differing(left, Fitted([1.0, 2.0], depth=3), 1e-9) == "."
    assert values.differing(left, Fitted([1.0, 2.0], text_id=7), 1e-9) == "_text_id"
    named = [Fitted([1.0], run=f"m-{letter * 32}") for letter in "ab"]
    assert values.close(*named, 1e-9)
    assert values.differing(named[0], Fitted([1.0], run="m-1"), 1e-9) == "run"


def test_durations_outside_of_an_object_are_values_like_others():
    assert not values.close({"fit_time": 1.0}, {"fit_time": 2.0}, 1e-9)


def test_an_object_with_its_own_equality_is_asked_first():
    class Blob:
        def __init__(self, content, stamp):
            self.content, self.stamp = content, stamp

        def __eq__(self, other):
            return self.content == other.content

        __hash__ = None

    assert values.close(Blob(b"a", b"monday"), Blob(b"a", b"sunday"), 1e-9)
    assert not values.close(Blob(b"a", b"monday"), Blob(b"b", b"monday"), 1e-9)


def test_objects_that_contain_themselves_are_compared():
    left, right, other = Fitted([1.0]), Fitted([1.0]), Fitted([2.0])
    for each in (left, right, other):
        each.me = each
    assert values.close(left, right, 1e-9)
    assert not values.close(left, other, 1e-9)


def test_functions_are_compared_by_code_and_closure():
    def scale(by):
        return lambda x: x * by

    def shift(by):
        return lambda x: x + by

    assert values.close(scale(2), scale(2), 1e-9)
    assert not values.close(scale(2), scale(3), 1e-9)
    assert not values.close(scale(2), shift(2), 1e-9)
