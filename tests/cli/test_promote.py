"""A promotion from end to end: proof, gates, bundle, release, and what comes of edits."""

import json
import os
import re
import subprocess
import sys

import pytest
import yaml
from asking_mlflow import ask_mlflow
from saved import Saved, project
from small import IMPORTS, JUDGE, LOAD, TRAIN, small
from typing_in import Terminal
from wine import IMPORTS as WINE_IMPORTS
from wine import JUDGE as WINE_JUDGE
from wine import wine

SETTINGS = (
    *("--model", "model", "--schedule", "0 3 * * 1", "--tz", "Asia/Seoul"),
    *("--gate", "accuracy >= 0.5", "--gate", "accuracy >= champion - 0.05"),
)
PROMOTE = ("promote", "small.ipynb", "--name", "small", *SETTINGS)
FILES = {
    "job.yaml",
    "job.schema.json",
    "pipeline.ipynb",
    "pipeline.py",
    "graph.json",
    "proof.json",
    "requirements.lock",
    "schema.json",
    "MODEL_CARD.md",
    "REVIEW.md",
    "Dockerfile",
    "MANIFEST.json",
}


@pytest.fixture(scope="module")
def wine_job(tmp_path_factory) -> tuple[Saved, dict]:
    """Promote the wine notebook, which imports a module of its own and has a cell to leave out."""
    terminal = project(tmp_path_factory.mktemp("wine"), "cellar")
    (terminal.folder / "judging.py").write_text("def share(x):\n    return float(x)\n")
    wine(
        terminal.folder / "wine.ipynb",
        imports=WINE_IMPORTS + "\nimport judging",
        judge=WINE_JUDGE.replace("float(", "judging.share("),
        look="df.describe()\nprint('only a look')",
    )
    before = (terminal.folder / "wine.ipynb").read_bytes()
    words = ("promote", "wine.ipynb", "--name", "wine", *SETTINGS)
    answer = terminal.type(*words, MLOPS_NB_MIRROR="wait")
    assert answer.status == 0, answer.stderr
    assert (terminal.folder / "wine.ipynb").read_bytes() == before
    return Saved(terminal), answer.json


@pytest.fixture
def cellar(wine_job) -> Terminal:
    """Open the project of the wine job."""
    return wine_job[0].put_back()


@pytest.fixture
def promoted(wine_job) -> dict:
    """Return what the promotion of the wine notebook answered."""
    return wine_job[1]


@pytest.fixture(scope="module")
def small_job(tmp_path_factory) -> Saved:
    """Promote the small notebook, which imports a module of its own."""
    terminal = project(tmp_path_factory.mktemp("small"), "cellar")
    (terminal.folder / "mine.py").write_text("SHIFT = 0\n")
    small(terminal.folder / "small.ipynb", imports=IMPORTS + "\nimport mine")
    answer = terminal.type(*PROMOTE)
    assert answer.status == 0, answer.stderr
    return Saved(terminal)


@pytest.fixture
def terminal(small_job) -> Terminal:
    """Open the project of the small job."""
    return small_job.put_back()


def test_the_bundle_holds_what_a_reviewer_needs(cellar, promoted):
    bundle = cellar.folder / promoted["bundle"]
    assert {p.name for p in bundle.iterdir()} == FILES | {"modules"}
    assert (bundle / "modules" / "judging.py").is_file()
    frozen = (bundle / "pipeline.ipynb").read_text()
    assert "only a look" not in frozen
    assert '"output_type"' not in frozen
    assert "%mlops" not in frozen
    assert {left["cell"] for left in promoted["left_out"]} == {0, 4}
    review = (bundle / "REVIEW.md").read_text()
    assert "| train | X_train, y_train | model | depth, seed |" in review
    lock = (bundle / "requirements.lock").read_text()
    pins = re.findall(r"^(\S+)==\S+ \\\n    --hash=sha256:[0-9a-f]{64}", lock, re.MULTILINE)
    assert len(pins) == lock.count("==")
    assert {"scikit-learn", "ipykernel", "cloudpickle"} <= set(pins)
    assert "://" not in lock


