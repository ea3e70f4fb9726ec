"""The answers of `%mlops` as widgets, in real kernels: traits, clicks, and their static forms."""

import json
import re
from html import unescape

import nbformat
import pytest
from front_end import FrontEnd
from live import Session
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from saved import project
from small import IMPORTS, JUDGE, LOAD, SPLIT, TRAIN, small

VIEW = "application/vnd.jupyter.widget-view+json"
PARAMETERS = "depth = 2\nshare = 0.3\nseed = 7"
CELLS = dict(
    zip(
        ("cell-2", "cell-3", "cell-4", "cell-6", "cell-7", "cell-8"),
        (IMPORTS, PARAMETERS, LOAD, SPLIT, TRAIN, JUDGE),
        strict=True,
    )
)
HOSTILE = '<script>alert("x")</script>\'"&lt;'


@pytest.fixture(scope="module")
def terminal(tmp_path_factory):
    made = project(tmp_path_factory.mktemp("widgets"), "project")
    small(made.folder / "small.ipynb")
    for depth in ("1", "2", "3"):
        assert made.type("run", "small.ipynb", "-p", "depth", depth).status == 0
    bad = small(
        made.folder / "<b>bad.ipynb",
        parameters=f"depth = 2\nshare = 0.3\nseed = 7\nword = {HOSTILE!r}",
        judge=f"%mlops step judge\nraise ValueError({HOSTILE!r})",
    )
    assert made.type("run", bad.name).status == 1
    return made


@pytest.fixture(scope="module")
def session(terminal):
    with pytest.MonkeyPatch.context() as patch:
        for name, value in terminal.environment().items():
            patch.setenv(name, value)
        made = Session(terminal.folder / "small.ipynb")
    assert made.run("%load_ext mlops_nb") == ("", {}, "")
    yield made
    made.close()


def shown(session, line):
    _, found, error = session.run(line)
    assert error == ""
    return found


def cells(html):
    """Return the cells of the rows of all tables, as a reader sees them."""
    rows = re.findall(r"<tr>(.*?)</tr>", html)
    found = [[unescape(c) for c in re.findall(r"<td[^>]*>(.*?)</td>", row)] for row in rows]
    return [row for row in found if row]


def test_ipywidgets_is_imported_with_the_first_widget(terminal):
    made = Session(terminal.folder / "small.ipynb")
    try:
        made.run("%load_ext mlops_nb")
        asks = "import sys; print('ipywidgets' in sys.modules)"
        made.run("%mlops check")
        assert made.run(asks)[0] == "False\n"
        assert VIEW in shown(made, "%mlops status")
        assert made.run(asks)[0] == "True\n"
    finally:
        made.close()


@pytest.mark.parametrize("line", ["status", "graph", "runs", "lineage model"])
def test_an_answer_is_a_widget_with_html_and_text(session, line):
    found = shown(session, f"%mlops {line}")
    assert {VIEW, "text/html", "text/plain"} <= found.keys()
    assert found[VIEW]["model_id"]
    assert found["text/html"].startswith("<")
    assert "<" not in found["text/plain"].replace("<b>bad", "").replace(HOSTILE, "")


def test_status_and_graph_are_live(session):
    session.run("live_s = %mlops status")
    session.run("live_g = %mlops graph")
    assert session.run("print(live_s.drawn.count('never'))")[0] == "4\n"
    for cell, text in CELLS.items():
        assert session.run(text, cell)[2] == ""
    for verb, name in (("status", "live_s"), ("graph", "live_g")):
        fresh = shown(session, f"%mlops {verb}")
        old = session.run(f"import json; print(json.dumps([{name}.drawn, {name}.text]))")[0]
        assert json.loads(old) == [fresh["text/html"], fresh["text/plain"]]
        assert fresh["text/html"].count("finished") >= 4
    session.run(PARAMETERS.replace("2", "5"), "cell-3")
    status = json.loads(session.run("print(json.dumps(live_s.drawn))")[0])
    assert [w.partition(" [")[0] for w in cells(status)[2]] == [
        "train",
        "stale",
        "`depth` was set again since In",
    ]
    assert session.run("print('▲' in live_g.drawn and 'stale' in live_g.drawn)")[0] == "True\n"


def test_a_view_that_its_cell_shows_again_takes_the_place_of_the_one_before(session):
    session.run("first = %mlops status", "shows")
    session.run("second = %mlops status", "shows")
    assert session.run("print(first.comm is None, second.comm is None)")[0] == "True False\n"


def test_the_newest_views_are_live(session):
    session.run("views = []")
    for _ in range(22):
        session.run("w = %mlops status\nviews.append(w)")
    session.run("1")
    said = session.run("print([bool(v.said.value) for v in views].count(True))")[0]
    assert said == "2\n"


def test_a_view_says_why_it_cannot_follow_and_follows_again(session, terminal):
    session.run("w = %mlops status")
    small(terminal.folder / "small.ipynb", train="%mlops step two words\nx = 1")
    session.run("1")
    assert "is no name for a step" in session.run("print(w.said.value)")[0]
    small(terminal.folder / "small.ipynb")
    session.run("1")
    assert session.run("print(repr(w.said.value), w.drawn.count('<tr>'))")[0] == "'' 5\n"


def test_a_selected_step_is_described_and_a_wrong_name_is_refused(session):
    session.run("g = %mlops graph\nseen = []\ng.observe(lambda c: seen.append(c.new), 'selected')")
    session.run("g.selected = 'train'")
    session.run("g.choice.value = 'split'")
    assert session.run("print(seen, g.choice.value)")[0] == "['train', 'split'] split\n"
    assert session.run("print('share' in g.drawn.split('</svg>')[1])")[0] == "True\n"
    _, _, error = session.run("g.selected = 'trian'")
    assert error.splitlines() == [
        "error: 'trian' cannot be selected",
        "  fix: choose of: load, split, train, judge",
    ]
    assert session.run("print(g.selected)")[0] == "split\n"


