"""Opens a folder as a project: one short method for each verb of the command line."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_nb.engine.task import Limits
from mlops_nb.project.monitoring import Monitoring
from mlops_nb.project.panel import Panel
from mlops_nb.project.serving import Predictions
from mlops_nb.reuse.rules import Rules

if TYPE_CHECKING:
    from mlops_nb.jobs.promote.options import PromoteOptions
    from mlops_nb.jobs.promote.request import Request

__all__ = ["Limits", "Project", "PromoteOptions", "Request", "Rules", "open_project"]
# imported when they are first used, so that other verbs start fast
HOMES = {
    "Request": "mlops_nb.jobs.promote.request",
    "PromoteOptions": "mlops_nb.jobs.promote.options",
}


def __getattr__(name: str) -> Any:
    """Import the types of promotion when they are first used."""
    import importlib

    if name in HOMES:
        return getattr(importlib.import_module(HOMES[name]), name)
    raise AttributeError(f"module 'mlops_nb.project' has no attribute {name!r}")


class Project(Panel, Predictions, Monitoring):
    """A folder with notebooks, and the records of their runs and jobs."""


def open_project(folder: str | Path = ".") -> Project:
    """Open the project that a folder belongs to."""
    return Project(Path(folder))
