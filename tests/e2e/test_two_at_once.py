"""Two at once: nothing is doubled, and what was decided is decided on what is true."""

import json

import pytest
from typing_in import Terminal
from wine import wine

PROMOTE = (
    *("promote", "wine.ipynb", "--name", "wine", "--model", "model"),
    *("--schedule", "0 3 * * *", "--gate", "accuracy >= 0.3", "--at", "2026-01-01T01:00"),
)


@pytest.fixture(scope="module")
def cellar(tmp_path_factory) -> Terminal:
    folder = tmp_path_factory.mktemp("cellar")
    (folder / ".git").mkdir()
    wine(folder / "wine.ipynb")
    return Terminal(folder)


def both(terminal: Terminal, first: tuple[str, ...], second: tuple[str, ...]) -> list[tuple]:
    """Type two commands at the same time; return (exit status, JSON, stderr) of each."""
    processes = [terminal.start(*words, "--json") for words in (first, second)]
    said = [process.communicate(timeout=300) for process in processes]
    return [
        (process.returncode, json.loads(out) if out else {}, err)
        for process, (out, err) in zip(processes, said, strict=True)
    ]


def test_of_two_promotions_of_one_name_one_wins_and_the_other_is_told(cellar):
    found = both(cellar, PROMOTE, PROMOTE)
    assert sorted(status for status, _, _ in found) == [0, 2]
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