def test_restore_restores_in_the_kernel(session):
    session.run("r = %mlops status\nr.children[1].children[0].click()")
    said = session.run("print(r.said.value)")[0]
    assert {row[0] for row in cells(said)} == {"load", "split", "train", "judge"}
    assert "s saved" in said


def test_a_click_restores_a_new_kernel_as_the_magic_does(terminal, monkeypatch):
    for name, value in terminal.environment().items():
        monkeypatch.setenv(name, value)
    slow = f"{TRAIN}\nimport time\ntime.sleep(0.6)"
    path = small(terminal.folder / "slow.ipynb", train=slow)
    assert terminal.type("run", path.name).status == 0
    made = Session(path)
    try:
        made.run("%load_ext mlops_nb")
        front = FrontEnd(made)
        front.start("view = %mlops status\nview")
        front.finish()
        front.click(front.button("Restore"))
        front.until(lambda: "s saved" in front.texts())
        front.until(lambda: front.texts().count(">reused<") == 4)  # the view is live
        front.start("print(model['depth'], len(test), view.drawn.count('>reused<'))")
        front.finish()
        assert front.printed == "2 60 4\n"
        again = {row[1] for row in cells(shown(made, "%mlops status")["text/html"])}
        assert again == {"reused"}
    finally:
        made.close()


def test_the_rows_of_runs_are_those_of_the_command_line(session, terminal):
    found = shown(session, "%mlops runs")
    answer = terminal.type("runs").json["runs"][::-1]
    rows = cells(found["text/html"])
    assert [row[:3] for row in rows] == [[r["run"], r["notebook"], r["status"]] for r in answer]
    assert [row[6] for row in rows] == [r["error"] or "" for r in answer]
    assert all(r["run"] in found["text/plain"] for r in answer)
    session.run("import json\nw = %mlops runs")
    assert json.loads(session.run("print(json.dumps(w.value))")[0]) == answer


def test_a_filter_chooses_runs_and_refresh_finds_new_ones(session, terminal):
    session.run("w = %mlops runs\nseen = []\nw.observe(lambda c: seen.append(c.new), 'value')")
    session.run("w.filter.value = 'FINISHED depth=3'")
    values = session.run("print([r['parameters']['depth'] for r in seen[-1]], len(seen))")[0]
    assert values == "[3] 1\n"
    assert session.run("print(w.drawn.count('data') + w.drawn.count('depth=3'))")[0] == "1\n"
    assert terminal.type("run", "small.ipynb", "-p", "depth", "3").status == 0
    session.run("w.children[1].children[0].click()")
    assert session.run("print(len(w.value), len(seen))")[0] == "2 2\n"


def test_hostile_texts_are_never_markup(session):
    found = shown(session, "%mlops runs")["text/html"]
    assert HOSTILE in unescape(found)
    assert "<script" not in found
    assert "<b>bad" not in found
    one = json.loads(session.run("print(json.dumps(w.value[0]))")[0])
    assert one["status"] == "finished"
    session.run("from mlops_nb.jupyter.widgets import base\nview = base.MlopsView()")
    session.run(f"view.say({HOSTILE!r})")
    assert "<script" not in session.run("print(view.said.value)")[0]


def test_a_diff_has_the_changes_of_the_command_line_both_ways_round(session, terminal):
    runs = {r["parameters"]["depth"]: r["run"] for r in terminal.type("runs").json["runs"][:3]}
    answer = terminal.type("diff", runs[1], runs[2]).json
    found = shown(session, f"d = %mlops diff {runs[1]} {runs[2]}\nd")
    rows = [row for row in cells(found["text/html"]) if len(row) == 4]
    known = [*answer["parameters"], *answer["metrics"], *answer["packages"]]
    assert [row[0] for row in rows] == [change["name"] for change in known]
    assert rows[0][1:3] == ["1", "2"]
    assert found["text/plain"].startswith(f"{runs[1]} → {runs[2]}\nparameters\n  depth: 1 → 2")
    session.run("d.children[1].children[1].click()")
    assert "depth: 2 → 1" in session.run("print(d.text)")[0]
    assert "there is no run 'nope'" in session.run(f"%mlops diff {runs[1]} nope")[2]


def test_a_lineage_has_the_nodes_of_the_command_line(session, terminal):
    run = terminal.type("runs").json["runs"][0]["run"]
    answer = terminal.type("lineage", "model", "--run", run).json
    found = shown(session, f"%mlops lineage model --run {run}")
    drawn = found["text/html"]
    assert drawn.count("<rect") == len(answer["nodes"])
    assert drawn.count("<polygon") == len(answer["edges"])
    assert len(found["text/plain"].splitlines()) == len(answer["nodes"])


def test_a_page_without_widgets_has_the_drawings(session, terminal, tmp_path, monkeypatch):
    monkeypatch.setenv("JPY_SESSION_NAME", str(terminal.folder / "small.ipynb"))
    lines = ["%load_ext mlops_nb", "%mlops graph", "%mlops status", "%mlops runs"]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(line) for line in lines])
    client = NotebookClient(
        book, store_widget_state=False, resources={"metadata": {"path": str(terminal.folder)}}
    )
    client.execute()
    nbformat.validate(book)
    assert "widgets" not in book.metadata
    page, _ = HTMLExporter().from_notebook_node(book)
    assert 'data-step="train"' in page
    assert "<polygon" in page
    assert [row[1] for row in cells(page) if len(row) == 3] == ["never"] * 4
    assert HOSTILE in unescape(page)
    assert "<script>alert" not in page
    assert VIEW not in page
