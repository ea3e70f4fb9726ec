"""A live notebook knows which steps are stale, and restores the others after a restart."""

import json
import re

import nbformat
import pytest
from live import Session
from typing_in import Terminal
from wine import IMPORTS, JUDGE, LOAD, SPLIT, TRAIN, wine

PARAMETERS = "depth = 2\nshare = 0.3\nseed = 7"
SLOW = TRAIN + "\nimport time\ntime.sleep(0.8)"


@pytest.fixture
def notebook(tmp_path):
    (tmp_path / ".git").mkdir()
    return wine(tmp_path / "wine.ipynb", train=SLOW)


@pytest.fixture
def kernels():
    open_ones = []

    def start(notebook):
        open_ones.append(Session(notebook))
        printed, _, error = open_ones[-1].run("%load_ext mlops_nb")
        assert (printed, error) == ("", "")
        return open_ones[-1]

    yield start
    for one in open_ones:
        one.close()


def rows(session, line):
    """Return the rows of a table that a magic shows: first word → the others."""
    _, shown, error = session.run(line)
    assert error == ""
    found = re.findall(r"<tr>(.*?)</tr>", shown["text/html"])
    cells = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in found]
    return {row[0]: row[1:] for row in cells if row}


def run_all(session):
    ids = ("cell-2", "cell-3", "cell-4", "cell-6", "cell-7", "cell-8")
    for cell, cell_id in zip((IMPORTS, PARAMETERS, LOAD, SPLIT, SLOW, JUDGE), ids, strict=True):
        assert session.run(cell, cell_id)[2] == ""


def test_status_follows_what_is_run_edited_and_assigned_again(notebook, kernels):
    live = kernels(notebook)
    assert {state for state, _ in rows(live, "%mlops status").values()} == {"never"}
    run_all(live)
    assert {state for state, _ in rows(live, "%mlops status").values()} == {"finished"}
    edited = PARAMETERS.replace("2", "5")
    live.run(edited, "cell-3")
    wine(notebook, parameters=edited, train=SLOW)
    status = rows(live, "%mlops status")
    assert status["train"] == ["stale", "`depth` was set again since In [7] read it"]
    assert status["judge"] == ["stale", "`train` is not up to date"]
    assert status["split"][0] == "finished"
    wine(notebook, parameters=edited, train=SLOW, judge=JUDGE + " * 1")
    assert rows(live, "%mlops status")["judge"] == ["stale", "In [8] was edited since it ran"]


def test_check_names_cells_that_are_gone_and_cells_out_of_order(notebook, kernels):
    live = kernels(notebook)
    run_all(live)
    live.run("ghost = 3")
    wine(notebook, train=SLOW, judge="%mlops step judge\naccuracy = ghost")
    live.run("%mlops step judge\naccuracy = ghost", "cell-8")
    printed = live.run("%mlops check")[0]
    assert "In [9] reads `ghost`, whose cell is no longer there" in printed
    assert "fix: put a cell that makes `ghost` above In [9]" in printed


def test_restore_loads_results_and_says_how_much_time_it_saved(notebook, kernels):
    first = kernels(notebook)
    run_all(first)
    expected = first.run("print(accuracy, model.get_depth(), X_test.shape)")[0]
    first.close = lambda: None  # the fixture closes the second one; this one is killed
    first.manager.shutdown_kernel(now=True)
    first.client.stop_channels()
    second = kernels(notebook)
    _, shown, error = second.run("%mlops restore")
    assert error == ""
    assert "must run" not in shown["text/html"]
    saved = float(re.search(r"([\d.]+) s saved", shown["text/html"])[1])
    assert saved >= 0.8
    assert second.run("print(accuracy, model.get_depth(), X_test.shape)") == (expected, {}, "")
    assert {state for state, _ in rows(second, "%mlops status").values()} == {"reused"}


def test_a_step_whose_code_was_changed_is_not_restored(notebook, kernels):
    first = kernels(notebook)
    run_all(first)
    first.run("1")  # what is stored in the background is done before the next cell starts
    document = nbformat.read(notebook, 4)
    document.cells[-2].source = SLOW.replace("max_depth=depth", "max_depth=depth + 1")
    nbformat.write(document, notebook)
    second = kernels(notebook)
    restored = rows(second, "%mlops restore")
    assert restored["train"] == ["must run", "`train` must run: its code changed"]
    assert restored["split"][0] == "restored"
    assert "NameError" in second.run("model")[2]
    assert json.dumps(restored)


def test_the_results_of_a_recorded_run_are_restored(notebook, kernels):
    done = Terminal(notebook.parent).type("run", notebook.name, "-p", "depth", "5")
    assert done.status == 0
    wine(notebook, train="%mlops step train\nmodel = None")  # whatever it has become since
    live = kernels(notebook)
    restored = rows(live, f"%mlops restore --run {done.json['run']}")
    assert {row[0] for row in restored.values()} == {"restored"}
    assert live.run("print(model.max_depth, depth, round(accuracy, 3) > 0.5)")[0] == "5 5 True\n"
    assert "there is no run 'nope'" in live.run("%mlops restore --run nope")[2]


