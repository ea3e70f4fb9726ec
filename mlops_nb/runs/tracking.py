"""Decides which MLflow the cells of a notebook log to, as the environment of their kernel."""

import json
import re
from pathlib import Path

from mlops_nb.context import Context
from mlops_nb.notebook.model import Notebook

ONLY_IMPORTS = re.compile(r"\s*import (?!.*mlflow as )[\w, ]+")  # no `import mlflow as m`
SETS_ADDRESS = re.compile(r"\bset_tracking_uri\b|\bMLFLOW_TRACKING_URI\b")
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
        ctx.prepare_tracking()


def logs_to_mlflow(notebook: Notebook) -> bool:
    """Return whether a notebook's own cells may log to MLflow."""
    lines = (line for cell in notebook.cells for line in cell.source.splitlines())
    return any("mlflow" in line and not ONLY_IMPORTS.fullmatch(line) for line in lines)


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