def test_the_proof_is_bitwise_and_the_gates_are_judged(promoted):
    assert promoted["proof"]["equal"] is True
    assert [s["name"] for s in promoted["proof"]["steps"]] == ["load", "split", "train", "judge"]
    assert [g["passed"] for g in promoted["gates"]] == [True, True]
    assert promoted["gates"][1]["because"] == "there is no champion yet"
    assert promoted["model"] == {"name": "wine", "version": 1, "alias": "champion"}
    assert all(t.endswith("T03:00:00+09:00") for t in promoted["schedule"]["next"])


def test_mlflow_has_the_version_under_the_alias_and_can_load_it(cellar, promoted):
    loaded = "type(mlflow.sklearn.load_model('models:/wine@champion')).__name__"
    assert ask_mlflow(cellar, loaded) == "DecisionTreeClassifier"


def test_the_champion_in_mlflow_has_a_signature_and_an_example(cellar, promoted):
    found = ask_mlflow(
        cellar,
        "[{'inputs': m.metadata.signature.inputs.input_names(), 'rows': len(m.input_example),"
        " 'predicts': len(m.predict(m.input_example))}"
        " for m in [mlflow.pyfunc.load_model('models:/wine@champion')]][0]",
    )
    assert found["inputs"][0] == "alcohol"
    assert (found["rows"], found["predicts"]) == (5, 5)
    tags = ask_mlflow(cellar, "c.get_model_version_by_alias('wine', 'champion').tags")
    assert tags["mlops-nb.input-example"] == "the first 5 rows of X_train"


def test_a_promotion_logs_every_parameter_and_its_notebook(cellar, promoted):
    run = "[c.get_run(c.get_model_version_by_alias('wine', 'champion').run_id).data][0]"
    assert ask_mlflow(cellar, f"{run}.params") == {"depth": "2", "share": "0.3", "seed": "7"}
    tags = ask_mlflow(cellar, f"{run}.tags")
    assert tags["mlflow.source.name"] == "jobs/wine/pipeline.ipynb"
    assert tags["mlflow.source.type"] == "NOTEBOOK"


