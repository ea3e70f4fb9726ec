"""The loop, closed, on real flights: months arrive, and the job looks after itself."""

import contextlib
import importlib.util
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import psutil
import pytest
from saved import working_in
from typing_in import Terminal

from mlops_nb.project import open_project
from mlops_nb.runs.history import is_open

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
PATIENCE = 180.0  # s
PROMOTE = (
    *("promote", "notebooks/flights.ipynb", "--name", "flights", "--model", "model"),
    *("--on", "data:data/flights-*.parquet", "--notify", "command:cat >> told.txt"),
    *("--gate", "auc >= 0.55", "--gate", "auc >= champion - 0.05", "--proof", "quick"),
)


class Airport:
    """A project at which months of flights arrive, and a scheduler that somebody may kill."""

    def __init__(self, folder: Path) -> None:
        (folder / ".git").mkdir()
        (folder / "notebooks").mkdir()
        shutil.copy(NOTEBOOKS / "flights.ipynb", folder / "notebooks")
        spec = importlib.util.spec_from_file_location("flights_data", NOTEBOOKS / "flights_data.py")
        self.data = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.data)
        self.terminal = Terminal(folder)
        self.folder = folder
        self.project = open_project(folder)
        self.scheduler: subprocess.Popen[str] | None = None

    def arrive(self, month: int, *, early: bool = False, growing: bool = False, **options) -> None:
        """Let a tenth of a month's flights arrive, whole.

        early:   with their delays negated
        growing: written just now, so that the file may still grow
        """
        elsewhere = self.folder / "elsewhere"
        for file in self.data.lay_out(elsewhere, [month], **options):
            table = pd.read_parquet(file)
            if file.name.startswith("flights"):
                table = table.iloc[::10].reset_index(drop=True)
                table = table.assign(arr_delay=-table["arr_delay"]) if early else table
            table.to_parquet(file)
            written = time.time() - (0 if growing else 60)
            os.utime(file, (written, written))
        target = self.folder / "notebooks" / "data"
        target.mkdir(exist_ok=True)
        for file in sorted(elsewhere.glob("*.parquet"), reverse=True):  # the weather first
            file.rename(target / file.name)

    def start(self) -> None:
        self.scheduler = self.terminal.start("scheduler")
        assert "leading" in self.scheduler.stderr.readline()

    def crash(self) -> None:
        """Kill everything that works in this project, as a power cut would."""
        for process in working_in(self.folder):
            with contextlib.suppress(psutil.Error):
                process.kill()
        if self.scheduler is not None:
            self.scheduler.communicate()

    def runs(self) -> list[dict]:
        return self.project.history("flights")["runs"]

    def next_run(self, known: int) -> dict:
        """Wait until one run more than `known` is over; return the latest."""
        self.until(lambda: len(self.runs()) > known)
        self.until(lambda: not any(map(is_open, self.project.runs())))
        return self.runs()[-1]

    def until(self, true: Callable[[], object]) -> None:
        end = time.monotonic() + PATIENCE
        while not true():
            assert time.monotonic() < end, self.terminal.type("history", "flights").stdout
            time.sleep(0.1)

    def champion(self) -> int:
        return self.terminal.type("models").json["models"][0]["champion"]

    def told(self) -> str:
        file = self.folder / "told.txt"
        return file.read_text() if file.exists() else ""


@pytest.fixture
def airport(tmp_path) -> Iterator[Airport]:
    made = Airport(tmp_path)
    yield made
    made.crash()


def test_months_arrive_and_the_job_looks_after_itself(airport):
    airport.arrive(1)
    answer = airport.terminal.type(*PROMOTE)
    assert answer.status == 0, answer.stderr
    airport.start()
    a_better_model_is_released(airport)
    a_month_in_the_wrong_unit_is_stopped_and_people_are_told(airport)
    the_machine_goes_down_and_nothing_is_lost(airport)
    a_worse_challenger_is_refused(airport)
    one_command_takes_it_back_and_another_says_why_it_answered(airport)
    nothing_was_doubled(airport)


def a_better_model_is_released(airport: Airport) -> None:
    airport.arrive(2, growing=True)
    run = airport.next_run(1)
    assert (run["trigger"], run["status"], run["model_version"]) == ("data", "finished", 2)
    assert run["fired"] == "new data: data/flights-2013-02.parquet"
    assert airport.champion() == 2


def a_month_in_the_wrong_unit_is_stopped_and_people_are_told(airport: Airport) -> None:
    airport.arrive(3, spoil=[3])
    run = airport.next_run(2)
    assert run["status"] == "failed"
    assert "'arr_delay'" in run["because"] or "'dep_delay'" in run["because"]
    assert airport.champion() == 2
    steps = airport.terminal.type("show", run["run"]).json["steps"]
    assert {s["name"]: s["status"] for s in steps}["train"] == "not-run"
    airport.until(lambda: "version 2" in airport.told())
    assert "urgent" not in airport.told().lower()


def the_machine_goes_down_and_nothing_is_lost(airport: Airport) -> None:
    """Crash while the repaired month is learned."""
    airport.arrive(3)
    airport.until(lambda: len(airport.runs()) > 3)
    airport.until(lambda: airport.runs()[-1]["started"])
    airport.crash()
    assert airport.champion() == 2
    airport.start()
    run = airport.next_run(4)
    assert (run["try"], run["status"], run["model_version"]) == (2, "finished", 3)
    lost = airport.runs()[-2]
    assert (lost["try"], lost["status"], lost["model_version"]) == (1, "failed", None)
    assert "was killed" in lost["because"]
    assert run["fired"].startswith("try 2")
    assert airport.champion() == 3


def a_worse_challenger_is_refused(airport: Airport) -> None:
    airport.arrive(4, early=True)
    run = airport.next_run(5)
    assert run["status"] == "refused"
    failed = next(gate for gate in run["gates"] if not gate["passed"])
    assert f"{failed['value']:.3g}"[:4] in run["because"]
    assert "is not >=" in run["because"]
    assert airport.champion() == 3


def one_command_takes_it_back_and_another_says_why_it_answered(airport: Airport) -> None:
    before = pd.Timestamp.now(tz="UTC").isoformat()
    assert airport.terminal.type("rollback", "flights").json["champion"] == 2
    answer = airport.terminal.type("why", "flights", "--at", before).json
    assert (answer["model_version"], answer["trigger"]) == (3, "data")
    assert any("flights-2013-03" in name for name in answer["data"])
    assert answer["gates"]


def nothing_was_doubled(airport: Airport) -> None:
    runs = airport.terminal.type("history", "flights").json["runs"]
    assert [r["status"] for r in runs] == [
        *("finished", "finished", "failed", "failed", "finished", "refused")
    ]
    (model,) = airport.terminal.type("models").json["models"]
    assert [v["version"] for v in model["versions"]] == [1, 2, 3]
    log = (airport.folder / ".mlops" / "alerts.log").read_text().splitlines()
    sent = [(entry["alert"], entry.get("text")) for entry in map(json.loads, log)]
    assert len(sent) == len(set(sent))
