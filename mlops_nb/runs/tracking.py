"""Decides which MLflow the cells of a notebook log to, as the environment of their kernel."""

import json
import re
from collections.abc import Iterable, MutableMapping
from pathlib import Path

from mlops_nb.context import Context
from mlops_nb.notebook.model import Notebook

ONLY_IMPORTS = re.compile(r"\s*import (?!.*mlflow as )[\w, ]+")  # no `import mlflow as m`
SETS_ADDRESS = re.compile(r"\bset_tracking_uri\b|\bMLFLOW_TRACKING_URI\b")
EXPERIMENT = re.compile(
    r"""\bset_experiment\(\s*(?:experiment_name\s*=\s*)?["']([^"'\n{}\\]+)["']"""
)
ADDRESS = "MLFLOW_TRACKING_URI"
RUN_CONTEXT = "MLFLOW_RUN_CONTEXT"  # tags of the runs that cells start, as JSON


def environment(ctx: Context, notebook: Notebook, *, folder: Path, path: str) -> dict[str, str]:
    """Return the variables that the kernel of a notebook gets in addition.

    Cells log to the project's MLflow. If they set a tracking URI, or if MLflow's own default store
    exists in their folder, MLflow finds its address and its experiment as it does in Jupyter.

    folder: the working folder of the kernel
    path:   the notebook's path, for the tags of the runs that its cells start
    """
    found = ctx.kernel_environment()
    if has_own_store(ctx, notebook, folder):
        found = {k: v for k, v in found.items() if k not in ctx.tracking_environment()}
    if RUN_CONTEXT not in ctx.environment:
        found[RUN_CONTEXT] = json.dumps(source_tags(path), ensure_ascii=False)
    return found


def source_tags(path: str) -> dict[str, str]:
    """Return the tags by which MLflow shows that a run came from a notebook.

    >>> source_tags("train.ipynb")["mlflow.source.type"]
    'NOTEBOOK'
    """
    return {"mlflow.source.name": path, "mlflow.source.type": "NOTEBOOK"}


def prepare(ctx: Context, notebook: Notebook, folder: Path) -> None:
    """Prepare the project's MLflow if the cells of a notebook may log to it.

    Raises Unreachable if it does not answer.
    """
    if logs_to_mlflow(notebook) and not has_own_store(ctx, notebook, folder):
        ctx.prepare_tracking(_experiments(cell.source for cell in notebook.cells))


def logs_to_mlflow(notebook: Notebook) -> bool:
    """Return whether a notebook's own cells may log to MLflow."""
    return any(_logs(cell.source) for cell in notebook.cells)


def _logs(source: str) -> bool:
    lines = source.splitlines()
    return any("mlflow" in line and not ONLY_IMPORTS.fullmatch(line) for line in lines)


def _experiments(sources: Iterable[str]) -> list[str]:
    """Return the experiments that cells set, none if they create some themselves.

    >>> _experiments(["mlflow.set_experiment('churn')"])
    ['churn']
    """
    texts = list(sources)
    if any("create_experiment" in text for text in texts):
        return []
    return [name for text in texts for name in EXPERIMENT.findall(text)]


def before_cell(
    ctx: Context, source: str, folder: Path, environment: MutableMapping[str, str]
) -> None:
    """Let a cell of a live notebook log to the same MLflow as a run of the notebook does.

    environment: the variables of the kernel; a tracking URI that is set already stays

    Raises Unreachable if MLflow does not answer.
    """
    if "mlflow" not in source and ADDRESS not in source:
        return
    ours = ctx.tracking_environment()
    if SETS_ADDRESS.search(source):
        for name, value in ours.items():
            if environment.get(name) == value and name not in ctx.environment:
                del environment[name]
        return
    if ADDRESS not in environment:
        if not ctx.settings.names_mlflow and default_store_exists(folder):
            return
        environment.update(ctx.kernel_environment())
    if environment[ADDRESS] == ours[ADDRESS] and _logs(source):
        ctx.prepare_tracking(_experiments([source]))


def has_own_store(ctx: Context, notebook: Notebook, folder: Path) -> bool:
    """Return whether the cells of a notebook log to another MLflow than the project's."""
    if any(SETS_ADDRESS.search(cell.source) for cell in notebook.cells):
        return True
    return not ctx.settings.names_mlflow and default_store_exists(folder)


def default_store_exists(folder: Path) -> bool:
    """Return whether a folder has a store where MLflow looks if it is given no address.

    This is `mlflow.db`, or `mlruns` with a description of an experiment, depending on the version.
    """
    return (folder / "mlflow.db").is_file() or any(folder.glob("mlruns/[0-9]*/meta.yaml"))
