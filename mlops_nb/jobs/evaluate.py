"""Evaluates a version of a model on current data, without training."""

import json
from datetime import datetime

from msgspec.structs import replace

from mlops_nb.context import Context
from mlops_nb.engine import run
from mlops_nb.errors import JobError, MlopsError, NotFound
from mlops_nb.events import DataChecked, Evaluated, Event, Measured, RunFinished
from mlops_nb.jobs import execute, schedule, secret_values
from mlops_nb.jobs.bundle.task import evaluation_of
from mlops_nb.models.registry import read_models
from mlops_nb.notebook import slicing


def evaluate(ctx: Context, name: str) -> Evaluated:
    """Evaluate the champion of a job on current data, and record and return the result.

    If the evaluation fails, the event contains the reason.

    Raises JobError if the job has no champion.
    """
    job = execute.live(ctx, name)[1].job
    model = read_models(ctx).get(job.model_name or "")
    if model is None or model.champion is None:
        raise JobError(f"job {name!r} has no champion yet", fix=f"mlops-nb trigger {name}")
    found = Evaluated(job=name, model=model.name, version=model.champion)
    try:
        events = _judged(ctx, name, model.champion, ctx.now())
    except MlopsError as error:
        found = replace(found, error=error.what)
    else:
        drift = [column for e in events if isinstance(e, DataChecked) for column in e.drift]
        found = replace(found, metrics=_measured(events), drift=tuple(drift))
    ctx.record([found])
    return found


def score(ctx: Context, name: str, version: int, at: datetime | None = None) -> dict[str, float]:
    """Return the metrics of a version of a job's model on the data as of a time.

    Raises JobError if its cells fail.
    """
    return _measured(_judged(ctx, name, version, at or ctx.now()))


def _judged(ctx: Context, name: str, version: int, at: datetime) -> list[Event]:
    """Run the cells of a job with a version of the model instead of the step that trains it."""
    _, bundle = execute.live(ctx, name)
    job = bundle.job
    model = read_models(ctx).get(job.model_name or "")
    if model is None or version not in model.versions:
        raise NotFound(f"{name!r} has no model version {version}", fix="mlops-nb models")
    file = ctx.store.path(model.versions[version].artifact)
    values = execute.values_of(bundle, schedule.interval(job.schedule, at), {})
    cut = slicing.cut(bundle.pipeline, variable=job.model_variable, wanted=bundle.pipeline.metrics)
    left_out = bundle.pipeline.step(cut.model_step).cells
    document = json.loads(json.dumps(bundle.document))
    code = [c for c in document["cells"] if c["cell_type"] == "code"]
    for index in left_out:
        code[index]["source"] = ""
    scratch = ctx.scratch("score")
    try:
        secret = secret_values.fetch(job.secrets, ctx.environment)
        task = replace(
            execute.checked(execute.base_task(ctx, bundle, values, secret), bundle),
            run=ctx.new_run(),
            document=document,
            evaluation=evaluation_of(bundle.pipeline, bundle.document, job.model_variable),
            output=scratch / "scored.ipynb",
            bind={left_out[-1]: (job.model_variable or "", file)},
        )
        events = list(run.run(task, run.RunInfo(notebook=task.source), executor=ctx.executor))
    finally:
        ctx.drop(scratch)
    end = next(e for e in events if isinstance(e, RunFinished))
    if end.status != "finished":
        raise JobError(f"the version could not be scored: {end.error}", fix="run the job by hand")
    return events


def _measured(events: list[Event]) -> dict[str, float]:
    return dict(next(e for e in events if isinstance(e, Measured)).metrics)
