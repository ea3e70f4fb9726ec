"""Opens a folder as a project: one short method for each verb of the command line."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_nb.engine.task import Limits
from mlops_nb.project.jobs import Jobs
from mlops_nb.project.models import Models
from mlops_nb.project.notebooks import Notebooks
from mlops_nb.reuse.rules import Rules

if TYPE_CHECKING:
    from mlops_nb.jobs.promote.promote import PromoteOptions
    from mlops_nb.jobs.promote.request import Request

__all__ = ["Limits", "Project", "PromoteOptions", "Request", "Rules", "open_project"]
# what a verb needs is imported when it is typed: most are a matter of milliseconds
HOMES = {
    "Request": "mlops_nb.jobs.promote.request",
    "PromoteOptions": "mlops_nb.jobs.promote.promote",
}


def __getattr__(name: str) -> Any:
    """Import what only promoting needs when it is asked for."""
    import importlib

    if name in HOMES:
        return getattr(importlib.import_module(HOMES[name]), name)
    raise AttributeError(f"module 'mlops_nb.project' has no attribute {name!r}")


class Project(Notebooks, Jobs, Models):
    """A folder with notebooks, and everything that was recorded of them."""


def open_project(folder: str | Path = ".") -> Project:
    """Open the project that a folder belongs to."""
    return Project(Path(folder))
