"""What users of MLflow find in it after a sync: a real MLflow on SQLite."""

import logging
import math
import os
import pickle
from pathlib import Path

import cloudpickle
import mlflow
import numpy as np
import pandas as pd
import pytest
from msgspec.structs import replace
from sklearn.linear_model import LinearRegression
from syncing import synced

from mlops_nb import config
from mlops_nb import events as ev
from mlops_nb.integrations.mlflow.limits import CUT_TAG, NOT_FINITE_TAG
from mlops_nb.integrations.mlflow.mirror import LOGGED_TAG, MlflowMirror
from mlops_nb.integrations.mlflow.models import EXAMPLE_TAG, LOADS_TAG, SIGNATURE_TAG
from mlops_nb.storage.ports import MLFLOW_PLACE

pytestmark = pytest.mark.filterwarnings("default")  # those of MLflow are not ours
ROWS = pd.DataFrame({"size": [1.0, 2.0, 3.0], "email": ["a@b.org", "c@d.org", None]})


def put(mirror: MlflowMirror, folder: Path, value) -> str:
    """Store a pickled value, and return its digest."""
    file = folder / f"{type(value).__name__}.pickle"
    file.write_bytes(cloudpickle.dumps(value))
    return mirror.store.put(file)


def register(mirror, story, model, *, example=None, example_of="the first 3 rows of X"):
    """Run a job that makes a model, register it, sync, and return MLflow's version of it."""
    name = f"{story.root.name}-wine"
    artifact = put(mirror, story.root, model)
    rows = "" if example is None else put(mirror, story.root, example)
    story.start("r", "j")
    kept = ev.ModelKept(run="r", job="j", variable="model", digest="e" * 64, artifact=artifact)
    story.tell(replace(kept, example=rows, example_of=example_of))
    story.end("r", job="j")
    made = ev.Registered(
        run="r", job="j", model=name, version=1, artifact=artifact, digest="e" * 64
    )
    story.tell(made, ev.Released(run="r", job="j", model=name, version=1))
    synced(mirror, story)
    return mirror.client().get_model_version_by_alias(name, "champion")


@pytest.fixture
def user(mirror):
    """Set MLflow's tracking URI, as its users do."""
    mlflow.set_tracking_uri(mirror.uri)
    yield
    mlflow.set_tracking_uri(None)


def champion(version):
    """Load the champion as users of MLflow do."""
    return mlflow.pyfunc.load_model(f"models:/{version.name}@champion")


def test_a_run_shows_its_notebook_as_its_source(story, mirror):
    story.whole("r")
    tags = synced(mirror, story).data.tags
    assert (tags["mlflow.source.name"], tags["mlflow.source.type"]) == ("wine.ipynb", "NOTEBOOK")
    assert not {CUT_TAG, NOT_FINITE_TAG} & set(tags)


def test_a_value_that_is_cut_is_named_and_says_so_itself(story, mirror):
    story.parameters = {"text": "x" * 7000, "short": "y" * 6000, "n" * 300: 1}
    story.start("r")
    story.end("r", "failed", error="e" * 9000)
    run = synced(mirror, story)
    assert run.data.params["text"].endswith("x… [cut from 7000 characters]")
    assert len(run.data.params["text"]) == 6000
    assert run.data.params["short"] == "y" * 6000
    assert run.data.tags["error"].endswith("e… [cut from 9000 characters]")
    named = run.data.tags[CUT_TAG]
    assert "parameter text" in named
    assert "tag error" in named
    assert "name of parameter nnn" in named
    assert "short" not in named


def test_more_values_than_one_call_takes_are_all_logged(story, mirror):
    story.parameters = {f"p{n}": n for n in range(250)}
    story.start("r")
    story.tell(ev.Measured(run="r", metrics={f"m{n}": n for n in range(1700)}))
    story.tell(ev.RunFinished(run="r", status="finished", seconds=1.0))
    run = synced(mirror, story)
    assert len(run.data.params) == 250
    assert {run.data.metrics[f"m{n}"] for n in range(1700)} == set(map(float, range(1700)))


