"""The lineage of a value from its own records, from reused records, and from the text alone."""

from xml.etree import ElementTree

import pytest
from msgspec.structs import replace

from mlops_nb import events as ev
from mlops_nb.errors import NotFound
from mlops_nb.jupyter import svg
from mlops_nb.lineage import graph as lineage_graph
from mlops_nb.lineage.trace import trace
from mlops_nb.notebook import cells, pipeline

TEXTS = (
    "import numpy as np\nimport json\nfrom own import load_it",
    "rate = 2",
    "def halved(x):\n    return np.asarray(x) / 2",
    "%mlops step load\ndf = load_it('a.csv')",
    "%mlops step clean\ndf = df + 1",
    "%mlops step train\nmodel = halved(df) * rate + len(json.dumps(1))",
    "%mlops step other\nelse_ = 1",
)
VALUES = {
    "load": {"df": "1"},
    "clean": {"df": "2"},
    "train": {"model": "3"},
    "other": {"else_": "4"},
}
NAMES = {
    "load": ["load_it"],
    "clean": ["df"],
    "train": ["df", "halved", "json", "rate"],
    "other": [],
}
READS = {"load": {}, "clean": {"df": "1"}, "train": {"df": "2"}, "other": {}}
A_FILE = {"sha256": "9", "stat": [5]}


def seen(step):
    return {n: {"digest": d, "type": "a.B"} for n, d in VALUES[step].items()}


def record(step, rate=2, **more):
    return {
        "notebook": "n.ipynb",
        "unit": step,
        "step": step,
        "names": NAMES[step],
        "parameters": {"rate": rate} if step == "train" else {},
        "inputs": READS[step],
        "values": seen(step),
        "files": {"a.csv": A_FILE} if step == "load" else {},
        "modules": {"own.py": A_FILE},
        "written": {},
        "never": "",
        **more,
    }


def numbered(*found):
    """Return events with ids, as the journal returns them."""
    return [replace(event, id=number) for number, event in enumerate(found, 1)]


def started(run, rate=2):
    return ev.RunStarted(
        run=run, notebook="n.ipynb", steps=tuple(VALUES), parameters={"rate": rate}
    )


def ran(run, step, **more):
    recorded = record(step, **more)
    return (
        ev.StepStarted(run=run, step=step),
        ev.StepFinished(run=run, step=step, seconds=0.1),
        ev.StepObserved(run=run, step=step, values=seen(step)),
        ev.StepRecorded(run=run, step=step, unit=step, record=recorded),
    )


def reused(run, step):
    return (
        ev.StepReused(run=run, step=step, because="it is up to date"),
        ev.StepObserved(run=run, step=step, values=seen(step)),
    )


def whole(run):
    return (
        started(run),
        *(e for s in VALUES for e in ran(run, s)),
        ev.RunFinished(run=run, status="finished", seconds=1.0),
    )


def notebook():
    found = [{"cell_type": "code", "source": text, "metadata": {}} for text in TEXTS]
    found[1]["metadata"] = {"tags": ["parameters"]}
    read = cells.read({"cells": found, "nbformat": 4, "metadata": {}}, "n.ipynb")
    return {"notebook": read, "pipeline": pipeline.pipeline(read)}


def lineage_of(name, run, events, **read):
    return lineage_graph.behind(lineage_graph.graph(trace(run, events, **read)), name, run)


def test_the_lineage_of_a_model_has_frames_files_and_imports():
    root, part = lineage_of("model", "r", numbered(*whole("r")), **notebook())
    assert root == "value:model@train"
    assert set(part.nodes) == {
        "value:model@train",
        "step:train",
        "parameter:rate",
        "package:numpy",
        "value:df@clean",
        "step:clean",
        "value:df@load",
        "step:load",
        "file:a.csv",
        "file:own.py",
        "step:cell 2",
    }
    assert ("value:df@load", "step:clean") in part.edges
    assert ("value:df@load", "step:train") not in part.edges
    assert ("package:numpy", "step:train") in part.edges
    assert ("file:own.py", "step:load") in part.edges
    assert part.nodes["file:a.csv"]["digest"] == "9"
    assert part.nodes["step:train"]["cells"] == [5]


def test_a_name_refers_to_its_latest_value():
    assert lineage_of("df", "r", numbered(*whole("r")))[0] == "value:df@clean"


def test_the_error_for_an_unknown_name_lists_the_known_ones():
    with pytest.raises(NotFound, match="'modle'") as refused:
        lineage_of("modle", "r", numbered(*whole("r")))
    assert refused.value.fix == "give one of df, model, else_"


