"""The frozen notebook: the kept cells, nothing that ran, and runnable without this package."""

import json

import nbformat
import pytest

from mlops_nb.jobs.bundle.freeze import freeze
from mlops_nb.notebook import cells
from mlops_nb.notebook import pipeline as notebook_pipeline
from mlops_nb.notebook.slicing import cut


def code(source, *tags, **more):
    return {"cell_type": "code", "source": source, "metadata": {"tags": list(tags)}, **more}


def text(source):
    return {"cell_type": "markdown", "source": source, "metadata": {}}


def document(*found, **metadata):
    return {"cells": list(found), "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def frozen(*found, keep=None, **metadata):
    whole = document(*found, **metadata)
    pipeline = notebook_pipeline.pipeline(cells.read(whole, "a.ipynb"))
    kept = tuple(c.index for c in pipeline.cells) if keep is None else keep
    return freeze(whole, pipeline, kept)


def sources(found):
    return [(c["cell_type"], c["source"]) for c in found["cells"]]


def test_outputs_counts_and_metadata_are_left_out_and_ids_kept():
    ran = code(
        "%mlops step a\nx = 1",
        "hide",
        id="own",
        execution_count=7,
        outputs=[{"output_type": "stream", "name": "stdout", "text": "secret"}],
    )
    ran["metadata"]["collapsed"] = True
    cell = frozen(ran)["cells"][0]
    assert cell == {
        "cell_type": "code",
        "execution_count": None,
        "id": "own",
        "metadata": {"tags": ["step:a"]},
        "outputs": [],
        "source": "# mlops: step a\nx = 1",
    }


def test_tags_that_mean_something_are_kept_and_the_step_is_added():
    found = frozen(
        code("n = 1", "parameters", "mine"),
        code("import os"),
        code("%mlops step a\nx = n"),
        code("y = 1 / x", "raises-exception"),
    )
    assert [c["metadata"].get("tags") for c in found["cells"]] == [
        ["parameters"],
        None,
        ["step:a"],
        ["raises-exception", "step:a"],
    ]


def test_a_frozen_notebook_is_a_valid_one_whatever_it_was():
    found = frozen(text(["# T\n", "words"]), code(["x = 1\n", "y = 2"]), code("z = x"))
    nbformat.validate(found)
    assert json.loads(json.dumps(found)) == found
    assert found["metadata"]["kernelspec"]["name"] == "python3"


def test_the_kernel_is_the_notebook_s_own():
    spec = {"name": "env", "display_name": "My env", "language": "python"}
    assert frozen(code("x = 1"), kernelspec=spec)["metadata"]["kernelspec"] == spec


def test_a_frozen_notebook_is_the_same_pipeline():
    whole = document(
        text("## Load"),
        code("import a"),
        code("raw = a.read()"),
        code("raw.head()"),
        text("## Train"),
        code("model = a.fit(raw)"),
        text("## Judge"),
        code("auc = a.s(model)"),
    )
    source = notebook_pipeline.pipeline(cells.read(whole, "a.ipynb"))
    kept = cut(source, variable="model", wanted=("auc",)).kept
    again = notebook_pipeline.pipeline(cells.read(freeze(whole, source, kept), "a.ipynb"))
    assert (
        [s.name for s in again.steps]
        == [s.name for s in source.steps]
        == [
            "load",
            "train",
            "judge",
        ]
    )
    assert again.edges == source.edges
    assert freeze(freeze(whole, source, kept), again, (0, 1, 2, 3)) == freeze(whole, source, kept)


def test_headings_of_kept_cells_are_kept_and_those_of_others_left_out():
    found = frozen(
        text("# Title"),
        text("An introduction."),
        text("## Look"),
        code("x.plot()"),
        text("## Train"),
        text("Why so."),
        code("%mlops step a\nm = 1"),
        text("## After"),
        code("m.show(1)"),
        text("The end."),
        keep=(1,),
    )
    assert sources(found) == [
        ("markdown", "# Title"),
        ("markdown", "## Train"),
        ("markdown", "Why so."),
        ("code", "# mlops: step a\nm = 1"),
    ]


def test_text_of_a_cell_that_is_left_out_does_not_lead_to_the_next():
    found = frozen(text("## A"), text("of the plot"), code("x"), code("y = 1"), keep=(1,))
    assert sources(found) == [("markdown", "## A"), ("code", "y = 1")]


def test_injected_and_raw_cells_are_left_out():
    found = frozen(
        code("n = 1", "parameters"),
        code("n = 9", "injected-parameters"),
        {"cell_type": "raw", "source": "raw", "metadata": {}},
        code("x = n"),
    )
    assert [c["source"] for c in found["cells"]] == ["n = 1", "x = n"]


@pytest.mark.parametrize("line", ["%load_ext mlops_nb", "%mlops metric auc", "%mlops graph"])
def test_what_only_this_package_understands_becomes_a_comment(line):
    source = frozen(code(f"{line}\nx = f()"))["cells"][0]["source"]
    assert source.splitlines()[0].startswith("# mlops: ")
    assert source.splitlines()[1] == "x = f()"


def test_freezing_changes_nothing_of_the_source():
    whole = document(code("%mlops step a\nx = 1", id="i", outputs=[{"a": 1}]))
    before = json.dumps(whole)
    freeze(whole, notebook_pipeline.pipeline(cells.read(whole, "a")), (0,))
    assert json.dumps(whole) == before
