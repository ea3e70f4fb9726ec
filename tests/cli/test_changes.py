"""Changes after promotion, and releases by hand: what differs is said, and it can be taken back."""

import contextlib
import json
import shutil
import signal
import sqlite3
import time

import nbformat
import pytest
import yaml
from asking_mlflow import ask_mlflow
from saved import Saved, project
from small import IMPORTS, LOAD, SPLIT, small
from typing_in import Terminal

from mlops_nb.integrations import catch_up
from mlops_nb.project import open_project

WAIT = {"MLOPS_NB_MIRROR": "wait"}
pytestmark = pytest.mark.filterwarnings("default")  # those of MLflow are not ours


@pytest.fixture(scope="module")
def promoted(tmp_path_factory) -> Saved:
    """Promote the small notebook, then edit it."""
    terminal = project(tmp_path_factory.mktemp("changes"), "cellar")
    small(terminal.folder / "wine.ipynb")
    answer = terminal.type(
        *("promote", "wine.ipynb", "--name", "wine", "--model", "model"),
        *("--schedule", "0 3 * * 1", "--gate", "accuracy >= 0.3"),
    )
    assert answer.status == 0, answer.stderr
    book = nbformat.read(terminal.folder / "wine.ipynb", 4)
    cell = next(c for c in book.cells if "step train" in c.source)
    cell.source = cell.source.replace(": depth,", ": depth + 1,")
    nbformat.write(book, terminal.folder / "wine.ipynb")
    return Saved(terminal)


@pytest.fixture(scope="module")
def replaced(promoted) -> tuple[Saved, dict]:
    """Replace the job by the edited notebook; return the answer, too."""
    terminal = promoted.put_back()
    answer = terminal.type(
        *("promote", "wine.ipynb", "--name", "wine", "--replace", "--model", "model"),
        *("--gate", "accuracy >= 0.2", "-p", "depth", "3"),
        **WAIT,
    )
    assert answer.status == 0, answer.stderr
    return Saved(terminal, "replaced"), answer.json


@pytest.fixture
def cellar(replaced) -> Terminal:
    """Open the project whose job was replaced once."""
    return replaced[0].put_back()


def champion(terminal: Terminal) -> int:
    return terminal.type("models").json["models"][0]["champion"]


def definition(terminal: Terminal) -> dict:
    return terminal.type("job", "wine").json["definition"]


def test_an_edited_notebook_differs_from_its_job_and_jobs_says_where(promoted):
    with promoted.put_back().start("jobs") as process:
        words, _ = process.communicate(timeout=60)
    assert "notebook differs from job: train" in words


def test_a_replacement_prints_the_cells_settings_and_gates_that_differ(cellar, replaced):
    changes = "\n".join(replaced[1]["changes"])
    assert "gates: ['accuracy >= 0.3'] → ['accuracy >= 0.2']" in changes
    assert "parameters: {} → {'depth': 3}" in changes
    assert "cells: step 'train' is changed" in changes
    assert '-model = {"middle": statistics.fmean(x for x, _ in train), "depth": depth,' in changes
    assert '+model = {"middle": statistics.fmean(x for x, _ in train), "depth": depth + 1,' in (
        changes
    )
    assert "schedule" not in changes
    assert definition(cellar)["schedule"]["cron"] == "0 3 * * 1"


def test_the_bundle_before_is_put_back_by_one_command_and_that_as_well(cellar):
    assert definition(cellar)["gates"] == ["accuracy >= 0.2"]
    answer = cellar.type("rollback", "--job", "wine")
    assert any("gates" in change for change in answer.json["changes"])
    assert any(change.startswith("bundle: ") for change in answer.json["changes"])
    assert definition(cellar)["gates"] == ["accuracy >= 0.3"]
    run = cellar.type("trigger", "wine").json
    assert run["parameters"]["depth"] == 2
    assert "has no earlier bundle" in cellar.refused("rollback", "--job", "wine")
    assert "there is no job" in cellar.refused("rollback", "--job", "nosuch")
    assert cellar.refused("rollback", "wine", "--job", "wine")


