"""The answers of `%mlops jobs`, `models` and `watch`: the rows of the command line, and clicks."""

import json
import re
from html import unescape

import numpy as np
import pandas as pd
import pytest
from live import Session
from live_model import LiveModel
from rows import notebook, rows
from saved import project

from mlops_nb.project import listed


def kernel(terminal, name):
    with pytest.MonkeyPatch.context() as patch:
        for key, value in terminal.environment().items():
            patch.setenv(key, value)
        made = Session(terminal.folder / name)
    made.run("%load_ext mlops_nb")
    return made


@pytest.fixture(scope="module")
def terminal(tmp_path_factory):
    """Promote a job whose first version waits for approval."""
    made = project(tmp_path_factory.mktemp("jobs"), "field")
    notebook(made.folder)
    rows(made.folder, "1.csv")
    answer = made.type(
        *("promote", "rows.ipynb", "--name", "rows", "--model", "model", "--proof", "quick"),
        *("--gate", "accuracy >= 0.1", "--schedule", "0 3 1 * *", "--approval", "required"),
    )
    assert answer.status == 0, answer.stderr
    return made


@pytest.fixture(scope="module")
def session(terminal):
    made = kernel(terminal, "rows.ipynb")
    yield made
    made.close()


def shown(session, line):
    _, found, error = session.run(line)
    assert error == ""
    return found


def value(session, expression):
    printed, _, error = session.run(f"import json; print(json.dumps({expression}))")
    assert error == ""
    return json.loads(printed)


def cells(html):
    found = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", html)]
    return [[unescape(cell) for cell in row] for row in found if row]


def click(session, view, label):
    """Click the button with a label, in the kernel; return what the view says then."""
    session.run(
        "def buttons(w):\n"
        "    return [w] * hasattr(w, 'click') + [b for c in getattr(w, 'children', ())"
        " for b in buttons(c)]"
    )
    _, _, error = session.run(
        f"(one,) = [b for b in buttons({view}) if b.description == {label!r}]\none.click()"
    )
    assert error == ""
    return unescape(re.sub("<[^>]+>", "", value(session, f"{view}.said.value")))


def test_jobs_are_those_of_the_command_line_and_can_be_paused_and_run(session, terminal):
    found = shown(session, "j = %mlops jobs\nj")
    answer = terminal.type("jobs").json
    assert cells(found["text/html"]) == [list(row) for row in listed.jobs(answer)]
    assert "rows  active  0 3 1 * *" in found["text/plain"]
    assert "no scheduler has been seen" in found["text/plain"]
    assert value(session, "j.value") == answer["jobs"]
    assert value(session, "j.selected") == "rows"
    session.run("seen = []\nj.observe(lambda c: seen.append(c.new[0]['status']), 'value')")
    assert click(session, "j", "Pause") == "rows: paused"
    assert terminal.type("jobs").json["jobs"][0]["status"] == "paused"
    assert click(session, "j", "Unpause") == "rows: active"
    assert terminal.type("jobs").json["jobs"][0]["status"] == "active"
    assert value(session, "seen") == ["paused", "active"]
    before = terminal.type("history", "rows").json["runs"]
    said = click(session, "j", "Run now")
    runs = terminal.type("history", "rows").json["runs"]
    (run,) = [r["run"] for r in runs if r["run"] not in {one["run"] for one in before}]
    assert said == f"rows: queued as {run}"


def models(terminal):
    (model,) = terminal.type("models").json["models"]
    return model


def test_models_are_released_after_one_question_that_says_what_happens(session, terminal):
    found = shown(session, "m = %mlops models\nm")
    answer = terminal.type("models").json
    expected = [[str(cell) for cell in row] for row in listed.models(answer)]
    assert cells(found["text/html"]) == expected
    assert models(terminal)["champion"] is None
    click(session, "m", "Approve version 1")
    question = value(session, "m.asking.children[0].value")
    assert "Approve version 1 of rows? No version serves yet" in question
    assert models(terminal)["champion"] is None
    assert click(session, "m", "Cancel") == "nothing was changed"
    assert models(terminal)["champion"] is None
    click(session, "m", "Approve version 1")
    said = click(session, "m", "Yes: approve version 1")
    assert "version 1 is champion" in said
    assert models(terminal)["champion"] == 1
    assert "champion" in value(session, "m.text")


