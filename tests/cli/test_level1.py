"""Level 1 on real flights: months arrive, the job retrains, gates decide, one model goes back.

What depends on the clock alone is shown on a small notebook.
"""

import importlib.util
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from saved import Saved, project
from small import small
from typing_in import Answer, Terminal

from mlops_nb.project import open_project

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
MONTHLY = ("--schedule", "0 3 1 * *", "--tz", "Asia/Seoul", "--at", "2013-02-01T09:00")
PROMOTE = (
    *("promote", "notebooks/flights.ipynb", "--name", "flights", "--model", "model", *MONTHLY),
    *("-p", "until", "{data_end:%Y-%m-%d}", "--gate", "auc >= 0.55"),
    *("--gate", "auc >= champion - 0.01", "--gate", "auc by origin >= 0.5"),
)

Arrive = Callable[[int], Path]


def champion(terminal: Terminal) -> int:
    return open_project(terminal.folder).models()["models"][0]["champion"]


def schedule(terminal: Terminal, at: str) -> Answer:
    return terminal.type("scheduler", "--once", "--at", at)


# the flights


@pytest.fixture
def hangar(tmp_path) -> Terminal:
    """Open a project with the flights notebook."""
    terminal = project(tmp_path, "hangar")
    (terminal.folder / "notebooks").mkdir()
    shutil.copy(NOTEBOOKS / "flights.ipynb", terminal.folder / "notebooks")
    return terminal


@pytest.fixture
def arrive(hangar) -> Arrive:
    """Return what lets a tenth of a month's real flights arrive, and all of its weather."""
    spec = importlib.util.spec_from_file_location("flights_data", NOTEBOOKS / "flights_data.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def month(number: int) -> Path:
        written = module.lay_out(hangar.folder / "notebooks" / "data", [number])
        flights = next(p for p in written if p.name.startswith("flights"))
        pd.read_parquet(flights).iloc[::10].reset_index(drop=True).to_parquet(flights)
        return flights

    return month


def test_months_arrive_and_gates_decide(hangar, arrive):
    the_first_month_makes_the_first_champion(hangar, arrive)
    a_new_month_retrains_and_is_judged_against_the_champion(hangar, arrive)
    a_month_that_counts_minutes_early_is_refused(hangar, arrive)
    a_repaired_month_is_run_by_hand_with_another_clock(hangar, arrive)
    an_equal_model_registers_nothing_and_says_so(hangar)
    repeated_rollbacks_walk_back_through_the_releases(hangar)
    the_history_tells_it_all_in_the_jobs_own_zone(hangar)


def the_first_month_makes_the_first_champion(hangar: Terminal, arrive: Arrive) -> None:
    arrive(1)
    answer = hangar.type(*PROMOTE)
    assert answer.status == 0, answer.stderr
    assert answer.json["proof"]["equal"] is True
    assert answer.json["schedule"]["next"][0] == "2013-03-01T03:00:00+09:00"
    assert [g["gate"] for g in answer.json["gates"]][-1] == "auc by origin >= 0.5"
    assert "no scheduler has been seen" in answer.stderr
    assert champion(hangar) == 1
    frozen = (hangar.folder / "jobs/flights/pipeline.ipynb").read_text()
    assert ".plot" not in frozen
    assert "cross_val_score(" not in frozen


def a_new_month_retrains_and_is_judged_against_the_champion(
    hangar: Terminal, arrive: Arrive
) -> None:
    arrive(2)
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


def a_month_that_counts_minutes_early_is_refused(hangar: Terminal, arrive: Arrive) -> None:
    flights = arrive(3)
    spoiled = pd.read_parquet(flights)
    spoiled.assign(arr_delay=-spoiled["arr_delay"]).to_parquet(flights)  # and nothing else
    answer = schedule(hangar, "2013-04-01T03:00")
    assert answer.status == 1
    (run,) = answer.json["runs"]
    assert run["status"] == "refused"
    assert "auc >= 0.55" in run["because"]
    assert "version 2 stays champion" in run["because"]
    assert (run["model_version"], champion(hangar)) == (None, 2)


def a_repaired_month_is_run_by_hand_with_another_clock(hangar: Terminal, arrive: Arrive) -> None:
    arrive(3)
    answer = hangar.type("trigger", "flights", "--at", "2013-04-01T06:00")
    assert answer.status == 0, answer.stderr
    assert answer.json["trigger"] == "hand"
    assert answer.json["parameters"]["until"] == "2013-04-01"
    assert champion(hangar) == 3


def an_equal_model_registers_nothing_and_says_so(hangar: Terminal) -> None:
    answer = hangar.type("trigger", "flights", "--at", "2013-04-01T07:00")
    assert answer.status == 0
    assert "equals the champion, version 3" in answer.json["because"]
    assert champion(hangar) == 3


def repeated_rollbacks_walk_back_through_the_releases(hangar: Terminal) -> None:
    assert hangar.type("rollback", "flights").json["champion"] == 2
    assert hangar.type("rollback", "flights").json["champion"] == 1
    assert "no release before" in hangar.refused("rollback", "flights")
    assert hangar.type("rollback", "flights", "--to", "3").json["champion"] == 3
    assert hangar.type("models").json["models"][0]["champion"] == 3


def the_history_tells_it_all_in_the_jobs_own_zone(hangar: Terminal) -> None:
    runs = hangar.type("history", "flights").json["runs"]
    assert [(r["trigger"], r["status"]) for r in runs] == [
        ("promote", "finished"),
        ("schedule", "finished"),
        ("schedule", "refused"),
        ("hand", "finished"),
        ("hand", "finished"),
    ]
    assert all(r["finished"].endswith("+09:00") for r in runs)
    assert all(r["because"] for r in runs)


# the clock


@pytest.fixture(scope="module")
def opened(tmp_path_factory) -> Saved:
    """Open a project with a promoted job that is due each month."""
    terminal = project(tmp_path_factory.mktemp("clock"), "clock")
    small(terminal.folder / "small.ipynb")
    words = ("promote", "small.ipynb", "--name", "small", "--model", "model", "--proof", "quick")
    answer = terminal.type(*words, *MONTHLY)
    assert answer.status == 0, answer.stderr
    return Saved(terminal)


@pytest.fixture
def clock(opened) -> Terminal:
    return opened.put_back()


def test_nothing_is_due_before_its_time(clock):
    assert schedule(clock, "2013-03-01T02:59").json["runs"] == []
    assert clock.type("jobs").json["scheduler"]["seen"] is not None


def test_the_same_tick_is_never_run_twice(clock):
    (run,) = schedule(clock, "2013-03-01T03:00").json["runs"]
    assert run["scheduled_at"] == "2013-03-01T03:00:00+09:00"
    assert schedule(clock, "2013-03-01T03:10").json["runs"] == []


def test_a_paused_job_is_not_run_and_an_unpaused_one_is(clock):
    assert clock.type("pause", "small").status == 0
    assert schedule(clock, "2013-03-01T03:00").json["runs"] == []
    assert clock.type("jobs").json["jobs"][0]["status"] == "paused"
    assert clock.type("unpause", "small").status == 0
    (run,) = schedule(clock, "2013-03-01T03:05").json["runs"]
    assert run["scheduled_at"] == "2013-03-01T03:00:00+09:00"
