"""The static and the observed reading of a cell are one walk, with a few named differences."""

import ast
import json
import re
from pathlib import Path

import pytest

from mlops_nb.notebook.cells import python_of
from mlops_nb.probe.syntax.names import Static
from mlops_nb.probe.syntax.visitor import Visitor

TESTS = Path(__file__).parents[2]
CASES = [
    case
    for file in ("notebook/dependencies.json", "probe/observe/observed_cases.json")
    for cases in json.loads((TESTS / file).read_text("utf-8")).values()
    if isinstance(cases, list)
    for case in cases
    if isinstance(case, dict) and "cells" in case
]
# names given as texts: only an observed reading trusts the first kind, only a static one the other
BY_TEXT = re.compile(r"(globals|locals)\(\)|user_ns|\.push\(|exec\(")


def read(source, static=None):
    visitor = Visitor(static=static)
    visitor.visit(ast.parse(python_of(source)))
    return visitor


def static(source):
    return read(source, Static(imports={}, python_of=python_of))


def cells():
    for source in {cell for case in CASES for cell in case["cells"] if not BY_TEXT.search(cell)}:
        try:
            ast.parse(python_of(source))
        except (SyntaxError, ValueError):
            continue
        yield source


@pytest.mark.filterwarnings("ignore::SyntaxWarning", "ignore::DeprecationWarning")
def test_both_readings_bind_and_load_the_same_names():
    sources = list(cells())
    differ = {
        source
        for source in sources
        if read(source).stores.keys() != static(source).stores.keys()
        or not read(source).loads.keys() <= static(source).loads.keys()
    }
    assert len(sources) > 1000
    assert differ == set()


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("f = [lambda: x]", "x"),
        ("g = (i + x for i in range(3))", "x"),
        ("def f(): return x\nf()", "x"),
        ("df.query('a > @x')", "x"),
        ("exec('y = x')", "x"),
    ],
)
def test_only_a_static_reading_loads_names_of_later_code(source, name):
    assert name in static(source).loads
    assert name not in read(source).loads


@pytest.mark.parametrize(
    ("source", "changes"),
    [
        ("pd.options.x = 1", {"pd"}),
        ("A.f = lambda self: 2", {"A"}),
        ("for a.b in c: pass", {"a"}),
        ("with c as a.b: pass", {"a"}),
        ("%memit xs.append(1)", {"xs"}),
    ],
)
def test_a_static_reading_finds_changes(source, changes):
    assert static(source).changes == changes
    assert read(source).changes == set()


def test_a_function_that_shadows_a_parameter_does_not_change_it():
    function = static("def f(a):\n    def g(a): a.append(1)\n    return g").functions["f"]
    assert function.mutates == frozenset()


def test_code_that_never_runs_is_left_out():
    found = static("if False:\n    y = x\nwhile c:\n    break\n    y = z")
    assert set(found.loads) == {"c"}
