"""The settings of prediction logs: those of the jobs that make the models."""

from datetime import timedelta
from functools import partial

from mlops_nb.context import Context
from mlops_nb.jobs.bundle import job_yaml
from mlops_nb.jobs.registry import read_jobs
from mlops_nb.models.registry import read_models
from mlops_nb.serving.settings import PredictionSettings, ReadSettings


def settings_of(ctx: Context, model: str) -> PredictionSettings:
    """Return the settings in the live job.yaml of the job that makes a model.

    Of several jobs that make it, the one that was applied last counts; without one, the defaults.
    """
    live = [
        state
        for state in read_jobs(ctx).values()
        if (state.definition.get("model") or {}).get("name") == model
    ]
    if not live:
        return PredictionSettings()
    last = max(live, key=lambda state: state.applied)
    return job_yaml.of_definition(dict(last.definition)).predictions


def reader(ctx: Context, model: str) -> ReadSettings:
    """Return the function that reads the settings of a model's log as they are now."""
    return partial(settings_of, ctx, model)


def kept(ctx: Context) -> dict[str, timedelta]:
    """Return model → how long the days of its log stay, for every model of the journal."""
    return {model: settings_of(ctx, model).kept for model in read_models(ctx)}