def test_an_edited_bundle_that_was_not_applied_does_not_run(cellar):
    file = cellar.folder / "jobs" / "wine" / "job.yaml"
    text = file.read_text()
    file.write_text(yaml.safe_dump({**yaml.safe_load(text), "gates": ["accuracy >= 0.99999"]}))
    run = cellar.type("trigger", "wine", "-p", "depth", "4").json
    assert [g["gate"] for g in run["gates"]] == ["accuracy >= 0.2"]


def test_a_rollback_takes_effect_while_mlflow_is_down_and_mlflow_catches_up(cellar):
    before = champion(cellar)
    down = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}
    began = time.monotonic()
    answer = cellar.type("rollback", "wine", **down)
    assert answer.status == 0, answer.stderr
    assert time.monotonic() - began < 60  # it did not wait for a server that is not there
    assert answer.json["mlflow"] == "behind"
    assert "MLflow is not synced yet" in answer.stderr
    assert champion(cellar) == answer.json["champion"] != before
    back = cellar.type("rollback", "wine", "--to", str(before), **WAIT).json
    assert (back["champion"], back["mlflow"]) == (before, "agrees")
    version = "c.get_model_version_by_alias('wine', 'champion').tags['mlops-nb.version']"
    assert ask_mlflow(cellar, version) == str(before)


def client(terminal: Terminal):
    import mlflow

    uri = f"sqlite:///{terminal.folder / '.mlops' / 'mlflow.db'}"
    return mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)


def test_an_alias_that_somebody_else_moved_is_reported_and_not_obeyed(cellar):
    now = champion(cellar)
    other = next(
        v
        for v in client(cellar).search_model_versions("name = 'wine'")
        if v.tags["mlops-nb.version"] != str(now)
    )
    client(cellar).set_registered_model_alias("wine", "champion", other.version)
    project = open_project(cellar.folder)
    catch_up.sync(project.context)  # as the scheduler does now and then
    assert project.context.warnings == []
    answer = cellar.type("models")
    assert answer.json["models"][0]["champion"] == now
    assert answer.json["models"][0]["moved"] == other.tags["mlops-nb.version"]
    assert "its alias was moved outside of mlops-nb" in answer.stderr
    catch_up.sync(project.context)
    moved = [e for e in project.context.journal.read() if type(e).__name__ == "AliasMoved"]
    assert len(moved) == 1


