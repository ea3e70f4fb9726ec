"""Derives the release policy of a job from its definition."""

from mlops_nb.evaluation import gates
from mlops_nb.jobs.model import Job
from mlops_nb.models.judge import ReleasePolicy


def policy_of(job: Job) -> ReleasePolicy:
    """Return the release policy of a job."""
    makes_model = job.model_variable is not None
    return ReleasePolicy(
        model=job.model_name or (job.name if makes_model else ""),
        makes_model=makes_model,
        gates=tuple(gates.gate(text) for text in job.gates),
        approval=job.approval == "required",
    )
