"""Sets what MLflow keeps for a whole process, for some calls; a person's own settings come back."""

import contextlib
import logging
import os
from collections.abc import Iterator

LOGGERS = ("mlflow", "alembic")
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
    "GIT_PYTHON_REFRESH": "quiet",
}


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Make MLflow log errors only, try servers briefly, and call home never, for some calls."""
    with _variables({n: v for n, v in QUIET.items() if n not in os.environ}):
        import mlflow  # noqa: F401  which sets the levels

        levels = {name: logging.getLogger(name).level for name in LOGGERS}
        try:
            for name in LOGGERS:
                logging.getLogger(name).setLevel(logging.ERROR)
            yield
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)


@contextlib.contextmanager
def tracking_at(uri: str) -> Iterator[None]:
    """Make MLflow's functions that take no address use this one, for some calls."""
    import mlflow

    before = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None
    mlflow.set_tracking_uri(uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before)


@contextlib.contextmanager
def _variables(values: dict[str, str]) -> Iterator[None]:
    """Set environment variables for some calls."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
