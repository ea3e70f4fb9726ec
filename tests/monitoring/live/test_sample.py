"""A labelling budget: what is drawn, what is written, and what `watch` makes of the labels."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from live_model import NOW, LiveModel, binary

from mlops_nb.errors import NotFound, Refused
from mlops_nb.events import SampleDrawn

DAY = timedelta(days=1)
ROWS = binary(4000, days=10)
INPUTS = ROWS[["age", "city"]]


@pytest.fixture
def live(tmp_path):
    made = LiveModel(tmp_path, INPUTS)
    made.answer(ROWS.drop(columns="label"))
    return made


def drawn(live, size, out="draw.csv", **more):
    live.open().sample("m", size, out, **more)
    path = live.folder / out
    return pd.read_parquet(path) if out.endswith("parquet") else pd.read_csv(path)


def filled(frame, rows=ROWS):
    truth = rows.set_index("request_id").label
    return frame.assign(label=truth.loc[frame.request_id].to_numpy())


@pytest.mark.parametrize("out", ["draw.csv", "draw.parquet"])
def test_the_file_has_each_row_once_with_its_probability_and_room_for_a_label(live, out):
    answer = live.open().sample("m", 200, out)
    assert answer == {"version": 1, "model": "m", "rows": 200, "of": 4000, "output": out}
    path = live.folder / out
    found = pd.read_parquet(path) if out.endswith("parquet") else pd.read_csv(path)
    assert list(found.columns[:3]) == ["request_id", "probability", "label"]
    assert found.request_id.is_unique
    assert found.label.isna().all()
    same = ROWS.set_index("request_id").loc[found.request_id]
    assert found.in_age.tolist() == same.age.tolist()
    assert found.in_city.tolist() == same.city.tolist()
    assert found.score.to_numpy() == pytest.approx(same.score.to_numpy())
    assert found.probability.between(0, 1).all()


def test_the_draw_is_on_record_with_its_probabilities(live):
    found = drawn(live, 100)
    (event,) = live.open().context.journal.read(kinds=[SampleDrawn])
    assert (event.rows, event.of) == (100, 4000)
    kept = pd.read_parquet(live.folder / ".mlops" / "labels" / "m" / "samples" / event.name)
    both = found.merge(kept, on="request_id")
    assert both.probability_x.to_numpy() == pytest.approx(both.probability_y.to_numpy())


def test_rows_that_were_drawn_or_labelled_are_not_drawn_again(live):
    first = drawn(live, 1000)
    live.label(filled(first[:600])[["request_id", "label"]])
    second = drawn(live, 5000, "second.csv")
    assert len(second) == 3000
    assert not set(first.request_id) & set(second.request_id)
    assert (second.probability == 1).all()
    with pytest.raises(NotFound, match="no answers without a label"):
        drawn(live, 10, "third.csv")


def test_the_same_file_filled_in_gives_the_labels_and_empty_ones_are_left_out(live):
    found = filled(drawn(live, 200)).astype({"label": object})
    found.loc[50:, "label"] = None
    found.to_csv(live.folder / "draw.csv", index=False)
    assert live.open().labels("m", "draw.csv")["matched"] == 50
    found.assign(label=None).to_csv(live.folder / "empty.csv", index=False)
    with pytest.raises(Refused, match="no row has a 'label' yet"):
        live.open().labels("m", "empty.csv")


def twice_labelled(folder):
    """Return a model with two labelled draws, its rows, and the labels of the second draw.

    The second draw prefers rows whose loss spreads: their plain mean would be far off.
    """
    rows = binary(20_000, days=10, seed=3)
    half = np.random.default_rng(4).random(len(rows)) < 0.5
    score = np.where(half, 0.5, 0.1) + np.random.default_rng(6).uniform(-0.02, 0.02, len(rows))
    label = (np.random.default_rng(5).random(len(rows)) < score).astype(int)
    rows = rows.assign(score=score, prediction=(score > 0.5).astype(int), label=label)
    live = LiveModel(folder, rows[["age", "city"]])
    live.answer(rows.drop(columns="label"))
    for number in range(2):
        found = filled(drawn(live, 1500, f"draw{number}.csv"), rows)
        found.to_csv(live.folder / f"draw{number}.csv", index=False)
        live.open().labels("m", f"draw{number}.csv")
    return live, rows, found


def shown_by(live):
    return {m["metric"]: m for m in live.watch()["metrics"] if m["model_version"] is None}


def half_widths(shown, truth):
    """Return how far a metric is from the truth, in halves of its 95 % interval.

    Draws are random: 2 are 3.9 standard errors, which one draw of 10,000 exceeds.
    """
    return abs(shown["value"] - truth) / (shown["high"] - shown["low"]) * 2


def test_watch_tells_the_metrics_of_all_rows_and_not_those_of_the_drawn_ones(tmp_path):
    live, rows, found = twice_labelled(tmp_path)
    shown = shown_by(live)
    accuracy = (rows.prediction == rows.label).mean()
    assert half_widths(shown["accuracy"], accuracy) < 2
    assert shown["accuracy"]["labels"] == 3000
    brier = ((rows.score - rows.label) ** 2).mean()
    assert ((found.score - found.label) ** 2).mean() < brier - 0.03
    assert half_widths(shown["brier"], brier) < 2


def test_a_draw_that_waits_for_its_labels_changes_no_metric(tmp_path):
    live, rows, _ = twice_labelled(tmp_path)
    before = shown_by(live)
    waiting = drawn(live, 1500, "waiting.csv")
    assert shown_by(live) == before
    some = filled(waiting, rows)[["request_id", "label"]]
    live.label(some)
    after = shown_by(live)
    assert after["brier"] != before["brier"]
    assert after["brier"]["labels"] == 4500


def test_a_window_limits_what_is_drawn(live):
    since = (NOW - 3 * DAY).isoformat()
    found = drawn(live, 50, since=since)
    assert (pd.to_datetime(found.time, utc=True) >= pd.Timestamp(since)).all()


@pytest.mark.parametrize(
    ("size", "out", "what"),
    [
        (0, "a.csv", "--sample is 0"),
        (10, "a.txt", "neither CSV nor Parquet"),
        (10, "none/a.csv", "there is no folder"),
    ],
)
def test_what_cannot_be_drawn_is_refused_and_nothing_is_recorded(live, size, out, what):
    with pytest.raises(Refused, match=what):
        live.open().sample("m", size, out)
    assert list(live.open().context.journal.read(kinds=[SampleDrawn])) == []
    assert not (live.folder / ".mlops" / "labels" / "m" / "samples").exists()


def test_a_model_without_answers_has_nothing_to_draw(tmp_path):
    live = LiveModel(tmp_path, INPUTS)
    with pytest.raises(NotFound, match="no answers without a label"):
        live.open().sample("m", 10, "a.csv")
