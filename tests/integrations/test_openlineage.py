"""What is told to OpenLineage: valid events, each once, whatever happens in between."""

import json
from itertools import pairwise
from pathlib import Path

import jsonschema
import pytest
from referencing import Registry, Resource

import mlops_nb
from mlops_nb import events as ev
from mlops_nb.errors import Unreachable
from mlops_nb.integrations.openlineage import events, facets
from mlops_nb.integrations.openlineage.events import OpenLineageLog, run_id

STANDARD = json.loads((Path(__file__).parent / "schemas/openlineage-2-0-2.json").read_text())
OWN_FILE = (
    Path(mlops_nb.__file__).parent
    / "integrations"
    / "openlineage"
    / "schemas"
    / "StepRunFacet.json"
)
OWN = json.loads(OWN_FILE.read_text())
REGISTRY = Registry().with_resources(
    (schema["$id"], Resource.from_contents(schema)) for schema in (STANDARD, OWN)
)
ENDS = {"COMPLETE", "FAIL", "ABORT"}
GATES = (
    {"gate": "accuracy >= 1", "passed": True, "value": 2.0, "champion": None, "because": ""},
    {
        "gate": "rmse < 1",
        "passed": False,
        "value": None,
        "champion": None,
        "because": "not measured",
    },
)


def validate(schema: str, value: dict) -> None:
    checker = jsonschema.FormatChecker()
    jsonschema.Draft202012Validator(
        {"$ref": schema}, registry=REGISTRY, format_checker=checker
    ).validate(value)


def facets_of(event: dict) -> list[dict]:
    """Return every facet of an event."""
    holders = [event["run"]["facets"], event["job"]["facets"]]
    for data in (*event["inputs"], *event["outputs"]):
        holders += [data.get(k, {}) for k in ("facets", "inputFacets", "outputFacets")]
    return [facet for holder in holders for facet in holder.values()]


def log(story, **more) -> OpenLineageLog:
    file = story.root / "lineage.jsonl"
    return OpenLineageLog(file=file, root=story.root, journal=story.journal, **more)


def written(story, **more) -> list[dict]:
    """Catch up, and return every event in the file, each of them valid."""
    made = log(story, **more)
    made.catch_up()
    found = [json.loads(line) for line in made.file.read_text().splitlines()]
    for event in found:
        validate(STANDARD["$id"], event)
        for facet in facets_of(event):
            url = facet["_schemaURL"]
            own = url == OWN["$id"]
            name = url.rpartition("/")[2]
            validate(url if own else f"{STANDARD['$id']}#/$defs/{name}", facet)
    ends: dict[str, list[str]] = {}
    for event in found:
        ends.setdefault(event["run"]["runId"], []).append(event["eventType"])
    for told in ends.values():
        assert told[0] == "START"
        assert len([t for t in told if t in ENDS]) == 1
    return found


def of(found: list[dict], name: str, kind: str = "") -> dict:
    """Return the last event of a job, or that of a kind."""
    return [e for e in found if e["job"]["name"] == name and kind in {"", e["eventType"]}][-1]


def by_name(data: list[dict]) -> dict[str, dict]:
    return {d["name"]: d for d in data}


def test_a_finished_run_is_one_root_job_and_a_job_for_each_step(story):
    story.whole("r")
    found = written(story)
    names = ["wine.ipynb", *(f"wine.ipynb.{s}" for s in ("load", "train", "judge"))]
    assert {e["job"]["name"] for e in found} == set(names)
    assert all(a["eventTime"] <= b["eventTime"] for a, b in pairwise(found))
    assert [of(found, n)["eventType"] for n in names] == ["COMPLETE"] * 4
    root, load, train = (of(found, n) for n in names[:3])
    assert root["run"]["runId"] == run_id("r")
    assert train["run"]["facets"]["parent"]["run"]["runId"] == run_id("r")
    assert train["run"]["facets"]["parent"]["root"]["job"]["name"] == "wine.ipynb"
    assert train["job"]["facets"]["sourceCode"]["sourceCode"].startswith("%mlops step train")
    assert root["run"]["facets"]["executionParameters"]["parameters"][0]["value"] == "2"
    assert "nominalTime" not in root["run"]["facets"]
    assert root["job"]["namespace"] == f"mlops-nb://{story.root.name}"
    assert load["job"]["facets"]["jobType"]["jobType"] == "STEP"


def test_data_has_full_digests_schemas_and_sizes(story):
    story.whole("r")
    found = written(story)
    load, train = of(found, "wine.ipynb.load"), of(found, "wine.ipynb.train")
    csv = load["inputs"][0]
    assert (csv["namespace"], csv["name"]) == ("file", str(story.root / "data.csv"))
    assert csv["facets"]["version"]["datasetVersion"] == "a" * 64
    assert csv["inputFacets"]["inputStatistics"]["size"] == 120
    df = by_name(load["outputs"])["wine.df"]
    assert [f["type"] for f in df["facets"]["schema"]["fields"]] == ["float64", "datetime64[ns]"]
    assert df["outputFacets"]["outputStatistics"]["rowCount"] == 3
    assert df["outputFacets"]["outputStatistics"]["size"] == 7
    read = by_name(train["inputs"])["wine.df"]
    assert read["facets"] == df["facets"]
    assert read["inputFacets"]["inputStatistics"]["rowCount"] == 3
    made = {"wine.model", "wine.table", str(story.root / "model.bin")}
    assert set(by_name(train["outputs"])) == made
    root = of(found, "wine.ipynb")
    assert [d["name"] for d in root["inputs"]] == [csv["name"]]


