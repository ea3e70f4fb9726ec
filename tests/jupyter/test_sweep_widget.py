"""A sweep in a notebook shows how far it is, and ends by its button or by an interrupt."""

import json
import subprocess
import sys

import pytest
from front_end import FrontEnd
from live import Session
from saved import project
from small import ENDLESS, small

from mlops_nb import events as ev
from mlops_nb.jupyter.widgets.sweep import SweepView
from mlops_nb.runs.sweep_history import Fold


@pytest.fixture
def terminal(tmp_path, monkeypatch):
    made = project(tmp_path, "project")
    small(made.folder / "small.ipynb", train=ENDLESS)
    for name, value in made.environment().items():
        monkeypatch.setenv(name, value)
    return made


@pytest.fixture
def front(terminal):
    session = Session(terminal.folder / "small.ipynb")
    session.run("%load_ext mlops_nb")
    yield FrontEnd(session)
    session.close()


def until_two_points_are_done(front):
    front.start("print('before')\n%mlops sweep -g depth=1,2,3,4 --workers 1 --best accuracy")
    front.until(lambda: "2 of 4 points" in front.texts())
    assert front.texts().count("data-run=") == 2
    assert '<progress max="4" value="2">' in front.texts()
    assert "<p><progress" in front.shown[0]["text/html"]


def is_stopped_and_can_go_on(front, terminal, allowed):
    front.finish()
    last = front.shown[-1]
    assert front.printed == "before\n"
    assert front.updated == [{"text/html": "", "text/plain": ""}]  # shown once, as the result
    rows = last["text/html"].count("data-run=")
    assert rows in allowed
    assert "to continue: mlops-nb sweep small.ipynb --resume" in last["text/html"]
    statuses = [r["status"] for r in terminal.type("runs").json["runs"] if r["steps"]]
    assert statuses.count("stopped") == rows - 2
    assert "running" not in statuses
    sweep = last["text/html"].partition("--resume ")[2].split("<")[0]
    small(terminal.folder / "small.ipynb")
    assert terminal.type("sweep", "small.ipynb", "--resume", sweep).status == 0


def test_stop_ends_the_sweep_while_its_cell_runs(front, terminal):
    until_two_points_are_done(front)
    front.click(front.button("Stop"))
    is_stopped_and_can_go_on(front, terminal, {3})
    assert front.states[front.button("Stop")]["disabled"] is True


def test_an_interrupt_ends_the_sweep_in_the_same_way(front, terminal):
    until_two_points_are_done(front)
    front.session.manager.interrupt_kernel()
    is_stopped_and_can_go_on(front, terminal, {2, 3})  # it may come before the third point starts


def test_a_sweep_that_ended_shows_what_the_command_line_answers(front, terminal):
    front.start("w = %mlops sweep -g depth=1,2 --best accuracy")
    front.finish()
    answer = terminal.type("sweep", "small.ipynb", "-g", "depth=1,2", "--best", "accuracy").json
    front.start("import json; print(json.dumps([w.done, w.points, w.drawn, w.text]))")
    front.finish()
    done, points, drawn, text = json.loads(front.printed)
    assert (done, points) == (2, 2)
    assert drawn.count("data-run=") == drawn.count("<tr>") - 1 == len(answer["runs"])
    best = next(r for r in answer["runs"] if r["run"] == answer["best"])
    row = next(line for line in text.splitlines() if line.startswith("*")).split()
    assert row[1] == str(best["parameters"]["depth"])
    assert float(row[3]) == pytest.approx(best["metrics"]["accuracy"], rel=1e-5)


def test_a_resumed_sweep_counts_the_points_of_before(front, terminal):
    until_two_points_are_done(front)
    front.click(front.button("Stop"))
    front.finish()
    sweep = front.shown[-1]["text/html"].partition("--resume ")[2].split("<")[0]
    front.start(f"%mlops sweep --resume {sweep}")
    front.until(lambda: "2 of 4 points" in front.texts())
    front.click(front.button("Stop"))
    front.finish()


@pytest.mark.parametrize(("seconds", "left"), [(0.1, ""), (45.0, ", about 1 min 30 s left")])
def test_the_time_left_is_shown_if_it_is_more_than_a_second(seconds, left):
    begun = ev.SweepStarted(
        sweep="s",
        notebook="n.ipynb",
        grid={"depth": [1, 2, 3]},
        parameters={},
        workers=1,
        by="",
        digest="d",
        process=(1, "here 0"),
    )
    events = [
        begun,
        ev.RunStarted(run="r", sweep="s", notebook="n.ipynb", parameters={"depth": 1}),
        ev.RunFinished(run="r", status="finished", seconds=seconds),
    ]
    with subprocess.Popen([sys.executable, "-c", ""], text=True) as process:
        process.wait()
    view = SweepView(process, clicks=True)
    view.progress(Fold(events).sweeps["s"])
    assert view.text == f"1 of 3 points{left}"
    assert (view.done, view.points) == (1, 3)
    view.stopping.click()
    assert "the sweep is over" in view.said.value
