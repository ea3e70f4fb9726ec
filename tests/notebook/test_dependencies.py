"""Small notebooks with known dependencies: what text tells is told, and nothing gets worse."""

import json
from pathlib import Path

import pytest

from mlops_nb.notebook.dataflow import trace
from mlops_nb.notebook.static_names import names

CASES = json.loads((Path(__file__).parent / "dependencies.json").read_text("utf-8"))["cases"]
# what no text tells: a run has to be observed. Take a name out once its edges are right.
NEEDS_OBSERVATION = {
    # objects that change behind their name
    "closure_cell_state",
    "genexp_late",
    "np_view_alias",
    "alias_in_container",
    "method_self_mut",
    "stringio_cursor",
    "lru_cache_state",
    "np_generator_obj",
    "thread_write",
    # names bound by other means than text
    "globals_write",
    "user_ns_write",
    "push",
    "star_import",
    "out_history",
    "underscore_last",
    # what is no name
    "sqlite",
    "plt_figure_state",
    "os_environ",
    "module_attr",
    "pd_option",
    "sys_path",
    "warnings_filter",
    # assumed where only a run could tell: an edge too many, or one that no value went along
    "conditional_del",
    "method_reads_global",
    "shell_capture",
    "touch_same_value",
}


def edges_of(cells):
    """Return the edges that are told from the cells' text: {(writer, reader)}."""
    imports, found = {}, []
    for source in cells:
        found.append(names(source, imports))
        imports |= found[-1].imports
    flows = trace(found)
    return {(writer, reader) for reader, flow in enumerate(flows) for writer in flow.depends_on}


def closed(edges):
    """Return edges with those that follow from them."""
    found = set(edges)
    while more := {(a, d) for a, b in found for c, d in found if b == c} - found:
        found |= more
    return found


def is_right(case):
    wanted = {tuple(edge) for edge in case["edges"]}
    found = edges_of(case["cells"])
    return wanted <= found <= closed(wanted)


@pytest.mark.parametrize(
    "case", [c for c in CASES if c["name"] not in NEEDS_OBSERVATION], ids=lambda c: c["name"]
)
def test_the_edges_of_a_small_notebook_are_told_from_its_text(case):
    wanted = {tuple(edge) for edge in case["edges"]}
    found = edges_of(case["cells"])
    assert wanted - found == set(), "missed: a step would look fresh and be stale"
    assert found - closed(wanted) == set(), "extra"


def test_the_cases_that_only_a_run_could_tell_are_listed_and_no_others():
    assert {case["name"] for case in CASES if not is_right(case)} == NEEDS_OBSERVATION
    assert len(CASES) == 106


# name → cells, and the edges that their text tells
OURS = {
    "arguments of top": (
        ["tips = [1]", "def top(df, n=5): return df[:n]", "top(tips, n=6)"],
        {(0, 2), (1, 2)},
    ),
    "locals of top": (
        [
            "def top(df, n=5):\n    k = 2\n    return df[:n * k]",
            "k = 10",
            "top([1, 2, 3])",
            "print(k)",
        ],
        {(0, 2), (1, 3)},
    ),
    "globals of top": (["k = 10", "def top(x): return x * k", "top(2)"], {(0, 2), (1, 2)}),
    "globals that top binds": (
        ["def top():\n    global k\n    k = 2", "top()", "k"],
        {(0, 1), (1, 2)},
    ),
    "a class called top": (
        ["k = 1", "class top:\n    n = 2\n    def f(self): return k", "top().f()"],
        {(0, 2), (1, 2)},
    ),
    "timeit binds nothing": (["total = 1", "%timeit -n 1 total = 99", "print(total)"], {(0, 2)}),
    "a cell of timeit binds nothing": (
        ["total = 1", "%%timeit -q -n 1 i = 0\ntotal = i", "print(total)"],
        {(0, 2)},
    ),
    "a loop of timeit binds nothing": (["i = 1", "%timeit for i in range(3): pass", "i"], {(0, 2)}),
    "timeit reads and changes": (
        ["xs = [1]", "%%timeit -n 1\nxs.append(2)", "xs"],
        {(0, 1), (1, 2)},
    ),
    "time binds": (["total = 1", "%time total = 99", "total"], {(1, 2)}),
    "a cell of time binds": (["total = 1", "%%time\ntotal = 99", "total"], {(1, 2)}),
}


@pytest.mark.parametrize("name", OURS)
def test_the_edges_of_our_own_cases_are_told_from_their_text(name):
    cells, wanted = OURS[name]
    found = edges_of(cells)
    assert wanted - found == set()
    assert found - closed(wanted) == set()


@pytest.mark.parametrize("name", OURS)
def test_no_name_of_our_own_cases_is_called_missing(name):
    imports, found = {}, []
    for source in OURS[name][0]:
        found.append(names(source, imports))
    flows = trace(found)
    assert [flow.missing for flow in flows if flow.missing] == []
