"""What a real MLflow, on SQLite, knows of a run's data and models."""

import json
import pickle
from pathlib import Path

import pytest
from sklearn.tree import DecisionTreeClassifier

from mlops_nb import events as ev
from mlops_nb.integrations.mlflow import lineage
from mlops_nb.integrations.mlflow.mirror import MlflowMirror
from mlops_nb.lineage.read import traced
from mlops_nb.lineage.trace import Trace
from mlops_nb.runs import history
from mlops_nb.storage.memory import MemoryStore
from mlops_nb.storage.ports import MLFLOW_PLACE

pytestmark = pytest.mark.filterwarnings("default")  # those of MLflow are not ours


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Name one database for all: MLflow's migrations take seconds."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"


def mirror(story, database: str) -> MlflowMirror:
    """Return a mirror with an experiment of its own."""
    return MlflowMirror(
        uri=database,
        experiment=story.root.name,
        artifacts=(story.root / "artifacts").as_uri(),
        runs=story.root / ".mlops" / "runs",
        journal=story.journal,
        store=MemoryStore(),
    )


def caught_up(made: MlflowMirror, story) -> object:
    """Catch up, and return MLflow's latest run."""
    for event in list(made.catch_up()):
        story.journal.append(event)
    client = made.client()
    return client.search_runs([made.experiment_id(client)], max_results=1)[0]


def told_of(story, run: str) -> tuple[history.Run, Trace]:
    """Return a run, and what it read and made."""
    found = history.runs(story.journal.read(run=run))[run]
    return found, traced(story.journal, found)


def test_a_run_lists_the_files_and_frames_it_read_by_our_digests(story, database):
    story.whole("r")
    run = caught_up(mirror(story, database), story)
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


def test_the_lineage_of_a_run_lies_beside_its_notebook_with_full_digests(story, database):
    story.whole("r")
    made = mirror(story, database)
    run = caught_up(made, story)
    path = made.client().download_artifacts(run.info.run_id, "lineage.json", str(story.root))
    told = json.loads(Path(path).read_text())
    digests = {n["label"]: n.get("digest") for n in told["nodes"]}
    assert digests["df"] == "d" * 64
    assert digests["data.csv"] == "a" * 64
    assert ["file:data.csv", "step:load"] in told["edges"]


def test_catching_up_again_changes_nothing(story, database):
    story.whole("r")
    made = mirror(story, database)
    once = caught_up(made, story)
    story.journal.place(MLFLOW_PLACE, "0")
    again = caught_up(made, story)
    assert again.info.run_id == once.info.run_id
    assert len(again.inputs.dataset_inputs) == 2
    assert len(made.client().get_metric_history(once.info.run_id, "accuracy")) == 1


def test_a_registered_model_is_the_runs_output_and_carries_its_metrics(story, database):
    made = mirror(story, database)
    file = story.root / "model.pickle"
    file.write_bytes(pickle.dumps(DecisionTreeClassifier().fit([[0], [1]], [0, 1])))
    artifact = made.store.put(file)
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
    run = caught_up(made, story)
    assert len(run.outputs.model_outputs) == 1
    client = made.client()
    model = client.get_logged_model(run.outputs.model_outputs[0].model_id)
    told = {(m.dataset_name, m.dataset_digest) for m in model.metrics if m.key == "accuracy"}
    assert told == {(None, None), ("j.df", "d" * 36)}
    assert {m.value for m in model.metrics if m.key == "accuracy"} == {2.0}
    lineage.log_model(client, run.info.run_id, model.model_id, *told_of(story, "r"))
    again = client.get_run(run.info.run_id)
    assert len(again.outputs.model_outputs) == 1
    assert len(client.get_metric_history(run.info.run_id, "accuracy")) == 2
    assert {i.dataset.name for i in run.inputs.dataset_inputs} == {"j.df"}


def test_the_frames_behind_a_metric_are_named_with_it(story):
    """Frames are told without pandas or MLflow."""
    story.whole("r")
    told = lineage.inputs(*told_of(story, "r"), story.root)
    assert [(t["name"], t["context"]) for t in told] == [
        ("data.csv", "input"),
        ("wine.df", "training"),
    ]
