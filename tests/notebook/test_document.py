"""A document is given parameters as papermill gives them, and written as nbformat writes it."""

import copy
import json
import math
from pathlib import Path

import nbformat
import papermill.parameterize
import pytest
from hypothesis import given
from hypothesis import strategies as st
from papermill.translators import PythonTranslator

from mlops_nb.notebook import document

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES)
def test_a_parameter_is_written_as_papermill_writes_it(value):
    assert document.literal(value) == PythonTranslator.translate(value)


@given(VALUES)
def test_a_parameter_comes_back_as_it_was(value):
    found = eval(document.literal(value))
    assert repr(found) == repr(value) or (isinstance(value, float) and math.isnan(found))


@given(st.lists(st.none() | st.text(max_size=80) | st.sampled_from(["a", "injected-parameters"])))
def test_ids_are_what_nbformat_allows_and_each_its_own(ids):
    plain = {"cell_type": "code", "source": "1", "metadata": {}, "outputs": []}
    cells = [plain | ({} if wanted is None else {"id": wanted}) for wanted in ids]
    made = document.ready({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4})
    document.inject(made, {"a": 1})
    nbformat.validate(json.loads(document.written(made)))
    assert len({cell["id"] for cell in made["cells"]}) == len(ids) + 1


@pytest.mark.parametrize("tagged", [True, False])
def test_the_injected_cell_is_papermills(tagged):
    tags = ([], ["parameters"] if tagged else [], [])
    texts = ("import os", "a = 1", "print(a)")
    cells = [
        nbformat.v4.new_code_cell(text, metadata={"tags": tag})
        for text, tag in zip(texts, tags, strict=True)
    ]
    book = nbformat.v4.new_notebook(cells=cells)
    book.metadata["kernelspec"] = {"name": "python3", "language": "python", "display_name": "P"}
    book.metadata["papermill"] = {}
    parameters = {"a": 2, "b": 'ü"\\\n', "c": [1.5, None, {"k": True}]}
    theirs = papermill.parameterize.parameterize_notebook(copy.deepcopy(book), parameters)
    ours = document.ready(json.loads(nbformat.writes(book)))
    document.inject(ours, parameters)
    assert [(c["source"], c["metadata"]) for c in ours["cells"]] == [
        (c.source, c.metadata) for c in theirs.cells
    ]
    assert ours["metadata"]["papermill"]["parameters"] == theirs.metadata.papermill["parameters"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_document_is_written_as_nbformat_writes_it(path):
    book = nbformat.read(path, 4)
    assert document.written(book) == nbformat.v4.writes(book) + "\n"


def test_every_kind_of_output_is_written_as_nbformat_writes_it():
    data = {
        "text/plain": "a\nb",
        "image/svg+xml": "<svg>\n</svg>",
        "application/json": {"a": "1\n2"},
        "application/x+json": "one\ntwo",
        "image/png": "iVBO\nRw==",
        "text/html": "",
        "application/javascript": "1\n2",
    }
    outputs = [
        nbformat.v4.new_output("stream", name="stdout", text="x\r\ny\x0bz\n"),
        nbformat.v4.new_output("display_data", data=data, metadata={"b": 1, "a": 2}),
        nbformat.v4.new_output("execute_result", data=data, execution_count=3),
        nbformat.v4.new_output("error", ename="E", evalue="e", traceback=["a\nb"]),
    ]
    picture = {"i.png": {"image/png": "a\nb"}}
    cells = [
        nbformat.v4.new_code_cell("a\n\nb", outputs=outputs, metadata={"trusted": True}),
        nbformat.v4.new_markdown_cell("# é\n", attachments=picture),
    ]
    book = nbformat.v4.new_notebook(cells=cells, metadata={"signature": "x", "z": 1})
    assert document.written(book) == nbformat.v4.writes(book) + "\n"
