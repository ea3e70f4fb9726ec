"""The settings of prediction logs: those of the jobs that make the models."""

import json
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from mlops_nb.context import Context
from mlops_nb.errors import Failed, JobError, MlopsError
from mlops_nb.jobs.bundle import job_yaml
from mlops_nb.jobs.execute import serving_settings
from mlops_nb.jobs.model import Job
from mlops_nb.jobs.registry import JobState, read_jobs
from mlops_nb.models import package
from mlops_nb.models.registry import read_models
from mlops_nb.runs.history import read_run
from mlops_nb.serving import log_size
from mlops_nb.serving.settings import (
    PredictionSettings,
    ReadSettings,
    ServingNotes,
    unknown_columns,
)


def settings_of(ctx: Context, model: str) -> PredictionSettings:
    """Return the settings in the live job.yaml of the job that makes a model, else the defaults."""
    return serving_settings(ctx, model).predictions


def job_of(ctx: Context, model: str) -> Job | None:
    """Return the live job that makes a model, None if there is none."""
    known = read_models(ctx).get(model)
    state = None if known is None else read_jobs(ctx).get(known.job)
    if state is None or not state.digest:
        return None
    return job_yaml.of_definition(dict(state.definition))


def reader(ctx: Context, model: str) -> ReadSettings:
    """Return the function that reads the settings of a model's log as they are now."""
    return partial(settings_of, ctx, model)


def kept(ctx: Context) -> dict[str, timedelta]:
    """Return model → how long the days of its log stay, for every model of the journal.

    A model whose job.yaml cannot be read any more is left out, with a warning: its days stay.
    """
    found = {}
    for model in read_models(ctx):
        try:
            found[model] = settings_of(ctx, model).kept
        except MlopsError as error:
            ctx.warnings.append(error)
    return found


def packaged(ctx: Context, run: str) -> Mapping[str, Any] | None:
    """Return what a run packaged, signature and golden answers; None if it cannot be served."""
    found = read_run(ctx.journal, run).package
    if found is None or not found.artifact:
        return None
    about: Mapping[str, Any] = json.loads(ctx.store.path(found.about).read_bytes())
    return about


def notes(ctx: Context, job: Job, run: str) -> ServingNotes:
    """Return what to know of the model of a run; empty if it cannot be served."""
    about = packaged(ctx, run)
    return ServingNotes() if about is None else log_size.notes(about, job.serving.predictions)


def notes_on_draft(ctx: Context, name: str, model: str) -> ServingNotes:
    """Return what to know of the model of a job's draft; empty without one that can be served."""
    state = read_jobs(ctx).get(name)
    if state is None or state.draft is None or not state.draft.model_run:
        return ServingNotes()
    about = packaged(ctx, state.draft.model_run)
    return ServingNotes() if about is None else log_size.notes(about, settings_of(ctx, model))


def notes_on_newest(ctx: Context, model: str) -> ServingNotes:
    """Return what to know of the newest version of a model; empty if it cannot be served."""
    known = read_models(ctx).get(model)
    if known is None or not known.versions:
        return ServingNotes()
    try:
        found = package.read(package.folder(ctx, model, max(known.versions)))
    except MlopsError:  # without a package, or damaged: `serve` tells it
        return ServingNotes()
    about = {"signature": found.signature, "golden": found.golden}
    return log_size.notes(about, settings_of(ctx, model))


def refuse_proven(ctx: Context, job: Job, run: str) -> None:
    """Raise Failed if the settings name a column that the model of a run does not have."""
    about = packaged(ctx, run)
    unknown = unknown_columns(job.serving.predictions, about["signature"]) if about else []
    if unknown and about:
        raise Failed(_what(unknown), fix=_fix(job, about["signature"]), where="job.yaml")


def refuse_applied(ctx: Context, job: Job, state: JobState | None) -> None:
    """Raise JobError if the settings name a column that the model to be served does not have."""
    signature = _signature(ctx, job, state)
    unknown = unknown_columns(job.serving.predictions, signature) if signature else []
    if unknown and signature:
        fix = _fix(job, signature)
        raise JobError(_what(unknown), fix=fix, where=f"jobs/{job.name}/job.yaml")


def _signature(ctx: Context, job: Job, state: JobState | None) -> Mapping[str, Any] | None:
    """Return the signature of a draft's model, else of the champion; None if it is not known."""
    try:
        if state is not None and state.draft is not None and state.draft.model_run:
            about = packaged(ctx, state.draft.model_run)
            return None if about is None else about["signature"]
        known = read_models(ctx).get(job.model_name or "")
        if known is None or known.champion is None:
            return None
        return package.read(package.folder(ctx, known.name, known.champion)).signature
    except MlopsError:  # it is gone or damaged: the server warns
        return None


def _what(unknown: list[str]) -> str:
    return f"`predictions` names columns that the model does not have: {', '.join(unknown)}"


def _fix(job: Job, signature: Mapping[str, Any]) -> str:
    names = ", ".join(column["name"] for column in signature["columns"])
    return f"correct `predictions` in jobs/{job.name}/job.yaml; the columns are {names}"
