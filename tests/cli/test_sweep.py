"""Sweeps and stops as a person types them, with a real MLflow behind."""

import json
import os
import pty
import signal
import subprocess
import time

import psutil
import pytest
from asking_mlflow import ask_mlflow
from live import Session
from typing_in import MLOPS_NB, Terminal
from wine import JUDGE, TRAIN, wine

from mlops_nb.project import open_project

WAITING = (
    "\nimport pathlib, time\nwhile depth > 2 and pathlib.Path('wait').exists(): time.sleep(0.1)"
)


@pytest.fixture
def cellar(tmp_path):
    """Open a terminal in a project of its own, where depths over 2 can be made to wait."""
    folder = tmp_path / "cellar"
    (folder / ".git").mkdir(parents=True)
    wine(folder / "wine.ipynb", judge=JUDGE + WAITING)
    return Terminal(folder)


def mlflow_runs(terminal: Terminal) -> list[dict]:
    """Return all that MLflow knows of."""
    return ask_mlflow(
        terminal,
        "[{'id': r.info.run_id, 'status': r.info.status, 'tags': r.data.tags,"
        " 'metrics': r.data.metrics, 'params': r.data.params}"
        " for r in c.search_runs([e.experiment_id for e in c.search_experiments()])]",
    )


def until(true, process):
    """Wait for something that a command does to become true."""
    while not true():
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=0.1)


def of_points(terminal):
    """Return depth → run, as far as the journal knows by now."""
    return {r.parameters["depth"]: r for r in open_project(terminal.folder).runs() if not r.shared}


def test_a_sweep_compares_its_points_and_names_the_best(terminal):
    answer = terminal.type(
        "sweep",
        "wine.ipynb",
        "-g",
        "depth=1,2,3",
        "-g",
        "seed=7,8",
        "-p",
        "share",
        "0.4",
        "--best",
        "accuracy",
    )
    assert answer.status == 0, answer.stderr
    found = answer.json
    assert set(found) == {"version", "sweep", "runs", "best"}
    assert [(r["parameters"]["depth"], r["parameters"]["seed"]) for r in found["runs"]] == [
        (d, s) for d in (1, 2, 3) for s in (7, 8)
    ]
    highest = max(r["metrics"]["accuracy"] for r in found["runs"])
    best = next(r for r in found["runs"] if r["run"] == found["best"])
    assert best["metrics"]["accuracy"] == highest
    for run in found["runs"]:
        assert run["status"] == "finished"
        assert run["parameters"]["share"] == 0.4
        assert {s["name"]: s["status"] for s in run["steps"]}["load"] == "reused"
        assert terminal.type("show", run["run"]).json["steps"] == run["steps"]
    assert f"best: depth={best['parameters']['depth']}" in answer.stderr
    drawn = terminal.folder / ".mlops" / "runs" / found["sweep"] / "sweep.svg"
    assert drawn.read_text().count("data-run=") == 6


def test_mlflow_has_one_parent_and_a_child_for_each_point(cellar):
    found = cellar.type(
        "sweep", "wine.ipynb", "-g", "depth=1,2", "--best", "accuracy:min", MLOPS_NB_MIRROR="wait"
    ).json
    known = mlflow_runs(cellar)
    children = [r for r in known if "mlflow.parentRunId" in r["tags"]]
    (parent,) = [r for r in known if r not in children]
    assert {r["tags"]["mlflow.parentRunId"] for r in children} == {parent["id"]}
    assert sorted(r["id"] for r in children) == sorted(r["mlflow_run"] for r in found["runs"])
    assert sorted(r["params"]["depth"] for r in children) == ["1", "2"]
    assert {r["status"] for r in known} == {"FINISHED"}
    assert parent["params"]["depth"] == "1,2"
    assert parent["tags"]["best"] == found["best"]
    lowest = min(r["metrics"]["accuracy"] for r in found["runs"])
    assert parent["metrics"] == {"best/accuracy": lowest}


def test_a_point_that_fails_is_reported_and_the_others_finish(cellar):
    wine(cellar.folder / "fail.ipynb", train=TRAIN + "\nassert depth != 2, 'not two'")
    answer = cellar.type(
        "sweep", "fail.ipynb", "-g", "depth=1,2,3", "--best", "accuracy", MLOPS_NB_MIRROR="wait"
    )
    assert answer.status == 1
    assert [r["status"] for r in answer.json["runs"]] == ["finished", "failed", "finished"]
    assert answer.json["best"] in {answer.json["runs"][0]["run"], answer.json["runs"][2]["run"]}
    assert "error: depth=2: step 'train' failed" in answer.stderr
    assert f"--resume {answer.json['sweep']}" in answer.stderr
    assert {r["status"] for r in mlflow_runs(cellar)} == {"FINISHED", "FAILED"}


