"""Runs of real notebooks, through papermill, recorded in the journal and in MLflow."""

import os
import subprocess
import time
from pathlib import Path
from urllib.parse import unquote, urlparse

import nbformat
import pytest
from asking_mlflow import ask_mlflow
from small_disk import mounted
from typing_in import Terminal
from wine import IMPORTS, JUDGE, wine

WAIT = {"MLOPS_NB_MIRROR": "wait"}  # MLflow is up to date when the command ends


def mlflow_run(terminal: Terminal, run: str) -> dict:
    """Return what MLflow knows of a run."""
    return ask_mlflow(
        terminal,
        "[{'status': r.info.status, 'metrics': r.data.metrics, 'params': r.data.params,"
        " 'tags': r.data.tags, 'artifacts': [a.path for a in c.list_artifacts(v[0])],"
        " 'uri': r.info.artifact_uri} for r in [c.get_run(v[0])]][0]",
        run,
    )


def test_a_run_reports_its_steps_and_metrics_and_is_mirrored_to_mlflow(terminal):
    answer = terminal.type("run", "wine.ipynb", "-p", "depth", "3", "-o", "out.ipynb", **WAIT)
    assert answer.status == 0, answer.stderr
    run = answer.json
    assert run["status"] == "finished"
    assert [s["name"] for s in run["steps"]] == ["load", "split", "train", "judge"]
    assert {s["status"] for s in run["steps"]} == {"finished"}
    assert run["parameters"] == {"depth": 3, "share": 0.3, "seed": 7}
    assert set(run["metrics"]) == {"accuracy"}
    seen = mlflow_run(terminal, run["mlflow_run"])
    assert seen["status"] == "FINISHED"
    assert seen["params"]["depth"] == "3"
    assert seen["metrics"]["accuracy"] == run["metrics"]["accuracy"]
    assert seen["metrics"]["seconds/train"] > 0
    assert {"out.ipynb", "graph.json", "graph.mmd"} <= set(seen["artifacts"])
    artifacts = Path(unquote(urlparse(seen["uri"]).path))
    assert artifacts.is_relative_to(terminal.folder / ".mlops" / "mlartifacts")
    executed = nbformat.read(terminal.folder / "out.ipynb", 4)
    nbformat.validate(executed)
    assert "# Parameters\ndepth = 3" in [c.source.strip() for c in executed.cells]
    assert not (terminal.folder / "mlruns").exists()


def test_the_same_run_is_shown_again_by_show_and_runs(terminal):
    run = terminal.type("run", "wine.ipynb", **WAIT).json
    assert terminal.type("runs").json["runs"] == [run]
    shown = terminal.type("show", run["run"])
    assert (shown.status, shown.json) == (0, run)
    assert "no run" in terminal.refused("show", "never")


def test_a_wrong_parameter_is_refused_and_nothing_is_written(tmp_path):
    folder = tmp_path / "empty"
    folder.mkdir()
    wine(folder / "wine.ipynb")
    terminal = Terminal(folder)
    assert "did you mean 'depth'?" in terminal.refused("run", "wine.ipynb", "-p", "dept", "3")
    assert "'depth' takes int" in terminal.refused("run", "wine.ipynb", "-p", "depth", "deep")
    assert "no notebook 'vine.ipynb'" in terminal.refused("run", "vine.ipynb")
    assert "its folder does not exist" in terminal.refused("run", "wine.ipynb", "-o", "no/o.ipynb")
    assert sorted(p.name for p in folder.iterdir()) == ["wine.ipynb"]


def test_a_failed_cell_marks_run_notebook_and_mlflow_as_failed(terminal):
    wine(terminal.folder / "fail.ipynb", judge=JUDGE + "\nprint('so far')\n1 / 0")
    answer = terminal.type("run", "fail.ipynb", "-o", "failed.ipynb", **WAIT)
    assert answer.status == 1
    run = answer.json
    assert run["status"] == "failed"
    where, why = "cell 9 (`%mlops step judge`)", "ZeroDivisionError: division by zero"
    assert run["error"] == f"step 'judge' failed in {where}: {why}"
    assert {s["name"]: s["status"] for s in run["steps"]}["judge"] == "failed"
    assert mlflow_run(terminal, run["mlflow_run"])["status"] == "FAILED"
    last = nbformat.read(terminal.folder / "failed.ipynb", 4).cells[-1]
    assert last.metadata.papermill.status == "failed"
    assert [o.output_type for o in last.outputs] == ["stream", "error"]


