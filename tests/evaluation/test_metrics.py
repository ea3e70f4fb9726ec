"""Scores and their intervals, held against scikit-learn, scipy and plain counting."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.stats import binomtest
from sklearn import metrics as sk

from mlops_nb.evaluation import by_slice
from mlops_nb.evaluation import metrics as evaluation_metrics

CHANCE = np.random.default_rng(5)
N = 400


@pytest.fixture(autouse=True)
def same_chance():
    """Let each test draw the same numbers, whichever others are run."""
    CHANCE.bit_generator.state = np.random.default_rng(5).bit_generator.state


def predictions(n=N, skill=1.0, share=0.4):
    truth = CHANCE.random(n) < share
    score = np.round(truth * skill + CHANCE.normal(size=n), 1)  # with ties
    return truth, score > 0.5, score


def test_each_value_is_what_scikit_learn_says():
    truth, pred, score = predictions()
    found = {
        name: one["value"] for name, one in evaluation_metrics.scores(truth, pred, score).items()
    }
    assert found == pytest.approx(
        {
            "accuracy": sk.accuracy_score(truth, pred),
            "precision": sk.precision_score(truth, pred),
            "recall": sk.recall_score(truth, pred),
            "f1": sk.f1_score(truth, pred),
            "auc": sk.roc_auc_score(truth, score),
        }
    )


def probabilities(n=N):
    """Return truth, and probabilities of which some are 0 or 1 and some are wrong about it."""
    score = np.round(CHANCE.random(n), 1)
    return CHANCE.random(n) < score * 0.9 + 0.05, score


def test_the_scores_of_probabilities_are_what_scikit_learn_says():
    truth, score = probabilities()
    found = evaluation_metrics.scores(truth, score=score)
    assert found.keys() == {"auc", "brier", "log_loss"}
    assert found["brier"]["value"] == pytest.approx(sk.brier_score_loss(truth, score))
    assert found["log_loss"]["value"] == pytest.approx(sk.log_loss(truth, score))
    assert {one["n"] for one in found.values()} == {N}
    texts = evaluation_metrics.scores(np.where(truth, "yes", "no").astype(object), score=score)
    assert texts == found


@pytest.mark.parametrize("wrong", [-0.1, 1.1, math.nan, math.inf])
def test_margins_have_an_auc_and_no_scores_of_probabilities(wrong):
    truth, score = probabilities()
    score[3] = wrong
    assert evaluation_metrics.scores(truth, score=score).keys() == {"auc"}


def test_intervals_of_probabilities_cover_the_expected_loss():
    expected = 0.8 * 0.2**2 + 0.2 * 0.8**2
    hits = 0
    for _ in range(300):
        truth = CHANCE.random(200) < 0.8
        found = evaluation_metrics.probability_losses(truth, np.full(200, 0.8))["brier"]
        hits += found["low"] <= expected <= found["high"]
    assert 0.9 < hits / 300 < 0.99


def test_scores_of_probabilities_are_by_slice_as_well():
    truth, score = probabilities()
    half = np.where(np.arange(N) % 4 == 0, "a", "b")
    found = by_slice.evaluation({"truth": truth, "score": score}, {"half": half})
    for part in ("a", "b"):
        rows = half == part
        one = found["by"]["brier_by_half"][part]
        assert one["value"] == pytest.approx(sk.brier_score_loss(truth[rows], score[rows]))
        one = found["by"]["log_loss_by_half"][part]
        assert one["value"] == pytest.approx(sk.log_loss(truth[rows], score[rows]))
    assert set(evaluation_metrics.named({"truth": "t", "score": "s", "by": "half"})) == {
        *found["whole"],
        *found["by"],
    }


def test_numbers_of_the_notebook_count_first_and_have_intervals_where_both_agree():
    truth, score = probabilities()
    whole = evaluation_metrics.scores(truth, score=score)
    brier = whole["brier"]["value"] * (1 + 1e-13)
    found = evaluation_metrics.all_scores({"brier": brier, "auc": 0.5, "profit": 7.0}, whole)
    assert list(found) == ["auc", "brier", "log_loss", "profit"]
    assert found["brier"] == {**whole["brier"], "value": brier}
    assert found["log_loss"] == whole["log_loss"]
    for name, value in (("auc", 0.5), ("profit", 7.0)):
        assert found[name] == {"value": value, "low": None, "high": None, "n": None}


def test_errors_of_amounts_are_what_scikit_learn_says():
    truth, pred = CHANCE.normal(size=(2, N))
    found = evaluation_metrics.scores(truth, pred)
    assert found.keys() == {"mae", "rmse"}
    assert found["mae"]["value"] == pytest.approx(sk.mean_absolute_error(truth, pred))
    assert found["rmse"]["value"] == pytest.approx(sk.root_mean_squared_error(truth, pred))


@given(st.integers(0, 60), st.integers(1, 60))
def test_a_proportion_s_interval_is_scipy_s_wilson(hits, n):
    hits = min(hits, n)
    theirs = binomtest(hits, n).proportion_ci(method="wilson")
    assert evaluation_metrics.wilson(hits, n) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def placements(truth, score):
    """Return DeLong's components by comparing every pair."""
    above, below = score[truth], score[~truth]
    won = [[(a > b) + (a == b) / 2 for b in below] for a in above]
    return np.mean(won, axis=1), np.mean(won, axis=0)


