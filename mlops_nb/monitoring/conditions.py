"""The conditions of jobs and models, from their health: what is wrong, why, and what to do."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from msgspec.structs import replace

from mlops_nb.jobs.model import Job
from mlops_nb.monitoring import model_conditions
from mlops_nb.monitoring.condition import Condition, long, minute, with_answer
from mlops_nb.monitoring.health import HealthState, answering
from mlops_nb.runs.history import Run

CLEARS = {"good": ("failed", "missed", "refused"), "refused": ("failed", "missed")}
SCORING = "scoring"  # the kind of an alert about files
Last = tuple[datetime, timedelta]  # when something new came last, and the usual time between


def conditions(
    facts: HealthState,
    jobs: Mapping[str, Job],
    now: datetime,
    *,
    missed: Iterable[tuple[str, datetime]] = (),
    data: Mapping[str, Last] | None = None,
) -> list[Condition]:
    """Return the condition of each job in each respect: one for a job and kind.

    missed: missed ticks, each with its job
    data:   job → time of the last arrival, and the usual time between; None: unknown
    """
    found: dict[tuple[str, str], Condition] = {}
    ticks = list(missed)
    for job in jobs.values():
        of_job = list(_of_runs(facts, job, now, [t for of, t in ticks if of == job.name]))
        if job.score is not None or job.name in facts.unscored:
            of_job.append(_scoring(facts, job))
        if data is not None:
            of_job.append(_stopped(facts, job, data.get(job.name), now))
        for one in of_job:
            found[one.job, one.kind] = one
    for model in facts.models.values():
        job = jobs.get(model.job) or Job(
            name=model.job or model.name, notebook="", folder="", source="", model_name=model.name
        )
        for one in model_conditions.of_model(facts, job, model, now):
            known = found.get((one.job, one.kind))
            if known is None or not known.what:  # a job may have made two models in its time
                found[one.job, one.kind] = one
    return list(found.values())


def _of_runs(
    facts: HealthState, job: Job, now: datetime, ticks: list[datetime]
) -> Iterator[Condition]:
    bad: dict[str, Run] = {}
    cleared: dict[str, Run] = {}
    for run, how in facts.course(job, now):
        for kind in CLEARS.get(how, ()):
            cleared[kind] = run
            bad.pop(kind, None)
        if how in {"failed", "refused", "missed"}:
            bad[how] = run
    for kind in ("failed", "refused", "missed"):
        by = cleared.get(kind)
        none = Condition(job=job.name, kind=kind)
        if by is not None:
            none = replace(none, cause=by.id, run=by.id, because=_over(facts, job, by))
        since = None if by is None else datetime.fromisoformat(by.finished)
        late = [tick for tick in ticks if since is None or tick > since]
        if kind == "missed" and late and not facts.jobs[job.name].paused:
            yield with_answer(
                facts,
                job,
                none,
                f"job {job.name!r} did not run at {minute(late[-1])}",
                f"mlops-nb trigger {job.name}",
            )
        elif kind in bad:
            yield with_answer(facts, job, replace(none, run=bad[kind].id), *_words(kind, bad[kind]))
        else:
            yield none


def _words(kind: str, run: Run) -> tuple[str, str]:
    """Return what is wrong with a run, and the next command."""
    show = f"mlops-nb show {run.id}"
    if kind == "missed":
        at = minute(datetime.fromisoformat(run.scheduled_at))
        return (
            f"job {run.job!r} did not run at {at}, as {run.because}",
            f"mlops-nb trigger {run.job}",
        )
    if kind == "refused":
        refusals = "; ".join(
            f"gate {g['gate']!r}: {g['because']}" for g in run.gates if not g["passed"]
        )
        return f"the new model of job {run.job!r} was refused by {refusals or run.because}", show
    tried = f", try {run.attempt}" if run.attempt > 1 else ""
    error = run.error or "it ended without an error message"
    return f"job {run.job!r} failed: {error} (run {run.id}{tried})", show


def _over(facts: HealthState, job: Job, run: Run) -> str:
    how = {
        "refused": "ran to its end, and its model was refused",
        "waiting": "finished, and its model waits for approval",
    }
    answers, _ = answering(facts, job, "answers now")
    return f"run {run.id} {how.get(run.status, 'finished')}; {answers}"


def _stopped(facts: HealthState, job: Job, last: Last | None, now: datetime) -> Condition:
    none = Condition(job=job.name, kind="stopped-data", because="new data came")
    if facts.jobs[job.name].paused:
        return replace(none, because="the job rests")
    if last is None or now - last[0] <= 2 * last[1]:
        return none
    what = (
        f"job {job.name!r} has had no new data since {minute(last[0])}, "
        f"which usually come every {long(last[1])}"
    )
    none = replace(none, cause=last[0].isoformat())
    return with_answer(facts, job, none, what, f"mlops-nb job {job.name}")


def _scoring(facts: HealthState, job: Job) -> Condition:
    """Return whether files could not be scored; from the first one on it is one problem."""
    none = Condition(job=job.name, kind=SCORING, because="each file was scored, or is gone")
    failed = list(facts.unscored.get(job.name, {}).values())
    if not failed or job.score is None:
        return none
    last = max(failed, key=lambda event: event.id)
    many = f"{len(failed)} files" if len(failed) > 1 else "1 file"
    what = f"job {job.name!r} could not score {many}: {last.file}: {last.error}"
    cause = f"scoring {facts.failing.get(job.name, 0)}"
    return with_answer(facts, job, replace(none, cause=cause), what, f"mlops-nb job {job.name}")
