"""A user whose home does not exist runs, promotes and triggers; all files lie in the project."""

import json

import pytest
from rooms import executed, notebook, texts
from saved import project
from small import small

NOWHERE = {"HOME": "/proc/none", "XDG_RUNTIME_DIR": "/proc/none/run", "PATH": "/usr/bin:/bin"}
PLOT = (
    "# mlops: step figure\nimport matplotlib\nfrom IPython.paths import get_ipython_dir\n"
    "print(matplotlib.get_configdir(), get_ipython_dir())"
)


@pytest.fixture
def terminal(tmp_path):
    return project(tmp_path, "project")


@pytest.mark.parametrize("engine", ["warm", "kernel", "cold"])
def test_a_run_keeps_its_folders_in_the_project(terminal, engine):
    notebook(terminal, PLOT)
    answer = terminal.type("run", "n.ipynb", "--engine", engine, **NOWHERE)
    assert answer.status == 0, answer.stderr
    places = texts(executed(answer.json))[0].split()
    assert [p.startswith(str(terminal.folder / ".mlops")) for p in places] == [True, True]
    assert "warning" not in json.dumps(executed(answer.json)).lower()


def test_a_job_is_promoted_and_runs(terminal):
    small(terminal.folder / "n.ipynb")
    answer = terminal.type("promote", "n.ipynb", "--name", "night", **NOWHERE)
    assert answer.status == 0, answer.stderr
    assert terminal.type("trigger", "night", **NOWHERE).status == 0
    assert terminal.type("jobs", **NOWHERE).json["jobs"][0]["status"] == "active"
    assert (terminal.folder / ".mlops" / "home" / "cache" / "uv").is_dir()