def test_past_dates_are_run_side_by_side_once_each_and_release_nothing(cellar):
    before = champion(cellar)
    words = ("backfill", "wine", "--since", "2026-01-05", "--until", "2026-01-20")
    answer = cellar.type(*words, "--workers", "2")
    assert answer.status == 0, answer.stderr
    assert [r["scheduled_at"][:10] for r in answer.json["runs"]] == [
        "2026-01-05",
        "2026-01-12",
        "2026-01-19",
    ]
    assert {r["status"] for r in answer.json["runs"]} == {"finished"}
    assert {r["trigger"] for r in answer.json["runs"]} == {"backfill"}
    assert champion(cellar) == before
    assert cellar.type(*words).json["runs"] == []
    assert "yet to come" in cellar.refused(
        "backfill", "wine", "--since", "2026-01-05", "--until", "2999-01-01"
    )
    assert "is never due" in cellar.refused(
        "backfill", "wine", "--since", "2026-01-06", "--until", "2026-01-07"
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_backfill_that_is_interrupted_ends_its_runs_and_can_go_on(cellar, number):
    words = ("backfill", "wine", "--since", "2026-01-05", "--until", "2026-01-20")
    started = ("--workers", "1", "--json")

    def statuses() -> list[str]:
        runs = open_project(cellar.folder).runs()
        return [run.status for run in runs if run.trigger == "backfill"]

    with cellar.start(*words, *started) as process:
        while "running" not in statuses():
            assert process.poll() is None
            time.sleep(0.05)  # between two looks at the journal
        process.send_signal(number)
        process.communicate(timeout=60)
    assert process.returncode == 130
    assert set(statuses()) <= {"finished", "stopped"}
    left = 3 - statuses().count("finished")
    answer = cellar.type(*words)
    assert answer.status == 0, answer.stderr
    assert len(answer.json["runs"]) == left
    assert statuses().count("finished") == 3


def test_a_draft_is_edited_in_review_and_its_model_released_with_it(cellar):
    frame = "df = pd.DataFrame(rows, columns=['alcohol', 'label'])"
    small(
        cellar.folder / "wine.ipynb",
        imports=f"{IMPORTS}\nimport pandas as pd",
        load=f"{LOAD}\n{frame}",
        split=f"{SPLIT}\nhighest = df['alcohol'].max()",
    )
    answer = cellar.type(
        "promote", "wine.ipynb", "--name", "reviewed", "--model", "model", "--draft"
    )
    assert answer.status == 0, answer.stderr
    assert "reviewed" not in {m["name"] for m in cellar.type("models").json["models"]}
    assert "is a draft" in cellar.refused("trigger", "reviewed")
    folder = cellar.folder / "jobs" / "reviewed"
    schema = json.loads((folder / "schema.json").read_text())
    schema["frames"]["load"]["df"]["columns"]["alcohol"]["max"] = 99.0
    (folder / "schema.json").write_text(json.dumps(schema))
    applied = cellar.type("apply", "reviewed").json
    assert any("alcohol" in change and "99" in change for change in applied["changes"])
    (model,) = [m for m in cellar.type("models").json["models"] if m["name"] == "reviewed"]
    assert model["champion"] == 1


def test_the_scheduler_becomes_a_service_that_systemd_takes(cellar):
    answer = cellar.type("scheduler", "--install", "--workers", "1")
    assert answer.status == 0, answer.stderr
    unit = cellar.home / ".config" / "systemd" / "user" / answer.json["unit"].rpartition("/")[2]
    text = unit.read_text()
    assert f"WorkingDirectory={cellar.folder}" in text
    assert "-m mlops_nb scheduler --workers 1" in text
    assert "KillMode=process" in text
    assert answer.json["verified"] is (shutil.which("systemd-analyze") is not None)
    assert answer.json["commands"][0] == f"systemctl --user enable --now {unit.name}"


def test_runs_of_a_job_reuse_steps_only_where_the_job_says_so(cellar):
    path = cellar.folder / "jobs" / "wine" / "job.yaml"

    def statuses() -> set[str]:
        answer = cellar.type("trigger", "wine")
        assert answer.status == 0, answer.stderr
        return {s["status"] for s in cellar.type("show", answer.json["run"]).json["steps"]}

    def judged() -> tuple[object, ...]:
        run = cellar.type("history", "wine").json["runs"][-1]
        return run["status"], run["gates"], run["because"], run["model_version"]

    def engines() -> int:
        with contextlib.closing(sqlite3.connect(cellar.folder / ".mlops/journal.db")) as journal:
            return len(journal.execute("select 1 from events where kind='EngineChosen'").fetchall())

    assert [statuses(), statuses()] == [{"finished"}, {"finished"}]
    executed = judged()
    text = path.read_text()
    assert "reuse: false" in text
    path.write_text(text.replace("reuse: false", "reuse: true"))
    assert "reuse: False → True" in "\n".join(cellar.type("apply", "wine").json["changes"])
    started = engines()
    assert statuses() == {"reused"}
    assert judged() == executed
    assert engines() == started, "a kernel was started for a run of which all is reused"


def test_a_paused_job_that_is_replaced_has_no_next_run(promoted):
    terminal = promoted.put_back()
    terminal.type("pause", "wine")
    with terminal.start(
        *("promote", "wine.ipynb", "--name", "wine", "--replace", "--model", "model")
    ) as process:
        words, _ = process.communicate(timeout=120)
    assert "next:  never, as it is paused: mlops-nb unpause wine" in words
