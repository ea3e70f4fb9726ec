"""Asks the MLflow of a project, in a process of its own: a client keeps the database open."""

import json
import subprocess
import sys
from typing import Any

from typing_in import Terminal


def ask_mlflow(terminal: Terminal, expression: str, *values: str) -> Any:
    """Return what an expression amounts to, in which `c` is a client and `v` the values."""
    code = (
        "import json, sys, mlflow; from mlflow import MlflowClient\n"
        "mlflow.set_tracking_uri(sys.argv[1]); c, v = MlflowClient(), sys.argv[2:]\n"
        f"print(json.dumps({expression}))"
    )
    url = f"sqlite:///{terminal.folder / '.mlops' / 'mlflow.db'}"
    done = subprocess.run(
        [sys.executable, "-c", code, url, *values],
        env=terminal.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)
