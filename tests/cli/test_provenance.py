"""Diff and lineage of real runs, and what OpenLineage is told of them."""

import json
import sys
from pathlib import Path

import click
import pytest
from saved import project as new_project
from typing_in import Terminal
from wine import LOAD, TRAIN, wine

from mlops_nb.cli import lineage as verbs
from mlops_nb.errors import NotFound
from mlops_nb.integrations.openlineage.events import OpenLineageLog, run_id
from mlops_nb.lineage import queries
from mlops_nb.project import Project, open_project
from mlops_nb.runs import packages

READ = LOAD + "\ndf['magnesium'] += pd.read_csv('more.csv')['more'].sum()"
IMPORTS = """import pandas as pd
from sklearn.datasets import load_wine
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeClassifier"""


class Answering(Project):
    """A project that answers what the verbs ask."""

    def diff(self, before: str, after: str):
        return queries.diff(self.context, before, after)

    def lineage(self, name: str, *, notebook: str = "", run: str = ""):
        return queries.behind(self.context, name, notebook=notebook, run=run)


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Terminal:
    """Open a terminal in a project that all these tests read."""
    return new_project(tmp_path_factory.mktemp("provenance"), "project")


@pytest.fixture(scope="module")
def runs(terminal: Terminal) -> list[str]:
    """Run a notebook, run it with another parameter, edit it and its data and run it again."""
    folder = terminal.folder
    (folder / "more.csv").write_text("more\n0\n")
    wine(folder / "wine.ipynb", imports=IMPORTS, load=READ)
    answers = [
        terminal.type("run", "wine.ipynb"),
        terminal.type("run", "wine.ipynb", "-p", "depth", "3"),
    ]
    (folder / "more.csv").write_text("more\n1\n")
    wine(
        folder / "wine.ipynb",
        imports=IMPORTS,
        load=READ + "\ndf['one'] = 1",
        train=TRAIN.replace("model =", "model  ="),
    )
    answers.append(terminal.type("run", "wine.ipynb"))
    for answer in answers:
        assert answer.status == 0, answer.stderr
    return [a.json["run"] for a in answers]