def test_papermill_runs_a_notebook_through_this_engine(terminal):
    papermill = Path(os.sys.executable).with_name("papermill")
    words = [str(papermill), "wine.ipynb", "pm.ipynb", "--engine", "mlops-nb", "-p", "depth", "2"]
    done = subprocess.run(
        words,
        cwd=terminal.folder,
        env=terminal.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    executed = nbformat.read(terminal.folder / "pm.ipynb", 4)
    states = {c.metadata.papermill.status for c in executed.cells if c.cell_type == "code"}
    assert states == {"completed"}


def test_a_full_disk_for_the_output_is_a_failed_run_and_not_a_finished_one(terminal):
    with mounted(terminal.folder / "small", "64k") as small:
        big = JUDGE + "\nprint('x' * 200_000)"
        wine(terminal.folder / "big.ipynb", judge=big)
        answer = terminal.type("run", "big.ipynb", "-o", "small/out.ipynb")
        assert (answer.status, answer.json["status"]) == (1, "failed")
        assert "No space left" in answer.json["error"]
        assert not list(small.glob("*.part"))


def test_metrics_that_cells_log_to_mlflow_are_the_runs_and_their_run_is_adopted(terminal):
    wine(
        terminal.folder / "logging.ipynb",
        imports="import mlflow\n" + IMPORTS,
        judge=JUDGE + "\nmlflow.log_metric('logged_accuracy', accuracy)",
    )
    answer = terminal.type("run", "logging.ipynb", **WAIT)
    assert answer.status == 0, answer.stderr
    assert set(answer.json["metrics"]) == {"logged_accuracy"}
    parents = ask_mlflow(
        terminal,
        "[r.data.tags.get('mlflow.parentRunId')"
        " for r in c.search_runs([e.experiment_id for e in c.search_experiments()])]",
    )
    assert answer.json["mlflow_run"] in parents
    assert not (terminal.folder / "mlruns").exists()


def test_a_notebook_that_names_or_has_a_store_finds_its_runs_there(terminal):
    log = "\nwith mlflow.start_run():\n    mlflow.log_metric('logged', accuracy)"
    found = "\nprint('found', list(mlflow.search_runs()['metrics.logged']) == [accuracy] * {})"
    address = "import mlflow\nmlflow.set_tracking_uri('sqlite:///mlflow.db')\n"
    cells = {"own": (address, 1), "default": ("import mlflow\n", 2)}
    for name, (imports, runs) in cells.items():  # the first makes the store of the second
        judge = JUDGE + log + found.format(runs)
        wine(terminal.folder / f"{name}.ipynb", imports=imports + IMPORTS, judge=judge)
        answer = terminal.type("run", f"{name}.ipynb", "-o", "out.ipynb", **WAIT)
        assert (answer.status, answer.json["metrics"].keys()) == (0, {"logged"}), answer.stderr
        assert "warning" not in answer.stderr
        assert "found True" in (terminal.folder / "out.ipynb").read_text()
        mirrored = mlflow_run(terminal, answer.json["mlflow_run"])
        assert "tracking URI" in mirrored["tags"]["mlops-nb.logged-run"]
    store = f"sqlite:///{terminal.folder / 'mlflow.db'}"
    outside = (
        "[mlflow.set_tracking_uri(v[0]) or {e.name: [r.data.tags['mlflow.source.name'] for r in"
        " mlflow.MlflowClient().search_runs([e.experiment_id])]"
        " for e in mlflow.MlflowClient().search_experiments()}][0]"
    )
    found_outside = ask_mlflow(terminal, outside, store)
    assert found_outside == {"Default": ["default.ipynb", "own.ipynb"]}


def test_what_cells_log_to_an_experiment_of_theirs_is_kept_in_the_project(terminal):
    log = "\nwith mlflow.start_run():\n    mlflow.log_text('x', 'a.txt')"
    imports = "import mlflow\nmlflow.set_experiment('mine')\n" + IMPORTS
    wine(terminal.folder / "logging.ipynb", imports=imports, judge=JUDGE + log)
    assert terminal.type("run", "logging.ipynb", **WAIT).status == 0
    assert list((terminal.folder / ".mlops" / "mlartifacts").rglob("a.txt"))
    assert not (terminal.folder / "mlruns").exists()


def test_nobody_waits_for_mlflow_which_catches_up_behind(terminal):
    run = terminal.type("run", "wine.ipynb", "-p", "depth", "9").json
    end = time.monotonic() + 60
    while terminal.type("show", run["run"]).json["mlflow_run"] is None:
        assert time.monotonic() < end, "MLflow never caught up"
        time.sleep(0.5)
    assert not (terminal.folder / ".mlops" / "mirror.error").exists()


def test_a_dead_tracking_server_is_a_warning_and_the_next_run_catches_up(terminal):
    dead = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}
    answer = terminal.type("run", "wine.ipynb", **dead)
    assert (answer.status, answer.json["status"]) == (0, "finished")
    assert answer.json["mlflow_run"] is None
    assert "warning: MLflow does not answer" in answer.stderr
    assert terminal.type("run", "wine.ipynb", **WAIT).status == 0
    caught_up = terminal.type("show", answer.json["run"]).json
    assert mlflow_run(terminal, caught_up["mlflow_run"])["status"] == "FINISHED"


def awkward(path: Path, *cells: tuple[str, list[str]]) -> None:
    """Write a notebook of cells with tags."""
    made = [
        nbformat.v4.new_code_cell(text, metadata={"tags": tags}, id=f"c{n}")
        for n, (text, tags) in enumerate(cells)
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=made), path)


