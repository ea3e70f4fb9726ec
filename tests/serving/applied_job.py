"""A job that makes a model, in a journal."""

from mlops_nb.events import JobApplied, Registered
from mlops_nb.jobs.bundle import job_yaml
from mlops_nb.jobs.model import Job
from mlops_nb.serving.settings import PredictionSettings, ServingSettings


def job(ctx, name, model, **settings):
    """Register a version of a model, and apply its job with settings of the log; return the job."""
    made = Job(
        name=name,
        notebook="pipeline.ipynb",
        folder=".",
        source="a.ipynb",
        model_name=model,
        model_variable="m",
        serving=ServingSettings(predictions=PredictionSettings(**settings)),
    )
    definition = job_yaml.definition(made)
    ctx.journal.append(
        Registered(run=name, job=name, model=model, version=1, artifact="", digest="")
    )
    ctx.journal.append(JobApplied(job=name, digest="d", bundle="b", definition=definition))
    return made