def test_metrics_that_are_nan_or_infinite_are_logged_and_named(story, mirror):
    story.start("r")
    story.tell(ev.Measured(run="r", metrics={"loss": math.nan, "worst": math.inf, "auc": 0.5}))
    story.tell(ev.RunFinished(run="r", status="finished", seconds=1.0))
    run = synced(mirror, story)
    assert math.isnan(run.data.metrics["loss"])
    assert run.data.metrics["worst"] > 1e308  # SQLite stores no infinite number
    assert run.data.tags[NOT_FINITE_TAG] == "loss = nan, worst = inf"


def test_a_run_that_cells_logged_elsewhere_stops_no_sync(story, mirror):
    story.start("r")
    story.tell(ev.Measured(run="r", metrics={"auc": 0.5}, logged_run="0" * 32))
    story.tell(ev.RunFinished(run="r", status="finished", seconds=1.0))
    run = synced(mirror, story)
    assert run.info.status == "FINISHED"
    assert run.data.tags[LOGGED_TAG].startswith("0" * 32)


@pytest.mark.usefixtures("user")
def test_a_version_has_the_signature_and_an_example_of_its_input(story, mirror):
    frame = ROWS[["size"]]
    version = register(mirror, story, LinearRegression().fit(frame, [1.0, 2.0, 3.0]), example=frame)
    loaded = champion(version)
    assert loaded.metadata.signature.inputs.input_names() == ["size"]
    assert loaded.metadata.signature.outputs is not None
    pd.testing.assert_frame_equal(loaded.input_example, frame)
    assert loaded.predict(loaded.input_example) == pytest.approx([1.0, 2.0, 3.0])
    assert version.tags[EXAMPLE_TAG] == "the first 3 rows of X"


@pytest.mark.usefixtures("user")
def test_an_example_of_an_array_is_one_too(story, mirror):
    array = np.array([[1.0], [2.0], [3.0]])
    model = LinearRegression().fit(array, [1.0, 2.0, 3.0])
    loaded = champion(register(mirror, story, model, example=array))
    assert loaded.metadata.signature.inputs.is_tensor_spec()
    assert loaded.input_example.tolist() == array.tolist()


@pytest.mark.usefixtures("user")
def test_no_personal_value_gets_into_the_example(story, mirror):
    def by_size(frame):
        return frame["size"] * 2

    version = register(mirror, story, by_size, example=ROWS)
    loaded = champion(version)
    assert loaded.metadata.signature.inputs.input_names() == ["size", "email"]
    assert loaded.input_example["email"].tolist()[:2] == ["hidden", "hidden"]
    assert version.tags[EXAMPLE_TAG].endswith("values hidden, as they may be personal: email")
    files = [p for p in (story.root / "artifacts").rglob("*") if p.is_file()]
    assert files
    assert not any(b"a@b.org" in p.read_bytes() for p in files)


@pytest.mark.usefixtures("user")
def test_a_function_of_the_notebook_is_loaded_by_mlflow(story, mirror):
    loaded = champion(register(mirror, story, lambda frame: frame["size"] * 2, example=ROWS))
    assert list(loaded.predict(ROWS)) == [2.0, 4.0, 6.0]


@pytest.mark.usefixtures("user")
def test_a_version_without_a_known_input_says_so(story, mirror):
    why = "none: no data that the model takes is known and loaded"
    model = LinearRegression().fit(ROWS[["size"]], [1.0, 2.0, 3.0])
    version = register(mirror, story, model, example_of=why)
    assert version.tags[EXAMPLE_TAG] == why
    assert version.tags[SIGNATURE_TAG] == "none: no rows of the input are known"
    assert champion(version).metadata.signature is None


@pytest.mark.usefixtures("user")
def test_a_model_that_fails_on_its_example_has_a_signature_of_its_input(story, mirror):
    def broken(_):
        raise ValueError("no")

    version = register(mirror, story, broken, example=ROWS[["size"]])
    assert "predicting failed: ValueError: no" in version.tags[SIGNATURE_TAG]
    assert champion(version).metadata.signature.inputs.input_names() == ["size"]


