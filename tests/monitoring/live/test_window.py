"""Watching a window: movement, alerts, kept sums, and the answer in words."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from live_model import NOW, LiveModel, binary, labels_of

from mlops_nb.errors import NotFound
from mlops_nb.events import AlertRaised
from mlops_nb.monitoring.live import sums
from mlops_nb.monitoring.report import view
from mlops_nb.serving.settings import PredictionSettings

ROWS = binary(1200)
INPUTS = ROWS[["age", "city"]]
ANSWERS = ROWS.drop(columns="label")


@pytest.fixture
def live(tmp_path):
    return LiveModel(tmp_path, INPUTS)


def drift(answer):
    return {one["column"]: one for one in answer["drift"]}


def test_the_answer_has_the_keys_of_the_contract(live):
    live.answer(ANSWERS)
    live.label(labels_of(ROWS))
    answer = live.watch()
    assert list(answer) == ["version", "model", "rows", "dropped", "drift", "metrics", "alerts"]
    metric = "metric from to value low high labels coverage model_version"
    assert list(answer["metrics"][0]) == metric.split()
    column = "column statistic value threshold drifted direction"
    assert list(answer["drift"][0]) == column.split()
    assert (answer["rows"], answer["dropped"], answer["alerts"]) == (1200, 0, [])


def test_columns_that_moved_are_told_with_direction(live):
    live.answer(ANSWERS.assign(age=ROWS.age + 25))
    found = drift(live.watch())
    assert (found["age"]["drifted"], found["age"]["direction"]) == (True, "higher")
    assert (found["city"]["drifted"], found["city"]["direction"]) == (False, "")


def test_answers_are_compared_with_those_of_the_evaluation(live):
    answers = {"prediction": (ROWS.prediction, "text"), "score": (ROWS.score, "float")}
    live.release(2, INPUTS, **answers)
    live.answer(ANSWERS.assign(score=ROWS.score / 2, prediction=0))
    found = drift(live.watch())
    assert (found["score"]["direction"], found["prediction"]["direction"]) == (
        "lower",
        "other mix",
    )


def test_pseudonyms_and_dropped_columns_are_not_compared(tmp_path):
    masked = PredictionSettings(hash=("city",), drop=("age",))
    live = LiveModel(tmp_path, INPUTS, predictions=masked)
    live.answer(ANSWERS.drop(columns="age").assign(city="c0ffee"))
    found = live.open().watch("m")
    assert found.drift == ()
    assert "Not compared, as they are pseudonyms: city." in view.as_text(found)


def test_a_window_without_rows_is_an_alert_if_there_were_some(live):
    live.answer(ANSWERS)
    later = NOW + timedelta(days=3)
    answer = live.watch(since=NOW, now=later)
    assert answer["rows"] == 0
    assert [(a["kind"], a["since"][:10]) for a in answer["alerts"]] == [("volume", "2026-02-28")]


def test_no_rows_at_all_are_refused_with_where_they_are(live):
    with pytest.raises(NotFound, match="nothing that is on record"):
        live.watch()
    live.answer(ANSWERS)
    with pytest.raises(NotFound) as refused:
        live.watch("2020-01-01", "2020-02-01")
    assert "2026-02-19 to 2026-02-28" in refused.value.fix
    with pytest.raises(NotFound, match="no model 'other'"):
        live.open().watch("other")


def test_missing_values_and_lost_rows_are_faults(live):
    late = (ROWS.time >= NOW - timedelta(days=5, hours=12)).to_numpy()
    lost = ANSWERS[:7].assign(request_id=[f"lost{n}" for n in range(7)], source="dropped")
    rows = ANSWERS.assign(age=ROWS.age.astype(float).where(~late), source="live")
    live.answer(pd.concat([rows, lost]))
    answer = live.watch()
    found = {a["kind"]: a for a in answer["alerts"]}
    assert set(found) == {"missing", "dropped"}
    assert found["missing"]["since"][:10] == "2026-02-24"
    assert (answer["rows"], answer["dropped"]) == (1200, 7)


def test_open_alerts_of_its_job_are_told(live):
    live.answer(ANSWERS)
    for job in ("m", "other"):
        raised = AlertRaised(job=job, alert=f"{job}-failed-1", kind="failed", what=job, fix="x")
        live.open().context.record([raised])
    assert [(a["kind"], a["what"]) for a in live.watch()["alerts"]] == [("failed", "m")]


def test_words_fit_in_a_hundred_columns_and_name_each_fix(live):
    live.answer(ANSWERS.assign(age=np.nan, city="x" * 90))
    live.label(labels_of(ROWS))
    found = live.open().watch("m")
    text = view.as_text(found)
    assert max(map(len, text.splitlines())) <= 100
    assert text.index("accuracy") < text.index("more missing") < text.index("missing, since")
    assert text.count("fix: ") == len(found.alerts)


def test_a_row_in_two_files_counts_once(live):
    live.answer(ANSWERS)
    live.answer(ANSWERS[:400])
    live.label(labels_of(ROWS))
    answer = live.watch()
    assert (answer["rows"], answer["metrics"][0]["labels"]) == (1200, 1200)


def test_kept_sums_change_no_answer_and_follow_what_changes(live):
    live.answer(ANSWERS[:800])
    live.label(labels_of(ROWS[:700]))
    first = live.watch()
    folder = live.folder / ".mlops" / "watch" / "m"
    kept = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert len(kept) == len(list(live.log.days()))
    assert live.watch() == first
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == kept
    live.answer(ANSWERS[800:])
    live.label(labels_of(ROWS).assign(label=1)[:5], "more.csv", NOW + timedelta(seconds=1))
    second = live.watch()
    changed = {p.name for p in folder.iterdir() if kept.get(p.name) != p.stat().st_mtime_ns}
    assert f"day={ROWS.time[400].date()}.json" not in changed
    assert f"day={ROWS.time[0].date()}.json" in changed
    for path in folder.iterdir():
        path.unlink()
    assert live.watch() == second


def test_a_damaged_kept_day_is_made_anew(live):
    live.answer(ANSWERS)
    first = live.watch()
    for path in (live.folder / ".mlops" / "watch" / "m").iterdir():
        path.write_text("{")
    assert live.watch() == first


FEW = binary(60, days=4)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_order_and_files_change_no_answer(tmp_path_factory, data):
    def watched(rows, labels, files, deliveries):
        live = LiveModel(tmp_path_factory.mktemp("live"), FEW[["age", "city"]])
        live.answer(rows.drop(columns="label"), files)
        for number, part in enumerate(np.array_split(np.arange(len(labels)), deliveries)):
            live.label(labels.iloc[part], f"{number}.parquet")
        return live.watch()

    shuffles = [data.draw(st.permutations(range(60))) for _ in range(2)]
    files, deliveries = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 4))
    plain = watched(FEW, labels_of(FEW), 1, 1)
    other = watched(FEW.iloc[shuffles[0]], labels_of(FEW).iloc[shuffles[1]], files, deliveries)
    for one, two in zip(plain["metrics"], other["metrics"], strict=True):
        assert one == pytest.approx(two)
    assert plain["drift"] == other["drift"]


@pytest.mark.parametrize("refused", [0.95, 0.1])
def test_coverage_that_depends_on_the_answer_is_named(tmp_path, refused):
    live = LiveModel(tmp_path, INPUTS)
    live.answer(ANSWERS)
    draw = np.random.default_rng(3)
    kept = np.where(ROWS.prediction == 1, 0.95, refused) > draw.random(len(ROWS))
    live.label(labels_of(ROWS[kept]))
    found = live.open().watch("m")
    told = "Labels depend on the answer:" in " ".join(view.as_text(found).split())
    assert told == (refused < 0.5)
    rows = [ROWS.prediction == answer for answer in (0, 1)]
    mature = {day.day for day in found.days if day.mature}
    counted = sums.together(
        one for day in found.days for one in day.sums.versions.values() if day.day in mature
    ).answers
    assert counted == {
        str(answer): (int(mine.sum()), int((mine & kept).sum())) for answer, mine in enumerate(rows)
    }
