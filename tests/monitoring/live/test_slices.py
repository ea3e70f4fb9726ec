"""Metrics by slice are those of the rows of that slice, and stand beside what was promised."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from live_model import NOW, LiveModel, binary, labels_of
from sklearn import metrics as oracle

from mlops_nb.evaluation import by_slice as evaluation
from mlops_nb.markup import html
from mlops_nb.monitoring.labels.samples import SampleFiles
from mlops_nb.monitoring.live import losses, metrics, sliced, sums
from mlops_nb.monitoring.live.sliced import SliceColumn
from mlops_nb.monitoring.live.window import WatchedWindow
from mlops_nb.monitoring.report import page as report_page
from mlops_nb.monitoring.report import view
from mlops_nb.serving.settings import LabelSettings, PredictionSettings

CITIES = ("Seoul", "Busan", "Daegu")
EVALUATED = binary(3000, seed=9)


def rounded(rows, digits=2):
    return rows.assign(score=rows.score.round(digits))


ROWS = rounded(binary(2000))


def evaluated(rows=EVALUATED, by=("city",), pred="prediction", score="score"):
    arrays = {"truth": rows.label.to_numpy(), "pred": rows[pred].to_numpy()}
    if score:
        arrays["score"] = rows[score].to_numpy()
    texts = {name: np.array([str(v) for v in rows[name]], object) for name in by}
    return evaluation.evaluation(arrays, texts)


def live_model(folder, rows=ROWS, classes=(0, 1), by=("city",), **settings):
    made = settings.pop("evaluation", None) or evaluated(by=by)
    inputs = rows[["age", "city"]]
    return LiveModel(folder, inputs, classes, evaluation=made, **settings)


def watched(folder, rows=ROWS, labelled=None, **settings):
    live = live_model(folder, rows, **settings)
    live.answer(rows.drop(columns="label"))
    live.label(labels_of(rows if labelled is None else labelled), "l.parquet")
    return live


def by_slice(answer, by="city"):
    return {(s["metric"], s["slice"]): s for s in answer["slices"] if s["by"] == by}


def test_slices_are_scored_as_scikit_learn_does(tmp_path):
    some = ROWS[np.random.default_rng(1).random(len(ROWS)) < 0.8]
    found = by_slice(watched(tmp_path, labelled=some).watch())
    assert {metric for metric, _ in found} == {"accuracy", "auc", "log_loss", "brier"}
    assert {city for _, city in found} == set(CITIES)
    for city in CITIES:
        mine, every = some[some.city == city], ROWS[ROWS.city == city]
        expected = {
            "accuracy": oracle.accuracy_score(mine.label, mine.prediction),
            "auc": oracle.roc_auc_score(mine.label, mine.score),
            "log_loss": oracle.log_loss(mine.label, mine.score),
            "brier": oracle.brier_score_loss(mine.label, mine.score),
        }
        for metric, value in expected.items():
            one = found[metric, city]
            assert one["value"] == pytest.approx(value), (metric, city)
            assert one["low"] < one["value"] < one["high"]
            assert one["labels"] == len(mine)
            assert one["coverage"] == pytest.approx(len(mine) / len(every), abs=1e-6)


def test_many_distinct_scores_are_ranked_nearly_exactly(tmp_path):
    rows = binary(20_000, days=6)
    found = by_slice(watched(tmp_path, rows).watch())
    for city in CITIES:
        mine = rows[rows.city == city]
        exact = oracle.roc_auc_score(mine.label, mine.score)
        assert found["auc", city]["value"] == pytest.approx(exact, abs=1e-3)


def test_slices_of_several_versions_are_together(tmp_path):
    rows = ROWS.assign(model_version=np.arange(len(ROWS)) % 3 + 1)
    one, two = (by_slice(watched(tmp_path / n, r).watch()) for n, r in (("a", rows), ("b", ROWS)))
    assert set(one) == set(two)
    for key, found in one.items():
        assert found["value"] == pytest.approx(two[key]["value"])
        assert found["labels"] == two[key]["labels"]


def test_numbers_have_errors_by_slice(tmp_path):
    draw = np.random.default_rng(2)
    truth = draw.normal(10, 3, len(ROWS))
    rows = ROWS.assign(label=truth, prediction=truth + draw.normal(0, 2, len(ROWS)), score=None)
    past = evaluated(rows, score="")
    found = by_slice(watched(tmp_path, rows, classes=None, evaluation=past).watch())
    assert {metric for metric, _ in found} == {"mae", "rmse"}
    for city in CITIES:
        mine = rows[rows.city == city]
        mean = oracle.mean_absolute_error(mine.label, mine.prediction)
        root = oracle.root_mean_squared_error(mine.label, mine.prediction)
        assert found["mae", city]["value"] == pytest.approx(mean)
        assert found["rmse", city]["value"] == pytest.approx(root)
        assert found["mae", city]["promised"] == pytest.approx(mean)


def test_many_classes_have_accuracy_and_log_loss_by_slice(tmp_path):
    draw = np.random.default_rng(1)
    scores = draw.dirichlet([2, 1, 1], len(ROWS))
    names = np.array(["a", "b", "c"])
    rows = ROWS.assign(
        score=list(scores),
        prediction=names[scores.argmax(axis=1)],
        label=[names[draw.choice(3, p=p)] for p in scores],
    )
    past = evaluated(rows, score="")
    live = watched(tmp_path, rows, classes=("a", "b", "c"), evaluation=past)
    found = by_slice(live.watch())
    for city in CITIES:
        mine = rows.city == city
        value = oracle.log_loss(rows.label[mine], scores[mine], labels=names)
        assert found["log_loss", city]["value"] == pytest.approx(value)
        value = oracle.accuracy_score(rows.label[mine], rows.prediction[mine])
        assert found["accuracy", city]["value"] == pytest.approx(value)
        assert found["log_loss", city]["promised"] is None
        assert found["log_loss", city]["change"] is None


@pytest.mark.parametrize("with_sample", [False, True])
def test_a_slice_is_a_log_of_its_rows_alone(tmp_path, with_sample):
    draw = np.random.default_rng(3)
    probability = draw.uniform(0.1, 0.9, len(ROWS))
    drawn = ROWS.assign(probability=probability)[draw.random(len(ROWS)) < probability]
    labelled = drawn if with_sample else ROWS[draw.random(len(ROWS)) < 0.7]
    whole = watched(tmp_path / "whole", labelled=labelled)
    if with_sample:
        write_sample(whole, drawn)
    found = by_slice(whole.watch())
    for city in CITIES:
        alone = watched(
            tmp_path / city, ROWS[ROWS.city == city], labelled=labelled[labelled.city == city]
        )
        if with_sample:
            write_sample(alone, drawn[drawn.city == city])
        for one in alone.watch()["metrics"]:
            if one["model_version"] is None:
                mine = found[one["metric"], city]
                keys = ("value", "labels", "coverage")
                assert {k: mine[k] for k in keys} == pytest.approx({k: one[k] for k in keys})
                if one["metric"] != "auc":
                    assert mine["low"] <= one["low"] + 1e-9
                    assert mine["high"] >= one["high"] - 1e-9


def write_sample(live, drawn):
    samples = SampleFiles(live.folder / ".mlops" / "labels" / "m")
    days = pd.to_datetime(drawn.time, utc=True).dt.date.astype(str)
    ids = {"request_id": pa.array(drawn.request_id, pa.string()), "day": pa.array(days)}
    table = pa.table({**ids, "probability": pa.array(drawn.probability)})
    samples.write(table, sorted(set(days)), samples.new_name())


def test_what_was_promised_stands_beside(tmp_path):
    past = evaluated()
    found = by_slice(watched(tmp_path, evaluation=past).watch())
    for (metric, city), one in found.items():
        assert one["promised"] == past["by"][f"{metric}_by_city"][city]["value"]
        assert one["change_low"] <= one["change"] <= one["change_high"]


def test_new_and_missing_values_are_a_slice_of_their_own(tmp_path):
    city = ROWS.city.astype(object).copy()
    city[:300], city[300:500] = "Jeju", None
    rows = ROWS.assign(city=city)
    found = by_slice(watched(tmp_path, rows).watch())
    new = rows[:500]
    one = found["accuracy", None]
    assert one["value"] == pytest.approx(oracle.accuracy_score(new.label, new.prediction))
    assert (one["labels"], one["promised"], one["change"]) == (500, None, None)
    past = evaluated(EVALUATED.assign(city=EVALUATED.city.mask(EVALUATED.index < 99)))
    found = by_slice(watched(tmp_path / "two", rows, evaluation=past).watch())
    assert found["accuracy", None]["labels"] == 300
    assert found["accuracy", "nan"]["labels"] == 200
    assert found["accuracy", "nan"]["promised"] is not None


def test_slices_without_labels_are_left_out(tmp_path):
    found = by_slice(watched(tmp_path, labelled=ROWS[ROWS.city != "Busan"]).watch())
    assert {city for _, city in found} == {"Seoul", "Daegu"}
    live = live_model(tmp_path / "none")
    live.answer(ROWS.drop(columns="label"))
    assert live.watch()["slices"] == []


def test_absent_labels_count_in_their_slices(tmp_path):
    labels = LabelSettings(absent=0, matures="5d")
    live = watched(tmp_path, labelled=ROWS[ROWS.label == 1], labels=labels)
    mature = pd.to_datetime(ROWS.time).dt.date < (NOW - timedelta(days=5)).date()
    counted = ROWS[mature | (ROWS.label == 1)]
    for city in CITIES:
        mine = counted[counted.city == city]
        one = by_slice(live.watch())["accuracy", city]
        assert one["labels"] == len(mine)
        assert one["value"] == pytest.approx(oracle.accuracy_score(mine.label, mine.prediction))


def test_two_slicings_of_one_column_are_measured(tmp_path):
    past = evaluated(EVALUATED.assign(age=EVALUATED.age.astype(float)), by=("city", "age"))
    answer = watched(tmp_path, evaluation=past).watch()
    found = by_slice(answer, "age")
    ages = {str(float(age)) for age in ROWS.age.unique()}
    assert {age for _, age in found} == ages
    for age in (20, 55):
        mine = ROWS[ROWS.age == age]
        one = found["accuracy", f"{age}.0"]
        assert one["value"] == pytest.approx(oracle.accuracy_score(mine.label, mine.prediction))
    assert len(by_slice(answer)) == 12


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (PredictionSettings(hash=("city",)), "city is in 'city', which is written as a pseudonym"),
        (PredictionSettings(drop=("city",)), "city is in 'city', which `predictions.drop` keeps"),
    ],
)
def test_what_the_log_does_not_show_is_named(tmp_path, settings, words):
    live = watched(tmp_path, predictions=settings)
    answer = live.open().watch("m")
    assert answer.slices == ()
    assert words in view.as_text(answer).replace("\n", " ")
    assert html(words) in report_page.render(answer)


def test_a_slicing_that_is_no_column_is_named(tmp_path):
    past = evaluated(EVALUATED.assign(region=EVALUATED.city.str[:1]), by=("region",))
    found = watched(tmp_path, evaluation=past).open().watch("m")
    assert found.unsliced == (
        "region is neither an input of the model nor a feature, and the log does not have it",
    )


def test_an_evaluation_without_slices_changes_nothing(tmp_path):
    live = watched(tmp_path, evaluation={"auc": 0.7})
    assert "slices" not in live.watch()
    found = live.open().watch("m")
    assert "slice" not in view.as_text(found)
    assert "Worst slices" not in report_page.render(found)


def test_kept_days_give_the_same_slices(tmp_path):
    live = watched(tmp_path)
    first = live.watch()
    kept = sorted((tmp_path / ".mlops/watch/m").glob("day=*.json"))
    before = [path.read_bytes() for path in kept]
    assert live.watch() == first
    assert [path.read_bytes() for path in kept] == before
    for path in kept:
        path.unlink()
    assert live.watch() == first


def fallen(folder) -> WatchedWindow:
    """Return a look at a model that fell in one city, beside a city with two wrong answers."""
    draw = np.random.default_rng(5)
    cities = ["Busan", *(f"Town {n}" for n in range(9))]
    past = EVALUATED.assign(city=draw.choice([*cities, "Jeju"], len(EVALUATED)))
    city = draw.choice(cities, len(ROWS)).astype(object)
    city[:2] = "Jeju"
    rows = ROWS.assign(city=city)
    flipped = (rows.city == "Busan") & (draw.random(len(rows)) < 0.5)
    rows = rows.assign(prediction=rows.prediction.where(~flipped, 1 - rows.prediction))
    rows.loc[:1, "prediction"] = 1 - rows.label[:2]
    return watched(folder, rows, evaluation=evaluated(past)).open().watch("m")


def test_a_large_slice_that_fell_is_worse_than_a_small_one(tmp_path):
    found = fallen(tmp_path)
    by_city = {s.slice: s for s in found.slices if s.metric == "accuracy"}
    assert by_city["Jeju"].value == 0 < by_city["Busan"].value
    assert by_city["Busan"].worse > by_city["Jeju"].worse > 0
    raw = {name: one.promised.value - one.value for name, one in by_city.items()}
    assert raw["Jeju"] > raw["Busan"]  # as its two labels alone would say
    page, text = report_page.render(found), view.as_text(found)
    assert "<h2>Worst slices</h2>" in page
    assert page.index('<td class="text">city = Busan') < page.index("city = Jeju")
    assert "city = Busan" in text
    assert max(map(len, text.splitlines())) <= 100


def test_names_of_slices_are_escaped(tmp_path):
    sly = "<script>alert(1)</script>\x1b[31m"
    past = evaluated(EVALUATED.assign(city=EVALUATED.city.replace("Busan", sly)))
    rows = ROWS.assign(city=ROWS.city.replace("Busan", sly), prediction=0)
    found = watched(tmp_path, rows, evaluation=past).open().watch("m")
    assert any(one.slice == sly for one in found.slices)
    assert "<script" not in report_page.render(found)
    assert "\x1b" not in view.as_text(found)


@pytest.mark.parametrize("seed", range(30))
def test_codes_are_those_of_a_plain_comparison(seed):
    draw = np.random.default_rng(seed)
    pools = (
        [["a", "b", "", "nan", "1", "1.0", None], pa.string()],
        [[0, 1, 2, 30, None], pa.int64()],
        [[0.0, 1.0, 2.5, float("nan"), None], pa.float64()],
        [[True, False, None], pa.bool_()],
    )
    values, kind = pools[seed % len(pools)]
    column = pa.array([values[i] for i in draw.integers(0, len(values), 200)], kind)
    if kind == pa.string() and seed % 3 == 0:
        column = column.dictionary_encode()
    chunks = pa.chunked_array([column.slice(0, 50), column.slice(50, 0), column.slice(50)])
    texts = [["a", "", "1"], ["a", "nan", "2"], ["1.0", "0.0", "None"], ["True", "2", "30", "<NA>"]]
    slices = tuple(sorted(texts[seed // 4 % len(texts)]))
    found = sliced.codes(chunks, SliceColumn(name="x", log="in_x", slices=slices))
    assert found.tolist() == [plain_code(value, slices) for value in column.to_pylist()]


def plain_code(value, slices):
    """Return the first slice that says the same as a value, the exact text before any other."""
    if value is None or pd.isna(value):
        return next((slices.index(t) for t in ("nan", "None", "<NA>") if t in slices), len(slices))
    if str(value) in slices:
        return slices.index(str(value))
    if isinstance(value, str):
        return len(slices)
    for place, text in enumerate(slices):
        try:
            number = {"True": 1.0, "False": 0.0}.get(text)
            number = float(text) if number is None else number
        except ValueError:
            continue
        if number == float(value):
            return place
    return len(slices)


@pytest.mark.parametrize("seed", range(5))
def test_the_error_of_an_area_is_that_of_a_bootstrap(seed):
    draw = np.random.default_rng(seed)
    days = []
    for _ in range(60):
        shift = draw.normal(0, 0.5)  # days differ
        truth = draw.random(80) < 0.4
        score = np.round(draw.normal(0, 1, 80) + truth * (1 + shift), 2)
        points, places = np.unique(score, return_inverse=True)
        sides = [np.bincount(places[side], minlength=len(points)) for side in (truth, ~truth)]
        days.append(losses.at_points(points, *sides))
    whole = sums.joined_scores(days)
    slow = metrics.bootstrapped(whole, days)
    assert metrics.linearized(whole, days) == pytest.approx(slow, rel=0.2)


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
def test_predicted_quantiles_have_their_loss(tmp_path, quantile):
    draw = np.random.default_rng(2)
    truth = draw.normal(10, 3, len(ROWS))
    rows = ROWS.assign(label=truth, prediction=truth + draw.normal(0, 2, len(ROWS)), score=None)
    texts = {"city": rows.city.to_numpy().astype(object)}
    arrays = {"truth": rows.label.to_numpy(), "pred": rows.prediction.to_numpy()}
    past = evaluation.evaluation(arrays, texts, quantile=quantile)
    answer = watched(tmp_path, rows, classes=None, evaluation=past).watch()
    whole = next(m for m in answer["metrics"] if m["metric"] == "quantile_loss")
    expected = oracle.mean_pinball_loss(rows.label, rows.prediction, alpha=quantile)
    assert whole["value"] == pytest.approx(expected)
    assert past["whole"]["quantile_loss"]["value"] == pytest.approx(expected)
    found = by_slice(answer)
    for city in CITIES:
        mine = rows[rows.city == city]
        expected = oracle.mean_pinball_loss(mine.label, mine.prediction, alpha=quantile)
        one = found["quantile_loss", city]
        assert (one["value"], one["promised"]) == pytest.approx((expected, expected))
