"""Notebooks are read whatever nbformat they are in; broken ones are refused with a mend."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_nb.errors import NotebookError
from mlops_nb.notebook import cells


def code(source, **more):
    return {"cell_type": "code", "source": source, "metadata": more}


def text(source):
    return {"cell_type": "markdown", "source": source, "metadata": {}}


def notebook(*found, **metadata):
    return cells.read({"cells": list(found), "metadata": metadata, "nbformat": 4}, "a.ipynb")


OLD = {
    "nbformat": 3,
    "nbformat_minor": 0,
    "metadata": {"name": ""},
    "worksheets": [
        {
            "metadata": {},
            "cells": [
                {"cell_type": "heading", "level": 2, "source": ["Load"], "metadata": {}},
                {
                    "cell_type": "code",
                    "input": ["x = 1\n", "y = 2"],
                    "language": "python",
                    "outputs": [],
                    "collapsed": False,
                    "metadata": {},
                },
            ],
        }
    ],
}


def test_a_notebook_of_nbformat_3_is_brought_to_4():
    first = cells.read(cells.load(json.dumps(OLD), "a"), "a")
    assert [c.source for c in first.cells] == ["x = 1\ny = 2"]
    assert first.cells[0].headings == ((2, "Load", 1),)
    assert cells.read(cells.load(json.dumps(OLD), "a"), "a") == first


def test_a_source_may_be_a_list_of_lines():
    assert notebook(code(["a = 1\n", "b = 2"])).cells[0].source == "a = 1\nb = 2"


def test_injected_cells_shift_neither_index_nor_position():
    plain = notebook(text("# A"), code("a = 1", tags=["parameters"]), code("b = a"))
    papermilled = notebook(
        code("# error", tags=["papermill-error-cell-tag"]),
        text("# A"),
        code("a = 1", tags=["parameters"]),
        code("a = 9", tags=["injected-parameters"]),
        code("b = a"),
    )
    assert papermilled == plain
    assert [(c.index, c.position) for c in plain.cells] == [(0, 1), (1, 2)]


def test_a_cell_without_an_id_is_known_by_its_position():
    found = notebook(text("x"), code("a"), {**code("b"), "id": "own"})
    assert [c.id for c in found.cells] == ["cell-1", "own"]


def test_raw_cells_count_as_positions_and_hold_no_code():
    found = notebook({"cell_type": "raw", "source": "x = 1", "metadata": {}}, code("a"))
    assert [(c.position, c.source) for c in found.cells] == [(1, "a")]


def test_headings_close_deeper_ones_and_are_told_apart_by_their_place():
    found = notebook(text("# T\n## A\n### B"), code("1"), text("## A"), code("2"))
    assert found.cells[0].headings == ((1, "T", 1), (2, "A", 2), (3, "B", 3))
    assert found.cells[1].headings == ((1, "T", 1), (2, "A", 4))


@pytest.mark.parametrize(
    "markdown",
    [
        "```\n# no\n```\n## Yes",
        "~~~\n# no\n```\n# no\n~~~\n## Yes",
        "````\n```\n# no\n```\n````\n## Yes",
        "```python\n# no\n``` x\n# no\n```\n## Yes ##",
        "#no\n####### no\n## Yes",
    ],
)
def test_what_is_fenced_or_no_heading_is_none(markdown):
    assert cells.headings_of(markdown) == [(2, "Yes")]


@pytest.mark.parametrize(
    "broken",
    [
        "",
        "x = 1",
        "[]",
        "{}",
        "null",
        '{"nbformat": 4}',
        '{"nbformat": "4", "cells": []}',
        '{"nbformat": 4, "cells": {}}',
        '{"nbformat": 4, "cells": [1]}',
        '{"nbformat": 4, "cells": [{"cell_type": "code", "source": 1}]}',
        '{"nbformat": 4, "cells": [{"cell_type": "code", "source": [1]}]}',
        '{"nbformat": 4, "cells": [{"source": "x"}]}',
        '{"nbformat": 3}',
        '{"nbformat": 2, "cells": []}',
        '{"nbformat": 99, "cells": []}',
        "[" * 100_000,
    ],
)
def test_what_is_no_notebook_is_refused_by_its_name(broken):
    with pytest.raises(NotebookError) as refused:
        cells.load(broken, "a.ipynb")
    assert "'a.ipynb'" in refused.value.what
    assert refused.value.fix


@pytest.mark.parametrize(
    "metadata",
    [
        {"kernelspec": {"name": "ir", "language": "R"}},
        {"language_info": {"name": "julia"}},
    ],
)
def test_another_language_is_refused_by_its_name(metadata):
    with pytest.raises(NotebookError, match=r"written in '(R|julia)'"):
        notebook(code("x <- 1"), **metadata)


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"kernelspec": None},
        {"kernelspec": "x"},
        {"language_info": "python"},
        {"kernelspec": {"name": "k", "language": "Python"}},
    ],
)
def test_odd_metadata_still_makes_python(metadata):
    named = isinstance(metadata.get("kernelspec"), dict)
    assert notebook(code("x"), **metadata).kernel == ("k" if named else "python3")


def test_tags_that_are_no_list_are_no_tags():
    assert notebook(code("x", tags="parameters")).cells[0].tags == frozenset()


@pytest.mark.parametrize(
    ("source", "python"),
    [
        ("x = 1", "x = 1"),
        ("%%time\nx = 1", "# %%time\nx = 1"),
        ("%%capture out\nx = 1", "out = None  # %%capture\nx = 1"),
        ("%%capture --no-stderr out\nx = 1", "out = None  # %%capture\nx = 1"),
        ("%%capture\nx = 1", "# %%capture\nx = 1"),
        ("%%mlops step a\nx = 1", "get_ipython().run_line_magic('mlops', 'step a')\nx = 1\n"),
        ("!ls {d}", "get_ipython().system('ls {d}')\n"),
        ("x = !ls", "x = get_ipython().getoutput('ls')\n"),
        ("%%bash\nls", "get_ipython().run_cell_magic('bash', '', 'ls\\n')\n"),
        ("x = 1\n;\ny = 2", 'x = 1\n("")\ny = 2\n'),
        ("x = 5 % 3\n!ls", "x = 5 % 3\nget_ipython().system('ls')\n"),
    ],
)
def test_ipython_s_own_syntax_becomes_python(source, python):
    assert cells.python_of(source) == python


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="%!?{}$ax=1 \n'\"(", max_size=40))
def test_any_text_becomes_some_text(source):
    assert isinstance(cells.python_of(source), str)