def test_a_metric_that_there_is_not_is_an_error_that_lists_those_there_are(cellar):
    answer = cellar.type("sweep", "wine.ipynb", "-g", "depth=1,2", "--best", "auc")
    assert (answer.status, answer.json["best"]) == (1, None)
    assert len(answer.json["runs"]) == 2
    assert "no point has a metric 'auc'" in answer.json["error"]["what"]
    assert "the metrics are accuracy" in answer.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_sweep_that_is_stopped_goes_on_where_it_was(cellar, number):
    (cellar.folder / "wait").touch()
    words = ("sweep", "wine.ipynb", "-g", "depth=1,2,3,4", "--workers", "2", "--json")
    with cellar.start(*words) as process:
        until(lambda: {3, 4} <= set(of_points(cellar)), process)
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=120)
    found = json.loads(stdout)
    assert process.returncode == 1, stderr
    assert [r["status"] for r in found["runs"]] == ["finished", "finished", "stopped", "stopped"]
    assert found["runs"][2]["error"] == "stopped by hand"
    assert f"to continue: mlops-nb sweep wine.ipynb --resume {found['sweep']}" in stderr
    (cellar.folder / "wait").unlink()
    again = cellar.type(
        "sweep",
        "wine.ipynb",
        "--resume",
        found["sweep"],
        "--best",
        "accuracy",
        MLOPS_NB_MIRROR="wait",
    )
    assert again.status == 0, again.stderr
    assert again.json["sweep"] == found["sweep"]
    assert {r["status"] for r in again.json["runs"]} == {"finished"}
    assert [r["run"] for r in again.json["runs"]][:2] == [r["run"] for r in found["runs"]][:2]
    assert len([r for r in mlflow_runs(cellar) if "mlflow.parentRunId" not in r["tags"]]) == 1


def test_signals_that_follow_do_not_cut_the_answer_off(cellar):
    (cellar.folder / "wait").touch()
    words = ("sweep", "wine.ipynb", "-g", "depth=2,3", "--workers", "1", "--json")
    with cellar.start(*words) as process:
        until(lambda: 3 in of_points(cellar), process)
        process.send_signal(signal.SIGINT)
        for _ in range(3000):  # a minute, in which it ends
            time.sleep(0.02)  # signals come again and again, as of an impatient person
            if process.poll() is not None:
                break
            process.send_signal(signal.SIGTERM)
        stdout, stderr = process.communicate(timeout=1)
    assert process.returncode == 1, stderr
    assert [r["status"] for r in json.loads(stdout)["runs"]] == ["finished", "stopped"]


def test_stop_ends_a_sweep_or_one_of_its_points_and_says_how(cellar):
    (cellar.folder / "wait").touch()
    with cellar.start("sweep", "wine.ipynb", "-g", "depth=3,4,5", "--workers", "1") as process:
        until(lambda: 3 in of_points(cellar), process)
        first = of_points(cellar)[3].id
        stopped = cellar.type("stop", first)
        assert (stopped.status, stopped.json["status"]) == (0, "stopped")
        until(lambda: 4 in of_points(cellar), process)
        name = process.stderr.readline().split()[1].rstrip(":")
        ended = cellar.type("stop", name)
        process.communicate(timeout=120)
    assert ended.status == 0
    assert ended.json["status"] == "stopped"
    assert [r["status"] for r in ended.json["runs"]] == ["stopped", "stopped"]
    assert process.returncode == 1
    assert "is over: it was stopped" in cellar.refused("stop", name)
    assert "is over: it was stopped" in cellar.refused("stop", first)
    assert "no run 'never'" in cellar.refused("stop", "never")


def test_stop_ends_a_run_that_goes_on_elsewhere(cellar):
    (cellar.folder / "wait").touch()
    with cellar.start("run", "wine.ipynb", "-p", "depth", "3", "--json") as process:
        until(lambda: 3 in of_points(cellar), process)
        began = time.monotonic()  # it may not have a process for its cells yet
        stopped = cellar.type("stop", of_points(cellar)[3].id)
        assert time.monotonic() - began < 20
        stdout, _ = process.communicate(timeout=120)
    assert stopped.json["status"] == json.loads(stdout)["status"] == "stopped"
    assert "stopped: wine.ipynb: stopped by hand" in stopped.stderr


