"""Labels are taken once each: corrections replace, unknown ones wait, bad files change nothing."""

from datetime import timedelta

import pandas as pd
import pytest
from live_model import NOW, LiveModel, binary, labels_of

from mlops_nb.errors import Refused
from mlops_nb.events import LabelsTaken
from mlops_nb.serving.settings import LabelSettings

ROWS = binary(400)
INPUTS = ROWS[["age", "city"]]
LATER = NOW + timedelta(hours=1)


@pytest.fixture
def live(tmp_path):
    made = LiveModel(tmp_path, INPUTS)
    made.answer(ROWS.drop(columns="label"))
    return made


def counted(answer):
    return answer["matched"], answer["unmatched"], answer["replaced"]


def accuracy(live, **when):
    (found,) = [
        m
        for m in live.watch(**when)["metrics"]
        if m["metric"] == "accuracy" and m["model_version"] is None
    ]
    return found


def test_labels_are_matched_and_unknown_ones_are_counted(live):
    unknown = pd.DataFrame({"request_id": ["x", "y"], "label": [1, 0]})
    taken = live.label(pd.concat([labels_of(ROWS), unknown]))
    assert taken == {"version": 1, "model": "m", "matched": 400, "unmatched": 2, "replaced": 0}
    assert accuracy(live)["value"] == pytest.approx((ROWS.label == ROWS.prediction).mean())


def test_the_same_file_again_changes_nothing(live):
    live.label(labels_of(ROWS))
    before = {p.name: p.stat() for p in (live.folder / ".mlops/labels/m").iterdir()}
    assert counted(live.label(labels_of(ROWS), now=LATER)) == (400, 0, 0)
    assert {p.name: p.stat() for p in (live.folder / ".mlops/labels/m").iterdir()} == before
    events = list(live.open().context.journal.read(kinds=[LabelsTaken]))
    assert [(e.matched, e.unmatched, e.replaced) for e in events] == [(400, 0, 0)]


def test_a_label_delivered_again_counts_once(live):
    live.label(labels_of(ROWS))
    assert counted(live.label(labels_of(ROWS[:100]), "again.parquet", LATER)) == (100, 0, 0)
    assert accuracy(live, now=LATER)["labels"] == 400


def test_a_correction_replaces_the_label_before(live):
    live.label(labels_of(ROWS))
    wrong = labels_of(ROWS).assign(label=1 - ROWS.prediction)
    assert counted(live.label(wrong[:50], "two.csv", LATER))[2] == sum(
        ROWS.label[:50] == ROWS.prediction[:50]
    )
    right = (ROWS.label == ROWS.prediction)[50:].sum() / 400
    assert accuracy(live, now=LATER)["value"] == pytest.approx(right)


def test_a_label_is_joined_when_its_row_comes_later(live):
    late = binary(30, seed=7)
    live.label(pd.concat([labels_of(ROWS), labels_of(late)]))
    assert accuracy(live)["labels"] == 400
    live.answer(late.drop(columns="label"))
    assert accuracy(live)["labels"] == 430
    assert accuracy(live)["coverage"] == 1


def test_labels_are_for_their_owner_alone(live):
    live.label(labels_of(ROWS))
    (file,) = (live.folder / ".mlops/labels/m").glob("*.parquet")
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(pd.read_parquet(file)) == ["request_id", "label", "delivered", "digest", "day"]


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        ({"id": ["a"], "label": [1]}, "no column 'request_id'"),
        ({"request_id": ["a"], "truth": [1]}, "no column 'label'"),
        ({"request_id": [], "label": []}, "no rows"),
        ({"request_id": ["a", None], "label": [1, 1]}, "1 of 2 rows have no 'request_id'"),
        ({"request_id": ["a", "b"], "label": [1, None]}, "the first is row 2"),
        ({"request_id": ["a", "b", "a"], "label": [1, 1, 0]}, "different labels"),
    ],
)
@pytest.mark.parametrize("name", ["bad.csv", "bad.parquet"])
def test_a_bad_file_is_refused_and_nothing_is_kept(live, frame, words, name):
    with pytest.raises(Refused, match=words) as refused:
        live.label(pd.DataFrame(frame), name)
    assert refused.value.fix
    assert not list((live.folder / ".mlops").glob("labels/m/*"))
    assert not list(live.open().context.journal.read(kinds=[LabelsTaken]))


@pytest.mark.parametrize("name", ["bad.csv", "bad.parquet"])
@pytest.mark.parametrize("content", [b"", b"\x00\xff\x00junk\n\xfe"])
def test_an_unreadable_file_is_refused(live, name, content):
    (live.folder / name).write_bytes(content)
    with pytest.raises(Refused):
        live.open().labels("m", name)


def test_a_missing_file_and_an_unknown_model_are_refused(live):
    with pytest.raises(Refused, match="no file"):
        live.open().labels("m", "none.csv")
    with pytest.raises(Refused, match="no model 'other'"):
        live.open().labels("other", "none.csv")


@pytest.mark.parametrize("label", ["1", "1.0", 1, 1.0, True])
def test_classes_match_in_every_spelling(live, label):
    live.label(pd.DataFrame({"request_id": ROWS.request_id, "label": label}), "x.parquet")
    assert accuracy(live)["value"] == pytest.approx(ROWS.prediction.mean())


def test_the_columns_of_a_source_have_the_names_of_job_yaml(tmp_path):
    settings = LabelSettings(source="in/*.csv", key="loan", column="paid", time="on")
    live = LiveModel(tmp_path, INPUTS, labels=settings)
    live.answer(ROWS.drop(columns="label"))
    (tmp_path / "in").mkdir()
    frame = ROWS.rename(columns={"request_id": "loan", "label": "paid"})
    frame["on"] = frame["time"] + timedelta(days=3)
    columns = ["loan", "paid", "on"]
    frame[columns][:100].to_csv(tmp_path / "in" / "a.csv", index=False)
    assert accuracy(live)["labels"] == 100
    frame[columns].to_csv(tmp_path / "in" / "b.csv", index=False)
    (tmp_path / "in" / "c.csv").write_text("loan,paid\n")
    project = live.open()
    found = project.watch("m")
    assert found.metrics[0].labels == 400
    assert [e.where for e in project.take_warnings()] == ["in/c.csv"]
    events = list(live.open().context.journal.read(kinds=[LabelsTaken]))
    assert [(e.file, e.matched) for e in events] == [("in/a.csv", 100), ("in/b.csv", 400)]


def test_of_several_labels_in_one_file_the_latest_counts_if_it_has_times(tmp_path):
    live = LiveModel(tmp_path, INPUTS, labels=LabelSettings(time="on"))
    live.answer(ROWS.drop(columns="label"))
    first = labels_of(ROWS).assign(label=0, on=NOW - timedelta(days=1))
    second = labels_of(ROWS).assign(label=ROWS.prediction, on=NOW)
    live.label(pd.concat([second, first]), "both.parquet")
    assert accuracy(live)["value"] == 1
