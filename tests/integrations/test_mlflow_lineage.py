"""The data and models of a run in a real MLflow on SQLite."""

import json
import pickle
from pathlib import Path

import pytest
from sklearn.tree import DecisionTreeClassifier
from syncing import synced

from mlops_nb import events as ev
from mlops_nb.integrations.mlflow import lineage
from mlops_nb.lineage.read import traced
from mlops_nb.lineage.trace import Trace
from mlops_nb.runs import history
from mlops_nb.storage.ports import MLFLOW_PLACE

pytestmark = pytest.mark.filterwarnings("default")  # those of MLflow are not ours


def run_and_trace(story, run: str) -> tuple[history.Run, Trace]:
    """Return a run and its trace."""
    found = history.runs(story.journal.read(run=run))[run]
    return found, traced(story.journal, found)


def test_a_run_lists_its_input_files_and_frames_by_our_digests(story, mirror):
    story.whole("r")
    run = synced(mirror, story)
    found = {i.dataset.name: i for i in run.inputs.dataset_inputs}
    assert set(found) == {"data.csv", "wine.df"}
    csv, df = found["data.csv"], found["wine.df"]
    assert (csv.dataset.digest, csv.dataset.source_type) == ("a" * 36, "local")
    assert json.loads(csv.dataset.source) == {
        "uri": str(story.root / "data.csv"),
        "mlops-nb.digest": "a" * 64,
    }
    assert json.loads(df.dataset.profile) == {"num_rows": 3, "num_elements": 6}
    columns = json.loads(df.dataset.schema)["mlflow_colspec"]
    assert [c["type"] for c in columns] == ["double", "datetime"]
    assert {t.key: t.value for t in df.tags} == {
        "mlflow.data.context": "training",
        "mlops-nb.digest": "d" * 64,
    }
    assert {t.key: t.value for t in csv.tags}["mlflow.data.context"] == "input"


def test_lineage_json_is_an_artifact_with_full_digests(story, mirror):
    story.whole("r")
    run = synced(mirror, story)
    path = mirror.client().download_artifacts(run.info.run_id, "lineage.json", str(story.root))
    document = json.loads(Path(path).read_text())
    digests = {n["label"]: n.get("digest") for n in document["nodes"]}
    assert digests["df"] == "d" * 64
    assert digests["data.csv"] == "a" * 64
    assert ["file:data.csv", "step:load"] in document["edges"]


def test_a_second_sync_changes_nothing(story, mirror):
    story.whole("r")
    once = synced(mirror, story)
    story.journal.place(MLFLOW_PLACE, "0")
    again = synced(mirror, story)
    assert again.info.run_id == once.info.run_id
    assert len(again.inputs.dataset_inputs) == 2
    assert len(mirror.client().get_metric_history(once.info.run_id, "accuracy")) == 1


def test_a_registered_model_is_an_output_and_has_the_metrics(story, mirror):
    file = story.root / "model.pickle"
    file.write_bytes(pickle.dumps(DecisionTreeClassifier().fit([[0], [1]], [0, 1])))
    artifact = mirror.store.put(file)
    story.start("r", "j")
    for step in ("load", "train", "judge"):
        story.step("r", step, "j")
    story.tell(ev.ModelKept(run="r", job="j", variable="model", digest="e" * 64, artifact=artifact))
    story.end("r", job="j")
    story.tell(
        ev.Registered(
            run="r",
            job="j",
            model="wine",
            version=1,
            artifact=artifact,
            digest="e" * 64,
            metrics={"accuracy": 2.0},
        )
    )
    run = synced(mirror, story)
    assert len(run.outputs.model_outputs) == 1
    client = mirror.client()
    model = client.get_logged_model(run.outputs.model_outputs[0].model_id)
    datasets = {(m.dataset_name, m.dataset_digest) for m in model.metrics if m.key == "accuracy"}
    assert datasets == {(None, None), ("j.df", "d" * 36)}
    assert {m.value for m in model.metrics if m.key == "accuracy"} == {2.0}
    lineage.log_model(client, run.info.run_id, model.model_id, *run_and_trace(story, "r"))
    again = client.get_run(run.info.run_id)
    assert len(again.outputs.model_outputs) == 1
    assert len(client.get_metric_history(run.info.run_id, "accuracy")) == 2
    assert {i.dataset.name for i in run.inputs.dataset_inputs} == {"j.df"}


def test_inputs_include_the_frames_of_a_metric(story):
    """Inputs are listed without pandas or MLflow."""
    story.whole("r")
    inputs = lineage.inputs(*run_and_trace(story, "r"), story.root)
    assert [(i["name"], i["context"]) for i in inputs] == [
        ("data.csv", "input"),
        ("wine.df", "training"),
    ]
