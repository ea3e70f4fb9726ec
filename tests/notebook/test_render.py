"""A pipeline as Mermaid, as JSON and as lines of text."""

import html
import json
import re

from mlops_nb.notebook import cells
from mlops_nb.notebook.model import Edge, Pipeline, Step
from mlops_nb.notebook.pipeline import pipeline
from mlops_nb.notebook.render import as_json, as_mermaid, as_text

NODE = re.compile(r'    (s\d+)\["([^"]*)"\]')
ARROW = re.compile(r'    (s\d+) (?:-->\|"([^"]*)"\||-\.->) (s\d+)')


def told(*sources):
    found = [{"cell_type": "code", "source": s, "metadata": {}} for s in sources]
    return pipeline(cells.read({"cells": found, "nbformat": 4}, "a.ipynb"))


def parsed(text):
    """Return a flowchart's nodes and arrows, each label as it is shown; fails on any other line."""
    head, *lines = text.splitlines()
    assert head == "flowchart LR"
    nodes, arrows = {}, []
    for line in lines:
        if node := NODE.fullmatch(line):
            nodes[node[1]] = html.unescape(node[2])
        else:
            arrow = ARROW.fullmatch(line)
            assert arrow, line
            arrows.append((nodes[arrow[1]], nodes[arrow[3]], html.unescape(arrow[2] or "")))
    return list(nodes.values()), arrows


def test_a_flowchart_shows_steps_and_what_goes_between_them():
    found = told(
        "%mlops step end\na = f()", "%mlops step b --after end\nc = g()", "%mlops step d\ne = a + c"
    )
    assert parsed(as_mermaid(found)) == (
        ["end", "b", "d"],
        [("end", "d", "a"), ("b", "d", "c"), ("end", "b", "")],
    )


def test_labels_are_escaped_so_that_they_read_as_they_were():
    odd = 'a"b <c> & d;'
    made = Pipeline(
        notebook="a",
        parameters=(),
        cells=(),
        steps=(
            Step(name=odd, title=odd, cells=(0,)),
            Step(name="file:x&lt;", title="t", cells=(1,)),
        ),
        edges=(Edge(source=odd, target="file:x&lt;", names=('file:"q".csv', "a<b")),),
    )
    assert parsed(as_mermaid(made)) == (
        [odd, "file:x&lt;"],
        [(odd, "file:x&lt;", 'file:"q".csv, a<b')],
    )


def test_a_long_list_of_names_is_cut():
    found = told("%mlops step a\nv, w, x, y, z = f()", "%mlops step b\nq = v + w + x + y + z")
    assert parsed(as_mermaid(found))[1] == [("a", "b", "v, w, x, y …")]


def test_json_holds_every_cell_and_can_be_dumped():
    found = as_json(told("import os", "%mlops step a\nx = os.f()", "x.show(1)", "y = x + q"))
    assert json.loads(json.dumps(found)) == found
    assert [c["kind"] for c in found["cells"]] == ["setup", "step", "scratch", "step"]
    assert found["edges"] == []
    assert found["steps"][0]["cells"] == [1, 3]
    assert found["warnings"][0]["kind"] == "undefined-name"
    assert found["version"] == 1


def test_text_shows_what_each_step_takes():
    cell = {"cell_type": "code", "source": "n = 1", "metadata": {"tags": ["parameters"]}}
    other = [
        {"cell_type": "code", "source": s, "metadata": {}}
        for s in ("%mlops step load\nx = f(n)", "%mlops step fit\ny = g(x)", "x", "import os")
    ]
    found = pipeline(cells.read({"cells": [cell, *other], "nbformat": 4}, "a"))
    assert as_text(found).splitlines() == [
        "load  -p n",
        "fit   x ← load",
        "(setup)  cells 5",
        "(scratch)  cells 4",
    ]
    assert as_text(told("import os")) == "no steps"