def test_promote_says_whether_mlflow_has_the_champion_that_it_names(cellar, promoted):
    again = ("promote", "wine.ipynb", "--name", "wine", "--replace")
    answer = cellar.type(*again, "-p", "depth", "1", "--gate", "accuracy > 0")
    assert answer.json["model"]["alias"] == "champion"
    version = "c.get_model_version_by_alias('wine', 'champion').tags['mlops-nb.version']"
    behind = "MLflow is behind" in answer.stderr
    assert answer.json["mlflow"] == ("behind" if behind else "agrees")
    if not behind:
        assert ask_mlflow(cellar, version) == str(answer.json["model"]["version"])
    down = cellar.type(*again, "-p", "depth", "4", MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    assert (down.json["model"]["alias"], down.json["mlflow"]) == ("champion", "behind")
    assert "MLflow is behind" in down.stderr


def test_a_gate_on_a_metric_that_is_nan_says_so(tmp_path):
    terminal = project(tmp_path, "nan")
    judge = JUDGE + "\nloss, worst = float('nan'), float('inf')"
    small(terminal.folder / "small.ipynb", judge=judge)
    run = terminal.type("run", "small.ipynb")
    assert (run.json["metrics"]["loss"], run.json["metrics"]["worst"]) == ("NaN", "Infinity")
    assert "loss = nan" in run.stderr
    assert terminal.type("show", run.json["run"]).json["metrics"] == run.json["metrics"]
    words = ("promote", "small.ipynb", "--name", "small", "--gate", "loss < 1", "--dry-run")
    answer = terminal.type(*words)
    assert answer.status == 1
    assert answer.json["proof"]["equal"] is True
    assert [g["because"] for g in answer.json["gates"]] == ["loss is nan"]


def test_pipeline_py_runs_by_itself_from_anywhere_with_the_same_metrics(cellar, promoted, tmp_path):
    script = cellar.folder / promoted["bundle"] / "pipeline.py"
    done = subprocess.run(
        [sys.executable, str(script), "--json"],
        cwd=tmp_path,
        env=cellar.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["metrics"] == promoted["metrics"]


def test_an_existing_job_is_refused_without_replace(terminal):
    assert "there is a job 'small' already" in terminal.refused(*PROMOTE)


def test_replace_keeps_what_is_not_named_and_says_what_changes(terminal):
    answer = terminal.type(
        "promote", "small.ipynb", "--name", "small", "--replace", "--gate", "accuracy >= 0.4"
    )
    assert answer.status == 0, answer.stderr
    assert answer.json["schedule"]["cron"] == "0 3 * * 1"
    assert answer.json["changes"] == [
        "gates: ['accuracy >= 0.5', 'accuracy >= champion - 0.05'] → ['accuracy >= 0.4']"
    ]
    assert answer.json["model"]["version"] == 1  # the same model is not registered twice
    assert len(list((terminal.folder / ".mlops" / "bundles").iterdir())) >= 1


def test_an_edited_definition_runs_only_after_apply_and_edited_code_never(terminal):
    bundle = terminal.folder / "jobs" / "small"
    definition = yaml.safe_load((bundle / "job.yaml").read_text())
    definition["parameters"] = {"depth": 4}
    (bundle / "job.yaml").write_text(yaml.safe_dump(definition))
    assert terminal.type("job", "small").json["definition"]["parameters"] == {}
    applied = terminal.type("apply", "small")
    assert (applied.status, applied.json["changes"]) == (0, ["parameters: {} → {'depth': 4}"])
    script = bundle / "pipeline.py"
    text = script.read_text()
    script.write_text(text + "\n# edited\n")
    assert "'pipeline.py' in the bundle of 'small' is not what was proven" in terminal.refused(
        "apply", "small"
    )
    script.write_text(text)
    run = terminal.type("trigger", "small")
    assert (run.status, run.json["parameters"]["depth"]) == (0, 4)


def test_jobs_says_which_step_of_the_notebook_is_no_longer_the_jobs(terminal):
    assert terminal.type("jobs").json["jobs"][0]["differs_from_notebook"] == []
    path = terminal.folder / "small.ipynb"
    text = path.read_text()
    path.write_text(text.replace(": depth,", ": depth + 1,"))
    assert terminal.type("jobs").json["jobs"][0]["differs_from_notebook"] == ["train"]
    path.write_text(text)


def test_a_gate_that_is_not_met_writes_no_job(terminal):
    answer = terminal.type(
        "promote",
        "small.ipynb",
        "--name",
        "strict",
        "--model",
        "model",
        "--gate",
        "accuracy >= 1.1",
    )
    assert answer.status == 1
    assert answer.json["gates"][0]["passed"] is False
    assert not (terminal.folder / "jobs" / "strict").exists()
    assert "strict" not in [j["job"] for j in terminal.type("jobs").json["jobs"]]


def test_a_dry_run_judges_and_writes_nothing(terminal):
    answer = terminal.type(
        "promote",
        "small.ipynb",
        "--name",
        "dry",
        "--model",
        "model",
        "--gate",
        "accuracy >= 0.1",
        "--dry-run",
    )
    assert (answer.status, answer.json["passed"], answer.json["bundle"]) == (0, True, None)
    assert not (terminal.folder / "jobs" / "dry").exists()


def test_a_left_out_cell_that_matters_is_found_by_the_proof(terminal):
    small(
        terminal.folder / "sly.ipynb",
        look="print(builtins.__dict__.__setitem__('EXTRA', 1))",
        train=TRAIN.replace(": depth,", ": depth + getattr(builtins, 'EXTRA', 0),"),
        imports=IMPORTS + "\nimport builtins",
    )
    answer = terminal.type(
        "promote", "sly.ipynb", "--name", "sly", "--model", "model", "--gate", "accuracy >= 0.1"
    )
    assert answer.status == 1
    assert "step 'train' first, name 'model'" in answer.stderr
    assert not (terminal.folder / "jobs" / "sly").exists()
    known = [r for r in terminal.type("runs").json["runs"] if r["notebook"].startswith("jobs/sly")]
    assert [r["status"] for r in known] == ["finished"]


def test_a_draft_waits_for_apply(terminal):
    small(terminal.folder / "plain.ipynb")
    answer = terminal.type(
        "promote",
        "plain.ipynb",
        "--name",
        "plain",
        "--model",
        "model",
        "--gate",
        "accuracy >= 0.5",
        "--draft",
    )
    assert answer.status == 0
    assert (terminal.folder / "jobs" / "plain" / "job.yaml").is_file()
    jobs = {j["job"]: j["status"] for j in terminal.type("jobs").json["jobs"]}
    assert jobs["plain"] == "draft"
    assert "is a draft" in terminal.refused("trigger", "plain")
    assert "plain" not in [m["name"] for m in terminal.type("models").json["models"]]
    assert terminal.type("apply", "plain").status == 0
    champion = {m["name"]: m["champion"] for m in terminal.type("models").json["models"]}
    assert champion["plain"] == 1


def test_a_declared_secret_is_used_and_shown_nowhere(terminal):
    secret = "s3cr3t-of-the-cellar"
    small(
        terminal.folder / "hidden.ipynb",
        imports=IMPORTS + "\nimport os",
        load=LOAD + "\nkey_length = len(os.environ['WINE_KEY'])\nprint(os.environ['WINE_KEY'])",
    )
    answer = terminal.type(
        "promote",
        "hidden.ipynb",
        "--name",
        "hidden",
        "--model",
        "model",
        "--secret",
        "WINE_KEY",
        "--gate",
        "accuracy >= 0.1",
        WINE_KEY=secret,
    )
    assert answer.status == 0, answer.stderr
    for file in terminal.folder.rglob("*"):
        if file.is_file():
            assert secret.encode() not in file.read_bytes(), file
    assert "WINE_KEY is not set" in terminal.type("trigger", "hidden").stderr


def test_a_fresh_clone_applies_the_bundle_that_git_brought(terminal, tmp_path):
    clone = tmp_path / "clone"
    clone.mkdir()
    (clone / ".git").mkdir()
    for name in ("small.ipynb", "mine.py"):
        (clone / name).write_bytes((terminal.folder / name).read_bytes())
    bundle = terminal.folder / "jobs" / "small"
    for file in bundle.rglob("*"):
        if file.is_file():
            target = clone / "jobs" / "small" / file.relative_to(bundle)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes())
    other = Terminal(clone)
    assert "there is a job 'small' already" in other.refused(*PROMOTE)
    assert other.type("apply", "small").status == 0
    run = other.type("trigger", "small")
    assert (run.status, run.json["model_version"]) == (0, 1), run.stderr
    assert os.listdir(clone / "jobs") == ["small"]


def test_text_that_looks_like_a_number_stays_text_in_the_notebook_the_bundle_and_the_script(
    terminal,
):
    small(
        terminal.folder / "texts.ipynb",
        parameters="depth = 2\nshare = 0.3\nseed = 7\nyear = '2013'\nrates = [0.1, 0.2]",
        load=LOAD + "\nage = len(year) + len(rates)",
        train=TRAIN.replace(": depth,", ": depth + age - age,"),
    )
    answer = terminal.type(
        "promote",
        "texts.ipynb",
        "--name",
        "texts",
        "--model",
        "model",
        "-p",
        "year",
        "007",
        "--gate",
        "accuracy >= 0.5",
    )
    assert answer.status == 0, answer.stderr
    assert answer.json["proof"]["equal"] is True
    run = terminal.type("trigger", "texts", "-p", "year", "2014")
    assert (run.status, run.json["parameters"]["year"]) == (0, "2014")


def test_a_model_that_cannot_be_told_apart_is_held_to_its_bytes(terminal):
    small(
        terminal.folder / "deep.ipynb",
        imports=IMPORTS + "\nimport os",
        train='%mlops step train\nmodel = {"leaf": os.urandom(4)}\n'
        'for i in range(300):\n    model = {"left": model}',
        judge="%mlops step judge\naccuracy = 0.5 + 0 * len(model)",
    )
    answer = terminal.type("promote", "deep.ipynb", "--name", "deep", "--model", "model")
    assert answer.status == 1
    assert "'model'" in answer.stderr
    assert not (terminal.folder / "jobs" / "deep").exists()


def test_what_predicts_nothing_is_no_model(terminal):
    small(terminal.folder / "number.ipynb")
    answer = terminal.type("promote", "number.ipynb", "--name", "number", "--model", "accuracy")
    assert answer.status == 1
    assert "'accuracy' is no model: type float predicts nothing" in answer.stderr
    assert not (terminal.folder / "jobs" / "number").exists()
