"""What changed between two runs."""

from mlops_nb.lineage import diff as differences
from mlops_nb.lineage.diff import RunSide
from mlops_nb.lineage.trace import Trace, Work
from mlops_nb.notebook.model import Cell, Notebook
from mlops_nb.runs.history import Run

LOAD, TRAIN = "%mlops step load\ndf = 1", "%mlops step train\nmodel = df"


def notebook(*texts, ids=None):
    return Notebook(
        name="n",
        cells=tuple(
            Cell(index=i, position=i, id=(ids or range(99))[i], source=text)
            for i, text in enumerate(texts)
        ),
    )


def frame(digest, rows, **columns):
    told = {n: {"dtype": d, "missing": m, "kind": "x"} for n, (d, m) in columns.items()}
    return {"digest": digest, "type": "DataFrame", "schema": {"rows": rows, "columns": told}}


def work(values=None, files=None, environment="e"):
    record = {"files": files or {}, "environment": environment}
    return Work(unit="load", step="load", values=values or {}, record=record)


def side(name="a", *, code=(LOAD, TRAIN), works=(), packages=None, ids=None, ran=None, **run):
    texts = None if code is None else notebook(*code, ids=ids)
    steps = {i: t.split()[2] for i, t in enumerate(code or ()) if t.startswith("%mlops step")}
    return RunSide(
        run=Run(id=name, steps=ran or {}, **run),
        trace=Trace(run=name, source="n", parameters={}, works=tuple(works), notebook=texts),
        packages=packages,
        steps=steps,
    )


def diff(a, b):
    return differences.diff(a, b)


def test_a_run_differs_in_nothing_from_itself():
    one = side(
        works=[work({"df": frame("1", 2)})],
        packages={"numpy": "1"},
        metrics={"r": 1.0},
        parameters={"x": float("nan")},
    )
    told = diff(one, one)
    assert {k: v for k, v in told.items() if k in {"code", "data", "packages"} and v} == {}
    assert told["same"]
    assert told["not_recorded"] == []
    assert "nothing changed" in differences.as_text(told)


def test_code_is_told_by_line_the_marks_included():
    other = side("b", code=(LOAD.replace("load", "read"), TRAIN))
    (row,) = diff(side(), other)["code"]
    assert (row["step"], row["cell"]) == ("read", 0)
    assert "-%mlops step load\n+%mlops step read" in row["diff"]
    assert row["diff"].startswith(
        "--- cell 1 (`%mlops step load`)\n+++ cell 1 (`%mlops step read`)"
    )


def test_a_cell_that_was_added_or_removed_is_told_whole():
    longer = side("b", code=(LOAD, "df += 1", TRAIN), ids=[0, 9, 1])
    (row,) = diff(side(), longer)["code"]
    assert (row["step"], row["cell"]) == ("", 1)
    assert "+df += 1" in row["diff"]
    (row,) = diff(longer, side())["code"]
    assert "-df += 1" in row["diff"]


def test_cells_whose_ids_are_new_are_paired_by_text_and_by_step():
    new = side("b", code=(TRAIN, LOAD.replace("1", "2")), ids=["x", "y"])
    told = {r["step"]: r["diff"] for r in diff(side(), new)["code"]}
    assert "-df = 1\n+df = 2" in told["load"]
    assert len(told) == 1 or "moved from cell 2 (`%mlops step train`) to cell 1" in told["train"]


def test_a_moved_cell_is_a_change():
    moved = side("b", code=(TRAIN, LOAD), ids=[1, 0])
    told = diff(side(), moved)
    assert len(told["code"]) == 1
    assert "moved from cell" in told["code"][0]["diff"]
    assert not told["same"]


def test_a_notebook_that_is_gone_is_not_called_the_same():
    told = diff(side(), side("b", code=None))
    assert told["code"] == []
    assert told["not_recorded"] == ["code of b", "packages of a", "packages of b"]
    assert not told["same"]


