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
        "error: 'two words' is no name for a step (cell 1 (`%mlops step two words`))",
        "  fix: name it with letters, digits, _ and -, such as `%mlops step train`",
    ]


def test_declarations_change_nothing_and_say_what_they_noted(session):
    noted = {
        "metric auc": "noted: the metrics are `auc`, and no other number is one\n",
        "metric cost --from cost_of": "noted: the metric `cost` is what cost_of() computes at the "
        "evaluation\n",
        "model clf --name wine": "noted: `clf` is the model; promotion registers it as 'wine'\n",
        "evaluate --truth y --pred p": "noted: the model is evaluated by truth y, pred p\n",
    }
    for line, text in noted.items():
        assert session.run(f"%mlops {line}") == (text, {}, "")


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


def test_a_verb_that_there_is_not_gets_a_suggestion(session):
    assert "did you mean `%mlops promote`?" in session.run("%mlops promot")[2]
    assert "fix: type %mlops? for the verbs" in session.run("%mlops frobnicate")[2]


def test_tab_offers_verbs_and_the_steps_of_the_notebook(session):
    ask = "print(get_ipython().Completer.complete(line_buffer={0!r}, cursor_pos=len({0!r}))[1])"
    assert "'promote'" in session.run(ask.format("%mlops pro"))[0]
    assert "'train'" in session.run(ask.format("%mlops why tr"))[0]


def test_a_front_end_without_the_path_is_told_what_is_missing(session):
    session.run("import os; path = os.environ.pop('JPY_SESSION_NAME')")
    said, _, error = session.run("%mlops graph")
    assert "the notebook's path is not known here" in said
    assert "fix: save the notebook" in said
    assert error == ""
    session.run("os.environ['JPY_SESSION_NAME'] = path")
