"""The kernel sends a panel how steps stand by the document in the editor, while a cell runs too."""

import queue
import random
import re
import time

import pytest
from live import Session
from wine import wine

from mlops_nb.errors import Refused
from mlops_nb.session.editor import Editor

EDITOR = "mlops_nb.editor"
CELLS = {
    "load-ext": "%load_ext mlops_nb",
    "given": "depth = 2",
    "load": "%mlops step load\nraw = [1, 2, 3]",
    "train": "%mlops step train\nmodel = sum(raw) * depth",
    "judge": "%mlops step judge\nscore = model / 2\n# mlops: metric score",
    "other": "%mlops step other\nlength = len(raw)",
}


class Browser:
    """What a panel does: reports the cells of an editor, and keeps the last state."""

    def __init__(self, session: Session, cells: dict[str, str]) -> None:
        self.session, self.cells = session, dict(cells)
        self.subshell, self.graph, self.onward, self.state = "", {}, {}, {}
        self.sent, self.revision = {}, 0

    def open(self) -> None:
        """Open the way for reports in a subshell, as JupyterLab does."""
        client = self.session.client
        client.control_channel.send(client.session.msg("create_subshell_request", {}))
        self.subshell = client.get_control_msg(timeout=60)["content"]["subshell_id"]
        self.message("comm_open", {"target_name": EDITOR, "data": {}})

    def report(self, **more) -> None:
        """Send the cells that changed."""
        self.revision += 1
        changed = {
            name: {"type": "code", "source": text, "tags": ["parameters"] * (name == "given")}
            for name, text in self.cells.items()
            if self.sent.get(name) != text
        }
        self.sent = dict(self.cells)
        self.send(
            {"order": list(self.cells), "changed": changed, "revision": self.revision, **more}
        )

    def send(self, data: dict) -> None:
        self.message("comm_msg", {"data": data})

    def message(self, kind: str, content: dict) -> None:
        client = self.session.client
        message = client.session.msg(kind, {"comm_id": "reports", **content})
        message["header"]["subshell_id"] = self.subshell
        client.shell_channel.send(message)

    def received(self, wanted) -> dict:
        """Return the first state that is as wanted."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                message = self.session.client.get_iopub_msg(timeout=1)
            except queue.Empty:
                continue
            if message["msg_type"] == "comm_msg":
                self.state = message["content"]["data"]
                self.graph = self.state.get("graph", self.graph)
                self.onward = self.state.get("onward", self.onward)
                if wanted(self.state):
                    return self.state
        pytest.fail(f"no such state came; the last one is {self.state}")

    def run(self, name: str) -> None:
        self.report()
        self.session.run(self.cells[name], name)

    def states(self) -> dict[str, str]:
        """Return step → state at the present version of the document."""
        self.report()
        state = self.received(lambda s: s.get("revision") == self.revision)
        return {name: step["state"] for name, step in state["steps"].items()}


@pytest.fixture
def session(tmp_path):
    (tmp_path / ".git").mkdir()
    made = Session(wine(tmp_path / "wine.ipynb"))
    yield made
    made.close()


@pytest.fixture
def browser(session):
    made = Browser(session, CELLS)
    made.session.run(CELLS["load-ext"], "load-ext")
    made.open()
    return made


def test_the_state_follows_edits_that_are_not_saved_and_what_runs(browser):
    assert set(browser.states().values()) == {"never"}
    assert browser.state["stale"] == list(CELLS)[1:]
    for name in list(CELLS)[1:]:
        browser.run(name)
    assert set(browser.states().values()) == {"finished"}
    assert browser.state["values"] == {"score": 6.0}
    browser.cells["given"] = "depth = 3"
    assert browser.states() == dict.fromkeys(("load", "other"), "finished") | dict.fromkeys(
        ("train", "judge"), "stale"
    )
    train = browser.state["steps"]["train"]
    assert train["because"] == "In [2] was edited since it ran"
    assert browser.state["stale"] == ["given", "train", "judge"]
    assert browser.onward["load"] == ["train", "judge", "other"]


def test_a_failed_cell_fails_its_step_until_it_runs_well(browser):
    browser.cells["train"] = "%mlops step train\nmodel = raw[99] * depth"
    for name in ("given", "load", "train"):
        browser.run(name)
    assert browser.states()["train"] == "failed"
    browser.cells["train"] = CELLS["train"]
    assert browser.states()["train"] == "stale"
    browser.run("train")
    assert browser.states()["train"] == "finished"


def test_the_graph_is_sent_once_and_again_to_who_asks(browser):
    browser.states()
    assert [s["name"] for s in browser.graph["steps"]] == ["load", "train", "judge", "other"]
    browser.run("given")
    browser.states()
    assert "graph" not in browser.state
    browser.send({"sync": True})
    assert browser.received(lambda s: "graph" in s)["graph"] == browser.graph


def test_a_report_with_unknown_cells_is_answered_by_asking_for_all_of_them(browser):
    browser.send({"order": ["never-told"], "changed": {}, "revision": 1})
    assert browser.received(lambda s: s.get("resend"))["problem"]["fix"] == "reload the page"
    browser.sent = {}
    assert set(browser.states().values()) == {"never"}


def test_the_kernel_answers_while_a_cell_runs(browser):
    client = browser.session.client
    for name in list(CELLS)[1:]:
        browser.run(name)
    browser.states()
    message = client.session.msg("execute_request", {"code": "import time; time.sleep(120)"})
    client.shell_channel.send(message)
    browser.cells["train"] += " + 1"
    began = time.monotonic()
    browser.report()
    state = browser.received(lambda s: s["steps"]["train"]["state"] == "stale")
    assert state["steps"]["judge"]["state"] == "stale"
    assert time.monotonic() - began < 60  # the cell runs for 120


def table(session):
    shown = session.run("%mlops status")[1]["text/html"]
    rows = re.findall(r"<tr>(.*?)</tr>", shown)
    cells = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in rows]
    return {row[0]: row[1] for row in cells if row}


@pytest.mark.parametrize("seed", range(3))
def test_the_panel_is_the_status_after_20_random_actions(browser, seed):
    draw = random.Random(seed)
    names = list(CELLS)[1:]
    for _ in range(20):
        name = draw.choice(names)
        match draw.choice(["run", "run", "run", "edit", "undo", "break", "assign"]):
            case "run":
                browser.run(name)
            case "edit":
                browser.cells[name] = CELLS[name] + f"\nextra_{name} = {draw.randint(0, 9)}"
            case "undo":
                browser.cells[name] = CELLS[name]
            case "break":
                browser.cells[name] = CELLS[name] + "\n1 / 0"
            case "assign":
                browser.session.run(f"depth = {draw.randint(1, 4)}")
        states = browser.states()
        assert states == table(browser.session)


def test_an_editor_takes_only_whole_reports():
    editor = Editor()
    editor.take({"order": ["a"], "changed": {"a": {"type": "code", "source": "x = 1"}}})
    before = editor.document()
    for wrong in (
        {"order": ["a", "b"]},
        {"order": "a"},
        {"order": ["a"], "changed": {"a": {"type": "code"}}},
        {"changed": {}},
    ):
        with pytest.raises(Refused):
            editor.take(wrong)
        assert editor.document() == before