def test_a_rollback_is_refused_if_the_model_changed_since_the_question(session, terminal):
    for number, seed in ((2, 2), (3, 3)):
        rows(terminal.folder, f"{number}.csv", seed=seed)
        assert terminal.type("trigger", "rows").status == 0
        waiting = [v["version"] for v in models(terminal)["versions"] if v["status"] == "waiting"]
        assert terminal.type("approve", "rows", str(waiting[-1])).status == 0
    last = models(terminal)
    previous = next(v["version"] for v in last["versions"] if v["status"] == "previous")
    label = f"Roll back to version {previous}"
    session.run("m = %mlops models")
    click(session, "m", label)
    question = value(session, "m.asking.children[0].value")
    assert f"Version {last['champion']} serves now" in question
    assert f"version {previous} is the champion" in question
    said = click(session, "m", f"Yes: roll back to version {previous}")
    assert f"version {previous} is champion again" in said
    assert models(terminal)["champion"] == previous
    session.run("m = %mlops models")
    label = next(d for d in value(session, "[b.description for b in m.acts.children]") if d)
    click(session, "m", label)
    other = next(v for v in models(terminal)["versions"] if v["version"] != previous)["version"]
    assert terminal.type("rollback", "rows", "--to", str(other)).status == 0
    said = click(session, "m", f"Yes: {label[0].lower()}{label[1:]}")
    assert "has changed since the question, and nothing was released" in said
    assert models(terminal)["champion"] == other


def test_watch_has_the_metrics_and_columns_of_the_command_line(tmp_path):
    terminal = project(tmp_path, "live")
    draw = np.random.default_rng(0)
    evaluated = pd.DataFrame({"x<b>": draw.normal(size=2000)})
    live = LiveModel(terminal.folder, evaluated, evaluation={"accuracy": 0.5})
    times = pd.date_range("2026-01-05", periods=2000, freq="1h")
    frame = pd.DataFrame(
        {
            "request_id": [f"q{n}" for n in range(2000)],
            "time": times,
            "prediction": draw.integers(0, 2, 2000),
            "score": draw.random(2000),
            "x<b>": draw.normal(loc=2.0, size=2000),
        }
    )
    live.answer(frame)
    frame[["request_id"]].assign(label=draw.integers(0, 2, 2000)).to_csv(
        terminal.folder / "late.csv", index=False
    )
    assert terminal.type("labels", "m", "late.csv").status == 0
    asked = ("m", "--since", "2026-01-10", "--until", "2026-02-20")
    answer = terminal.type("watch", *asked).json
    notebook(terminal.folder)
    session = kernel(terminal, "rows.ipynb")
    try:
        found = shown(session, f"%mlops watch {' '.join(asked)}")
        refused = session.run("%mlops watch nope")[2]
    finally:
        session.close()
    table = cells(found["text/html"])
    metrics = [row for row in table if len(row) == 6]
    assert [row[:2] for row in metrics] == [
        [m["metric"], "all" if m["model_version"] is None else str(m["model_version"])]
        for m in answer["metrics"]
    ]
    values = [float(row[2]) for row in metrics]
    assert values == pytest.approx([m["value"] for m in answer["metrics"]], rel=1e-3)
    moved = [row for row in table if len(row) == 5]
    assert [row[0] for row in moved] == [d["column"] for d in answer["drift"] if d["drifted"]]
    assert moved[0][0] == "x<b>"
    assert found["text/plain"].startswith("m, 2026-01-10 00:00 to 2026-02-20 00:00 UTC")
    assert refused.startswith("error: there is no model 'nope'")
    assert "Traceback" not in refused