def test_a_reused_step_has_the_files_of_its_reused_record():
    events = numbered(
        *whole("a"),
        started("b"),
        *(e for s in VALUES for e in reused("b", s)),
        ev.RunFinished(run="b", status="finished", seconds=0.1),
    )
    _, part = lineage_of("model", "b", events, **notebook())
    assert {"file:a.csv", "parameter:rate", "value:df@load"} <= set(part.nodes)
    assert part.nodes["step:load"]["reused"] is True
    assert part.nodes["step:load"]["because"] == "it is up to date"


def test_a_record_with_other_parameters_or_values_is_not_used():
    other = record("train", rate=5)
    changed = record("train") | {"values": {"model": {"digest": "0"}}}
    later = record("train", never="it is of a later run")
    events = numbered(
        *whole("a"),
        ev.StepRecorded(step="train", unit="train", record=other),
        ev.StepRecorded(step="train", unit="train", record=changed),
        started("b"),
        *(e for s in VALUES for e in reused("b", s)),
        ev.RunFinished(run="b", status="finished", seconds=0.1),
        ev.StepRecorded(run="c", step="train", unit="train", record=later),
    )
    work = next(w for w in trace("b", events).works if w.step == "train")
    assert work.record == record("train")


def test_a_record_without_a_run_belongs_to_the_current_run():
    events = [replace(e, run="") if isinstance(e, ev.StepRecorded) else e for e in whole("r")]
    assert all(w.record for w in trace("r", numbered(*events)).works)


def test_without_records_reads_come_from_the_text():
    events = [e for e in whole("r") if not isinstance(e, ev.StepRecorded)]
    _, part = lineage_of("model", "r", numbered(*events), **notebook())
    assert {"value:df@clean", "value:df@load", "parameter:rate"} <= set(part.nodes)


def test_inputs_from_outside_the_notebook_are_listed():
    extra = {
        "variables": {"HOME": "x"},
        "generators": {"rng:numpy": "s"},
        "never": "it reads from outside: http://host/x",
    }
    events = numbered(
        started("r"),
        *ran("r", "load", **extra),
        ev.RunFinished(run="r", status="finished", seconds=1.0),
    )
    _, part = lineage_of("df", "r", events)
    labels = {n["label"] for n in part.nodes.values() if n["kind"] == "outside"}
    assert labels == {"environment variable HOME", "random state of numpy", "http://host/x"}


def test_a_file_that_is_read_and_written_makes_no_endless_tree():
    extra = {"written": {"a.csv": A_FILE}}
    events = numbered(
        started("r"),
        *ran("r", "load", **extra),
        ev.RunFinished(run="r", status="finished", seconds=1.0),
    )
    root, part = lineage_of("df", "r", events)
    assert lineage_graph.as_text(part, root).count("step load") == 2
    assert svg.graph(**part.json()).startswith("<svg")


def test_the_tree_shows_each_node_once():
    root, part = lineage_of("model", "r", numbered(*whole("r")), **notebook())
    text = lineage_graph.as_text(part, root)
    assert text.splitlines()[:2] == ["model  B  3", "└─ step train  cell 6"]
    assert "file  a.csv  9" in text
    assert "parameter  rate = 2" in text
    assert "cell 3 (`def halved(x):`) (set-up)" in text


def test_mermaid_and_json_contain_every_node_and_edge():
    _, part = lineage_of("model", "r", numbered(*whole("r")), **notebook())
    answer = lineage_graph.as_json("model", "r", part)
    lines = lineage_graph.as_mermaid(part).splitlines()
    assert len(lines) == 1 + len(answer["nodes"]) + len(answer["edges"])
    assert (answer["version"], answer["name"], answer["run"]) == (1, "model", "r")
    assert all(set(e) <= {n["id"] for n in answer["nodes"]} for e in answer["edges"])


def test_a_drawing_runs_from_left_to_right_without_background():
    _, part = lineage_of("model", "r", numbered(*whole("r")), **notebook())
    answer = part.json()
    column = svg.columns([n["id"] for n in answer["nodes"]], answer["edges"])
    assert all(column[a] < column[b] for a, b in answer["edges"])
    drawn = svg.graph(**answer)
    ElementTree.fromstring(drawn)
    assert drawn.count("<rect") == len(answer["nodes"])
    assert drawn.count("<path") == len(answer["edges"])
    assert "currentColor" in drawn
    assert "#fff" not in drawn
    assert (
        svg.graph([{"id": "a", "kind": "step", "label": "<b>&"}], []).count("&lt;b&gt;&amp;") == 2
    )
