"""Derives the release policy of a job from its definition."""

from collections.abc import Mapping

from mlops_nb.context import Context
from mlops_nb.evaluation import gates
from mlops_nb.jobs.model import Job
from mlops_nb.jobs.registry import JobState, read_jobs
from mlops_nb.models.judge import ReleasePolicy


def policy_of(ctx: Context, job: Job) -> ReleasePolicy:
    """Return the release policy of a job."""
    makes_model = job.model_variable is not None
    return ReleasePolicy(
        model=job.model_name or (job.name if makes_model else ""),
        makes_model=makes_model,
        gates=tuple(gates.gate(text) for text in job.gates),
        approval=job.approval == "required",
        together=group(read_jobs(ctx), job),
    )


def group(states: Mapping[str, JobState], job: Job) -> tuple[str, ...]:
    """Return the other jobs whose models are released with that of a job.

    One job of two names the other; so those that name this one, and theirs, belong to it.
    """
    named = {n: set(s.definition.get("release_with") or ()) for n, s in states.items() if s.digest}
    named[job.name] = set(job.release_with)
    found, queue = {job.name}, [job.name]
    while queue:
        one = queue.pop()
        near = named.get(one, set()) | {name for name, others in named.items() if one in others}
        queue += near - found
        found |= near
    return tuple(sorted(found - {job.name}))
