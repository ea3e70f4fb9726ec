"""Which MLflow the cells of a notebook log to."""

import json
from pathlib import Path

import pytest

from mlops_nb.context import Context, real_time
from mlops_nb.notebook.model import Cell, Notebook
from mlops_nb.runs import tracking

OURS = {"MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"}
LOGS = "mlflow.log_metric('auc', 1)"


@pytest.fixture
def ctx(tmp_path: Path) -> Context:
    """Open a project that notes which experiments are prepared."""
    made = Context(tmp_path, {}, real_time)
    made.prepared = []
    made.prepare_tracking = lambda names: made.prepared.append(list(names))
    return made


def notebook(*sources: str) -> Notebook:
    cells = [Cell(index=n, position=n, id="", source=text) for n, text in enumerate(sources)]
    return Notebook(name="n.ipynb", kernel="python3", cells=tuple(cells))


def environment(ctx: Context, *sources: str) -> dict[str, str]:
    return tracking.environment(ctx, notebook(*sources), folder=ctx.root, path="n.ipynb")


def test_cells_log_to_the_projects_mlflow_and_name_the_notebook(ctx):
    found = environment(ctx, LOGS)
    assert found["MLFLOW_TRACKING_URI"] == f"sqlite:///{ctx.root}/.mlops/mlflow.db"
    assert found["MLFLOW_EXPERIMENT_NAME"] == "mlops-nb"
    tags = {"mlflow.source.name": "n.ipynb", "mlflow.source.type": "NOTEBOOK"}
    assert json.loads(found["MLFLOW_RUN_CONTEXT"]) == tags


@pytest.mark.parametrize(
    "source",
    ["mlflow.set_tracking_uri('x')", "os.environ['MLFLOW_TRACKING_URI'] = 'x'", "set_tracking_uri"],
)
def test_a_notebook_that_sets_its_address_gets_none_from_us(ctx, source):
    assert not OURS & set(environment(ctx, source, LOGS))


@pytest.mark.parametrize("store", ["mlflow.db", "mlruns/0/meta.yaml"])
def test_a_default_store_next_to_the_notebook_stays_in_use(ctx, store):
    (ctx.root / store).parent.mkdir(parents=True, exist_ok=True)
    (ctx.root / store).touch()
    assert not OURS & set(environment(ctx, LOGS))
    named = Context(ctx.root, {"MLFLOW_TRACKING_URI": "http://mlflow"}, real_time)
    assert environment(named, LOGS)["MLFLOW_TRACKING_URI"] == "http://mlflow"


def test_a_folder_of_artifacts_alone_is_no_store(ctx):
    (ctx.root / "mlruns" / "0" / "run").mkdir(parents=True)
    assert set(environment(ctx, LOGS)) >= OURS


def test_the_users_experiment_and_run_context_win(tmp_path):
    given = {"MLFLOW_EXPERIMENT_NAME": "mine", "MLFLOW_RUN_CONTEXT": "{}"}
    found = environment(Context(tmp_path, given, real_time), LOGS)
    assert found["MLFLOW_EXPERIMENT_NAME"] == "mine"
    assert "MLFLOW_RUN_CONTEXT" not in found


def test_experiments_are_prepared_only_where_cells_log_to_ours(ctx):
    tracking.prepare(ctx, notebook("import mlflow", "mlflow.set_experiment('mine')"), ctx.root)
    tracking.prepare(ctx, notebook("import mlflow"), ctx.root)
    tracking.prepare(ctx, notebook("mlflow.set_tracking_uri('x')"), ctx.root)
    create = "mlflow.create_experiment('mine')\nmlflow.set_experiment('mine')"
    tracking.prepare(ctx, notebook(create), ctx.root)
    assert ctx.prepared == [["mine"], []]


def test_a_live_cell_logs_where_a_run_would(ctx):
    live: dict[str, str] = {}
    for source in ("x = 1", "import mlflow", "mlflow.set_experiment('mine')"):
        tracking.before_cell(ctx, source, ctx.root, live)
    assert live == ctx.kernel_environment()
    assert ctx.prepared == [["mine"]]
    tracking.before_cell(ctx, "mlflow.set_tracking_uri('x')", ctx.root, live)
    assert not OURS & set(live)


def test_a_live_kernel_keeps_its_own_address_and_store(ctx):
    own = {"MLFLOW_TRACKING_URI": "http://own"}
    tracking.before_cell(ctx, LOGS, ctx.root, own)
    assert own == {"MLFLOW_TRACKING_URI": "http://own"}
    (ctx.root / "mlflow.db").touch()
    live: dict[str, str] = {}
    tracking.before_cell(ctx, LOGS, ctx.root, live)
    assert (live, ctx.prepared) == ({}, [])
