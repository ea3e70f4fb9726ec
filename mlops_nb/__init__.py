"""From a Jupyter notebook to a training pipeline that runs, judges, releases and watches by itself.

Nothing heavy is imported here: kernels and servers import this package at their start.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlops_nb.project import Project

__version__ = "0.1.0"


def open(folder: "str | Path" = ".") -> "Project":  # noqa: A001  mlops_nb.open(folder) reads well
    """Open the project that a folder belongs to: the command line's verbs, from Python."""
    from mlops_nb.project import open_project

    return open_project(folder)


def load_ipython_extension(shell: Any) -> None:
    """`%load_ext mlops_nb`: all the set-up there is."""
    from mlops_nb.jupyter.magics import load

    load(shell)


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    return [{"src": "labextension", "dest": "mlops-nb"}]


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "mlops_nb"}]


def _load_jupyter_server_extension(server_app: Any) -> None:
    from mlops_nb.jupyter.server import load

    load(server_app)
