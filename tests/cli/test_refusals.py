"""What a promotion refuses before anything runs; each refusal names its mend and writes nothing."""

import nbformat
import pytest
from typing_in import Terminal
from wine import IMPORTS, LOAD, TRAIN, wine

PROMOTE = ("promote", "wine.ipynb", "--name", "wine", "--model", "model")

REFUSED = {
    "an undefined name": (
        {"train": TRAIN.replace("X_train, y_train", "X_train, y_trian")},
        (),
        "'y_trian' is read in cell 8 (`%mlops step train`) and no cell makes it",
    ),
    "a name that is made only later": (
        {
            "load": "%mlops step load\ndf = model_free(1)",
            "judge": "def model_free(x): return x\naccuracy = 1.0",
        },
        (),
        "made only below it",
    ),
    "a secret-looking literal": (
        {"load": LOAD + "\npassword = 'hunter2hunter2'"},
        (),
        "looks like a secret",
    ),
    "an undeclared environment variable": (
        {"imports": IMPORTS + "\nimport os", "load": LOAD + "\nkey = os.environ['WINE_KEY']"},
        (),
        "'WINE_KEY'",
    ),
    "a question to a person": (
        {"load": LOAD + "\nwho = input('who?')"},
        (),
        "waits for a person",
    ),
    "a path outside the project": (
        {"load": LOAD + "\nextra = open('/etc/hostname').read()"},
        (),
        "'/etc/hostname'",
    ),
    "a path that climbs out of the project": (
        {"load": LOAD + "\nimport pandas as pd\nmore = pd.read_csv('../../other/a.csv')"},
        (),
        "lies outside the project",
    ),
    "a module that is not installed": (
        {"load": "%mlops step load\nimport no_such_module_at_all\n" + LOAD.split("\n", 1)[1]},
        (),
        "'no_such_module_at_all'",
    ),
    "text that is no Python": ({"split": "%mlops step split\nX = ("}, (), "is no Python"),
    "an unknown gate metric": ({}, ("--gate", "acuracy >= 0.1"), "did you mean 'accuracy'?"),
    "a gate that cannot be read": ({}, ("--gate", "accuracy is good"), "cannot be read"),
    "a bad cron line": ({}, ("--schedule", "61 3 * * *"), "'61 3 * * *'"),
    "a cron line of six fields": ({}, ("--schedule", "0 0 3 * * *"), "five fields"),
    "an unknown time zone": (
        {},
        ("--schedule", "@daily", "--tz", "Asia/Soul"),
        "no time zone 'Asia/Soul'",
    ),
    "an unknown parameter": ({}, ("-p", "dept", "3"), "did you mean 'depth'?"),
    "a parameter of another type": ({}, ("-p", "depth", "deep"), "takes int"),
    "a model that no step makes": ({}, ("--model", "modle"), "no step makes 'modle'"),
    "a name that is no file name": ({}, ("--name", "../wine"), "no name for a job"),
    "a secret that is not set": (
        {"imports": IMPORTS + "\nimport os", "load": LOAD + "\nkey = os.environ['WINE_KEY']"},
        ("--secret", "WINE_KEY"),
        "WINE_KEY is not set",
    ),
    "training and judging in one step under a champion gate": (
        {"judge": "accuracy = float(accuracy_score(y_test, model.predict(X_test)))"},
        ("--gate", "accuracy >= champion"),
        "both trains 'model' and judges it",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_promotion_refuses(case, tmp_path):
    cells, words, said = REFUSED[case]
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / ".git").mkdir()
    path = wine(folder / "wine.ipynb", **cells)
    before = path.read_bytes()
    assert said in Terminal(folder).refused(*PROMOTE, *words)
    assert path.read_bytes() == before
    assert not (folder / "jobs").exists()
    if not words:  # what is wrong is in the notebook
        checked = Terminal(folder).type("check", "wine.ipynb", "--model", "model")
        stops = [f["what"] for f in checked.json["findings"] if f["severity"] == "stops"]
        assert checked.status == 1
        assert any(said in what for what in stops), stops


def test_check_lists_everything_at_once(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    wine(
        folder / "wine.ipynb",
        load=LOAD + "\ntoken = 'abcdefgh1234'\nopen('/etc/hostname')",
        judge="%mlops step judge\naccuracy = nothing",
    )
    answer = Terminal(folder).type("check", "wine.ipynb")
    assert answer.status == 1
    stops = {f["kind"] for f in answer.json["findings"] if f["severity"] == "stops"}
    assert stops == {"secret", "outside-path", "undefined-name"}
    assert all(f["fix"] for f in answer.json["findings"])


def test_check_of_a_sound_notebook_finds_nothing_that_stops(tmp_path):
    wine(tmp_path / "wine.ipynb")
    answer = Terminal(tmp_path).type("check", "wine.ipynb")
    assert answer.status == 0
    assert answer.json["findings"] == []


def test_a_notebook_that_computes_nothing_is_no_job(tmp_path):
    path = tmp_path / "empty.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("import os")]), path)
    refused = Terminal(tmp_path).refused("promote", "empty.ipynb", "--name", "empty")
    assert "no cell of this notebook computes anything yet" in refused
    assert list(tmp_path.iterdir()) == [path]
