"""Level 1 on real flights: months arrive, the job retrains, gates decide, one model goes back.

The tests of this file tell one story, and stand in its order.
"""

import importlib.util
import shutil
from pathlib import Path

import pandas as pd
import pytest
from typing_in import Answer, Terminal

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
PROMOTE = (
    *("promote", "notebooks/flights.ipynb", "--name", "flights", "--model", "model"),
    *("--schedule", "0 3 1 * *", "--tz", "Asia/Seoul", "-p", "until", "{data_end:%Y-%m-%d}"),
    *("--gate", "auc >= 0.55", "--gate", "auc >= champion - 0.01"),
    *("--gate", "auc by origin >= 0.5"),
)


@pytest.fixture(scope="module")
def lay_out():
    """Return the script that lets months arrive."""
    spec = importlib.util.spec_from_file_location("flights_data", NOTEBOOKS / "flights_data.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.lay_out


@pytest.fixture(scope="module")
def hangar(tmp_path_factory, lay_out) -> Terminal:
    """Open a project with the flights notebook and a slice of January."""
    folder = tmp_path_factory.mktemp("hangar")
    (folder / ".git").mkdir()
    (folder / "notebooks").mkdir()
    shutil.copy(NOTEBOOKS / "flights.ipynb", folder / "notebooks")
    terminal = Terminal(folder)
    arrive(terminal, lay_out, 1)
    return terminal


def arrive(terminal: Terminal, lay_out, month: int, **options) -> Path:
    """Let a tenth of a month's real flights arrive, and all of its weather."""
    written = lay_out(terminal.folder / "notebooks" / "data", [month], **options)
    flights = next(p for p in written if p.name.startswith("flights"))
    pd.read_parquet(flights).iloc[::10].reset_index(drop=True).to_parquet(flights)
    return flights


def history(terminal: Terminal) -> list[dict]:
    return terminal.type("history", "flights").json["runs"]


def champion(terminal: Terminal) -> int:
    return terminal.type("models").json["models"][0]["champion"]


def schedule(terminal: Terminal, at: str) -> Answer:
    return terminal.type("scheduler", "--once", "--at", at)


def test_the_first_month_makes_the_first_champion(hangar):
    answer = hangar.type(*PROMOTE, "--at", "2013-02-01T09:00")
    assert answer.status == 0, answer.stderr
    assert answer.json["proof"]["equal"] is True
    assert answer.json["schedule"]["next"][0] == "2013-03-01T03:00:00+09:00"
    assert [g["gate"] for g in answer.json["gates"]][-1] == "auc by origin >= 0.5"
    assert "no scheduler has been seen" in answer.stderr
    assert champion(hangar) == 1
    frozen = (hangar.folder / "jobs/flights/pipeline.ipynb").read_text()
    assert ".plot" not in frozen
    assert "cross_val_score(" not in frozen


def test_nothing_is_due_before_its_time(hangar):
    assert schedule(hangar, "2013-03-01T02:59").json["runs"] == []
    assert hangar.type("jobs").json["scheduler"]["seen"] is not None


def test_a_new_month_retrains_on_schedule_and_is_judged_against_the_champion(hangar, lay_out):
    arrive(hangar, lay_out, 2)
    answer = schedule(hangar, "2013-03-01T03:00")
    assert answer.status == 0, answer.stderr
    (run,) = answer.json["runs"]
    assert (run["status"], run["trigger"], run["try"]) == ("finished", "schedule", 1)
    assert run["parameters"]["until"] == "2013-03-01"
    assert run["scheduled_at"] == "2013-03-01T03:00:00+09:00"
    against = next(g for g in run["gates"] if "champion" in g["gate"])
    assert 0.3 < against["champion"] < 0.9
    assert against["champion"] != against["value"]
    assert (run["model_version"], champion(hangar)) == (2, 2)


def test_the_same_tick_is_never_run_twice(hangar):
    assert schedule(hangar, "2013-03-01T03:10").json["runs"] == []


def test_a_month_that_counts_minutes_early_is_refused_and_the_champion_stays(hangar, lay_out):
    flights = arrive(hangar, lay_out, 3)
    spoiled = pd.read_parquet(flights)
    spoiled.assign(arr_delay=-spoiled["arr_delay"]).to_parquet(flights)  # and nothing else
    answer = schedule(hangar, "2013-04-01T03:00")
    assert answer.status == 1
    (run,) = answer.json["runs"]
    assert run["status"] == "refused"
    assert "auc >= 0.55" in run["because"]
    assert "version 2 stays champion" in run["because"]
    assert (run["model_version"], champion(hangar)) == (None, 2)


def test_a_month_that_lost_a_column_is_stopped_before_training(hangar, lay_out):
    flights = arrive(hangar, lay_out, 3)
    every = flights.parent.glob("flights-*.parquet")
    for file in every:
        pd.read_parquet(file).drop(columns="distance").to_parquet(file)
    answer = hangar.type("trigger", "flights", "--at", "2013-04-01T05:00")
    assert (answer.status, answer.json["status"]) == (1, "failed")
    assert "'flights' of step 'load' has no column 'distance'" in answer.json["because"]
    assert champion(hangar) == 2
    steps = hangar.type("show", answer.json["run"]).json["steps"]
    assert {s["name"]: s["status"] for s in steps}["train"] == "not-run"


def test_a_repaired_month_is_run_by_hand_with_another_clock(hangar, lay_out):
    for month in (1, 2, 3):
        arrive(hangar, lay_out, month)
    answer = hangar.type("trigger", "flights", "--at", "2013-04-01T06:00")
    assert answer.status == 0, answer.stderr
    assert answer.json["trigger"] == "hand"
    assert answer.json["parameters"]["until"] == "2013-04-01"
    assert champion(hangar) == 3


def test_an_equal_model_registers_nothing_and_says_so(hangar):
    answer = hangar.type("trigger", "flights", "--at", "2013-04-01T07:00")
    assert answer.status == 0
    assert "equals the champion, version 3" in answer.json["because"]
    assert champion(hangar) == 3


def test_repeated_rollbacks_walk_back_through_the_releases(hangar):
    assert hangar.type("rollback", "flights").json["champion"] == 2
    assert hangar.type("rollback", "flights").json["champion"] == 1
    assert "no release before" in hangar.refused("rollback", "flights")
    assert hangar.type("rollback", "flights", "--to", "3").json["champion"] == 3
    assert champion(hangar) == 3


def test_a_paused_job_is_not_run_and_an_unpaused_one_is(hangar, lay_out):
    arrive(hangar, lay_out, 4)
    assert hangar.type("pause", "flights").status == 0
    assert schedule(hangar, "2013-05-01T03:00").json["runs"] == []
    assert hangar.type("jobs").json["jobs"][0]["status"] == "paused"
    assert hangar.type("unpause", "flights").status == 0
    (run,) = schedule(hangar, "2013-05-01T03:05").json["runs"]
    assert run["scheduled_at"] == "2013-05-01T03:00:00+09:00"


def test_the_history_tells_it_all_in_the_jobs_own_zone(hangar):
    runs = history(hangar)
    assert [(r["trigger"], r["status"]) for r in runs][:6] == [
        ("promote", "finished"),
        ("schedule", "finished"),
        ("schedule", "refused"),
        ("hand", "failed"),
        ("hand", "finished"),
        ("hand", "finished"),
    ]
    assert all(r["finished"].endswith("+09:00") for r in runs)
    assert all(r["because"] for r in runs)