def test_the_interval_of_the_auc_is_delong_s_by_every_pair():
    truth, _, score = predictions(90)
    found = evaluation_metrics.auc(truth, score)
    of_above, of_below = placements(truth, score)
    variance = of_above.var(ddof=1) / len(of_above) + of_below.var(ddof=1) / len(of_below)
    half = 1.959963984540054 * math.sqrt(variance)
    assert found["value"] == pytest.approx(of_above.mean())
    assert (found["low"], found["high"]) == pytest.approx(
        (found["value"] - half, found["value"] + half)
    )


def test_a_perfect_auc_still_has_an_interval():
    truth = np.array([True, False] * 20)
    found = evaluation_metrics.auc(truth, truth.astype(float))
    assert found["value"] == found["high"] == 1.0
    assert 0.7 < found["low"] < 0.95


def covered(make, exact, draws=300):
    hits = 0
    for _ in range(draws):
        one = make()
        hits += one["low"] <= exact <= one["high"]
    return hits / draws


def test_nineteen_of_twenty_intervals_hold_what_is_true():
    truth, pred, score = predictions(200_000)
    whole = evaluation_metrics.scores(truth, pred, score)
    amounts = CHANCE.normal(size=100_000)
    wrong = evaluation_metrics.regressed(amounts, np.zeros(100_000))

    def sample(metric):
        rows = CHANCE.integers(0, len(truth), 150)
        return evaluation_metrics.scores(truth[rows], pred[rows], score[rows])[metric]

    def errors(metric):
        rows = CHANCE.integers(0, len(amounts), 150)
        return evaluation_metrics.regressed(amounts[rows], np.zeros(150))[metric]

    for metric in ("accuracy", "precision", "recall", "f1", "auc"):
        assert 0.90 <= covered(lambda m=metric: sample(m), whole[metric]["value"]) <= 0.99, metric
    for metric in ("mae", "rmse"):
        assert 0.90 <= covered(lambda m=metric: errors(m), wrong[metric]["value"]) <= 0.99, metric


@given(arrays.arrays(int, st.integers(0, 30), elements=st.integers(-3, 3)))
def test_midranks_are_what_counting_says(values):
    counted = [sum(values < v) + (sum(values == v) + 1) / 2 for v in values]
    assert evaluation_metrics.midranks(values).tolist() == counted


