"""The conditions of jobs and models, from their health: what is wrong, why, and what to do."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from mlops_nb.jobs.model import Job
from mlops_nb.models.registry import Model
from mlops_nb.monitoring.health import HealthState, answering
from mlops_nb.runs.history import Run

CLEARS = {"good": ("failed", "missed", "refused"), "refused": ("failed", "missed")}
SCORING = "scoring"  # the kind of an alert about files
Last = tuple[datetime, timedelta]  # when something new came last, and the usual time between


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


def conditions(
    facts: HealthState,
    jobs: Mapping[str, Job],
    now: datetime,
    *,
    missed: Iterable[tuple[str, datetime]] = (),
    data: Mapping[str, Last] | None = None,
    labels: Mapping[str, Last] | None = None,
) -> list[Condition]:
    """Return the condition of each job in each respect: one for a job and kind.

    missed: missed ticks, each with its job
    data, labels: job → time of the last arrival, and the usual time between; None: unknown
    """
    found: dict[tuple[str, str], Condition] = {}
    ticks = list(missed)
    for job in jobs.values():
        of_job = list(_of_runs(facts, job, now, [t for of, t in ticks if of == job.name]))
        if job.score is not None or job.name in facts.unscored:
            of_job.append(_scoring(facts, job))
        for kind, seen in (("data", data), ("labels", labels)):
            if seen is not None:
                of_job.append(_stopped(facts, job, kind, seen.get(job.name), now))
        for one in of_job:
            found[one.job, one.kind] = one
    for model in facts.models.values():
        job = jobs.get(model.job) or Job(
            name=model.job or model.name, notebook="", folder="", source="", model_name=model.name
        )
        of_model = [f(facts, job, model) for f in (_waiting, _moved, _unserved)]
        for one in (*of_model, _old_lookup(facts, job, model, now)):
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
            yield _condition(
                facts,
                job,
                none,
                f"job {job.name!r} did not run at {_minute(late[-1])}",
                f"mlops-nb trigger {job.name}",
            )
        elif kind in bad:
            yield _condition(facts, job, replace(none, run=bad[kind].id), *_words(kind, bad[kind]))
        else:
            yield none


def _words(kind: str, run: Run) -> tuple[str, str]:
    """Return what is wrong with a run, and the next command."""
    show = f"mlops-nb show {run.id}"
    if kind == "missed":
        at = _minute(datetime.fromisoformat(run.scheduled_at))
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


def _condition(facts: HealthState, job: Job, none: Condition, what: str, fix: str) -> Condition:
    """Return a condition with its problem, the serving version, and whether users are hurt."""
    answers, hurt = answering(facts, job)
    model = facts.models.get(job.model_name or "")
    if hurt and model is not None and len(model.releases) > 1:
        fix = f"mlops-nb rollback {model.name}"
    return replace(none, what=f"{what}; {answers}", fix=fix, urgent=hurt)


def _stopped(
    facts: HealthState, job: Job, kind: str, last: Last | None, now: datetime
) -> Condition:
    none = Condition(job=job.name, kind=f"stopped-{kind}", because=f"new {kind} came")
    if facts.jobs[job.name].paused:
        return replace(none, because="the job rests")
    if last is None or now - last[0] <= 2 * last[1]:
        return none
    what = (
        f"job {job.name!r} has had no new {kind} since {_minute(last[0])}, "
        f"which usually come every {_long(last[1])}"
    )
    none = replace(none, cause=last[0].isoformat())
    return _condition(facts, job, none, what, f"mlops-nb job {job.name}")


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
    return _condition(facts, job, replace(none, cause=cause), what, f"mlops-nb job {job.name}")


def _waiting(facts: HealthState, job: Job, model: Model) -> Condition:
    answers, _ = answering(facts, job, "answers now")
    none = Condition(job=job.name, kind="waiting", because=f"it waits no longer; {answers}")
    if not model.waiting:
        return none
    version, approval = next(iter(model.waiting.items()))
    what = f"version {version} of {model.name!r} passed its gates and waits for approval"
    answers, hurt = answering(facts, job)
    return replace(
        none,
        cause=f"{model.name} {version}",
        run=approval.run,
        urgent=hurt,
        what=f"{what}; {answers}",
        fix=f"mlops-nb approve {model.name} {version}",
    )


def _moved(facts: HealthState, job: Job, model: Model) -> Condition:
    answers, _ = answering(facts, job, "answers now")
    none = Condition(job=job.name, kind="moved", because=f"MLflow agrees again; {answers}")
    event = facts.moved.get(model.name)
    if event is None:
        return none
    what = (
        f"in MLflow, the alias champion of {model.name!r} was moved to version {event.found}; "
        f"in the journal, the champion is version {event.expected}"
    )
    return _condition(
        facts, job, replace(none, cause=f"{model.name} {event.id}"), what, "mlops-nb models"
    )


def _unserved(facts: HealthState, job: Job, model: Model) -> Condition:
    """Return whether a server refused the champion, and still answers with another version."""
    answers, _ = answering(facts, job, "answers now")
    none = Condition(job=job.name, kind="unserved", because=f"it serves, or is replaced; {answers}")
    event = next(iter(model.unserved.values()), None)
    if event is None:
        return none
    goes_on = f"version {event.serving} goes on" if event.serving else "nothing answers there"
    return replace(
        none,
        cause=f"{model.name} {event.id}",
        urgent=not event.serving,
        what=f"{event.server} refused version {event.version} of {model.name!r}: {event.because}; "
        f"{goes_on}",
        fix=f"mlops-nb approve {model.name} {event.version}, which tries again, or "
        f"mlops-nb rollback {model.name}",
    )


def _old_lookup(facts: HealthState, job: Job, model: Model, now: datetime) -> Condition:
    """Return whether the champion's features join a table that is older than it may be."""
    answers, _ = answering(facts, job, "answers now")
    none = Condition(job=job.name, kind="old-lookup", because=f"a newer one serves; {answers}")
    version = model.versions.get(model.champion or 0)
    if version is None or not version.lookups:
        return none
    table, most = min(version.lookups.items(), key=lambda item: item[1])
    made = datetime.fromisoformat(version.created)
    if (now - made).total_seconds() <= most:
        return none
    return replace(
        none,
        cause=f"{model.name} {version.version} {table}",
        what=f"version {version.version} of {model.name!r} joins the table {table!r} of "
        f"{_minute(made)}, which may be {_long(timedelta(seconds=most))} old",
        fix=f"mlops-nb trigger {job.name}, which makes it anew, or a schedule that does",
    )


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M %Z}"


def _long(span: timedelta) -> str:
    """Return a duration in words.

    >>> _long(timedelta(days=1)), _long(timedelta(hours=36)), _long(timedelta(minutes=5))
    ('1 day', '36 hours', '5 minutes')
    """
    for unit, size in (("day", timedelta(days=1)), ("hour", timedelta(hours=1))):
        if span >= size and span % size == timedelta(0):
            return f"{span // size} {unit}{'' if span == size else 's'}"
    minutes = max(1, round(span / timedelta(minutes=1)))
    return f"{minutes} minute{'' if minutes == 1 else 's'}"