@pytest.fixture
def project(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> Answering:
    made = Answering(terminal.folder, environment=terminal.environment())
    monkeypatch.setattr(verbs, "open_project", lambda: made)
    return made


def typed(verb: click.Command, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Call a verb as the command line does, and return what it prints."""
    assert verb.main(list(words), standalone_mode=False) == 0
    return capsys.readouterr().out


def test_another_parameter_is_told_with_what_came_of_it(runs, project, capsys):
    told = json.loads(typed(verbs.diff, capsys, runs[0], runs[1], "--json"))
    assert told["version"] == 1
    assert told["runs"] == runs[:2]
    assert told["parameters"] == [{"name": "depth", "from": 2, "to": 3}]
    assert told["code"] == []
    assert {r["name"] for r in told["data"]} == {"model", "accuracy"}
    steps = {r["name"]: (r["from"]["status"], r["to"]["status"]) for r in told["steps"]}
    assert steps["load"] == ("finished", "reused")
    assert steps["train"] == ("finished", "finished")
    assert not told["same"]
    assert "depth: 2 → 3" in typed(verbs.diff, capsys, runs[0], runs[1])


def test_an_edited_notebook_and_new_data_are_told_by_line_and_by_column(runs, project, capsys):
    told = json.loads(typed(verbs.diff, capsys, runs[0], runs[2], "--json"))
    assert {r["step"] for r in told["code"]} == {"load", "train"}
    assert "+df['one'] = 1" in next(r["diff"] for r in told["code"] if r["step"] == "load")
    data = {(r["kind"], r["name"]): r for r in told["data"]}
    assert data["file", "more.csv"]["from"] != data["file", "more.csv"]["to"]
    assert data["value", "df"]["added"] == ["one"]
    assert data["value", "df"]["rows"] == [178, 178]


def test_a_run_differs_in_nothing_from_itself(runs, project, capsys):
    assert json.loads(typed(verbs.diff, capsys, runs[0], runs[0], "--json"))["same"]


def test_packages_are_read_where_they_were_noted(runs, project):
    for run in runs[:2]:
        packages.note(project.context, run, sys.executable)
    told = project.diff(runs[0], runs[1])
    assert (told["packages"], told["not_recorded"]) == ([], [])
    known = packages.packages_of(project.context, runs[0])
    assert known is not None
    assert {"pandas", "scikit-learn"} <= set(known)


def test_packages_of_another_environment_are_told_from_its_folders(tmp_path):
    place = tmp_path / "lib" / "python3.12" / "site-packages"
    (place / "scikit_learn-1.2.3.dist-info").mkdir(parents=True)
    (place / "sklearn").mkdir()
    assert packages.packages(str(tmp_path / "bin" / "python")) == {"scikit-learn": "1.2.3"}


def test_the_model_of_the_latest_run_is_traced_to_its_file(runs, project, capsys):
    told = json.loads(typed(verbs.lineage, capsys, "model", "--json"))
    assert (told["name"], told["run"]) == ("model", runs[2])
    kinds = {n["id"]: n for n in told["nodes"]}
    file = kinds["file:more.csv"]
    assert len(file["digest"]) == 64
    assert {
        "step:load",
        "step:split",
        "step:train",
        "parameter:depth",
        "package:sklearn",
        "package:pandas",
    } <= set(kinds)
    assert "step:judge" not in kinds
    assert ["file:more.csv", "step:load"] in told["edges"]


def test_a_reused_step_has_the_files_of_the_run_it_stands_by(runs, project, capsys):
    told = json.loads(typed(verbs.lineage, capsys, "model", "--run", runs[1], "--json"))
    nodes = {n["id"]: n for n in told["nodes"]}
    assert nodes["step:load"]["reused"]
    assert "file:more.csv" in nodes
    assert nodes["parameter:depth"]["value"] == 3


def test_lineage_is_a_tree_in_the_terminal_and_a_flowchart_on_demand(runs, project, capsys):
    words = typed(verbs.lineage, capsys, "accuracy", "--notebook", "wine.ipynb")
    assert words.startswith("accuracy  float  = ")
    assert "file  more.csv" in words
    assert typed(verbs.lineage, capsys, "model", "--mermaid").startswith("flowchart LR\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("modle",), "made nothing with the name 'modle'"),
        (("model", "--run", "never"), "no run 'never'"),
        (("model", "--notebook", "vine.ipynb"), "no run of 'vine.ipynb' has finished"),
    ],
)
def test_what_is_unknown_is_refused(runs, project, words, said):
    with pytest.raises(NotFound, match=said) as refused:
        verbs.lineage.main(list(words), standalone_mode=False)
    assert refused.value.exit_status == 2
    assert refused.value.fix


def test_a_diff_with_an_unknown_run_is_refused(runs, project):
    with pytest.raises(NotFound, match="no run 'never'"):
        project.diff(runs[0], "never")


def test_asking_writes_nothing_where_nothing_was_recorded(tmp_path):
    with pytest.raises(NotFound, match="no run has finished"):
        Answering(tmp_path).lineage("model")
    assert list(tmp_path.iterdir()) == []


def test_a_run_whose_notebook_is_gone_keeps_its_digests(runs, project):
    path = Path(open_project(project.here).show(runs[0]).output)
    kept = path.read_bytes()
    path.unlink()
    try:
        told = project.diff(runs[0], runs[1])
        assert f"code of {runs[0]}" in told["not_recorded"]
        _, _, part = project.lineage("model", run=runs[0])
        assert {"file:more.csv", "value:df@load"} <= set(part.nodes)
    finally:
        path.write_bytes(kept)


def test_real_runs_are_told_to_openlineage_once(runs, project):
    ctx = project.context
    file = ctx.settings.folder / "lineage-of-a-test.jsonl"
    log = OpenLineageLog(file=file, root=ctx.root, journal=ctx.journal)
    for _ in range(2):
        ctx.journal.place("openlineage", json.dumps({"id": 0, "bytes": 0}))
        log.catch_up()
    events = [json.loads(line) for line in file.read_text().splitlines()]
    for run in runs:
        for step in ("", "load", "split", "train", "judge"):
            own = [e["eventType"] for e in events if e["run"]["runId"] == run_id(run, step)]
            assert own == ["START", "COMPLETE"]
    load = next(
        e
        for e in events
        if e["run"]["runId"] == run_id(runs[1], "load") and e["eventType"] == "COMPLETE"
    )
    assert load["run"]["facets"]["mlopsNb_step"]["reuse"]["reused"]
    assert str(ctx.root / "more.csv") in {d["name"] for d in load["inputs"]}
