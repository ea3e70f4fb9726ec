"""What a job must carry, and what it leaves out with the reason."""

import pytest

from mlops_nb.notebook import cells
from mlops_nb.notebook.pipeline import pipeline
from mlops_nb.notebook.slicing import (
    cut,
    downstream,
    evaluation_of,
    held_names,
    last_writers,
    shares_step,
)


def told(*sources):
    found = [{"cell_type": "code", "source": s, "metadata": {}} for s in sources]
    return pipeline(cells.read({"cells": found, "nbformat": 4}, "a.ipynb"))


def kept(*sources, variable="model", wanted=("auc",)):
    return cut(told(*sources), variable=variable, wanted=wanted).kept


SMALL = (
    "%mlops step load\nraw = read()",  # 0
    "%mlops step split\ntrain, test = halves(raw)",  # 1
    "%mlops step train\nmodel = fit(train)",  # 2
    "%mlops step evaluate\nauc = score(model, test)",  # 3
)


def test_all_that_the_model_and_its_metrics_need_is_kept():
    found = cut(told(*SMALL), variable="model", wanted=("auc",))
    assert found.kept == (0, 1, 2, 3)
    assert found.left_out == ()
    assert found.model_step == "train"
    assert found.after == ("evaluate",)


def test_what_a_later_step_makes_of_the_model_is_kept_unasked():
    assert kept(*SMALL, wanted=()) == (0, 1, 2, 3)


def test_each_of_several_models_has_the_last_evaluation_of_its_answers():
    both = told(
        "x = read()",
        "a = fit(x)",
        "b = fit(x)",
        "p, s = a.ask(x), a.score(x)\n%mlops evaluate --truth y --pred p",
        "%mlops evaluate --truth y --score s",
        "q = b.ask(x)\n%mlops evaluate --truth y --pred q --by z",
        "r = other(x)\n%mlops evaluate --truth y --pred r",
    )
    assert evaluation_of(both, "a") == {"truth": "y", "score": "s"}
    assert evaluation_of(both, "b") == {"truth": "y", "pred": "q", "by": "z"}
    for variable in ("x", None, "c"):
        assert evaluation_of(both, variable) == {"truth": "y", "pred": "r"}
    assert evaluation_of(told("x = 1"), "x") == {}


def test_plots_and_what_nothing_needs_are_left_out_with_the_reason():
    found = cut(
        told(*SMALL, "raw.plot()", "%mlops step extra\nother = count(raw)", "N = 3"),
        variable="model",
        wanted=("auc",),
    )
    assert found.kept == (0, 1, 2, 3)
    assert dict(found.left_out) == {
        4: "only shows something",
        5: "the model, metrics and evaluation do not need other",
        6: "sets up what nothing kept uses",
    }


def test_set_up_that_is_used_travels_and_other_set_up_stays():
    assert kept("import a", "import b", "model = a.fit()", "auc = a.score(model)") == (0, 2, 3)


@pytest.mark.parametrize(
    "channel",
    [
        "import numpy as np\nnp.random.seed(1)",
        "import os\nos.environ['OMP'] = '1'",
        "%cd data",
        "import warnings\nwarnings.simplefilter('ignore')",
        "import os\nos.chdir('x')",
        "import pandas as pd\npd.set_option('a', 1)",
        "import cfg\ncfg.v = 2",
    ],
)
def test_what_changes_a_hidden_channel_before_the_goal_is_kept(channel):
    assert kept("x = 1", channel, "model = fit()", "auc = score(model)") == (1, 2, 3)


def test_a_hidden_channel_after_the_goal_is_left():
    assert kept("model = fit()", "auc = score(model)", "import numpy as np\nnp.random.seed(1)") == (
        0,
        1,
    )


def test_written_files_and_what_they_need_are_kept():
    found = kept(*SMALL, "%mlops step report\nt = table(raw)", "t.to_csv('t.csv')", "t.head()")
    assert found == (0, 1, 2, 3, 4, 5)


def test_a_change_in_place_is_kept_with_the_name_it_changes():
    assert kept("df = read()", "df['c'] = 0", "df.head()", "model = fit(df)", wanted=()) == (
        0,
        1,
        3,
    )


def test_a_fit_in_place_belongs_to_the_model():
    found = cut(
        told("%mlops step a\nmodel = Tree()", "%mlops step b\nmodel.fit(X)", "auc = s(model)"),
        variable="model",
        wanted=("auc",),
    )
    assert found.model_step == "b"
    assert found.kept == (0, 1, 2)


def test_a_fit_under_time_is_no_display():
    assert kept("%time model = fit()", "auc = score(model)") == (0, 1)


def test_with_no_goal_every_step_is_kept():
    assert kept("a = f()", "b = g()", "b.head()", variable=None, wanted=()) == (0, 1)


def test_without_a_model_the_wanted_names_decide():
    assert kept("a = f()", "b = g()", "auc = h(b)", variable=None) == (1, 2)


def test_a_wanted_name_that_nobody_makes_brings_nothing():
    assert last_writers(told("x = f()"), "y") == ()
    assert last_writers(told("x = f()", "x = g()", "x.append(1)", "y = x"), "x") == (2,)


def test_downstream_goes_at_any_remove_and_leaves_the_start_out():
    assert downstream(told("a = f()", "b = g(a)", "c = h(b)", "d = f()"), {0}) == {1, 2}


def test_names_that_the_judging_steps_read_from_before_are_held_but_not_the_model():
    found = told(*SMALL)
    assert held_names(found, cut(found, variable="model", wanted=("auc",)), "model") == ("test",)


def test_a_name_that_a_judging_step_changes_is_held_as_it_was():
    found = told(*SMALL[:3], "%mlops step evaluate\ntest = tidy(test)\nauc = score(model, test)")
    assert held_names(found, cut(found, variable="model", wanted=("auc",)), "model") == ("test",)


def test_training_and_judging_in_one_step_are_told():
    assert shares_step(told(*SMALL), "model") == ""
    together = ("%mlops step train\nmodel = fit()", "auc = score(model)")
    assert shares_step(told(*together), "model") == "train"
    assert shares_step(told(*together[:1], "model.show(model)", "print(model)"), "model") == ""
