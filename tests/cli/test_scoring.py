"""A job scores the files that come: each content once, whatever is killed, full or replaced."""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import nbformat
import pandas as pd
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from saved import Saved, project, working_in
from small_disk import mounted
from typing_in import Terminal

from mlops_nb.events import FileScored, ScoringFailed
from mlops_nb.jobs import score_files
from mlops_nb.project import open_project
from mlops_nb.scheduler import loop

PATIENCE = 120.0  # s
CELLS = (
    "import numpy as np\nimport pandas as pd\nfrom sklearn.linear_model import LogisticRegression",
    "strength = 1.0",
    "# mlops: step load\ndraw = np.random.default_rng(1)\n"
    "df = pd.DataFrame({'age': draw.integers(18, 90, 300), 'income': draw.normal(5, 1, 300)})\n"
    "label = (df.age > 50).astype(int)",
    "# mlops: step features\ndef features(rows):\n"
    "    if (rows['age'] == 13).any():\n        raise ValueError('thirteen')\n"
    "    if (rows['age'] == 14).any():\n        import os, time\n"
    "        open('begun', 'a').close()\n"
    "        while os.path.exists('hold'):\n            time.sleep(0.05)\n"
    "    return rows[['age', 'income']] / 10\n"
    "train, test = df.iloc[:200], df.iloc[200:]",
    "# mlops: step train\n"
    "model = LogisticRegression(C=strength).fit(features(train), label[:200])\n"
    "# mlops: model model --name credit --features features",
    "# mlops: step judge\ntruth = label[200:]\npred = model.predict(features(test))\n"
    "accuracy = float((pred == truth).mean())\n# mlops: metric accuracy\n"
    "# mlops: evaluate --truth truth --pred pred",
)
PROMOTE = ("promote", "n.ipynb", "--name", "credit", "--model", "model")
SCORE = ("--score", "new/*.csv", "-o", "scores/{name}")


@pytest.fixture(scope="module")
def promoted(tmp_path_factory) -> Saved:
    """Promote a job that scores files, and release a second version of its model."""
    terminal = project(tmp_path_factory.mktemp("scoring"), "bank")
    cells = [new_code_cell(text) for text in CELLS]
    cells[1].metadata["tags"] = ["parameters"]
    book = new_notebook(cells=cells)
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(book, terminal.folder / "n.ipynb")
    answer = terminal.type(*PROMOTE, *SCORE)
    assert answer.status == 0, answer.stderr
    (terminal.folder / "new").mkdir()
    return Saved(terminal)


@pytest.fixture
def bank(promoted) -> Terminal:
    """Open the project of the promoted job."""
    return promoted.put_back()


def put(terminal: Terminal, name: str, *ages: int) -> Path:
    """Write a file that came a minute ago."""
    file = terminal.folder / "new" / name
    pd.DataFrame({"age": ages, "income": [5.0] * len(ages)}).to_csv(file, index=False)
    a_minute_ago(file)
    return file


def a_minute_ago(file: Path) -> None:
    then = time.time() - 60
    os.utime(file, (then, then))


def once(terminal: Terminal, **extra: str) -> None:
    answer = terminal.type("scheduler", "--once", **extra)
    assert answer.status == 0, answer.stderr


def events(terminal: Terminal, kind: type = FileScored) -> list:
    ctx = open_project(terminal.folder).context
    try:
        return list(ctx.journal.read(kinds=[kind]))
    finally:
        ctx.journal.close()


def logged(terminal: Terminal) -> pd.DataFrame:
    found = sorted((terminal.folder / ".mlops" / "predictions").glob("*/*/*.parquet"))
    return pd.concat([pd.read_parquet(f) for f in found]) if found else pd.DataFrame()


def score_of(terminal: Terminal) -> dict:
    return terminal.type("job", "credit").json["score"]


def whole(terminal: Terminal, *names: str) -> None:
    """Check that some files are scored, each once, and that nothing else is left."""
    scored = events(terminal)
    assert sorted(e.file for e in scored) == sorted(f"new/{name}" for name in names)
    folder = terminal.folder / "scores"
    assert sorted(p.name for p in folder.iterdir()) == sorted(names)
    outputs = [pd.read_csv(folder / name) for name in names]
    ids = [i for out in outputs for i in out["request_id"]]
    log = logged(terminal)
    assert sorted(log["request_id"]) == sorted(ids)
    assert set(log["source"]) == {"batch"}
    assert sum(e.rows for e in scored) == len(ids)
    assert not list((terminal.folder / ".mlops" / "scoring" / "credit").iterdir())


def until(true) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.05)


