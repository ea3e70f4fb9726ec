"""Damaged rows of the journal and damaged caches are set aside with one warning."""

import json
import shutil
import sqlite3

import pytest
from saved import project
from small import small

BAD_ROWS = {
    "no JSON": ("RunFinished", "{"),
    "no object": ("RunStarted", "[]"),
    "null": ("RunFinished", "null"),
    "missing field": ("CellFailed", "{}"),
    "wrong type": ("RunFinished", '{"status": 3, "seconds": "long"}'),
    "wrong parameters": ("RunStarted", '{"notebook": "a", "parameters": [1]}'),
    "deep": ("RunStarted", "[" * 20_000),
    "unknown kind": ("Teleported", "{}"),
    "no text": ("RunStarted", b"\xff\xfe"),
}
PROMOTE = ("promote", "n.ipynb", "--name", "night", "--model", "model", "--proof", "quick")
READING = [
    ("runs",),
    ("jobs",),
    ("models",),
    ("history", "night"),
    ("job", "night"),
    ("show", "RUN"),
    ("why", "n.ipynb", "train"),
    ("lineage", "model"),
    ("store", "--size"),
    ("diff", "RUN", "RUN"),
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return a project with a promoted job, and the id of a run."""
    terminal = project(tmp_path_factory.mktemp("whole"), "project")
    small(terminal.folder / "n.ipynb")
    assert terminal.type("run", "n.ipynb", MLOPS_NB_MIRROR="wait").status == 0
    promoted = terminal.type("promote", "n.ipynb", "--name", "night", "--proof", "quick")
    assert promoted.status == 0, promoted.stderr
    return terminal, terminal.type("runs").json["runs"][0]["run"]


@pytest.fixture
def copied(whole, tmp_path):
    """Return a copy of the project: its terminal, and the id of a run."""
    terminal, run = whole
    shutil.copytree(terminal.folder, tmp_path / "project", symlinks=True)
    return type(terminal)(tmp_path / "project"), run


def write(terminal, *rows, at="2026-01-01T00:00:00+00:00"):
    with sqlite3.connect(terminal.folder / ".mlops" / "journal.db") as database:
        for kind, data in rows:
            database.execute(
                "INSERT INTO events (at, run, job, kind, data)"
                " VALUES (?, 'r', 'night', ?, CAST(? AS TEXT))",
                (at, kind, data),
            )
    database.close()


def answers(terminal, run):
    """Return what every reading command answers, without the warning."""
    found = {}
    for words in READING:
        answer = terminal.type(*[run if word == "RUN" else word for word in words])
        assert "unexpected" not in answer.stderr, (words, answer.stderr)
        found[words] = answer.status, json.dumps(answer.json)
        yield words, answer


def test_reading_commands_set_bad_rows_aside_with_one_warning(copied):
    terminal, run = copied
    before = {words: answer.status for words, answer in answers(terminal, run)}
    write(terminal, *BAD_ROWS.values())
    write(terminal, ("RunFinished", '{"status": "finished", "seconds": 1.0}'), at="yesterday")
    for words, answer in answers(terminal, run):
        assert answer.status == before[words], (words, answer.stderr)
        assert answer.stderr.count("cannot be read and is left out") <= 1
    assert "warning: row" in terminal.type("runs").stderr
    assert "  fix: " in terminal.type("runs").stderr
    again = terminal.type("run", "n.ipynb")
    assert again.status == 0, again.stderr
    assert terminal.type("trigger", "night").status == 0


@pytest.mark.parametrize("kind", BAD_ROWS)
def test_one_bad_row_is_set_aside(copied, kind):
    terminal, _ = copied
    count = len(terminal.type("runs").json["runs"])
    write(terminal, BAD_ROWS[kind])
    answer = terminal.type("runs")
    assert answer.status == 0
    assert len(answer.json["runs"]) == count
    assert answer.stderr.count("warning: ") == 1


def test_reading_commands_bear_the_loss_of_any_row(copied):
    terminal, run = copied
    journal = terminal.folder / ".mlops" / "journal.db"
    with sqlite3.connect(journal) as database:
        kinds = [kind for (kind,) in database.execute("SELECT DISTINCT kind FROM events")]
    database.close()
    assert len(kinds) > 10
    saved = journal.read_bytes()
    for kind in kinds:
        with sqlite3.connect(journal) as database:
            database.execute("UPDATE events SET data = '?' WHERE kind = ?", (kind,))
        database.close()
        for words, answer in answers(terminal, run):
            assert answer.status in {0, 1, 2}, (kind, words)
        for part in journal.parent.glob("journal.db-*"):
            part.unlink()
        journal.write_bytes(saved)


@pytest.mark.parametrize("text", ["{", "[]", '{"after": "x", "records": []}', "[" * 20_000])
def test_damaged_caches_are_made_anew(copied, text):
    terminal, run = copied
    terminal.type("why", "n.ipynb", "train")  # which makes a cache
    caches = [*(terminal.folder / ".mlops" / "reuse").glob("*.json")]
    caches += [*(terminal.folder / ".mlops" / "runs").glob("*/*.json")]
    assert len(caches) > 2
    for cache in caches:
        cache.write_text(text)
    with sqlite3.connect(terminal.folder / ".mlops" / "journal.db") as database:
        database.execute("UPDATE places SET value = ?", (text,))
    database.close()
    for words, answer in answers(terminal, run):
        assert answer.status == 0 or words[0] == "job", (words, answer.stderr)
    again = terminal.type("run", "n.ipynb", MLOPS_NB_MIRROR="wait")
    assert again.status == 0, again.stderr
    assert {step["status"] for step in again.json["steps"]} == {"reused"}
    assert "unexpected" not in terminal.type("scheduler", "--once").stderr


def in_mlflow(terminal):
    """Return the runs in the project's MLflow, as the journal names them, and their MLflow ids."""
    with sqlite3.connect(terminal.folder / ".mlops" / "mlflow.db") as database:
        query = "SELECT value, run_uuid FROM tags WHERE key = 'mlops-nb.run'"
        found = sorted(database.execute(query))
    database.close()
    return found


def test_a_deleted_mlflow_database_is_made_again(tmp_path):
    terminal = project(tmp_path, "project")
    small(terminal.folder / "n.ipynb")
    now = {"MLOPS_NB_MIRROR": "wait"}
    assert terminal.type("run", "n.ipynb", **now).status == 0
    promoted = terminal.type(*PROMOTE, **now)
    assert promoted.status == 0, promoted.stderr
    before = [run for run, _ in in_mlflow(terminal)]
    assert len(before) > 1
    for part in (terminal.folder / ".mlops").glob("mlflow.db*"):
        part.unlink()
    for number in (1, 2):
        answer = terminal.type("run", "n.ipynb", "--fresh", **now)
        assert answer.status == 0, answer.stderr
        found = in_mlflow(terminal)
        assert len(found) == len(before) + number
        assert set(before) < {run for run, _ in found}
        assert answer.json["mlflow_run"] in {known for _, known in found}
    known = dict(in_mlflow(terminal))
    for run in terminal.type("runs").json["runs"]:
        assert run["mlflow_run"] == known.get(run["run"]), run
    (model,) = terminal.type("models").json["models"]
    assert model["champion"] == 1
    assert "moved" not in terminal.type("jobs").stderr