def test_parameters_tell_types_apart_and_what_is_only_on_one_side():
    told = diff(side(parameters={"x": 1, "y": True}), side("b", parameters={"x": 1.0, "z": None}))
    assert told["parameters"] == [
        {"name": "x", "from": 1, "to": 1.0},
        {"name": "y", "from": True, "to": None},
        {"name": "z", "from": None, "to": None},
    ]


def test_data_is_told_by_file_and_by_frame():
    old = work(
        {"df": frame("1", 2, x=("int64", 0.0), gone=("int64", 0.0), m=("f", 0.0))},
        {"a.csv": {"sha256": "a"}, "same.csv": {"sha256": "s"}},
    )
    new = work(
        {"df": frame("2", 3, x=("float64", 0.0), new=("int64", 0.0), m=("f", 0.25))},
        {"a.csv": {"sha256": "b"}, "same.csv": {"sha256": "s"}},
    )
    file, value = diff(side(works=[old]), side("b", works=[new]))["data"]
    assert file == {"kind": "file", "name": "a.csv", "from": "a", "to": "b"}
    assert value["rows"] == [2, 3]
    assert (value["added"], value["removed"]) == (["new"], ["gone"])
    assert value["retyped"] == [{"column": "x", "from": "int64", "to": "float64"}]
    assert value["missing"] == [{"column": "m", "from": 0.0, "to": 0.25}]
    text = differences.as_text(diff(side(works=[old]), side("b", works=[new])))
    assert "rows 2 → 3; added new; removed gone; x int64 → float64" in text
    assert "missing in m 0.00% → 25.00%" in text


def test_a_value_whose_content_cannot_be_told_is_never_the_same():
    unknown = work({"g": {"digest": "unknown", "type": "generator"}})
    assert not diff(side(works=[unknown]), side("b", works=[unknown]))["same"]


def test_a_value_may_become_a_frame_or_vanish():
    frames, plain = work({"df": frame("1", 2)}), work({"df": {"digest": "2", "type": "int"}})
    (row,) = diff(side(works=[plain]), side("b", works=[frames]))["data"]
    assert (row["type"], row["rows"]) == (["int", "DataFrame"], [None, 2])
    (row,) = diff(side(works=[plain]), side("b"))["data"]
    assert (row["from"], row["to"]) == ("2", None)


def test_packages_are_told_where_both_runs_noted_them():
    a, b = side(packages={"x": "1", "y": "1"}), side("b", packages={"x": "2", "z": "1"})
    assert diff(a, b)["packages"] == [
        {"name": "x", "from": "1", "to": "2"},
        {"name": "y", "from": "1", "to": None},
        {"name": "z", "from": None, "to": "1"},
    ]


def test_without_notes_the_environments_digest_tells_that_something_is_otherwise():
    a, b = side(works=[work(environment="1")]), side("b", works=[work(environment="2")])
    assert diff(a, b)["packages"] == [
        {"name": "(interpreter and packages)", "from": "1", "to": "2"},
    ]
    assert not diff(a, b)["same"]


def test_metrics_have_a_difference_where_both_are_there():
    told = diff(side(metrics={"r": 1.0, "s": 1.0}), side("b", metrics={"r": 1.5}))
    assert told["metrics"] == [
        {"name": "r", "from": 1.0, "to": 1.5, "difference": 0.5},
        {"name": "s", "from": 1.0, "to": None, "difference": None},
    ]


def test_steps_are_told_but_do_not_make_a_difference():
    a = side(ran={"load": {"status": "finished", "seconds": 2.0}})
    b = side("b", ran={"load": {"status": "reused", "seconds": 0.0}})
    told = diff(a, b)
    assert told["same"]
    assert told["steps"] == [
        {
            "name": "load",
            "from": {"status": "finished", "seconds": 2.0},
            "to": {"status": "reused", "seconds": 0.0},
        }
    ]
    assert "load: finished 2.00 s → reused" in differences.as_text(told)
