"""A model is served as it was judged: a real job, a real server, and what befalls it."""

import json
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
from bank import ROW, Served, logged, retrained, some_rows, until
from bank import bank as make_bank
from typing_in import Terminal

from mlops_nb.project import open_project


@pytest.fixture(scope="module")
def bank(tmp_path_factory) -> Terminal:
    """Promote the notebook, and release a second version of its model."""
    made = make_bank(tmp_path_factory.mktemp("serving"))
    retrained(made, "0.1")
    return made


@pytest.fixture
def served(bank):
    made = Served(bank)
    yield made
    if made.process.poll() is None:
        assert "Traceback (most recent call last)" not in made.stop().replace("thirteen", "")


def test_one_row_a_batch_and_a_file_have_the_same_answers_which_are_on_record(bank, served):
    rows = some_rows(300)
    status, batch = served.predict(*rows)
    assert status == 200
    alone = [served.predict(row)[1] for row in rows[:20]]
    assert [a["predictions"][0] for a in alone] == batch["predictions"][:20]
    np.testing.assert_allclose([a["scores"][0] for a in alone], batch["scores"][:20])
    pd.DataFrame(rows).to_parquet(bank.folder / "in.parquet")
    pd.DataFrame(rows).to_csv(bank.folder / "in.csv", index=False)
    for kind in ("parquet", "csv"):
        answer = bank.type("predict", "credit", f"in.{kind}", "-o", f"out.{kind}")
        assert answer.json["rows"] == 300, answer.stderr
        out = getattr(pd, f"read_{kind}")(bank.folder / f"out.{kind}")
        assert out["prediction"].tolist() == batch["predictions"]
        np.testing.assert_allclose(out["score"], batch["scores"])
    served.stop()
    found = logged(bank).set_index("request_id")
    assert found.index.is_unique
    live = found.loc[batch["request_ids"]]
    assert live["in_age"].tolist() == [row["age"] for row in rows]
    assert live["prediction"].tolist() == batch["predictions"]
    np.testing.assert_allclose(live["f_age"], [row["age"] / 10 for row in rows])
    assert (found["source"] == "batch").sum() == 600


def test_promote_lists_the_raw_columns_that_callers_send(bank):
    """The model itself takes the computed columns age, rich and seoul."""
    words = ("promote", "n.ipynb", "--name", "credit", "--model", "model", "--replace", "--draft")
    answer = bank.type(*words, "--dry-run")
    assert "callers send" not in answer.stderr  # there is no bundle
    with bank.start(*words) as process:
        told, _ = process.communicate(timeout=300)
    line = "callers send: age (whole number), income (number), city (text)"
    assert line in told.splitlines()
    page = (bank.folder / "jobs" / "credit" / "MODEL_CARD.md").read_text()
    for listed in ("whole number**: `age`", "number**: `income`", "text**: `city`"):
        assert listed in page


def test_a_package_holds_the_metrics_of_the_evaluation_with_intervals(bank):
    found = bank.folder / ".mlops" / "packages" / "credit" / "1" / "package.json"
    about = json.loads(found.read_bytes())
    metrics = about["evaluation"]["metrics"]
    assert {"accuracy", "auc", "brier", "log_loss"} <= set(metrics)
    for name, one in metrics.items():
        assert one["low"] < one["value"] < one["high"], name
    assert metrics["auc"]["rows"] == 300
    assert metrics["accuracy"]["value"] == about["metrics"]["accuracy"]


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"{nope", 400),
        (b"[" * 100_000, 400),
        (b"\xff\xfe", 400),
        (b'{"rows": [{"age": NaN}]}', 400),
        (b'{"rows": [{"age": 1e999, "income": 1, "city": "a"}]}', 400),
        (b'{"rows": [{"age": 99999999999999999999, "income": 1, "city": "a"}]}', 422),
        (b'{"rows": 7}', 400),
        (b"{}", 400),
        (b"", 400),
        (b'{"rows": [' + b",".join([b"{}"] * 10_001) + b"]}", 413),
        (b'"' + b"x" * (17 * 2**20) + b'"', 413),
    ],
)
def test_hostile_bodies_have_one_error_with_its_mend(hostile, raw, status):
    found, answer = hostile.ask("/predict", raw=raw)
    assert found == status, answer
    assert answer["error"]
    assert answer["fix"]
    assert hostile.predict(ROW)[0] == 200


@pytest.fixture(scope="module")
def hostile(bank):
    made = Served(bank)
    yield made
    made.stop()