def test_columns_that_are_those_of_a_frame_that_was_read_are_told(story):
    story.whole("r")
    table = by_name(of(written(story), "wine.ipynb.train")["outputs"])["wine.table"]
    fields = table["facets"]["columnLineage"]["fields"]
    (source,) = fields["x"]["inputFields"]  # what was never read is no source
    assert (source["namespace"], source["name"]) == (f"mlops-nb://{story.root.name}", "wine.df")
    assert source["field"] == "x"
    assert source["transformations"][0]["subtype"] == "IDENTITY"
    assert "y" not in fields


def test_a_run_is_labelled_with_why_it_ran(story):
    story.whole("r")
    tags = of(written(story), "wine.ipynb")["run"]["facets"]["tags"]["tags"]
    assert {t["key"]: t["value"] for t in tags} == {"trigger": "hand", "try": "1"}


def test_the_facet_of_our_own_tells_cells_digests_and_reuse(story):
    story.whole("r")
    story.start("again")
    for step in ("load", "train", "judge"):
        story.reuse("again", step)
    story.end("again")
    told = of(written(story), "wine.ipynb.train")["run"]["facets"]["mlopsNb_step"]
    assert told["cells"] == [{"index": 3, "id": "c3"}]
    assert told["reads"] == {"df": "d" * 64}
    assert told["writes"] == {"model": "e" * 64, "table": "9" * 64}
    assert told["reuse"] == {"reused": True, "because": "`train` stands"}
    assert told["key"]


def test_a_failed_run_says_why_and_a_step_that_never_began_is_not_told(story):
    story.start("r")
    story.step("r", "load")
    story.fail("r", "train")
    story.end("r", "failed", error="step 'train' failed")
    found = written(story)
    train = of(found, "wine.ipynb.train")
    assert train["eventType"] == "FAIL"
    assert train["run"]["facets"]["errorMessage"]["stackTrace"] == "ZeroDivisionError"
    assert of(found, "wine.ipynb")["eventType"] == "FAIL"
    assert "wine.ipynb.judge" not in {e["job"]["name"] for e in found}


def test_a_stopped_run_aborts_the_step_that_was_running(story):
    story.start("r")
    story.tell(ev.StepStarted(run="r", step="load"))
    story.end("r", "stopped", error="stopped by hand")
    found = written(story)
    assert of(found, "wine.ipynb.load")["eventType"] == "ABORT"
    assert of(found, "wine.ipynb")["eventType"] == "ABORT"


def test_a_run_that_ended_before_it_began_is_told_all_the_same(story):
    story.tell(ev.RunFinished(run="r", job="j", status="failed", seconds=0.0, error="no kernel"))
    assert [e["eventType"] for e in written(story)] == ["START", "FAIL"]


def test_a_scheduled_job_tells_its_interval_its_owner_and_its_gates(story):
    story.tell(
        ev.RunQueued(
            run="r",
            job="j",
            trigger="schedule",
            scheduled_at="2026-01-02T00:00Z",
            data_start="2026-01-01T00:00:00+00:00",
            data_end="2026-01-02T00:00:00+00:00",
        )
    )
    story.start("r", "j")
    for step in ("load", "train", "judge"):
        story.step("r", step, "j")
    story.end("r", job="j")
    story.tell(ev.Judged(run="r", job="j", verdicts=GATES, passed=False))
    found = written(story, owner="team:wine")
    root = of(found, "j")
    nominal = root["run"]["facets"]["nominalTime"]
    assert nominal["nominalStartTime"] == "2026-01-01T00:00:00+00:00"
    assert root["job"]["facets"]["ownership"]["owners"][0]["name"] == "team:wine"
    assert [t["status"] for t in root["run"]["facets"]["test"]["tests"]] == ["pass", "fail"]
    said = by_name(root["inputs"])["j.accuracy"]["inputFacets"]["dataQualityAssertions"]
    assert [a["success"] for a in said["assertions"]] == [True]
    assert root["eventType"] == "COMPLETE"  # it ran to its end; only its model was refused
    assert by_name(of(found, "j.train")["inputs"])["j.df"]["facets"]["version"]


def test_a_verdict_that_comes_after_the_end_was_written_is_told_by_itself(story):
    story.start("r", "j")
    story.end("r", job="j")
    assert "test" not in written(story)[-1]["run"]["facets"]
    story.tell(ev.Judged(run="r", job="j", verdicts=GATES, passed=False))
    last = written(story)[-1]
    assert last["eventType"] == "OTHER"
    assert len(last["run"]["facets"]["test"]["tests"]) == 2