@given(arrays.arrays(bool, 12), arrays.arrays(float, 12, elements=st.sampled_from([0.0, 0.5, 1.0])))
def test_an_interval_holds_its_own_value_and_stays_within_what_is_possible(truth, score):
    for name, one in evaluation_metrics.scores(truth, score > 0.2, score).items():
        if one["value"] is not None:
            assert 0 <= one["low"] <= one["value"] + 1e-12
            assert one["value"] - 1e-12 <= one["high"] <= (np.inf if name == "log_loss" else 1)


def test_what_there_is_none_of_has_no_value():
    one_class = np.array([True] * 5)
    found = evaluation_metrics.scores(one_class, ~one_class, np.arange(5.0))
    assert found["auc"]["value"] is None
    assert found["precision"]["value"] is None
    low, high = evaluation_metrics.wilson(0, 5)
    assert found["recall"] == {"value": 0.0, "low": low, "high": high, "n": 5}
    gone = np.array([np.nan] * 5)
    assert evaluation_metrics.auc(np.array([True, False] * 2 + [True]), gone)["value"] is None
    assert evaluation_metrics.regressed(gone, gone)["rmse"]["value"] is None


@pytest.mark.parametrize(
    ("truth", "pred", "metrics"),
    [
        (["a", "b", "c"], ["a", "b", "b"], {"accuracy"}),
        (["a", "b", "b"], ["a", "b", "a"], {"accuracy", "precision", "recall", "f1"}),
        ([0, 1, 1], [0, 1, 0], {"accuracy", "precision", "recall", "f1", "mae", "rmse"}),
        ([0.5, 1.5, 2.5], [1, 2, 3], {"mae", "rmse"}),
        ([0, 1, 1], [0.3, 0.8, 0.1], {"mae", "rmse"}),
        (["a", "b", "b"], [0.1, 0.2, 0.3], set()),
        (range(1000), range(1000), {"mae", "rmse"}),
    ],
)
def test_what_is_scored_follows_from_what_the_arrays_hold(truth, pred, metrics):
    made = [
        np.array(list(x), dtype=object if isinstance(x[0], str) else None) for x in (truth, pred)
    ]
    assert evaluation_metrics.scores(*made).keys() == metrics


def test_texts_take_the_later_class_for_the_positive_as_scikit_learn_does():
    truth, pred, score = predictions()
    words = np.array(["no", "yes"], dtype=object)
    found = evaluation_metrics.scores(words[truth.astype(int)], words[pred.astype(int)], score)
    assert found == evaluation_metrics.scores(truth, pred, score)


def test_slices_are_scored_as_the_whole_is_and_tell_their_rows():
    truth, pred, score = predictions()
    place = np.array(["EWR", "JFK", "LGA"], dtype=object)[CHANCE.integers(0, 3, N)]
    found = by_slice.evaluation(
        {"truth": truth, "pred": pred, "score": score}, {"origin": place}, 40
    )
    assert found["least"] == 40
    assert sum(found["rows"]["origin"].values()) == N
    for (name, of), slice_ in itertools.product(
        [("auc", sk.roc_auc_score), ("f1", sk.f1_score)], ("EWR", "JFK", "LGA")
    ):
        rows = place == slice_
        expected = of(truth[rows], (score if name == "auc" else pred)[rows])
        assert found["by"][f"{name}_by_origin"][slice_]["value"] == pytest.approx(expected)
        assert found["rows"]["origin"][slice_] == rows.sum()


def test_a_slice_that_knows_one_class_keeps_the_positive_of_the_whole():
    truth = np.array([1, 2, 2, 1, 1, 1])
    pred = np.array([1, 2, 1, 1, 1, 2])
    place = np.array(list("aaabbb"), dtype=object)
    found = by_slice.evaluation({"truth": truth, "pred": pred}, {"place": place})
    assert found["by"]["recall_by_place"]["b"]["value"] is None  # no 2 is among them
    assert found["by"]["precision_by_place"]["b"]["value"] == 0.0