def test_a_row_that_the_features_refuse_fails_alone(hostile):
    found: list[int] = []
    rows = [{**ROW, "age": 13}, *some_rows(7)] * 4
    threads = [
        threading.Thread(target=lambda r=r: found.append(hostile.predict(r)[0])) for r in rows
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [200] * 28 + [422] * 4
    assert "thirteen" in hostile.predict({**ROW, "age": 13})[1]["error"]


def test_unknown_columns_are_counted_by_name(hostile):
    assert hostile.predict({**ROW, "shoe": 43})[0] == 200
    assert 'mlops_nb_unknown_columns_total{column="shoe"} 1' in hostile.ask("/metrics")[1]


def test_releases_and_rollbacks_lose_no_request_and_are_events(bank, served):
    stop, seen, bad = threading.Event(), set(), []

    def load(seed: int) -> None:
        for row in some_rows(10_000, seed):
            if stop.is_set():
                return
            status, answer = served.predict(row)
            if status == 200:
                seen.add(answer["model_version"])
            else:
                bad.append((status, answer))

    threads = [threading.Thread(target=load, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    try:
        for to in (1, 2, 1, 2):
            assert bank.type("rollback", "credit", "--to", str(to)).status == 0
            until(lambda to=to: served.ask("/model")[1]["model_version"] == to)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert bad == []
    assert seen == {1, 2}
    events = open_project(bank.folder).context.journal.read()
    told = [
        e for e in events if type(e).__name__ == "VersionServed" and e.url == served.about["url"]
    ]
    assert [e.version for e in told[-4:]] == [1, 2, 1, 2]


@pytest.mark.parametrize("which", ["model", "front"])
def test_a_part_that_is_killed_is_started_again(served, which):
    word = {"model": "-c", "front": "mlops_nb.serving.front"}[which]
    victim = next(p for p in served.parts if word in p.cmdline())
    victim.kill()
    until(lambda: _answers(served))
    assert served.process.poll() is None


def _answers(served: Served) -> bool:
    try:
        return served.predict(ROW)[0] == 200
    except OSError:
        return False


def test_a_model_that_hangs_is_ended_and_started_again(bank):
    served = Served(bank, "--deadline", "2")
    status, answer = served.predict({**ROW, "age": 14})
    assert (status, "did not answer within" in answer["error"]) == (503, True)
    until(lambda: _answers(served))
    served.stop()


def test_after_kill_9_what_was_answered_a_second_before_is_on_record(bank):
    served = Served(bank)
    ids = [f"k{n}" for n in range(50)]
    assert served.predict(*some_rows(50), request_ids=ids)[0] == 200
    time.sleep(1.0)  # what was answered later than this may be lost
    parts = served.parts
    served.process.kill()
    _, errors = served.process.communicate()  # its end is that of the last front
    assert "Traceback" not in errors
    assert set(ids) <= set(logged(bank)["request_id"])
    psutil.wait_procs(parts, timeout=20)
    assert not [p for p in parts if p.is_running() and p.status() != "zombie"]
    again = Served(bank, "--workers", "2")
    assert {again.predict(row)[0] for row in some_rows(20)} == {200}
    again.stop()


def test_a_damaged_package_lets_the_version_before_answer_and_says_so(bank):
    file = bank.folder / ".mlops" / "packages" / "credit" / "2" / "model.pickle"
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + b"x")
    try:
        served = Served(bank)
        assert served.about["model_version"] == 1
        assert "version 2 cannot serve: the package is damaged: model.pickle" in served.stop()
    finally:
        file.write_bytes(whole)


def test_keys_are_asked_for_and_no_route_tells_more_than_it_must(bank):
    served = Served(bank, MLOPS_NB_API_KEYS="one,two")
    assert served.predict(ROW)[0] == 401
    body = {"rows": [ROW]}
    assert served.ask("/predict", body, Authorization="Bearer two")[0] == 200
    assert served.ask("/predict", body, Authorization="Bearer three")[0] == 401
    assert served.ask("/nowhere")[0] == 404
    assert served.ask("/predict")[0] == 405
    assert not [p for p in served.parts if "two" in " ".join(p.cmdline())]
    served.stop()


def test_a_port_that_is_taken_and_a_model_that_is_not_there_are_refused(bank, served):
    port = served.about["url"].rpartition(":")[2]
    assert "choose another one: --port 0" in bank.refused("serve", "credit", "--port", port)
    assert "there is no model 'nobody'" in bank.refused("serve", "nobody", "--port", "0")
    assert "neither CSV nor Parquet" in bank.refused("predict", "credit", "n.ipynb", "-o", "o.csv")
    bad = pd.DataFrame([ROW, {**ROW, "city": None}])
    bad.to_parquet(bank.folder / "bad.parquet")
    refused = bank.refused("predict", "credit", "bad.parquet", "-o", "none.parquet")
    assert "row 1: 'city'" in refused
    assert not (bank.folder / "none.parquet").exists()
    assert not list(Path(bank.folder).glob(".none*"))