def test_a_sweep_that_is_killed_leaves_no_process_and_can_go_on(cellar):
    (cellar.folder / "wait").touch()
    with cellar.start("sweep", "wine.ipynb", "-g", "depth=2,3,4", "--workers", "2") as process:
        until(lambda: set(of_points(cellar)) == {2, 3, 4}, process)
        family = psutil.Process(process.pid).children(recursive=True)
        name = process.stderr.readline().split()[1].rstrip(":")
        process.kill()
        process.communicate(timeout=60)
    assert psutil.wait_procs(family, timeout=60)[1] == []
    (cellar.folder / "wait").unlink()
    answer = cellar.type("sweep", "wine.ipynb", "--resume", name)
    assert answer.status == 0, answer.stderr
    assert [r["status"] for r in answer.json["runs"]] == ["finished"] * 3


def test_bad_use_is_refused_and_nothing_is_written(cellar):
    for words, said in (
        ((), "nothing to sweep over"),
        (("-g", "dept=1,2"), "did you mean 'depth'?"),
        (("-g", "depth=1,deep"), "'depth' takes int"),
        (("-g", "depth=1", "-g", "depth=2"), "'depth' is given twice"),
        (("-g", "depth=1,2", "-p", "depth", "2"), "'depth' is given twice"),
        (("-g", "depth="), "'depth' has no values"),
        (("-g", "depth"), "no NAME=V1,V2"),
        (("-g", "depth=1,2", "--workers", "0"), "workers"),
        (("-g", "depth=1,2", "--on", "moon"), "no pool 'moon'"),
        (("--resume", "never"), "no sweep 'never'"),
    ):
        assert said in cellar.refused("sweep", "wine.ipynb", *words)
    assert sorted(p.name for p in cellar.folder.iterdir()) == [".git", "wine.ipynb"]


def test_workers_share_the_cores_and_have_a_gpu_each(cellar):
    look = f"""{JUDGE}
import os
threads = int(os.environ['OMP_NUM_THREADS'])
blas = int(os.environ['OPENBLAS_NUM_THREADS'])
gpu = int(os.environ['CUDA_VISIBLE_DEVICES'])"""
    wine(cellar.folder / "look.ipynb", judge=look)
    seen = cellar.type(
        "sweep",
        "look.ipynb",
        "-g",
        "depth=1,2,3,4",
        CUDA_VISIBLE_DEVICES="4,6",
        OPENBLAS_NUM_THREADS="3",
    )
    assert seen.status == 0, seen.stderr
    told = [r["metrics"] for r in seen.json["runs"]]
    assert {m["gpu"] for m in told} == {4.0, 6.0}
    assert {m["blas"] for m in told} == {3.0}
    assert {m["threads"] for m in told} == {max(1, len(os.sched_getaffinity(0)) // 2)}


def test_what_is_shared_runs_once_though_it_runs_side_by_side(cellar):
    answer = cellar.type("sweep", "wine.ipynb", "-g", "depth=1,2,3,4", "--fresh")
    assert answer.status == 0, answer.stderr
    known = cellar.type("runs").json["runs"]
    ran = [r for r in known if r["steps"][0]["status"] == "finished"]
    assert len(ran) == 1
    assert [s["status"] for s in ran[0]["steps"]] == ["finished", "finished", "not-run", "not-run"]
    assert ran[0]["run"] not in {r["run"] for r in answer.json["runs"]}


def test_the_magic_shows_the_points_as_rows_and_drawn(cellar, monkeypatch):
    for name, value in cellar.environment().items():
        monkeypatch.setenv(name, value)
    session = Session(cellar.folder / "wine.ipynb")
    try:
        session.run("%load_ext mlops_nb")
        _, shown, error = session.run("%mlops sweep -g depth=1,2 --best accuracy")
        assert error == ""
        assert shown["text/html"].count("data-run=") == 2
        assert 'data-axis="accuracy"' in shown["text/html"]
        assert "<table>" in shown["text/html"]
        printed, shown, _ = session.run("%mlops sweep -g dept=1")
        assert "did you mean 'depth'?" in printed
        assert shown == {}
    finally:
        session.close()


def test_a_live_table_is_redrawn_on_a_terminal_alone(cellar):
    leader, follower = pty.openpty()
    words = [str(MLOPS_NB), "sweep", "wine.ipynb", "-g", "depth=1,2"]
    environment = cellar.environment(COLUMNS="80", LINES="24")
    with subprocess.Popen(
        words, cwd=cellar.folder, env=environment, stdout=subprocess.PIPE, stderr=follower
    ) as process:
        os.close(follower)
        told = b""
        try:
            while more := os.read(leader, 65536):
                told += more
        except OSError:  # the other end is closed
            pass
        stdout, _ = process.communicate(timeout=60)
    os.close(leader)
    assert b"\x1b[3F\x1b[J" in told
    assert b"of 2 points" in told
    assert b"finished: 2 of 2 points" in stdout
    plain = cellar.type("sweep", "wine.ipynb", "-g", "depth=1,2").stderr
    assert "\x1b" not in plain
    assert "depth=1  finished" in plain
