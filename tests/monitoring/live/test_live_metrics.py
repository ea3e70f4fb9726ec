"""Metrics of the live model equal those of scikit-learn on the joined rows, and cover the truth."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from live_model import NOW, LiveModel, binary, labels_of
from sklearn import metrics as oracle

from mlops_nb.evaluation.metrics import auc as plain_auc
from mlops_nb.monitoring.labels.classes import AnswerKind
from mlops_nb.monitoring.live import losses, metrics
from mlops_nb.monitoring.live.sums import Day, Moments, ScoreCounts, SourceSums, VersionSums
from mlops_nb.serving.settings import LabelSettings

ROWS = binary(2000)
INPUTS = ROWS[["age", "city"]]
SIMULATIONS = 500


def watched(folder, rows, labelled=None, classes=(0, 1), **settings):
    live = LiveModel(folder, rows[["age", "city"]], classes, LabelSettings(**settings))
    live.answer(rows.drop(columns="label"))
    if labelled is None or len(labelled):
        live.label(labels_of(rows if labelled is None else labelled), "l.parquet")
    return live


def by_name(answer, version=None):
    return {m["metric"]: m for m in answer["metrics"] if m["model_version"] == version}


def test_two_classes_are_scored_as_scikit_learn_does(tmp_path):
    found = by_name(watched(tmp_path, ROWS).watch())
    expected = {
        "accuracy": oracle.accuracy_score(ROWS.label, ROWS.prediction),
        "auc": oracle.roc_auc_score(ROWS.label, ROWS.score),
        "log_loss": oracle.log_loss(ROWS.label, ROWS.score),
        "brier": oracle.brier_score_loss(ROWS.label, ROWS.score),
    }
    assert {name: one["value"] for name, one in found.items()} == pytest.approx(expected)
    for one in found.values():
        assert one["low"] < one["value"] < one["high"]
        assert (one["labels"], one["coverage"]) == (2000, 1.0)


def test_each_version_has_its_own_metrics(tmp_path):
    rows = ROWS.assign(model_version=np.arange(2000) % 3 + 1)
    answer = watched(tmp_path, rows).watch()
    for version in (1, 2, 3):
        mine = rows[rows.model_version == version]
        found = by_name(answer, version)
        assert found["auc"]["value"] == pytest.approx(oracle.roc_auc_score(mine.label, mine.score))
        assert found["accuracy"]["labels"] == len(mine)


def test_many_classes_are_scored_by_accuracy_and_log_loss(tmp_path):
    draw = np.random.default_rng(1)
    scores = draw.dirichlet([2, 1, 1], len(ROWS))
    names = np.array(["a", "b", "c"])
    rows = ROWS.assign(
        score=list(scores),
        prediction=names[scores.argmax(axis=1)],
        label=[names[draw.choice(3, p=p)] for p in scores],
    )
    found = by_name(watched(tmp_path, rows, classes=("a", "b", "c")).watch())
    assert set(found) == {"accuracy", "log_loss"}
    assert found["accuracy"]["value"] == oracle.accuracy_score(rows.label, rows.prediction)
    expected = oracle.log_loss(rows.label, scores, labels=names)
    assert found["log_loss"]["value"] == pytest.approx(expected)


def test_numbers_are_scored_by_their_errors(tmp_path):
    draw = np.random.default_rng(2)
    truth = draw.normal(10, 3, len(ROWS))
    rows = ROWS.assign(label=truth, prediction=truth + draw.normal(0, 2, len(ROWS)), score=None)
    found = by_name(watched(tmp_path, rows, classes=None).watch())
    assert set(found) == {"mae", "rmse"}
    mean = oracle.mean_absolute_error(rows.label, rows.prediction)
    root = oracle.root_mean_squared_error(rows.label, rows.prediction)
    assert found["mae"]["value"] == pytest.approx(mean)
    assert found["rmse"]["value"] == pytest.approx(root)


def test_answers_without_scores_have_no_auc(tmp_path):
    rows = ROWS.assign(score=pd.array([None] * len(ROWS), "Float64"))
    assert set(by_name(watched(tmp_path, rows).watch())) == {"accuracy"}


def test_scores_that_are_no_probabilities_are_ranked_alone(tmp_path):
    rows = ROWS.assign(score=ROWS.score * 10 - 5)
    found = by_name(watched(tmp_path, rows).watch())
    assert set(found) == {"accuracy", "auc"}
    expected = oracle.roc_auc_score(rows.label, rows.score)
    assert found["auc"]["value"] == pytest.approx(expected)


def test_missing_labels_are_no_labels_until_the_day_matures(tmp_path):
    some = ROWS[ROWS.label == 1]
    live = watched(tmp_path, ROWS, some, absent=0, matures="5d")
    mature = pd.to_datetime(ROWS.time).dt.date < (NOW - timedelta(days=5)).date()
    counted = ROWS[mature | (ROWS.label == 1)]
    found = by_name(live.watch())
    assert found["accuracy"]["labels"] == len(counted)
    assert found["accuracy"]["value"] == oracle.accuracy_score(counted.label, counted.prediction)
    later = by_name(live.watch(now=NOW + timedelta(days=9)))
    assert (later["accuracy"]["labels"], later["accuracy"]["coverage"]) == (2000, 1.0)


def test_rows_of_files_are_not_among_requests(tmp_path):
    rows = ROWS.assign(source=np.where(np.arange(2000) < 1500, "live", "batch"))
    live = watched(tmp_path, rows)
    assert by_name(live.watch())["accuracy"]["labels"] == 1500
    assert live.watch()["rows"] == 1500


def test_rows_of_files_alone_are_watched(tmp_path):
    assert watched(tmp_path, ROWS.assign(source="batch")).watch()["rows"] == 2000


def test_a_window_takes_its_rows_alone(tmp_path):
    live = watched(tmp_path, ROWS)
    since, until = ROWS.time[500], ROWS.time[1500]
    answer = live.watch(since, until)
    inside = ROWS[500:1500]
    assert answer["rows"] == 1000
    (accuracy,) = [
        m for m in answer["metrics"] if m["metric"] == "accuracy" and not m["model_version"]
    ]
    assert accuracy["value"] == oracle.accuracy_score(inside.label, inside.prediction)
    assert (accuracy["from"], accuracy["to"]) == (since.isoformat(), until.isoformat())


def test_the_bounds_hold_whatever_the_missing_labels_are(tmp_path):
    live = watched(tmp_path, ROWS, ROWS[:1200])
    one = live.open().watch("m").metrics[0]
    low, high = one.bounds
    right = (ROWS.label == ROWS.prediction)[:1200].sum() / 2000
    assert (low, high) == pytest.approx((right, right + 0.4))
    assert low <= (ROWS.label == ROWS.prediction).mean() <= high


def test_the_lag_is_the_median_time_to_the_label(tmp_path):
    live = LiveModel(tmp_path, INPUTS, labels=LabelSettings(time="on"))
    live.answer(ROWS.drop(columns="label"))
    days = np.random.default_rng(3).uniform(0, 4, len(ROWS))
    on = [t + timedelta(days=float(d)) for t, d in zip(ROWS.time, days, strict=True)]
    live.label(labels_of(ROWS).assign(on=on), "l.parquet")
    assert metrics.lag(live.open().watch("m").days) == pytest.approx(np.median(days), abs=1 / 24)


KIND = AnswerKind(is_number=False, classes=(0, 1))


def labelled(truth, score):
    """Return labels, and the answers to them."""
    answers = pa.table({"prediction": (score > 0.5).astype(int), "score": score})
    return pa.array(truth.astype(str)), answers


def day_of(number, truth, score):
    labels, answers = labelled(truth, score)
    values = losses.of_rows(labels, answers, KIND)
    version = VersionSums(
        rows=len(truth),
        labels=len(truth),
        moments={name: losses.moments(one) for name, one in values.items()},
        scores=losses.score_counts(labels, answers, KIND),
    )
    sums = SourceSums(rows=len(truth), versions={1: version})
    return Day(day=f"2026-01-{number + 1:02}", mature=True, dropped=0, sums=sums)


def alike(draw, days, rows):
    """Return days whose rows share a quality of their own: truth and score of each."""
    for number in range(days):
        quality = draw.normal(0.8, 0.8)
        truth = (draw.random(rows) < 0.4).astype(int)
        logit = quality * (2 * truth - 1) + draw.normal(0, 1.5, rows)
        yield day_of(number, truth, 1 / (1 + np.exp(-logit)))


def test_intervals_cover_the_truth_where_days_are_alike():
    draw = np.random.default_rng(5)
    many = metrics.of_days(list(alike(draw, 4000, 100)))
    truth = {one.metric: one.value for one in many}
    covered = dict.fromkeys(truth, 0)
    for _ in range(SIMULATIONS):
        for one in metrics.of_days(list(alike(draw, 40, 50))):
            assert one.by_days
            covered[one.metric] += one.low <= truth[one.metric] <= one.high
    shares = {name: count / SIMULATIONS for name, count in covered.items()}
    assert all(0.93 <= share <= 0.97 for share in shares.values()), shares


def test_few_days_have_intervals_of_rows():
    draw = np.random.default_rng(6)
    truth = (draw.random(500) < 0.4).astype(int)
    score = np.clip(0.4 + 0.2 * truth + draw.normal(0, 0.2, 500), 0, 1)
    found = {m.metric: m for m in metrics.of_days([day_of(0, truth, score)])}
    assert not any(one.by_days for one in found.values())
    expected = plain_auc(truth == 1, score)
    assert (found["auc"].low, found["auc"].high) == pytest.approx(
        (expected["low"], expected["high"])
    )
    assert found["accuracy"].low < found["accuracy"].value < found["accuracy"].high


def test_very_many_scores_change_the_auc_by_little():
    draw = np.random.default_rng(7)
    truth = (draw.random(200_000) < 0.02).astype(int)
    score = draw.beta(1 + truth, 300)
    counts = losses.score_counts(*labelled(truth, score), KIND)
    assert len(counts.points) <= losses.EXACT + 1
    assert metrics.auc(counts) == pytest.approx(oracle.roc_auc_score(truth, score), abs=1e-5)


@pytest.mark.parametrize("positive", [(3, 0), (0, 3)])
def test_one_class_alone_has_no_auc(positive):
    counts = ScoreCounts(points=(0.1, 0.2), positive=positive, negative=(0, 0))
    assert metrics.auc(counts) is None


def test_one_label_has_a_metric_with_its_widest_interval():
    one = Moments(count=1, total=1.0, squares=1.0)
    version = VersionSums(rows=3, labels=1, moments={"hit": one, "brier": one})
    sums = SourceSums(rows=3, versions={1: version})
    day = Day(day="2026-01-01", mature=True, dropped=0, sums=sums)
    found = {m.metric: m for m in metrics.of_days([day])}
    assert found["accuracy"].low < 0.3
    assert (found["brier"].low, found["brier"].high) == (0, 1)
