"""A notebook seen as a pipeline: steps, what goes between them, and what is refused."""

import pytest

from mlops_nb.errors import NotebookError
from mlops_nb.notebook import cells
from mlops_nb.notebook.markers import functions_of
from mlops_nb.notebook.pipeline import pipeline


def told(*parts):
    """Return the pipeline of code cells; (source, tag…) is a tagged one."""
    found = []
    for part in parts:
        source, *tags = (part,) if isinstance(part, str) else part
        found.append({"cell_type": "code", "source": source, "metadata": {"tags": tags}})
    return pipeline(cells.read({"cells": found, "nbformat": 4}, "a.ipynb"))


def edges(found):
    return {(e.source, e.target): e.names for e in found.edges}


FLIGHTS = (
    "import pandas as pd\nfrom sklearn.linear_model import LogisticRegression",
    ("until = '2013'\ndepth = 3", "parameters"),
    "%mlops step load\nraw = pd.read_csv(until)",
    "%mlops step train\nmodel = LogisticRegression(C=depth)\nmodel.fit(raw)",
    "raw.head()",
    "%mlops step evaluate\nauc = score(model, raw)",
    "%mlops model model --name flights\n%mlops metric auc",
)


def test_steps_are_joined_by_the_names_that_go_between_them():
    assert edges(told(*FLIGHTS)) == {
        ("load", "train"): ("raw",),
        ("load", "evaluate"): ("raw",),
        ("train", "evaluate"): ("model",),
    }


def test_a_step_knows_what_it_uses_makes_and_which_parameters_it_reads():
    load, train, evaluate = told(*FLIGHTS).steps
    assert (load.uses, load.makes, load.parameters) == ((), ("raw",), ("until",))
    assert (train.uses, train.makes, train.parameters) == (("raw",), ("model",), ("depth",))
    assert (evaluate.uses, evaluate.makes) == (("model", "raw"), ("auc",))
    assert evaluate.parameters == ()


def test_set_up_is_no_edge_and_what_it_reads_goes_with_its_reader():
    found = told(
        "%mlops step a\nx = f()", "def g(): return x + n", "n = 1", "%mlops step b\ny = g()"
    )
    assert edges(found) == {("a", "b"): ("x",)}
    assert [c.kind for c in found.cells] == ["step", "setup", "setup", "step"]


def test_an_import_within_a_step_is_neither_made_nor_an_edge():
    found = told("%mlops step a\nimport math\nx = f()", "%mlops step b\ny = math.pi")
    assert found.step("a").makes == ("x",)
    assert edges(found) == {}


def test_a_function_that_was_bound_anew_reads_no_more_what_the_old_one_read():
    found = told("x = 1", "def f(): return x", "f = len", "y = f([])")
    assert found.cells[3].depends_on == (2,)


def test_a_parameter_that_a_step_binds_anew_is_a_value_of_that_step():
    found = told(("n = 1", "parameters"), "%mlops step a\nn = n + 1", "%mlops step b\nm = n * 2")
    assert found.step("a").parameters == ("n",)
    assert found.step("b").parameters == ()
    assert edges(found) == {("a", "b"): ("n",)}


def test_a_parameter_read_by_a_function_is_read_by_the_step_that_calls_it():
    found = told(("n = 1", "parameters"), "def f(): return n", "%mlops step a\nx = f()")
    assert found.step("a").parameters == ("n",)


def test_what_a_cell_changes_in_place_goes_on_from_that_cell():
    found = told(
        "%mlops step a\ndf = f()", "%mlops step b\ndf['c'] = 0", "%mlops step c\ny = g(df)"
    )
    assert edges(found) == {("a", "b"): ("df",), ("b", "c"): ("df",)}


def test_what_a_constant_put_into_a_frame_changes_is_not_lost_without_marks():
    found = told("df = f()", "df['c'] = 0", "y = g(df)")
    assert edges(found) == {("df", "df-2"): ("df",), ("df-2", "y"): ("df",)}


def test_a_function_that_binds_a_global_works_where_it_is_called():
    found = told(
        "def fit():\n    global model\n    model = f()",
        "def main(): fit()",
        "main()",
        "auc = g(model)",
    )
    assert [c.kind for c in found.cells] == ["setup", "setup", "step", "step"]
    assert found.cells[2].writes == ("model",)
    assert edges(found) == {("model", "auc"): ("model",)}


def test_seeds_and_draws_join_cells():
    found = told("import numpy as np", "np.random.seed(1)", "x = np.random.rand()")
    assert found.cells[2].depends_on == (0, 1)
    assert edges(found) == {("step-1", "x"): ("rng:numpy",)}


def test_a_file_written_and_read_joins_cells():
    found = told("%mlops step a\nf().to_csv('x.csv')", "%mlops step b\ndf = g.read_csv('x.csv')")
    assert edges(found) == {("a", "b"): ("file:x.csv",)}


def test_in_and_out_say_what_text_does_not():
    found = told("%mlops step a --out df\nexec(code)", "%mlops step b --in df\nx = f()")
    assert edges(found)["a", "b"] == ("df",)


def test_options_of_a_step_are_taken_in():
    step = told(
        "x = f()",
        "%mlops step a --retries 2 --timeout 1.5\ny = f()",
        "%mlops step b --after a,x\nz = f()",
    ).steps[1:]
    assert (step[0].retries, step[0].timeout) == (2, 1.5)
    assert step[1].after == ("a", "x")


