"""Two at once: nothing is doubled, and what was decided is decided on what is true."""

import json

import pytest
import yaml
from saved import Saved, project
from small import small
from typing_in import Terminal

from mlops_nb.models.registry import read_models
from mlops_nb.project import open_project

PROMOTE = (
    *("promote", "wine.ipynb", "--name", "wine", "--model", "model"),
    *("--schedule", "0 3 * * *", "--gate", "accuracy >= 0.3", "--at", "2026-01-01T01:00"),
)


@pytest.fixture(scope="module")
def promoted(tmp_path_factory) -> Saved:
    """Promote the small notebook."""
    terminal = project(tmp_path_factory.mktemp("both"), "cellar")
    small(terminal.folder / "wine.ipynb")
    answer = terminal.type(*PROMOTE)
    assert answer.status == 0, answer.stderr
    return Saved(terminal)


@pytest.fixture
def cellar(promoted) -> Terminal:
    """Open the project of the promoted job."""
    return promoted.put_back()


def both(terminal: Terminal, first: tuple[str, ...], second: tuple[str, ...]) -> list[tuple]:
    """Type two commands at the same time; return (exit status, JSON, stderr) of each."""
    processes = [terminal.start(*words, "--json") for words in (first, second)]
    said = [process.communicate(timeout=300) for process in processes]
    return [
        (process.returncode, json.loads(out) if out else {}, err)
        for process, (out, err) in zip(processes, said, strict=True)
    ]


def test_of_two_promotions_of_one_name_one_wins_and_the_other_is_told(tmp_path):
    cellar = project(tmp_path, "cellar")
    small(cellar.folder / "wine.ipynb")
    found = both(cellar, PROMOTE, PROMOTE)
    assert sorted(status for status, _, _ in found) == [0, 2], [err for _, _, err in found]
    loser = next(err for status, _, err in found if status == 2)
    assert "there is a job 'wine' already" in loser
    (model,) = cellar.type("models").json["models"]
    assert [v["version"] for v in model["versions"]] == [1]
    runs = cellar.type("history", "wine").json["runs"]
    assert sorted(r["status"] for r in runs) == ["finished", "refused"]


def test_of_two_schedulers_at_one_tick_one_runs_the_job(cellar):
    once = ("scheduler", "--once", "--at", "2026-01-01T03:00")
    found = both(cellar, once, once)
    assert [status for status, _, _ in found] == [0, 0]
    assert sum(len(answer["runs"]) for _, answer, _ in found) == 1


def test_two_triggers_make_two_versions_in_a_row(cellar):
    words = [("trigger", "wine", "-p", "depth", depth) for depth in ("3", "4")]
    found = both(cellar, *words)
    assert [status for status, _, _ in found] == [0, 0]
    (model,) = cellar.type("models").json["models"]
    numbers = [v["version"] for v in model["versions"]]
    assert numbers == [1, 2, 3]
    assert model["champion"] == 3


def test_a_run_that_would_overwrite_the_notebook_itself_is_refused(cellar):
    before = (cellar.folder / "wine.ipynb").read_bytes()
    assert "never changed" in cellar.refused("run", "wine.ipynb", "-o", "wine.ipynb")
    again = f"../{cellar.folder.name}/wine.ipynb"
    assert "never changed" in cellar.refused("run", "wine.ipynb", "-o", again)
    assert (cellar.folder / "wine.ipynb").read_bytes() == before


def test_a_tick_whose_bundle_is_gone_is_a_failed_run_and_is_not_tried_for_ever(cellar):
    bundles = cellar.folder / ".mlops" / "bundles"
    bundles.rename(bundles.with_name("elsewhere"))
    answer = cellar.type("scheduler", "--once", "--at", "2026-01-02T03:00")
    assert answer.status == 1
    (run,) = answer.json["runs"]
    assert run["status"] == "failed"
    assert "differs from the one that was applied" in run["because"]
    assert cellar.type("scheduler", "--once", "--at", "2026-01-02T03:01").json["runs"] == []
    bundles.with_name("elsewhere").rename(bundles)
    assert cellar.type("scheduler", "--once", "--at", "2026-01-03T03:00").status == 0


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("parameters", {"nope": 3}, "there is no parameter 'nope'"),
        ("parameters", {"depth": "deep"}, "takes int"),
        ("gates", ["nosuch >= 0.1"], "judges 'nosuch'"),
        ("model", {"name": "wine", "variable": "zzz"}, "no step makes 'zzz'"),
        ("folder", "/etc", "is no folder of this project"),
        ("folder", "nowhere", "is no folder of this project"),
        ("folder", "../..", "is no folder of this project"),
        ("folder", "a\0b", "is no folder of this project"),
        ("notebook", "../../../../etc/passwd", "is not the notebook of the bundle"),
        ("source", "/etc/passwd", "is no path in this project"),
        ("triggers", [{"data": "/abs/*.csv"}], "not relative to the job's folder"),
        ("triggers", [{"data": "../*.csv"}], "leaves the project"),
        ("approval", "perhaps", "approval"),
        ("triggers", [{"moon": "full"}], "triggers"),
        ("schedule", {"cron": "61 * * * *"}, "is no cron line"),
        ("retries", "many", "retries"),
    ],
)
def test_a_definition_that_cannot_run_is_not_applied(cellar, key, value, said):
    file = cellar.folder / "jobs" / "wine" / "job.yaml"
    text = file.read_text()
    file.write_text(yaml.safe_dump({**yaml.safe_load(text), key: value}))
    assert said in cellar.refused("apply", "wine")


def test_a_damaged_champion_says_how_to_go_on_and_a_rollback_does(cellar):
    store = cellar.folder / ".mlops" / "store"
    assert cellar.type("trigger", "wine", "-p", "depth", "6").json["model_version"] is not None
    (model,) = cellar.type("models").json["models"]
    known = read_models(open_project(cellar.folder).context)
    kept = known["wine"].versions[model["champion"]].artifact
    newest = store / kept[:2] / kept
    data = newest.read_bytes()
    newest.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    answer = cellar.type("trigger", "wine", "-p", "depth", "5")
    assert answer.status == 2
    assert "fix: mlops-nb rollback wine" in answer.stderr
    assert cellar.type("rollback", "wine").json["champion"] != model["champion"]
    assert cellar.type("trigger", "wine", "-p", "depth", "5").status == 0
