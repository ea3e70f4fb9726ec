"""Syncs a real MLflow on SQLite with the journal of a story."""

from typing import Any

from mlops_nb.integrations.mlflow.mirror import MlflowMirror


def synced(mirror: MlflowMirror, story: Any) -> Any:
    """Sync, and return the latest run in MLflow."""
    for event in list(mirror.catch_up()):
        story.journal.append(event)
    client = mirror.client()
    return client.search_runs([mirror.experiment_id(client)], max_results=1)[0]
