"""Sweeps through the project: what is shared, what stands, who is refused."""

import contextlib
import os
import signal
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from mlops_nb.errors import NotFound, ParameterError, Refused
from mlops_nb.events import SweepFinished, SweepStarted
from mlops_nb.project import Rules, open_project
from mlops_nb.runs import process, resources, stop

CELLS = (
    "# mlops: step load\nopen('loads', 'a').write('x')\nrows = [1, 2, 3]",
    "# mlops: step scale\nif factor == 13: raise ValueError('unlucky')\n"
    "scaled = [r * factor for r in rows]",
    "# mlops: step total\ntotal = sum(scaled) + extra",
)


def write(folder: Path, *cells: str) -> Path:
    made = [new_code_cell("factor = 2\nextra = 1", metadata={"tags": ["parameters"]})]
    made += [new_code_cell(text) for text in cells]
    for number, cell in enumerate(made):
        cell["id"] = f"cell-{number}"
    notebook = new_notebook(cells=made)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "P"}
    nbformat.write(notebook, folder / "n.ipynb")
    return folder


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    made = tmp_path / "desk"
    (made / ".git").mkdir(parents=True)
    return write(made, "# mlops: step load\nrows = [1, 2, 3]", *CELLS[1:])


def statuses(run):
    return {name: step["status"] for name, step in run.steps.items()}


def test_each_point_is_a_run_and_what_none_of_them_changes_runs_once(folder):
    project = open_project(folder)
    seen = []
    found = project.sweep(
        "n.ipynb",
        {"factor": [2, 3], "extra": [1, 5]},
        best="total",
        workers=2,
        watch=lambda s: seen.append(s.counted()),
    )
    assert (found.status, found.shared) == ("finished", ("load",))
    assert [r.metrics for r in found.runs] == [{"total": t} for t in (13.0, 17.0, 19.0, 23.0)]
    assert {statuses(r)["load"] for r in found.runs} == {"reused"}
    because = found.runs[0].steps["load"]["because"]
    assert because == "`load` is up to date: code and environment unchanged"
    assert found.best == found.runs[3].id
    assert (seen[0]["waiting"], seen[-1]["finished"]) == (4, 4)
    (helper,) = found.helpers
    assert statuses(helper) == {"load": "finished", "scale": "not-run", "total": "not-run"}
    assert {r.sweep for r in project.runs()} == {found.id}


def test_a_fresh_sweep_lets_nothing_stand_but_what_it_shares(folder):
    project = open_project(folder)
    project.run("n.ipynb")
    found = project.sweep("n.ipynb", {"extra": [1, 5]}, fresh=True)
    assert found.shared == ("load", "scale")
    assert statuses(found.helpers[0]) == {
        "load": "finished",
        "scale": "finished",
        "total": "not-run",
    }
    for run in found.runs:
        assert statuses(run) == {"load": "reused", "scale": "reused", "total": "finished"}
        assert run.steps["total"]["because"] == "`total` must run: a fresh run was asked for"


def test_what_stands_by_earlier_runs_is_not_run_for_sharing(folder):
    project = open_project(folder)
    project.run("n.ipynb", {"factor": 3})
    found = project.sweep("n.ipynb", {"extra": [1, 5]}, {"factor": 3})
    assert found.helpers == []
    assert statuses(found.runs[0]) == dict.fromkeys(("load", "scale", "total"), "reused")
    assert [r.parameters["factor"] for r in found.runs] == [3, 3]


def test_a_point_that_fails_is_run_again_when_the_sweep_goes_on_and_the_others_are_not(folder):
    project = open_project(folder)
    found = project.sweep("n.ipynb", {"factor": [2, 13]})
    assert (found.status, [r.status for r in found.runs]) == ("failed", ["finished", "failed"])
    assert found.runs[1].error.endswith("ValueError: unlucky")
    again = project.sweep("n.ipynb", {}, resume=found.id)
    assert (again.id, again.status) == (found.id, "failed")
    assert again.runs[0].id == found.runs[0].id
    assert again.runs[1].id != found.runs[1].id
    write(folder, "# mlops: step load\nrows = [1, 2, 3]", CELLS[1].replace("13", "14"), CELLS[2])
    mended = project.sweep("n.ipynb", {}, resume=found.id)
    assert (mended.status, [r.status for r in mended.runs]) == ("finished", ["finished"] * 2)
    assert mended.runs[0].id != found.runs[0].id, "its code is another one: it proves nothing"