def test_nothing_is_written_twice(story):
    story.whole("r")
    once = written(story)
    assert written(story) == once
    story.tell(ev.RunFinished(run="r", status="failed", seconds=0.0, error="buried"))
    assert written(story) == once
    story.whole("s")
    assert written(story)[: len(once)] == once


def test_a_run_is_told_when_it_ended_and_not_before(story):
    story.start("r")
    log(story).catch_up()
    assert not log(story).file.exists()
    story.end("r")
    assert len(written(story)) == 2


def test_many_runs_are_written_in_steps_as_they_are_at_once(story, monkeypatch):
    story.whole("a")
    story.start("b", "j")
    story.end("b", job="j")
    story.start("c", "j")
    story.end("c", job="j")
    story.tell(ev.Judged(run="b", job="j", verdicts=GATES, passed=False))
    story.start("d")
    story.fail("d", "train")
    story.end("d", "failed")
    whole = written(story)
    for step in (1, 2, 3):
        monkeypatch.setattr(events, "STEP", step)
        log(story).file.unlink()
        story.journal.place(events.PLACE, "")
        found = written(story)
        others = [e for e in found if e["eventType"] != "OTHER"]
        assert [(e["run"]["runId"], e["eventType"]) for e in others] == [
            (e["run"]["runId"], e["eventType"]) for e in whole if e["eventType"] != "OTHER"
        ]


@pytest.mark.parametrize("cut", [1, 400, 5000])
def test_what_a_killed_process_left_half_written_is_completed(story, cut):
    story.whole("r")
    whole = written(story)
    file = log(story).file
    story.journal.place("openlineage", json.dumps({"id": 0, "bytes": 0}))  # it never came so far
    file.write_bytes(file.read_bytes()[:-cut])
    assert sorted(map(str, written(story))) == sorted(map(str, whole))


def test_a_file_that_was_taken_away_is_begun_anew(story):
    story.whole("r")
    written(story)
    log(story).file.unlink()
    story.whole("s")
    assert {e["run"]["runId"] for e in written(story)} >= {run_id("s")}
    assert run_id("r") not in {e["run"]["runId"] for e in written(story)}


def test_a_line_of_somebody_else_is_left_alone(story):
    log(story).file.write_text("not JSON\n")
    story.whole("r")
    log(story).catch_up()
    lines = log(story).file.read_text().splitlines()
    assert lines[0] == "not JSON"
    assert len(lines) == 9


def test_a_file_that_cannot_be_written_is_an_error_and_the_next_call_catches_up(story):
    story.whole("r")
    in_the_way = log(story).file
    in_the_way.mkdir()
    with pytest.raises(Unreachable, match="lineage cannot be written"):
        log(story).catch_up()
    in_the_way.rmdir()
    assert len(written(story)) == 8


def test_a_notebook_that_is_gone_leaves_the_digests(story):
    story.whole("r")
    (story.root / ".mlops/runs/r/wine.ipynb").unlink()
    train = of(written(story), "wine.ipynb.train")
    assert "sourceCode" not in train["job"]["facets"]
    assert train["run"]["facets"]["mlopsNb_step"]["reads"] == {"df": "d" * 64}


def test_every_facet_names_its_own_schema():
    for kind, version in facets.VERSIONS.items():
        url = facets.facet(kind)["_schemaURL"]
        assert url == f"https://openlineage.io/spec/facets/{version}/{kind}.json#/$defs/{kind}"
        assert kind in STANDARD["$defs"]
    assert OWN["$id"] == facets.OWN


@pytest.mark.filterwarnings("default")  # they are the client's
def test_the_standards_own_client_can_make_every_event(story):
    from openlineage.client import event_v2, facet_v2

    story.whole("r")
    story.start("f", "j")
    story.fail("f", "load")
    story.end("f", "failed", error="it failed")
    story.tell(ev.Judged(run="f", job="j", verdicts=GATES, passed=False))
    known = {
        name: kind
        for module in vars(facet_v2).values()
        if hasattr(module, "__name__") and "openlineage" in str(getattr(module, "__name__", ""))
        for name, kind in vars(module).items()
        if name.endswith("Facet")
    }
    for event in written(story, owner="me"):
        for facet in facets_of(event):
            name = facet["_schemaURL"].rpartition("/")[2]
            told = {k: v for k, v in facet.items() if not k.startswith("_")}
            if facet["_schemaURL"] != OWN["$id"]:
                assert known[name](**told)._get_schema() == facet["_schemaURL"]
        event_v2.RunEvent(
            eventType=event_v2.RunState[event["eventType"]],
            eventTime=event["eventTime"],
            producer=event["producer"],
            run=event_v2.Run(event["run"]["runId"]),
            job=event_v2.Job(event["job"]["namespace"], event["job"]["name"]),
        )
