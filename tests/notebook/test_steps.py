"""Which step a cell belongs to: by marks, by headings, or by what it makes."""

import pytest

from mlops_nb.notebook import cells
from mlops_nb.notebook.static_names import names
from mlops_nb.notebook.steps import place, read_marks, slug


def notebook(*parts):
    """Return a notebook: a part that begins with # is Markdown, (source, tag…) is tagged code."""
    found = []
    for part in parts:
        source, *tags = (part,) if isinstance(part, str) else part
        kind = "markdown" if source.startswith("#") and not source.startswith("# mlops") else "code"
        found.append({"cell_type": kind, "source": source, "metadata": {"tags": tags}})
    return cells.read({"cells": found, "nbformat": 4}, "a.ipynb")


def steps(*parts):
    read = notebook(*parts)
    seen = [names(cell.source) for cell in read.cells]
    return [(p.kind, p.step) for p in place(read, seen, read_marks(read))]


def test_unmarked_work_joins_the_step_before_it():
    found = steps("import os", "%mlops step a\nx = f()", "y = g(x)", "y", "%mlops step b\nz = h()")
    assert found == [
        ("setup", None),
        ("step", "a"),
        ("step", "a"),
        ("scratch", None),
        ("step", "b"),
    ]


def test_several_cells_may_share_a_marked_step_even_apart():
    found = steps(
        "# mlops: step a\nx = f()", "# mlops: step b\ny = f()", "# mlops: step a\nz = f()"
    )
    assert [step for _, step in found] == ["a", "b", "a"]


def test_a_mark_makes_even_a_constant_a_step():
    assert steps("%mlops step a\nN = 1", ("M = 2", "step:b")) == [("step", "a"), ("step", "b")]


def test_work_above_the_first_mark_is_named_by_what_it_makes():
    assert steps("df = f()", "%mlops step a\nx = g(df)")[0] == ("step", "df")
    assert steps("f().go()", "%mlops step a\nx = g()")[0][0] == "scratch"


def test_headings_of_level_2_make_the_steps():
    assert steps(
        "# T", "a = f()", "## Load it", "b = f()", "### deeper", "c = f()", "## Train", "d = f()"
    ) == [("step", "a"), ("step", "load-it"), ("step", "load-it"), ("step", "train")]


def test_without_level_2_it_is_the_deepest_level_with_code_under_each():
    assert steps("### A", "a = f()", "### B", "b = f()", "c = f()") == [
        ("step", "a"),
        ("step", "b"),
        ("step", "b"),
    ]
    assert steps("# T", "### A", "a = f()", "#### empty", "### C", "c = f()", "x = f()") == [
        ("step", "a"),
        ("step", "c"),
        ("step", "c"),
    ]


def test_headings_of_level_1_make_steps_where_there_are_several():
    assert steps("# A", "a = f()", "# B", "b = f()") == [("step", "a"), ("step", "b")]
    assert steps("# Only a title", "a = f()", "b = f()") == [("step", "a"), ("step", "b")]


def test_headings_that_say_the_same_are_two_steps():
    assert steps("## Train", "a = f()", "## Train", "b = f()") == [
        ("step", "train"),
        ("step", "train-2"),
    ]


def test_a_heading_without_ascii_is_numbered_and_keeps_its_text():
    read = notebook("## 데이터 적재", "a = f()", "## Größe 2", "b = f()", "## 학습", "c = f()")
    seen = [names(cell.source) for cell in read.cells]
    assert [(p.step, p.title) for p in place(read, seen, read_marks(read))] == [
        ("step-1", "데이터 적재"),
        ("groe-2", "Größe 2"),
        ("step-3", "학습"),
    ]


def test_without_marks_and_headings_each_cell_is_named_by_what_it_makes():
    found = steps("import os", "df = f()", "df = g(df)", "x.append(1)", "df", "h(df).to_csv(p)")
    assert found == [
        ("setup", None),
        ("step", "df"),
        ("step", "df-2"),
        ("step", "x"),
        ("scratch", None),
        ("step", "step-4"),
    ]


def test_the_first_tagged_cell_holds_the_parameters_and_a_second_one_only_sets_up():
    found = steps(("a = 1", "parameters"), ("b = 2", "parameters"), "c = f(a, b)")
    assert [kind for kind, _ in found] == ["parameters", "setup", "step"]


@pytest.mark.parametrize("source", ["", "  \n", "# only\n# comments", "\n# c\n\n"])
def test_a_cell_without_code_is_empty(source):
    read = cells.read({"cells": [{"cell_type": "code", "source": source, "metadata": {}}]}, "a")
    assert place(read, [names(source)], [()])[0].kind == "empty"


def test_a_cell_that_is_no_python_is_a_step_so_that_it_is_not_passed_over():
    assert steps("x = (")[0][0] == "step"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Load", "load"),
        ("2. Train the *model*", "train-the-model"),
        ("1.2.3 Deep", "deep"),
        ("3) Third", "third"),
        ("적재", ""),
        ("Évaluer", "evaluer"),
        ("a_b", "a-b"),
        ("---", ""),
    ],
)
def test_a_heading_becomes_an_ascii_name(text, name):
    assert slug(text) == name
