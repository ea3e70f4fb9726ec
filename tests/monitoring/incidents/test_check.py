"""Scheduled looks at a live model, and what follows: alerts, triggers, what persons teach."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from live_model import NOW, RELEASED, LiveModel, labels_of

from mlops_nb import events as ev
from mlops_nb.jobs import poll
from mlops_nb.jobs.execute import readable
from mlops_nb.jobs.registry import read_jobs
from mlops_nb.monitoring import watch
from mlops_nb.runs.board import read_board
from mlops_nb.serving.settings import LabelSettings

DAY = timedelta(days=1)


def answers(days, right=0.85, a_day=200, seed=0, before=NOW, **columns):
    """Return answers of whole days before a time with their labels, of which a share is right."""
    draw = np.random.default_rng(seed)
    midnight = before.replace(hour=0)
    rights = [right] * days if isinstance(right, float) else right
    parts = []
    for place in range(days):
        start = midnight - (days - place) * DAY
        predicted = draw.integers(0, 2, a_day)
        is_right = draw.random(a_day) < rights[place]
        parts.append(
            pd.DataFrame(
                {
                    "request_id": [f"{start:%m%d}-{seed}-{n}" for n in range(a_day)],
                    "time": [start + DAY * (n + 0.5) / a_day for n in range(a_day)],
                    "age": draw.integers(18, 90, a_day),
                    "city": draw.choice(["Seoul", "Busan", "Daegu"], a_day, p=[0.6, 0.3, 0.1]),
                    "score": np.nan,
                    "prediction": predicted,
                    "label": np.where(is_right, predicted, 1 - predicted),
                }
            ).assign(**columns)
        )
    return pd.concat(parts, ignore_index=True)


ROWS = answers(20)
INPUTS = ROWS[["age", "city"]]


@pytest.fixture
def live(tmp_path):
    return LiveModel(tmp_path, INPUTS, evaluation={"accuracy": 0.85})


def served(live, rows, *, labelled=True):
    live.answer(rows.drop(columns="label"))
    if labelled:
        live.label(labels_of(rows))


def kinds(event):
    return [(one["kind"], one["name"]) for one in event.signals]


def alerts(live, now=NOW):
    """Return the open alerts after a look at the health of everything."""
    ctx = live.open(now).context
    watch.look(ctx, now)
    return {a["kind"]: a for a in watch.open_alerts(ctx)["alerts"]}


def recorded(live, kind):
    return list(live.open().context.journal.read(kinds=[kind]))


def test_a_healthy_model_has_no_signal_and_its_days_are_closed(live):
    served(live, ROWS)
    assert live.look().signals == ()
    closed = recorded(live, ev.CohortClosed)
    assert [e.day for e in closed] == sorted({f"{t:%Y-%m-%d}" for t in ROWS.time})
    (one,) = closed[0].versions
    truth = ROWS[:200]
    hits = float((truth.prediction == truth.label).sum())
    assert one == {"version": 1, "rows": 200, "labels": 200, "losses": {"hit": [200, hits, hits]}}
    assert recorded(live, ev.ModelWatched) == []


def test_harm_is_an_urgent_alert_with_its_mend(live):
    served(live, answers(20, [0.85] * 10 + [0.6] * 10))
    event = live.look()
    assert kinds(event) == [("harm", "accuracy")]
    assert event.mend["kind"] == "retrain"
    alert = alerts(live)["harm"]
    assert alert["urgent"]
    assert "accuracy of version 1 of 'm' fell to 0.6" in alert["what"]
    assert "0.85 was promised at its release" in alert["what"]
    assert "there is no other version to compare with" in alert["what"]
    assert "version 1 still answers; users are hurt" in alert["what"]
    assert alert["fix"] == "mlops-nb trigger m"


def test_watch_finds_the_same_harm_without_a_scheduler_and_records_nothing(live):
    served(live, answers(20, [0.85] * 10 + [0.6] * 10))
    (found,) = live.watch()["alerts"]
    assert recorded(live, ev.CohortClosed) == recorded(live, ev.ModelWatched) == []
    (signal,) = live.look().signals
    assert (found["kind"], found["what"]) == ("harm", signal["what"])
    alerts(live)
    (found,) = live.watch()["alerts"]
    assert found["what"].startswith(signal["what"])


def test_a_change_of_few_days_asks_to_wait_for_labels(live):
    served(live, answers(20, [0.85] * 17 + [0.5] * 3))
    assert live.look().mend["kind"] == "wait"
    assert alerts(live)["harm"]["fix"] == "wait 4 more days for labels, then: mlops-nb trigger m"


def test_a_fault_of_the_data_is_the_cause_of_harm_and_one_incident(live):
    rows = answers(20, [0.85] * 13 + [0.6] * 7)
    rows.loc[rows.time >= NOW - 7.6 * DAY, "city"] = None
    served(live, rows)
    event = live.look()
    assert kinds(event) == [("harm", "accuracy"), ("data-fault", "missing city")]
    assert event.mend["kind"] == "fix the data"
    found = alerts(live)
    assert list(found) == ["data-fault"]
    assert found["data-fault"]["urgent"]
    assert "'city' is missing in 100% of the rows" in found["data-fault"]["what"]
    assert "accuracy of version 1" in found["data-fault"]["what"]


def test_movement_alone_informs_and_wakes_nobody(live):
    served(live, answers(20).assign(age=lambda f: f.age + 20))
    event = live.look()
    assert kinds(event) == [("movement", "age")]
    assert "season or drift: with less than a year, it cannot tell" in event.signals[0]["what"]
    assert (event.moved, event.compared) == (1, 2)
    assert not alerts(live)["movement"]["urgent"]


def test_what_moved_is_in_one_digest_a_day_and_in_no_message_of_its_own(tmp_path):
    told = tmp_path / "told"
    live = LiveModel(tmp_path, INPUTS, notify=({"command": f"cat >> {told}"},))
    live.answer(answers(22, before=NOW + 2 * DAY).assign(age=lambda f: f.age + 20, label=0))
    for hours in range(0, 48, 6):
        now = NOW + timedelta(hours=hours)
        live.look(now)
        watch.look(live.open(now).context, now, wait=True)
    lines = told.read_text().splitlines()
    assert [line.split(":")[0] for line in lines] == [f"m-digest-{n}" for n in (1, 2, 3)]
    assert "the day of job 'm': age moved: higher" in lines[0]


def test_the_same_look_again_records_nothing_and_another_day_does(live):
    served(live, answers(20, [0.85] * 10 + [0.6] * 10))
    for hours in (0, 1, 2):
        live.look(NOW + timedelta(hours=hours))
    assert len(recorded(live, ev.ModelWatched)) == 1
    live.look(NOW + DAY)
    assert len(recorded(live, ev.ModelWatched)) == 2


def test_labels_that_come_later_and_corrections_change_charts_and_no_alarm(live):
    served(live, ROWS)
    live.look()
    wrong = labels_of(ROWS).assign(label=1 - ROWS.prediction)
    later = NOW + timedelta(hours=1)
    live.label(wrong, "corrected.csv", now=later)
    assert live.look(later).signals == ()
    shown = {m["metric"]: m for m in live.watch(now=later)["metrics"]}
    assert shown["accuracy"]["value"] == 0


def test_a_day_is_closed_when_its_labels_have_matured(tmp_path):
    live = LiveModel(tmp_path, INPUTS, labels=LabelSettings(matures="5d"))
    served(live, ROWS)
    live.look()
    assert [e.day for e in recorded(live, ev.CohortClosed)][-1] == "2026-02-23"
    live.look(NOW + 2 * DAY)
    assert [e.day for e in recorded(live, ev.CohortClosed)][-1] == "2026-02-25"


def test_days_wait_for_their_labels_for_a_month(live):
    served(live, ROWS, labelled=False)
    live.look()
    assert recorded(live, ev.CohortClosed) == []
    live.look(NOW + 31 * DAY)
    closed = recorded(live, ev.CohortClosed)
    assert len(closed) == 20
    assert {one["labels"] for e in closed for one in e.versions} == {0}


def test_labels_that_become_few_are_an_alert_as_they_could_hide_harm(live):
    live.answer(ROWS.drop(columns="label"))
    late = ROWS[ROWS.time >= NOW - 8 * DAY]
    rare = late.groupby(late.time.dt.date).head(5)
    live.label(labels_of(pd.concat([ROWS[ROWS.time < NOW - 8 * DAY], rare])))
    event = live.look()
    assert kinds(event) == [("labels", "coverage")]
    assert "whatever the others are, accuracy is between" in event.signals[0]["what"]
    assert "labels came for" in alerts(live)["labels"]["what"]


def test_labels_that_stop_coming_are_an_alert_of_their_own(live):
    live.answer(ROWS.drop(columns="label"))
    for place, rows in enumerate(np.array_split(np.arange(len(ROWS)), 5)):
        when = NOW - (12 - 2 * place) * DAY
        live.label(labels_of(ROWS.iloc[rows]), f"part{place}.csv", now=when)
    assert "labels" not in dict(kinds(live.look(NOW - 2 * DAY)))
    event = live.look(NOW + 3 * DAY)
    assert ("labels", "stopped") in kinds(event)
    assert "which usually come every 2 days" in event.signals[-1]["what"]


def test_values_of_another_unit_and_stale_ones_are_faults(live):
    rows = answers(20)
    late = rows.time >= NOW - 3 * DAY
    rows.loc[late, "age"] *= 1000
    rows.loc[late, "city"] = "Seoul"
    served(live, rows)
    faults = {one["name"]: one["what"] for one in live.look().signals}
    assert "are above 89, where the evaluation had none" in faults["range age"]
    assert "has had one value alone since" in faults["stale city"]


def signals_of(live, *triggers, now=NOW):
    """Return the runs that triggers of the live model queue."""
    ctx = live.open(now).context
    states = read_jobs(ctx)
    jobs = readable(states)
    return [event for event, _ in poll.signals(ctx, jobs, states, read_board(ctx))]


def test_harm_fires_the_metric_trigger_with_its_reason_once_a_day(tmp_path):
    trigger = {"metric": "accuracy", "fall": 0.05}
    live = LiveModel(tmp_path, INPUTS, evaluation={"accuracy": 0.85}, triggers=(trigger,))
    served(live, answers(20, [0.85] * 10 + [0.6] * 10))
    live.look()
    (queued,) = signals_of(live)
    assert queued.trigger == "metric"
    assert queued.because.startswith("accuracy of version 1 of 'm' fell to 0.6")
    live.open().context.record([queued])
    assert signals_of(live, now=NOW + timedelta(hours=2)) == []


def test_an_allowed_fall_fires_nothing(tmp_path):
    trigger = {"metric": "accuracy", "fall": 0.3}
    live = LiveModel(tmp_path, INPUTS, evaluation={"accuracy": 0.85}, triggers=(trigger,))
    served(live, answers(20, [0.85] * 10 + [0.6] * 10))
    assert live.look().signals == ()
    assert signals_of(live) == []


def test_movement_fires_the_drift_trigger(tmp_path):
    live = LiveModel(tmp_path, INPUTS, triggers=({"drift": 0.5},))
    served(live, answers(20).assign(age=lambda f: f.age + 20))
    live.look()
    (queued,) = signals_of(live)
    assert queued.because.startswith("1 of 2 columns of the live model moved: age moved: higher")


def test_a_harm_that_was_called_mistaken_ends_until_it_gets_worse(live):
    served(live, answers(20, [0.85] * 10 + [0.75] * 10))
    live.look()
    name = alerts(live)["harm"]["alert"]
    live.open().ack(name, None, "ann")
    assert kinds(live.look()) == []
    assert "harm" not in alerts(live)
    later = NOW + 10 * DAY
    served(live, answers(10, 0.5, seed=1, before=later))
    assert kinds(live.look(later)) == [("harm", "accuracy")]


def test_a_movement_that_was_called_mistaken_teaches_its_threshold(live):
    served(live, answers(20).assign(age=lambda f: f.age + 20))
    live.look()
    name = alerts(live)["movement"]["alert"]
    live.open().ack(name, None, "ann")
    assert kinds(live.look()) == []
    later = NOW + 8 * DAY
    served(live, answers(8, seed=1, before=later).assign(age=lambda f: f.age + 30))
    assert kinds(live.look(later)) == [("movement", "age")]


def test_the_first_hours_of_a_release_are_compared_with_the_version_before(live):
    live.answer(answers(20).drop(columns="label"))
    live.release(2, INPUTS, at=NOW)
    new = answers(1, seed=1, before=NOW + DAY).drop(columns="label")
    new["time"] = [NOW + timedelta(minutes=n) for n in range(len(new))]
    live.answer(new.assign(model_version=2, prediction=1, seconds=0.2))
    faults = [one["name"] for one in live.look(NOW + timedelta(hours=4)).signals]
    assert {"latency", "mix"} <= set(faults)


def test_nothing_is_found_before_a_release(tmp_path):
    live = LiveModel(tmp_path, INPUTS)
    live.answer(ROWS.drop(columns="label"))
    assert live.look(RELEASED + timedelta(hours=1)).signals == ()