def test_new_files_are_scored_once_and_other_versions_change_nothing(bank):
    put(bank, "a.csv", 20, 70)
    once(bank)
    whole(bank, "a.csv")
    (event,) = events(bank)
    assert (event.job, event.model, event.version, event.rows) == ("credit", "credit", 1, 2)
    assert event.output == "scores/a.csv"
    out = pd.read_csv(bank.folder / "scores" / "a.csv")
    assert out["prediction"].tolist() == [0, 1]
    before = (bank.folder / "scores" / "a.csv").read_bytes()
    put(bank, "b.csv", 30)
    assert bank.type("trigger", "credit", "-p", "strength", "0.1").status == 0
    whole(bank, "a.csv", "b.csv")  # at the end of the run, by its version
    assert events(bank)[1].version == 2
    shutil.copy2(bank.folder / "new" / "a.csv", bank.folder / "new" / "copy.csv")
    once(bank)
    assert len(events(bank)) == 2
    assert (bank.folder / "scores" / "a.csv").read_bytes() == before
    assert score_of(bank) == {
        "files": "new/*.csv",
        "output": "scores/{name}",
        "scored": 2,
        "failed": [],
        "waiting": 0,
    }
    put(bank, "a.csv", 20, 70, 80)
    assert score_of(bank)["waiting"] == 1
    once(bank)
    assert [e.rows for e in events(bank)] == [2, 1, 3]
    assert len(pd.read_csv(bank.folder / "scores" / "a.csv")) == 3


def test_replace_keeps_the_setting_and_a_paused_job_scores_nothing(bank):
    assert bank.type("pause", "credit").status == 0
    put(bank, "a.csv", 20)
    once(bank)
    assert events(bank) == []
    assert bank.type(*PROMOTE, "--replace").status == 0
    assert score_of(bank)["output"] == "scores/{name}"
    refused = bank.refused(*PROMOTE, "--replace", "-o", "x/{name}")
    assert "give both" in refused
    refused = bank.refused(*PROMOTE, "--replace", "--score", "new/*.csv", "-o", "new/{name}")
    assert "scored itself" in refused


def test_hostile_names_and_many_files_take_one_process(bank):
    names = ["-rf.csv", "a b'\"$(x).csv", "new\nline.csv", "한글 ü.csv", "{stem}.csv", "%2e.csv"]
    names += [f"{n:03}.csv" for n in range(300)]
    for number, name in enumerate(names):
        put(bank, name, 20 + number % 60, number + 100)
    ctx = open_project(bank.folder).context
    said: list[str] = []
    leader = loop.Leader(ctx=ctx, note=said.append)
    began = time.monotonic()
    leader.look()
    while leader.scorings:
        leader.look()
        assert time.monotonic() - began < PATIENCE
        time.sleep(0.1)
    assert said.count("credit: new files are scored") == 1
    ctx.journal.close()
    whole(bank, *names)


def test_a_bad_file_is_an_alert_and_is_tried_again_for_a_reason_only(bank):
    put(bank, "a.csv", 20, 13, 40)
    put(bank, "good.csv", 20)
    (bank.folder / "new" / "odd.csv").write_text("age,income\n1,much\n")
    a_minute_ago(bank.folder / "new" / "odd.csv")
    once(bank)
    once(bank)
    whole(bank, "good.csv")
    failed = {e.file: e for e in events(bank, ScoringFailed)}
    assert len(events(bank, ScoringFailed)) == 2
    assert "row 1: ValueError: thirteen; 1 of its rows fail" in failed["new/a.csv"].error
    assert "'income' is 'much'" in failed["new/odd.csv"].error
    (alert,) = bank.type("ack").json["alerts"]
    assert alert["kind"] == "scoring"
    assert "could not score" in alert["what"]
    assert "version 1 still answers" in alert["what"]
    assert [one["file"] for one in score_of(bank)["failed"]] == ["new/a.csv", "new/odd.csv"]
    answer = bank.type("trigger", "credit", "-p", "strength", "0.1")  # another champion
    assert answer.status == 0, answer.stderr
    assert len(events(bank, ScoringFailed)) == 4
    put(bank, "a.csv", 20, 40)
    (bank.folder / "new" / "odd.csv").unlink()
    once(bank)
    whole(bank, "a.csv", "good.csv")
    assert bank.type("ack").json["alerts"] == []
    assert score_of(bank)["failed"] == []


def test_two_files_of_one_output_are_refused_by_name(bank):
    job = bank.folder / "jobs" / "credit" / "job.yaml"
    job.write_text(job.read_text().replace("new/*.csv", "new/*/*.csv"))
    assert bank.type("apply", "credit").status == 0
    for place in ("x", "y"):
        (bank.folder / "new" / place).mkdir()
        put(bank, f"{place}/a.csv", 20, ord(place))
    once(bank)
    assert events(bank) == []
    texts = [e.error for e in events(bank, ScoringFailed)]
    assert len(texts) == 2
    assert "is that of 'new/y/a.csv' as well" in texts[0]


