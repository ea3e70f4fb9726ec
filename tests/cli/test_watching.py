"""The verbs that watch a served model, typed: serve, labels, watch, why --request, ack --false."""

import pandas as pd
import pytest
from bank import Served, bank, some_rows
from saved import Saved

from mlops_nb.project import open_project


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A bank that has answered some requests; their ids are r0, r1, …."""
    made = bank(tmp_path_factory.mktemp("watched"))
    served = Served(made)
    rows = some_rows(60)
    ids = [f"r{n}" for n in range(len(rows))]
    status, answer = served.predict(*rows, request_ids=ids)
    assert status == 200, answer
    served.stop()
    return Saved(made)


@pytest.fixture
def terminal(saved):
    return saved.put_back()


def label(terminal, count=60):
    rows = some_rows(60)[:count]
    truth = pd.DataFrame(
        {
            "request_id": [f"r{n}" for n in range(count)],
            "label": [int(row["age"] > 50) for row in rows],
        }
    )
    truth.to_csv(terminal.folder / "labels.csv", index=False)


def shown(terminal, *words):
    """Return what a command shows to a person."""
    with terminal.start(*words) as process:
        stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    return stdout


def test_labels_and_watch_typed_one_after_the_other(terminal):
    before = shown(terminal, "watch", "credit")
    assert "No labels for these answers yet. Next: mlops-nb labels credit FILE" in before
    label(terminal)
    taken = shown(terminal, "labels", "credit", "labels.csv")
    assert taken.startswith("60 labels belong to answers on record")
    found = terminal.type("watch", "credit", "--report", "report.html")
    metrics = {m["metric"]: m for m in found.json["metrics"] if m["model_version"] is None}
    assert metrics["accuracy"]["labels"] == 60
    frame = open_project(terminal.folder).predictions("credit", labelled=True)
    right = (frame.prediction.astype(int) == frame.label.astype(int)).mean()
    assert metrics["accuracy"]["value"] == pytest.approx(right)
    page = (terminal.folder / "report.html").read_text()
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "<svg" in page


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["labels", "credit", "nothing.csv"], "there is no file"),
        (["labels", "nobody", "labels.csv"], "there is no model 'nobody'"),
        (["watch", "nobody"], "there is no model 'nobody'"),
        (["watch", "credit", "--since", "yesterday"], "yesterday"),
        (["why", "credit", "--request", "r99"], "'credit' has no request 'r99' on record"),
        (["ack", "--false"], "--false goes with an alert"),
        (["labels", "credit"], "the file with the labels is missing"),
        (["labels", "credit", "--sample", "9"], "--sample is without an output"),
        (["labels", "credit", "a.csv", "--sample", "9", "-o", "b.csv"], "takes no labels from"),
        (["labels", "credit", "a.csv", "-o", "b.csv"], "--output goes with --sample"),
    ],
)
def test_mistakes_have_one_clear_error_each(terminal, words, what):
    answer = terminal.type(*words)
    assert answer.status in {1, 2}
    assert what in answer.stderr
    assert "fix:" in answer.stderr


def test_a_request_is_explained_from_its_answer_to_its_data(terminal):
    label(terminal, 10)
    assert terminal.type("labels", "credit", "labels.csv").status == 0
    answer = terminal.type("why", "credit", "--request", "r3").json
    row = some_rows(60)[3]
    assert answer["request"]["inputs"] == row
    assert answer["request"]["features"]["age"] == row["age"] / 10
    assert answer["label"]["label"] == str(int(row["age"] > 50))
    assert answer["model_version"] == answer["request"]["model_version"] == 1
    assert answer["released"]["because"] == "it has no gates"
    assert answer["bundle"]
    assert answer["run"]
    assert terminal.type("why", "credit", "--request", "r30").json["label"] is None
    text = shown(terminal, "why", "credit", "--request", "r3")
    assert text.startswith("request:  r3, ")
    assert "made by:  run" in text


def test_a_sample_is_drawn_filled_in_and_taken(terminal):
    answer = terminal.type("labels", "credit", "--sample", "20", "-o", "to-label.csv").json
    assert answer == {
        "version": 1,
        "model": "credit",
        "rows": 20,
        "of": 60,
        "output": "to-label.csv",
    }
    path = terminal.folder / "to-label.csv"
    frame = pd.read_csv(path)
    frame.assign(label=(frame.in_age > 50).astype(int)).to_csv(path, index=False)
    assert terminal.type("labels", "credit", "to-label.csv").json["matched"] == 20
    shown = terminal.type("watch", "credit").json["metrics"]
    assert {m["labels"] for m in shown} == {20}


def test_the_reviewer_reads_what_callers_must_send(terminal):
    text = (terminal.folder / "jobs" / "credit" / "REVIEW.md").read_text()
    assert "**Callers send**: age (whole number), income (number), city (text)" in text
