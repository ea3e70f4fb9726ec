"""The magics, in a real kernel."""

import pytest
from live import Session
from wine import wine


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    folder = tmp_path_factory.mktemp("magic")
    (folder / ".git").mkdir()
    session = Session(wine(folder / "wine.ipynb"))
    session.run("%load_ext mlops_nb")
    yield session
    session.close()


def test_a_step_line_marks_and_the_cell_runs_as_it_would_without(session):
    assert session.run("%mlops step load\nx = 1\nprint(x)") == ("1\n", {}, "")


def test_the_cell_form_is_the_line_form_and_shows_failures_as_failures(session):
    assert session.run("%%mlops step load\ny = 2\nprint(y)") == ("2\n", {}, "")
    assert "ZeroDivisionError" in session.run("%%mlops step load\n1 / 0")[2]


def test_a_mark_that_cannot_be_read_is_one_error_with_its_fix(session):
    printed, _, error = session.run("%mlops step two words")
    assert printed == ""
    assert error.splitlines() == [
        "error: 'two words' is no name for a step (cell 0)",
        "  fix: name it with letters, digits, _ and -, such as `%mlops step train`",
    ]


def test_declarations_run_and_change_nothing(session):
    for line in ("metric auc accuracy", "model clf --name wine", "evaluate --truth y --pred p"):
        assert session.run(f"%mlops {line}") == ("", {}, "")


def test_graph_draws_the_saved_notebooks_pipeline(session):
    _, shown, error = session.run("%mlops graph")
    assert error == ""
    assert "<svg" in shown["image/svg+xml"]
    for step in ("load", "split", "train", "judge"):
        assert f'data-step="{step}"' in shown["image/svg+xml"]


def test_mlops_alone_shows_the_steps_and_the_next_command(session):
    _, shown, _ = session.run("%mlops")
    assert "load, split, train, judge" in shown["text/html"]
    assert "%mlops check" in shown["text/html"]


def test_a_verb_of_the_command_line_answers_in_the_notebook(session):
    assert "nothing would stop a promotion" in session.run("%mlops check")[0]
    assert "no jobs yet" in session.run("%mlops jobs")[0]
    assert "no such command 'frobnicate'" in session.run("%mlops frobnicate")[0]


def test_a_front_end_without_the_path_is_an_error_with_its_fix(session):
    session.run("import os; path = os.environ.pop('JPY_SESSION_NAME')")
    error = session.run("%mlops graph")[2]
    assert "the notebook's path is not known here" in error
    assert "fix: save the notebook" in error
    session.run("os.environ['JPY_SESSION_NAME'] = path")
