"""A condition: what is wrong with a job or model in one respect, why, and what to do."""

from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from mlops_nb.jobs.model import Job
from mlops_nb.monitoring.health import HealthState, answering


class Condition(Struct, frozen=True, kw_only=True):
    """The condition of a job in one respect; it is good if `what` is empty.

    cause:   identifies the problem; a problem with another cause has ended
    because: why it has ended
    """

    job: str
    kind: str
    cause: str = ""
    because: str = ""
    what: str = ""
    fix: str = ""
    urgent: bool = False
    run: str = ""


def with_answer(facts: HealthState, job: Job, none: Condition, what: str, fix: str) -> Condition:
    """Return a condition with its problem, the serving version, and whether users are hurt."""
    answers, hurt = answering(facts, job)
    model = facts.models.get(job.model_name or "")
    if hurt and model is not None and len(model.releases) > 1:
        fix = f"mlops-nb rollback {model.name}"
    return replace(none, what=f"{what}; {answers}", fix=fix, urgent=hurt)


def minute(at: datetime) -> str:
    """Return a time, to the minute."""
    return f"{at:%Y-%m-%d %H:%M %Z}"


def long(span: timedelta) -> str:
    """Return a duration in words.

    >>> long(timedelta(days=1)), long(timedelta(hours=36)), long(timedelta(minutes=5))
    ('1 day', '36 hours', '5 minutes')
    """
    for unit, size in (("day", timedelta(days=1)), ("hour", timedelta(hours=1))):
        if span >= size and span % size == timedelta(0):
            return f"{span // size} {unit}{'' if span == size else 's'}"
    minutes = max(1, round(span / timedelta(minutes=1)))
    return f"{minutes} minute{'' if minutes == 1 else 's'}"
