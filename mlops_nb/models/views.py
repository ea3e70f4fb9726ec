"""The public JSON of models, releases and approvals."""

from typing import Any

from mlops_nb.context import Context
from mlops_nb.events import Released
from mlops_nb.models.registry import Model, read_models


def all_models(ctx: Context) -> dict[str, Any]:
    """Return what `models --json` prints."""
    found = read_models(ctx)
    return {"version": 1, "models": [model_row(m) for m in found.values()]}


def model_row(model: Model) -> dict[str, Any]:
    """Return one model of `models --json`."""
    before = model.releases[-2] if len(model.releases) > 1 else None
    status = {before: "previous", model.champion: "champion"}
    return {
        "name": model.name,
        "champion": model.champion,
        "moved": model.moved or None,
        "versions": [
            {
                "version": v.version,
                "run": v.run,
                "created": v.created,
                "metrics": dict(v.metrics),
                "status": "waiting"
                if v.version in model.waiting
                else status.get(v.version, "retired"),
            }
            for v in model.versions.values()
        ],
    }


def release_answer(released: Released, *, synced: bool) -> dict[str, Any]:
    """Return what `rollback --json` and `approve --json` print.

    synced: MLflow has the release already
    """
    return {
        "version": 1,
        "model": released.model,
        "champion": released.version,
        "previous": released.previous,
        "because": released.because,
        "by": released.by,
        "together": dict(released.together),
        "mlflow": "agrees" if synced else "behind",
    }