VERBS = ("%mlops graph", "%mlops restore", "%mlops status")


def test_verbs_in_a_notebook_run_once_each_and_never_the_notebook(tmp_path, kernels):
    (tmp_path / ".git").mkdir()
    cells = [*VERBS, "# mlops: step a\nx = 1", "%mlops restore\ny = x + 1\nprint('y is', y)"]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    nbformat.write(book, tmp_path / "n.ipynb")
    session = kernels(tmp_path / "n.ipynb")
    for cell, made in zip(cells, book.cells, strict=True):
        printed, _, error = session.run(cell, made.id)
        assert (printed.count("y is"), error) == (int("y is" in cell), "")


def test_verbs_say_in_a_run_that_they_do_nothing_and_are_no_part_of_it(tmp_path):
    (tmp_path / ".git").mkdir()
    cells = ["%load_ext mlops_nb", *VERBS, "# mlops: step a\nx = 1"]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    nbformat.write(book, tmp_path / "n.ipynb")
    shown = []
    for _ in range(2):  # the second reuses all of it
        assert Terminal(tmp_path).type("run", "n.ipynb", "-o", "out.ipynb").status == 0
        out = nbformat.read(tmp_path / "out.ipynb", 4)
        shown.append([c.outputs[0].text for c in out.cells if c.source in VERBS])
    assert shown[0] == shown[1]
    assert all(text.count("nothing is done, as this is a run") == 1 for text in shown[0])
    assert "magic" not in Terminal(tmp_path).type("why", "n.ipynb", "a").stdout


def test_check_knows_the_cells_of_a_notebook_that_was_saved_without_their_ids(tmp_path, kernels):
    (tmp_path / ".git").mkdir()
    cells = ["CFG = {}", "# mlops: step a\nx = [1]", "# mlops: step b\ny = [*x, *CFG]"]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    for cell in book.cells:
        del cell["id"]
    book["nbformat_minor"] = 4
    (tmp_path / "n.ipynb").write_text(json.dumps(book))
    run = Terminal(tmp_path).type("run", "n.ipynb").json["run"]
    session = kernels(tmp_path / "n.ipynb")
    session.run(f"%mlops restore --run {run}")
    session.run("%mlops restore")
    session.run(cells[2])
    assert "no longer there" not in session.run("%mlops check")[0]


def test_cells_log_where_a_run_of_the_notebook_logs_and_find_it(notebook, kernels, monkeypatch):
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    log = "with mlflow.start_run():\n    mlflow.log_text('x', 'a.txt')"
    find = "print(len(mlflow.search_runs()))"
    wine(notebook, imports="import mlflow\n" + IMPORTS, judge=f"{JUDGE}\n{log}\n{find}")
    live = kernels(notebook)
    live.run("import mlflow")
    _, _, error = live.run(f"{log}\n{find}")
    assert error == ""
    answer = Terminal(notebook.parent).type("run", "wine.ipynb", MLOPS_NB_MIRROR="wait")
    assert answer.status == 0, answer.stderr
    # the live run, the run of the cells, and the copy of the whole run
    assert live.run(find)[0].strip() == "3"
    files = {p.name for p in notebook.parent.iterdir()}
    assert not {"mlflow.db", "mlruns"} & files
    assert len(list((notebook.parent / ".mlops" / "mlartifacts").rglob("a.txt"))) == 2


def test_lineage_shows_what_ran_in_this_kernel(notebook, kernels):
    live = kernels(notebook)
    run_all(live)
    _, shown, error = live.run("%mlops lineage model")
    assert error == ""
    drawn = shown["text/html"]
    assert [n for n in ("step train", "step split", "X_train", "depth = 2") if n not in drawn] == []
    unknown = live.run("%mlops lineage modle")[2]
    assert "made nothing with the name 'modle'" in unknown


def test_a_notebook_that_was_renamed_is_found_by_its_cells(notebook, kernels):
    live = kernels(notebook)
    run_all(live)
    moved = notebook.parent / "later" / "cellar.ipynb"
    moved.parent.mkdir()
    notebook.rename(moved)
    wine(notebook.parent / "other.ipynb")
    book = nbformat.read(notebook.parent / "other.ipynb", 4)
    for cell in book.cells:
        cell["id"] = f"other-{cell['id']}"
    nbformat.write(book, notebook.parent / "other.ipynb")
    assert {state for state, _ in rows(live, "%mlops status").values()} == {"finished"}
    moved.unlink()
    assert f"the notebook is no longer at {str(notebook)!r}" in live.run("%mlops status")[2]