def test_too_many_slices_are_said_and_not_made():
    truth = np.array([True, False] * 200)
    users = np.array([str(i) for i in range(400)], dtype=object)
    found = by_slice.evaluation({"truth": truth, "pred": truth}, {"user": users})
    assert "400 slices" in found["error"]
    assert found["by"] == {}


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_naive_answer_scores_as_scikit_learn_says(share):
    from sklearn.dummy import DummyClassifier, DummyRegressor

    truth = (CHANCE.random(N) < share).astype(int)
    rows = np.zeros((N, 1))
    same = DummyClassifier(strategy="prior").fit(rows, truth)
    amounts = CHANCE.lognormal(size=N)
    names = ("accuracy", "auc", "brier", "log_loss", "mae", "rmse")
    whole = {name: {} for name in names}
    found = by_slice.baseline(truth, whole)
    assert found["accuracy"] == sk.accuracy_score(truth, same.predict(rows))
    assert found["auc"] == 0.5
    score = same.predict_proba(rows)[:, 1]
    assert found["brier"] == pytest.approx(sk.brier_score_loss(truth, score))
    assert found["log_loss"] == pytest.approx(sk.log_loss(truth, score))
    found = by_slice.baseline(amounts, whole)
    for metric, strategy, score in (
        ("mae", "median", sk.mean_absolute_error),
        ("rmse", "mean", sk.root_mean_squared_error),
    ):
        guess = DummyRegressor(strategy=strategy).fit(rows, amounts).predict(rows)
        assert found[metric] == pytest.approx(score(amounts, guess))


def test_losses_of_probabilities_equal_those_of_scikit_learn_with_intervals_that_cover():
    covered = 0
    for _ in range(200):
        score = CHANCE.beta(1, 3, N)
        truth = CHANCE.random(N) < score
        found = evaluation_metrics.probability_losses(truth, score)
        assert found["brier"]["value"] == pytest.approx(sk.brier_score_loss(truth, score))
        assert found["log_loss"]["value"] == pytest.approx(sk.log_loss(truth, score))
        true = 0.25 - (3 / 80 + 1 / 16)  # E p (1 - p) of the beta distribution
        covered += found["brier"]["low"] <= true <= found["brier"]["high"]
    assert covered >= 175
    assert evaluation_metrics.probability_losses(truth, score + 1) == {}


@pytest.mark.parametrize("quantile", [0.05, 0.5, 0.9])
def test_the_loss_of_a_quantile_is_what_scikit_learn_says(quantile):
    from sklearn.dummy import DummyRegressor

    truth, pred = CHANCE.lognormal(size=N), CHANCE.lognormal(size=N)
    places = np.where(np.arange(N) < 150, "a", "b").astype(object)
    arrays_of = {"truth": truth, "pred": pred}
    found = by_slice.evaluation(arrays_of, {"place": places}, quantile=quantile)
    one = found["whole"]["quantile_loss"]
    assert one["value"] == pytest.approx(sk.mean_pinball_loss(truth, pred, alpha=quantile))
    assert 0 <= one["low"] < one["value"] < one["high"]
    for place, part in found["by"]["quantile_loss_by_place"].items():
        mine = places == place
        expected = sk.mean_pinball_loss(truth[mine], pred[mine], alpha=quantile)
        assert part["value"] == pytest.approx(expected)
    rows = np.zeros((N, 1))
    naive = DummyRegressor(strategy="quantile", quantile=quantile).fit(rows, truth).predict(rows)
    expected = sk.mean_pinball_loss(truth, naive, alpha=quantile)
    assert found["baseline"]["quantile_loss"] == pytest.approx(expected, rel=0.01)
    assert found["baseline"]["quantile_loss"] <= expected + 1e-12
    without = by_slice.evaluation(arrays_of, {})
    assert "quantile_loss" not in without["whole"]