def test_where_a_worker_is_killed_its_point_failed_and_the_others_go_on(folder):
    wait = "import time\nwhile factor == 13: time.sleep(0.1)\nscaled = [factor]"
    write(folder, f"# mlops: step scale\n{wait}", "# mlops: step total\ntotal = sum(scaled)")

    def kill(sweep):
        for run in sweep.open:
            if run.parameters["factor"] == 13 and run.steps["scale"]["status"] == "running":
                with contextlib.suppress(ProcessLookupError):  # it may be gone already
                    os.kill(run.process[0], signal.SIGKILL)

    project = open_project(folder)
    found = project.sweep("n.ipynb", {"factor": [1, 13, 2, 3]}, workers=2, watch=kill)
    assert [r.status for r in found.runs] == ["finished", "failed", "finished", "finished"]
    assert "was killed" in found.runs[1].error


@pytest.mark.parametrize(
    ("grid", "more", "kind"),
    [
        ({}, {}, ParameterError),
        ({"factor": []}, {}, ParameterError),
        ({"facto": [1]}, {}, ParameterError),
        ({"factor": ["x"]}, {}, ParameterError),
        ({"factor": [1]}, {"parameters": {"factor": 2}}, ParameterError),
        ({"factor": [1]}, {"on": "moon"}, Refused),
        ({}, {"resume": "never"}, NotFound),
        ({"factor": [1]}, {"resume": "never"}, Refused),
    ],
)
def test_bad_use_is_refused_and_nothing_is_written(folder, grid, more, kind):
    before = sorted(os.listdir(folder))
    with pytest.raises(kind):
        open_project(folder).sweep("n.ipynb", grid, **more)
    assert sorted(os.listdir(folder)) == before


def test_a_sweep_whose_process_is_gone_has_ended_and_can_go_on(folder):
    project = open_project(folder)
    ctx = project.context
    host = process.mine()[1].partition(" ")[0]
    event = SweepStarted(
        sweep="s",
        notebook="n.ipynb",
        grid={"extra": [1, 2]},
        process=(os.getpid(), f"{host} 12.50"),
    )
    ctx.journal.append(event)
    assert stop.sweeps(ctx)["s"].status == "failed"
    with pytest.raises(Refused, match="is over"):
        project.stop("s")
    assert project.sweep("n.ipynb", {}, resume="s").status == "finished"
    ends = [e for e in ctx.journal.read() if isinstance(e, SweepFinished)]
    assert [e.status for e in ends] == ["failed", "finished"]


def test_a_sweep_of_another_machine_is_neither_stopped_nor_thought_dead(folder):
    project = open_project(folder)
    event = SweepStarted(
        sweep="s", notebook="n.ipynb", grid={"extra": [1, 2]}, process=(1, "elsewhere 12.50")
    )
    project.context.journal.append(event)
    with pytest.raises(Refused, match="on another machine, elsewhere"):
        project.stop("s")
    with pytest.raises(Refused, match="is still running"):
        project.sweep("n.ipynb", {}, resume="s")
    with pytest.raises(NotFound):
        project.stop("never")


def test_only_some_steps_can_be_run_with_what_they_need(folder):
    project = open_project(folder)
    done = project.run("n.ipynb", rules=Rules(steps=("scale",)))
    assert statuses(done) == {"load": "finished", "scale": "finished", "total": "not-run"}
    done = project.run("n.ipynb", rules=Rules(steps=("scale",)))
    assert statuses(done)["scale"] == "reused", "they are asked for, not forced"


def test_gpus_are_those_the_caller_sees_or_else_all_that_are_listed(tmp_path):
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'GPU 0: A (UUID: GPU-1)'\necho 'GPU 1: A (UUID: GPU-2)'\n")
    tool.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}/bin{os.pathsep}/usr/bin"
    assert resources.gpus({"PATH": path}) == ("0", "1")
    assert resources.gpus({"PATH": path, "CUDA_VISIBLE_DEVICES": "1"}) == ("1",)
    assert resources.gpus({"PATH": path, "CUDA_VISIBLE_DEVICES": ""}) == ()
    assert resources.gpus({"PATH": str(tmp_path / "nothing")}) == ()


def test_pools_are_found_by_their_names():
    with resources.pool("processes")(1) as pool:
        assert pool.submit(pow, 2, 3).result() == 8
    with pytest.raises(Refused, match="no pool 'moon'") as caught:
        resources.pool("moon")
    assert "processes" in caught.value.fix
