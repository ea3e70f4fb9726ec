"""Gates: sentences that a model must make true."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mlops_nb.errors import JobError
from mlops_nb.evaluation.gates import Scored, gate, judge, measure, sliding, unknown

SLICES = {"accuracy_by_origin": {"EWR": 0.6, "JFK": 0.8, "LGA": 0.7}}


def verdict(text, metrics, *, slices=None, evaluation=None, **more):
    scored = Scored(metrics=metrics, slices=slices or {}, evaluation=evaluation or {})
    return judge([gate(text)], scored, **more)[0]


@pytest.mark.parametrize(
    ("text", "metric", "op", "bound", "champion", "by", "gap"),
    [
        ("auc >= 0.6", "auc", ">=", 0.6, False, "", False),
        ("  auc>=.6 ", "auc", ">=", 0.6, False, "", False),
        ("rmse < 1e-3", "rmse", "<", 0.001, False, "", False),
        ("bias <= -0.5", "bias", "<=", -0.5, False, "", False),
        ("n == 3", "n", "==", 3.0, False, "", False),
        ("auc > champion", "auc", ">", 0.0, True, "", False),
        ("auc >= champion - 0.01", "auc", ">=", -0.01, True, "", False),
        ("auc >= champion+0.01", "auc", ">=", 0.01, True, "", False),
        ("accuracy by origin >= 0.7", "accuracy", ">=", 0.7, False, "origin", False),
        ("recall gap by gender <= 0.1", "recall", "<=", 0.1, False, "gender", True),
        ("accuracy by origin >= champion", "accuracy", ">=", 0.0, True, "origin", False),
        ("gap >= 1", "gap", ">=", 1.0, False, "", False),
    ],
)
def test_a_sentence_is_read(text, metric, op, bound, champion, by, gap):
    found = gate(text)
    assert (found.metric, found.op, found.bound) == (metric, op, bound)
    assert (found.champion, found.by, found.gap) == (champion, by, gap)
    assert gate(found.text) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "auc",
        "auc >= ",
        ">= 0.6",
        "auc = 0.6",
        "auc => 0.6",
        "auc >= 0.6 and f1 >= 0.5",
        "auc >= champion * 2",
        "auc >= champion - x",
        "0.6 <= auc",
        "auc >= nan",
        "auc >= 0,6",
        "recall gap >= 0.1",
        "auc by >= 0.6",
        "a b >= 1",
        "auc >= 0.6\nx",
        "auc != 1",
        "auc >= 1 2",
        "auc >= inf",
        "a-b >= 1",
    ],
)
def test_what_is_no_sentence_is_refused_with_the_forms(text):
    with pytest.raises(JobError) as refused:
        gate(text)
    assert repr(text) in refused.value.what
    assert "auc >= champion - 0.01" in refused.value.fix


@pytest.mark.parametrize(
    ("op", "holds"),
    [
        (">=", (False, True, True)),
        (">", (False, False, True)),
        ("==", (False, True, False)),
        ("<=", (True, True, False)),
        ("<", (True, False, False)),
    ],
)
def test_each_comparison_holds_where_it_should(op, holds):
    for value, expected in zip((0.5, 0.6, 0.7), holds, strict=True):
        assert verdict(f"auc {op} 0.6", {"auc": value}).passed is expected


@pytest.mark.parametrize(
    ("text", "challenger", "champion", "passed"),
    [
        ("auc >= champion", 0.7, 0.7, True),
        ("auc > champion", 0.7, 0.7, False),
        ("auc >= champion - 0.01", 0.695, 0.7, True),
        ("auc >= champion - 0.01", 0.68, 0.7, False),
        ("auc >= champion + 0.01", 0.705, 0.7, False),
        ("auc >= champion + 0.01", 0.72, 0.7, True),
        ("loss <= champion + 0.1", -0.95, -1.0, True),
        ("loss <= champion", -0.95, -1.0, False),
    ],
)
def test_a_champion_s_value_is_the_bound_with_its_distance(text, challenger, champion, passed):
    metric = text.split()[0]
    found = verdict(text, {metric: challenger}, champion={metric: champion})
    assert found.passed is passed
    assert (found.value, found.champion) == (challenger, champion)


def test_without_a_champion_a_champion_gate_passes_and_says_so():
    found = verdict("auc >= champion", {"auc": 0.1}, champion=None)
    assert found.passed
    assert found.because == "there is no champion yet"


def test_a_champion_that_could_not_be_scored_or_measured_lets_nothing_through():
    failed = verdict("auc >= champion", {"auc": 0.9}, champion=None, champion_error="it broke")
    assert not failed.passed
    assert "it broke" in failed.because
    unmeasured = verdict("auc >= champion", {"auc": 0.9}, champion={})
    assert not unmeasured.passed
    assert "not measured for the champion" in unmeasured.because


def test_a_champion_that_is_no_number_lets_nothing_through():
    assert not verdict("auc >= champion", {"auc": 0.9}, champion={"auc": math.nan}).passed
    assert not verdict("auc <= champion", {"auc": 0.9}, champion={"auc": math.nan}).passed


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("accuracy by origin >= 0.7", 0.6),
        ("accuracy by origin <= 0.7", 0.8),
        ("accuracy by origin > 0", 0.6),
        ("accuracy by origin < 1", 0.8),
    ],
)
def test_a_gate_by_slice_judges_the_worst_slice(text, value):
    assert measure(gate(text), Scored(slices=SLICES)).value == value


def test_a_gap_is_the_widest_difference_between_slices():
    found = verdict("accuracy gap by origin <= 0.1", {}, slices=SLICES)
    assert found.value == pytest.approx(0.2)
    assert not found.passed
    assert verdict("accuracy gap by origin <= 0.3", {}, slices=SLICES).passed


def test_a_slice_that_is_no_number_is_never_passed_over():
    for place in range(3):
        parts = [0.9, 0.9, 0.9]
        parts[place] = math.nan
        slices = {"accuracy_by_origin": dict(zip("abc", parts, strict=True))}
        for text in (
            "accuracy by origin >= 0.1",
            "accuracy gap by origin <= 0.9",
            "accuracy by origin <= 1",
        ):
            assert not verdict(text, {}, slices=slices).passed


@pytest.mark.parametrize("op", [">=", ">", "==", "<", "<="])
@pytest.mark.parametrize("metrics", [{}, {"auc": math.nan}])
def test_what_was_not_measured_or_is_no_number_passes_nothing(op, metrics):
    for bound in ("0.6", "champion"):
        found = verdict(f"auc {op} {bound}", metrics)
        assert not found.passed
        assert found.value is None
        assert "auc" in found.because


def test_a_gate_says_nan_and_not_that_nothing_was_measured():
    assert verdict("loss < 1", {"loss": math.nan}).because == "loss is nan"
    assert verdict("loss < 1", {"loss": math.inf}).because == "loss inf is not < 1"
    assert verdict("loss < 1", {}).because == "loss was not measured"
    of_champion = verdict("loss <= champion", {"loss": 0.5}, champion={"loss": math.nan})
    assert of_champion.because == "loss of the champion is nan"


def test_slices_that_were_not_measured_pass_nothing():
    assert not verdict("f1 by origin >= 0.1", {"f1": 1.0}, slices=SLICES).passed


def test_a_verdict_says_the_numbers():
    assert verdict("auc >= 0.6", {"auc": 0.51234}).because == "auc 0.5123 is not >= 0.6"
    assert verdict("auc >= 0.6", {"auc": 0.7}).because == "auc 0.7 >= 0.6"


def score(value, n=400, half=0.05):
    return {"value": value, "low": value - half, "high": value + half, "n": n}


def by_origin(least=30, **parts):
    rows = {name: one["n"] for name, one in parts.items()}
    return {"least": least, "by": {"auc_by_origin": parts}, "rows": {"origin": rows}}


def test_an_interval_is_shown_where_the_evaluation_finds_the_same_value():
    found = verdict("auc >= 0.7", {"auc": 0.62}, evaluation={"whole": {"auc": score(0.62)}})
    assert found.because == "auc 0.62 (95 % 0.57-0.67, n 400) is not >= 0.7"
    assert (found.low, found.high, found.n) == (pytest.approx(0.57), pytest.approx(0.67), 400)


def test_a_metric_that_the_notebook_made_otherwise_is_judged_and_has_no_interval():
    found = verdict("auc >= 0.7", {"auc": 0.75}, evaluation={"whole": {"auc": score(0.62)}})
    assert (found.passed, found.value, found.low) == (True, 0.75, None)


def test_a_metric_that_the_notebook_did_not_make_is_taken_from_the_evaluation():
    found = verdict("recall >= 0.7", {"auc": 0.9}, evaluation={"whole": {"recall": score(0.62)}})
    assert (found.passed, found.value) == (False, 0.62)


def test_a_score_that_has_no_value_passes_nothing():
    none = {"value": None, "low": None, "high": None, "n": 3}
    assert not verdict("recall >= 0", {}, evaluation={"whole": {"recall": none}}).passed
    parts = by_origin(EWR=score(0.9), LGA={**none, "n": 300})
    found = verdict("auc by origin >= 0", {}, evaluation=parts)
    assert not found.passed
    assert found.because == "auc by origin of LGA is nan"


def test_the_worst_slice_is_named_with_its_interval_and_its_rows():
    parts = by_origin(EWR=score(0.8), LGA=score(0.62, n=412, half=0.04))
    found = verdict("auc by origin >= 0.7", {"auc": 0.75}, evaluation=parts)
    assert found.because == ("auc by origin: worst LGA 0.62 (95 % 0.58-0.66, n 412) is not >= 0.7")
    assert (found.value, found.n) == (0.62, 412)


def test_a_gap_names_both_ends():
    parts = by_origin(EWR=score(0.8, n=90), JFK=score(0.7), LGA=score(0.5, n=50))
    found = verdict("auc gap by origin <= 0.1", {}, evaluation=parts)
    assert found.because == (
        "auc gap by origin: between LGA 0.5 (95 % 0.45-0.55, n 50) and "
        "EWR 0.8 (95 % 0.75-0.85, n 90), 0.3 is not <= 0.1"
    )


def test_a_slice_of_too_few_rows_is_not_judged_whoever_measured_it():
    parts = by_origin(EWR=score(0.8), LGA=score(0.1, n=29))
    assert verdict("auc by origin >= 0.7", {}, evaluation=parts).passed
    slices = {"auc_by_origin": {"EWR": 0.8, "LGA": 0.1}}
    assert verdict("auc by origin >= 0.7", {}, slices=slices, evaluation=parts).passed
    assert not verdict("auc by origin >= 0.7", {}, slices=slices).passed
    at_least = by_origin(EWR=score(0.8), LGA=score(0.1, n=30))
    assert not verdict("auc by origin >= 0.7", {}, evaluation=at_least).passed


def test_where_every_slice_has_too_few_rows_nothing_passes():
    found = verdict("auc by origin >= 0.7", {}, evaluation=by_origin(EWR=score(0.8, n=3)))
    assert not found.passed
    assert found.because == "auc by origin has no slice of 30 rows"


def test_a_champion_is_judged_by_its_own_slices():
    own, other = ({"auc_by_origin": {"EWR": 0.9, "LGA": low}} for low in (0.6, 0.7))
    found = verdict(
        "auc by origin >= champion - 0.05", {}, slices=own, champion=Scored(slices=other)
    )
    assert not found.passed
    assert (found.value, found.champion) == (0.6, 0.7)
    assert found.because == ("auc by origin: worst LGA 0.6 is not >= 0.65 (champion 0.7 - 0.05)")
    unmeasured = verdict("auc by origin >= champion", {}, slices=own, champion={"auc": 0.1})
    assert "not measured for the champion" in unmeasured.because


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(-1e9, 1e9))
def test_a_bound_in_words_is_the_number_that_was_meant(value, bound):
    assert verdict(f"auc >= {bound!r}", {"auc": value}).passed is (value >= bound)


def test_an_unknown_metric_is_told_with_the_nearest_known():
    found = unknown([gate("auc >= 0.1"), gate("acuracy >= 0.1")], ["auc", "accuracy"])
    assert "'acuracy'" in found.what
    assert found.fix == "did you mean 'accuracy'? the metrics are auc, accuracy"


def test_a_gate_by_slice_needs_the_slices():
    assert unknown([gate("f1 by origin >= 0.1")], ["f1", "f1_by_origin"]) is None
    assert "'f1_by_origin'" in unknown([gate("f1 by origin >= 0.1")], ["f1"]).what
    assert unknown([gate("f1 >= 0.1")], []).fix == "the metrics are none"


# bounds that do not move with the champion


RELEASED = {1: {"auc": 0.7, "loss": 0.4}, 2: {"auc": 0.8, "loss": 0.3}, 3: {"auc": 0.75}}


@pytest.mark.parametrize(
    ("text", "metrics", "passed", "because"),
    [
        ("auc >= best - 0.02", {"auc": 0.79}, True, "(the best release, version 2, 0.8 - 0.02)"),
        ("auc >= best - 0.02", {"auc": 0.77}, False, "is not >= 0.78"),
        ("loss <= best + 0.05", {"loss": 0.34}, True, "(the best release, version 2, 0.3 + 0.05)"),
        ("f1 >= best", {"f1": 0.9}, False, "f1 was not measured for any release"),
    ],
)
def test_the_best_release_is_a_bound(text, metrics, passed, because):
    (found,) = judge([gate(text)], metrics, released=RELEASED)
    assert found.passed is passed
    assert because in found.because


def test_without_a_release_a_gate_on_the_best_passes_and_says_so():
    (found,) = judge([gate("auc >= best - 0.02")], {"auc": 0.1})
    assert (found.passed, found.because) == (True, "nothing is released yet")


def test_a_naive_answer_is_a_bound():
    scored = Scored(metrics={"accuracy": 0.82}, evaluation={"baseline": {"accuracy": 0.75}})
    good, bad, unknown = judge(
        [gate(f"{m} >= baseline + {x}") for m, x in (("accuracy", 0.05), ("accuracy", 0.1))]
        + [gate("f1 >= baseline")],
        replace(scored, metrics={"accuracy": 0.82, "f1": 0.9}),
    )
    assert good.passed
    assert "(a naive answer 0.75 + 0.05)" in good.because
    assert not bad.passed
    assert "no naive answer is known for f1" in unknown.because


def test_the_best_release_of_slices_is_not_on_record_and_is_refused():
    with pytest.raises(JobError, match="cannot be read"):
        gate("auc by origin >= best")


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        (["auc >= champion - 0.01"], ["auc >= champion - 0.01"]),
        (["auc >= champion - 0.01", "auc >= 0.6"], []),
        (["auc >= champion - 0.01", "auc >= best - 0.02"], []),
        (["auc >= champion"], []),
        (["auc >= champion + 0.01"], []),
        (["loss <= champion + 0.1", "auc >= 0.6"], ["loss <= champion + 0.1"]),
    ],
)
def test_gates_that_slide_with_the_champion_are_found(texts, found):
    assert [one.text for one in sliding(map(gate, texts))] == found
