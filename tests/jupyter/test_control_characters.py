"""Control characters in names and sources are shown as escapes, never drawn or printed raw."""

import json
import os
from xml.etree import ElementTree

import pytest
from saved import project

from mlops_nb.errors import NotebookError
from mlops_nb.jupyter.magics import _Shown
from mlops_nb.jupyter.widgets import static, steps
from mlops_nb.project import open_project

CONTROL = "".join(map(chr, [*range(1, 9), *range(14, 32), 127, 0x85, 0x202E, 0xFFFE]))
CELLS = {
    "heading": ("markdown", f"## Load{CONTROL} data"),
    "comment": ("code", f"# {CONTROL}\nx = 1"),
    "source": ("code", f"x = '{CONTROL}'"),
    "null": ("code", "x = '\0'"),
    "option": ("code", f"%mlops step a --out q{CONTROL}\nx = 1"),
    "mark": ("code", f"%mlops step lo{CONTROL}ad\nx = 1"),
}
NAMES = ["n.ipynb", "n\x01\x1b[31m\n.ipynb"]


@pytest.fixture
def terminal(tmp_path):
    return project(tmp_path, "project")


def written(terminal, name, kind):
    cells = [CELLS[kind], ("code", "y = 2")]
    made = [
        {"cell_type": t, "id": f"c{i}", "source": s, "metadata": {}}
        | ({"outputs": [], "execution_count": None} if t == "code" else {})
        for i, (t, s) in enumerate(cells)
    ]
    notebook = {"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (terminal.folder / name).write_text(json.dumps(notebook))
    return str(terminal.folder / name)


def pipeline(path):
    return open_project(os.path.dirname(path)).graph(path)


def raw(text):
    """Return the control characters of a text, except line breaks."""
    return [c for c in text if c != "\n" and (ord(c) < 32 or c in "\x7f\x85\u202e")]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", CELLS)
def test_the_drawing_is_valid_and_shows_escapes(terminal, kind, name):
    path = written(terminal, name, kind)
    if kind == "mark":
        with pytest.raises(NotebookError) as refused:
            pipeline(path)
        assert raw("\n".join(_Shown(refused.value)._render_traceback_())) == []
        return
    drawn = steps.draw_pipeline({"graph": pipeline(path), "steps": {}})
    ElementTree.fromstring(drawn)
    assert raw(drawn + static.overview(path).data) == []


@pytest.mark.parametrize("options", [(), ("--json",), ("--mermaid",)])
@pytest.mark.parametrize("kind", CELLS)
def test_the_terminal_shows_escapes(terminal, kind, options):
    written(terminal, NAMES[1], kind)
    with terminal.start("graph", NAMES[1], *options) as process:
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == (2 if kind == "mark" else 0)
    assert raw(stdout.replace("\\u", "") if options == ("--json",) else stdout) == []
    assert raw(stderr) == []