def scoring_of(terminal: Terminal) -> psutil.Process:
    """Return the process that scores."""
    found = [p for p in working_in(terminal.folder) if "--score" in p.cmdline()]
    assert len(found) == 1
    return found[0]


def held(terminal: Terminal) -> "subprocess.Popen[str]":
    """Start a scheduler, and wait until the rows of `held.csv` are being answered."""
    (terminal.folder / "hold").touch()
    put(terminal, "held.csv", *[20] * 12_000, 14)
    process = terminal.start("scheduler")
    until((terminal.folder / "begun").exists)
    return process


def test_kill_9_of_the_process_that_scores_writes_all_or_nothing_and_never_twice(bank):
    scheduler = held(bank)
    try:
        scoring_of(bank).kill()
        assert not list((bank.folder / "scores").glob("*.csv"))
        assert events(bank) == []
        (bank.folder / "hold").unlink()
        scheduler.kill()
        scheduler.communicate()
        once(bank)
        whole(bank, "held.csv")
    finally:
        scheduler.kill()
        scheduler.communicate()


def test_kill_9_of_the_scheduler_and_another_one_score_once(bank):
    scheduler = held(bank)
    second = bank.start("scheduler")
    third = bank.start("scheduler")
    try:
        scheduler.kill()
        scheduler.communicate()
        (bank.folder / "hold").unlink()
        until(lambda: len(events(bank)) == 1)
        put(bank, "more.csv", 30)
        until(lambda: len(events(bank)) == 2)
        until(lambda: not list((bank.folder / ".mlops" / "scoring" / "credit").iterdir()))
        whole(bank, "held.csv", "more.csv")
    finally:
        for process in (scheduler, second, third):
            process.kill()
            process.communicate()


@pytest.mark.parametrize("step", ["part", "log"])
def test_what_was_decided_is_finished_after_a_kill(bank, step, monkeypatch):
    put(bank, "a.csv", 20, 70)
    ctx = open_project(bank.folder).context
    with monkeypatch.context() as killed:
        if step == "part":
            killed.setattr(score_files, "_finish", lambda *_: None)
        else:
            killed.setattr(score_files.prediction_log, "publish", lambda *_: None)
            killed.setattr(score_files.shutil, "rmtree", lambda *_, **__: None)
        assert score_files.score(ctx, "credit")
    assert len(events(bank)) == 1
    assert logged(bank).empty
    ctx.journal.close()
    once(bank)
    whole(bank, "a.csv")


def test_a_file_that_is_replaced_while_it_is_read_is_scored_as_it_is_then(bank):
    scheduler = held(bank)
    try:
        fresh = put(bank, "fresh.txt", 20, 30)
        fresh.replace(bank.folder / "new" / "held.csv")
        (bank.folder / "hold").unlink()
        until(lambda: len(events(bank)) == 1)
    finally:
        scheduler.kill()
        scheduler.communicate()
    once(bank)
    whole(bank, "held.csv")
    assert events(bank)[0].rows == 2
    assert events(bank, ScoringFailed) == []


def test_a_full_disk_is_an_alert_and_is_tried_again(bank):
    with mounted(bank.folder / "scores", "64k") as small:
        put(bank, "big.csv", *range(20, 5000))
        once(bank)
        assert list(small.iterdir()) == []
        (failed,) = events(bank, ScoringFailed)
        assert (failed.passing, failed.attempt) == (True, 1)
        (alert,) = bank.type("ack").json["alerts"]
        assert "No space left on device" in alert["what"]
        assert logged(bank).empty
        once(bank)
        assert len(events(bank, ScoringFailed)) == 1  # it rests
        subprocess.run(["mount", "-o", "remount,size=8m", str(small)], check=True)
        at = (pd.Timestamp.now(tz="UTC") + pd.Timedelta(minutes=3)).isoformat()
        assert bank.type("scheduler", "--once", "--at", at).status == 0
        whole(bank, "big.csv")
        assert bank.type("ack").json["alerts"] == []


def test_a_model_that_cannot_be_loaded_stops_after_one_file_and_is_an_alert(bank):
    file = bank.folder / ".mlops" / "packages" / "credit" / "1" / "model.pickle"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    for number in range(5):
        put(bank, f"{number}.csv", 20 + number)
    once(bank)
    (failed,) = events(bank, ScoringFailed)
    assert failed.passing
    assert "damaged" in failed.error
    assert json.dumps(score_of(bank)["waiting"]) == "4"


def test_a_name_that_is_no_text_stops_no_other_file(bank):
    file = put(bank, "x.csv", 25)
    os.rename(file, os.fsencode(bank.folder / "new") + b"/\xff.csv")
    put(bank, "z.csv", 26)
    once(bank)
    assert [e.file for e in events(bank)] == ["new/z.csv"]
    assert bank.type("job", "credit").status == 0