def test_a_cell_that_no_kernel_is_given_is_no_finished_step(terminal):
    awkward(
        terminal.folder / "skips.ipynb",
        ("# mlops: step a\nx = sum([1])", []),
        ("# mlops: step b\ny = x + sum([1])", ["skip-execution"]),
    )
    answer = terminal.type("run", "skips.ipynb")
    assert [s["name"] for s in answer.json["steps"]] == ["a"]
    assert set(answer.json["metrics"]) == {"x"}


def test_parameters_that_an_earlier_run_injected_do_not_run_again(terminal):
    awkward(
        terminal.folder / "again.ipynb",
        ("depth = 3", ["parameters"]),
        ("depth = 9", ["injected-parameters"]),
        ("# mlops: step a\ntwice = depth * sum([2])", []),
    )
    answer = terminal.type("run", "again.ipynb")
    assert answer.json["parameters"] == {"depth": 3}
    assert answer.json["metrics"] == {"twice": 6.0}


def test_a_cell_that_may_raise_does_not_fail_the_run(terminal):
    awkward(
        terminal.folder / "raises.ipynb",
        ("# mlops: step a\nx = sum([1])", []),
        ("1 / 0", ["raises-exception"]),
        ("# mlops: step b\ny = x + sum([1])", []),
    )
    answer = terminal.type("run", "raises.ipynb")
    assert (answer.status, answer.json["status"]) == (0, "finished")
    assert answer.json["metrics"] == {"x": 1.0, "y": 2.0}


def test_a_kernel_that_is_not_there_is_refused_before_anything_is_written(tmp_path):
    path = wine(tmp_path / "wine.ipynb")
    path.write_text(path.read_text().replace('"name": "python3"', '"name": "python-of-old"'))
    assert "no kernel 'python-of-old'" in Terminal(tmp_path).refused("run", "wine.ipynb")
    assert [p.name for p in tmp_path.iterdir()] == ["wine.ipynb"]
    assert Terminal(tmp_path).type("run", "wine.ipynb", "-k", "python3").status == 0


@pytest.mark.parametrize("engine", ["warm", "kernel"])
def test_exit_0_ends_a_notebook_well_however_often_it_is_run(tmp_path, engine):
    awkward(
        tmp_path / "ends.ipynb",
        ("# mlops: step a\nx = sum([1])", []),
        ("# mlops: step b\nimport sys\ny = sum([x])\nsys.exit(0)", []),
        ("# mlops: step c\nz = sum([y])", []),
    )
    for first in ("finished", "reused"):
        answer = Terminal(tmp_path).type("run", "ends.ipynb", "--engine", engine)
        assert (answer.status, answer.json["status"]) == (0, "finished")
        steps = {s["name"]: s["status"] for s in answer.json["steps"]}
        assert steps == {"a": first, "b": "finished", "c": "not-run"}
        assert answer.json["metrics"] == {"x": 1.0, "y": 1.0}


def test_a_run_that_reuses_everything_shows_the_parameters_it_was_given(tmp_path):
    awkward(tmp_path / "n.ipynb", ("a, b = 1, [2]", ["parameters"]), ("c = sum(b) + a", []))
    shown = []
    for _ in range(2):
        words = ("run", "n.ipynb", "-p", "a=5", "-p", "b", "[1, 2]", "-o", "out.ipynb")
        assert Terminal(tmp_path).type(*words).json["metrics"]["c"] == 8.0
        out = nbformat.read(tmp_path / "out.ipynb", 4)
        nbformat.validate(out)
        shown.append([c.source.strip() for c in out.cells])
    assert shown[0] == shown[1]
    assert "# Parameters\na = 5\nb = [1, 2]" in shown[0]


def test_why_answers_for_the_parameters_that_it_is_given_and_run_does_as_it_says(tmp_path):
    awkward(
        tmp_path / "n.ipynb",
        ("depth = 2", ["parameters"]),
        ("# mlops: step a\nx = sum([1])", []),
        ("# mlops: step b\ny = x + depth", []),
        ("# mlops: step c\nz = y * 2", []),
    )
    typed = Terminal(tmp_path)
    typed.type("run", "n.ipynb")
    for given in ("2", "3"):
        words = ("n.ipynb", "-p", "depth", given)
        answers = {s: typed.type("why", words[0], s, *words[1:]).json for s in "abc"}
        ran = {s["name"]: s["status"] for s in typed.type("run", *words).json["steps"]}
        assert {s: "reused" if a["stands"] else "finished" for s, a in answers.items()} == ran
    assert "parameter `depth` 2 → 3" in answers["b"]["because"]
    assert "its input comes from `b`, which must run" in answers["c"]["because"]


def test_a_failure_outside_of_all_steps_names_its_cell(tmp_path):
    awkward(tmp_path / "n.ipynb", ("import nothing_such", []), ("# mlops: step a\nx = 1", []))
    answer = Terminal(tmp_path).type("run", "n.ipynb")
    assert answer.status == 1
    why = (
        "cell 1 (`import nothing_such`) failed: ModuleNotFoundError: No module named 'nothing_such'"
    )
    assert answer.json["error"] == why
    words, _ = Terminal(tmp_path).start("run", "n.ipynb").communicate(timeout=60)
    assert "fix: correct that cell and run again" in words