def test_what_mlflow_cannot_load_is_kept_as_a_file_that_says_so(story, mirror):
    version = register(mirror, story, {"middle": 0.5})
    assert version.tags[LOADS_TAG].startswith("no: it has no `predict`")
    client = mirror.client()
    (file,) = client.list_artifacts(version.run_id, "model")
    path = client.download_artifacts(version.run_id, file.path, str(story.root))
    assert pickle.loads(Path(path).read_bytes()) == {"middle": 0.5}


@pytest.mark.usefixtures("user")
def test_a_sync_that_was_cut_off_logs_no_model_twice(story, mirror):
    frame = ROWS[["size"]]
    version = register(mirror, story, LinearRegression().fit(frame, [1.0, 2.0, 3.0]), example=frame)
    client = mirror.client()
    client.delete_model_version(version.name, version.version)  # as if it was not made yet
    story.journal.place(MLFLOW_PLACE, "0")
    run = synced(mirror, story)
    assert len(run.outputs.model_outputs) == 1
    again = client.get_model_version_by_alias(version.name, "champion")
    assert again.tags == version.tags
    assert champion(again).metadata.signature is not None


def test_a_project_s_path_may_have_a_percent_sign(story, mirror, tmp_path):
    root = tmp_path / "50%20off" / "%(here)s"
    (root / ".mlops").mkdir(parents=True)
    settings = config.load(root, {})
    mirror.uri, mirror.artifacts = settings.mlflow, settings.artifacts
    story.start("r", "")
    story.end("r")
    assert synced(mirror, story).data.tags["mlops-nb.run"] == "r"
    assert (root / ".mlops" / "mlflow.db").is_file()
    assert [p.name for p in tmp_path.iterdir() if "%" in p.name] == ["50%20off"]  # no other folder


def test_a_sync_leaves_the_settings_of_its_process_alone(story, mirror, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "7")
    before, level = dict(os.environ), logging.getLogger("mlflow").level
    register(mirror, story, LinearRegression().fit([[1.0]], [1.0]))
    list(mirror.aliases())
    assert dict(os.environ) == before
    assert logging.getLogger("mlflow").level == level
    assert not mlflow.is_tracking_uri_set()


def copies(mirror: MlflowMirror) -> list[str]:
    """Return the ids of the runs in MLflow, as the journal has them."""
    client = mirror.client()
    found = client.search_runs([mirror.experiment_id(client)])
    return sorted(r.data.tags["mlops-nb.run"] for r in found)


def beside(mirror: MlflowMirror, folder: Path) -> MlflowMirror:
    """Return a mirror of the same journal in another database."""
    return MlflowMirror(
        uri=config.sqlite_address(folder / "other.db"),
        experiment=mirror.experiment,
        artifacts=mirror.artifacts,
        runs=mirror.runs,
        journal=mirror.journal,
        store=mirror.store,
    )


def test_a_version_whose_artifact_was_pruned_is_registered(story, mirror, tmp_path):
    version = register(mirror, story, LinearRegression().fit([[0], [1]], [0, 1]))
    for digest, *_ in list(mirror.store.contents()):
        mirror.store.remove(digest)
    story.whole("later")
    other = beside(mirror, tmp_path)
    synced(other, story)
    again = other.client().get_model_version_by_alias(version.name, "champion")
    assert again.tags["mlops-nb.version"] == "1"
    assert "is not in the store" in again.tags[LOADS_TAG]


def test_another_database_is_synced_from_the_start(story, mirror, tmp_path):
    story.whole("r")
    synced(mirror, story)
    story.whole("s")
    synced(mirror, story)
    assert copies(mirror) == ["r", "s"]
    other = beside(mirror, tmp_path)
    story.whole("t")  # what is new leads to a look at the database
    for _ in range(2):
        synced(other, story)
        assert copies(other) == ["r", "s", "t"]
    story.whole("u")
    synced(mirror, story)
    assert copies(mirror) == ["r", "s", "t", "u"]