def test_an_unknown_step_to_go_first_is_refused_with_the_known_ones():
    with pytest.raises(NotebookError) as refused:
        told("%mlops step a\nx = f()", "%mlops step b --after lode\ny = f()")
    assert "'lode'" in refused.value.what
    assert "a, b" in refused.value.fix


def test_steps_that_form_a_circle_are_refused_with_their_cells():
    with pytest.raises(NotebookError) as refused:
        told("%mlops step a\nx = f()", "%mlops step b\ny = x", "%mlops step a\nz = y")
    assert "circle" in refused.value.what
    assert "a: cell 1 (`%mlops step a`), cell 3 (`%mlops step a`)" in refused.value.where
    assert "b: cell 2 (`%mlops step b`)" in refused.value.where


def test_an_after_that_closes_a_circle_is_refused_too():
    with pytest.raises(NotebookError, match="circle"):
        told("%mlops step a --after b\nx = f()", "%mlops step b\ny = x")


def warnings(found):
    return [(w.kind, w.cell, w.stops) for w in found.warnings if w.kind != "undefined-name"]


def undefined(found):
    return [(w.cell, w.what) for w in found.warnings if w.kind == "undefined-name"]


def test_a_name_that_nobody_makes_is_told_and_stops():
    found = told("x = 1", "y = x + z")
    assert undefined(found) == [(1, "'z' is read in cell 2 (`y = x + z`) and no cell makes it")]
    assert [w.stops for w in found.warnings] == [True]


def test_a_name_that_is_made_only_below_is_told_with_the_cell_to_move():
    found = told("y = z + 1", "z = 1")
    assert "made only below it, in cell 2 (`z = 1`)" in undefined(found)[0][1]
    assert found.warnings[0].fix == "move cell 2 (`z = 1`) above cell 1 (`y = z + 1`)"


def test_a_name_that_was_deleted_is_missed():
    assert undefined(told("x = 1", "del x", "y = x"))[0][0] == 2


@pytest.mark.parametrize(
    "source",
    [
        "print(len([]))",
        "x = __name__",
        "display(1)",
        "try:\n    import q\nexcept ImportError:\n    pass",
        "for i in range(3):\n    t = i\nprint(t)",
        "x = [a for a in range(3)]",
        "def f(): return g()",
        "class A:\n    b = 1\n    c = b",
        "!echo $HOME",
        "x: 'Later' = 1",
        "q = _",
    ],
)
def test_what_python_and_ipython_bring_is_not_missed(source):
    assert undefined(told(source)) == []


def test_after_a_star_import_no_name_is_called_missing():
    found = told("from math import *", "y = sqrt(2)")
    assert undefined(found) == []
    assert ("star-import", 0, False) in warnings(found)


def test_a_cell_that_is_no_python_stops_a_promotion():
    found = told("x = (", "y = z")
    assert ("syntax", 0, True) in warnings(found)
    assert undefined(found) == []


def test_a_notebook_without_work_says_how_to_begin():
    assert warnings(told("import os")) == [("no-steps", None, True)]
    assert told().steps == ()


def test_models_metrics_and_evaluations_are_declared_by_marks():
    found = told(
        *FLIGHTS, "%mlops model other\n%mlops evaluate --truth y --by a,b\n%mlops metric f1,x"
    )
    assert found.model == {"model": "flights", "other": "other"}
    assert found.metrics == ("auc", "f1", "x")
    assert found.evaluations == ({"truth": "y", "by": "a,b"},)


def test_a_metric_of_a_function_belongs_to_the_evaluation():
    function = "def cost_of(truth, pred, score, rows):\n    return 1.0"
    marks = "%mlops metric cost --from cost_of\n%mlops metric gain --from gain_of"
    found = told(*FLIGHTS, function, f"%mlops evaluate --truth y --pred p\n{marks}")
    assert found.metrics == ("auc",)
    names = {"computed": "cost,gain", "from": "cost_of,gain_of"}
    assert found.evaluations == ({"truth": "y", "pred": "p", **names},)
    assert functions_of(found.evaluations[0]) == {"cost": "cost_of", "gain": "gain_of"}
    alone = told(function, "%mlops metric cost --from cost_of\nx = f()")
    assert ("not-evaluated", 1, True) in warnings(alone)


def test_metrics_logged_to_mlflow_are_known():
    assert told("import mlflow", "mlflow.log_metric('auc', f())").logged == ("auc",)


def test_a_cell_that_was_seen_to_run_needs_no_run():
    raw = {"cell_type": "code", "source": "exec(code)", "metadata": {}}
    notebook = cells.read({"cells": [raw, raw], "nbformat": 4}, "a.ipynb")
    ran = dict.fromkeys(
        (
            "reads",
            "writes",
            "changes",
            "deletes",
            "channels_read",
            "assumed",
            "channels_changed",
            "files_read",
            "files_written",
        ),
        (),
    )
    found = pipeline(notebook, {0: ran, 1: {"lost": "why", **ran}})
    assert [w.cell for w in found.warnings if w.kind == "needs-a-run"] == [1]
    assert [w.cell for w in pipeline(notebook).warnings if w.kind == "needs-a-run"] == [0, 1]
