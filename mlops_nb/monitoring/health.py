"""The health of jobs and models: what is wrong, why, and whether users are hurt."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from mlops_nb.evaluation import gates
from mlops_nb.events import (
    AliasMoved,
    ApprovalAsked,
    ChampionScored,
    DataChecked,
    Evaluated,
    Event,
    Judged,
    Released,
    RunClaimed,
    RunDone,
    RunFinished,
    RunLost,
    RunQueued,
    RunSkipped,
    ScoringFailed,
)
from mlops_nb.jobs import agenda
from mlops_nb.jobs import registry as job_states
from mlops_nb.jobs.model import Job
from mlops_nb.jobs.registry import JobState
from mlops_nb.models import registry as model_states
from mlops_nb.models.registry import Model
from mlops_nb.runs import history
from mlops_nb.runs.history import Run

# the events that decide how runs end
OF_RUNS = (
    RunQueued,
    RunClaimed,
    RunLost,
    RunDone,
    RunFinished,
    RunSkipped,
    Judged,
    ChampionScored,
    DataChecked,
)
OF_MODELS = (Released, ApprovalAsked)
OF_THE_REST = (*job_states.KINDS, *OF_MODELS, Evaluated, AliasMoved)
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


@dataclass(slots=True, kw_only=True)
class HealthState:
    """The state from which conditions are derived, folded event by event."""

    runs: dict[str, dict[str, Run]] = field(default_factory=dict)  # job → its runs
    began: dict[str, tuple[str, int]] = field(default_factory=dict)  # run → job, first event
    jobs: dict[str, JobState] = field(default_factory=dict)
    models: dict[str, Model] = field(default_factory=dict)
    scored: dict[tuple[str, int], ChampionScored | Evaluated] = field(default_factory=dict)
    moved: dict[str, AliasMoved] = field(default_factory=dict)
    unscored: Mapping[str, Mapping[str, ScoringFailed]] = field(default_factory=dict)
    failing: Mapping[str, int] = field(default_factory=dict)  # as of a board
    of_jobs: list[Event] = field(default_factory=list)
    of_models: list[Event] = field(default_factory=list)

    def take(self, events: Iterable[Event]) -> None:
        """Fold events, in their order."""
        jobs, models = len(self.of_jobs), len(self.of_models)
        for event in events:
            self._take_run(event)
            if isinstance(event, job_states.KINDS):
                self.of_jobs.append(event)
            elif isinstance(event, OF_MODELS):
                self.of_models.append(event)
            self._take_model(event)
        if len(self.of_jobs) > jobs:
            self.jobs = job_states.jobs(self.of_jobs)
        if len(self.of_models) > models:
            self.models = model_states.models(self.of_models)

    def _take_run(self, event: Event) -> None:
        if isinstance(event, RunQueued | RunSkipped):
            self.began.setdefault(event.run, (event.job, event.id))
        if event.run in self.began:  # others belong to no job, or ended long ago
            history.take(self.runs.setdefault(self.began[event.run][0], {}), event)

    def _take_model(self, event: Event) -> None:
        match event:
            case ChampionScored() | Evaluated() if not event.error:
                of = event.model if isinstance(event, Evaluated) else f"job {event.job}"
                self.scored[of, event.version] = event
            case AliasMoved() if event.found == event.expected:
                self.moved.pop(event.model, None)
            case AliasMoved():
                self.moved.setdefault(event.model, event)
            case Released():
                self.moved.pop(event.model, None)
            case _:
                return

    def course(self, job: Job, now: datetime) -> list[tuple[Run, str]]:
        """Return the ended runs of a job with their outcomes, in the order of their ends.

        Only the last of several tries counts; a run that is tried again has not ended.
        """
        tries: dict[str, Run] = {}
        for run in self.runs.get(job.name, {}).values():
            first = run.first or run.id
            if first not in tries or run.attempt > tries[first].attempt:
                tries[first] = run
        over = [(run, how) for run in tries.values() if (how := _outcome(run, job, now))]
        return sorted(over, key=lambda pair: datetime.fromisoformat(pair[0].finished))

    def forget(self, jobs: Mapping[str, Job], now: datetime) -> dict[str, int]:
        """Forget everything before each job's last good run; return the last event of that."""
        for job in jobs.values():
            course = self.course(job, now)
            good = max((i for i, (_, how) in enumerate(course) if how == "good"), default=0)
            gone = {run.first or run.id for run, _ in course[:good]}
            runs = self.runs.get(job.name, {})
            for run in [r for r in runs.values() if (r.first or r.id) in gone]:
                del runs[run.id], self.began[run.id]
        found: dict[str, int] = {}
        for of, first in self.began.values():
            found[of] = min(first - 1, found.get(of, first))
        return found


def _outcome(run: Run, job: Job, now: datetime) -> str:
    """Return good, refused, failed, missed or stopped; "" for a run that has not ended."""
    if run.status == "skipped":
        return "missed"
    if run.status in history.OPEN or history.at_work(run):
        return ""
    if run.trigger == "promote":  # the person who promoted has seen it
        return "good" if run.judged and run.status != "refused" else "stopped"
    if run.status == "failed":
        return "" if agenda.next_try(job, run, now) else "failed"
    if run.status in {"refused", "stopped"}:
        return run.status
    return "good" if run.judged else ""


# conditions


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
        for one in (_waiting(facts, job, model), _moved(facts, job, model)):
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


def answering(facts: HealthState, job: Job, how: str = "still answers") -> tuple[str, bool]:
    """Return which version of a job's model serves, and whether users are hurt.

    They are hurt if no version serves, and if the serving one fails a gate without a champion in
    its latest evaluation.
    """
    if not job.model_name:
        return "it makes no model that serves users; users are not hurt", False
    model = facts.models.get(job.model_name)
    if model is None or model.champion is None:
        return f"no version of {job.model_name!r} answers; users are hurt", True
    bad = _below(facts, job, model.champion)
    if bad:
        return f"version {model.champion} {how}, but {bad}; users are hurt", True
    return f"version {model.champion} {how}; users are not hurt", False


def _below(facts: HealthState, job: Job, champion: int) -> str:
    """Return why the champion is known to be bad, "" if it is not."""
    evaluated = [
        facts.scored.get((of, champion)) for of in (f"job {job.name}", job.model_name or "")
    ]
    latest = max((event for event in evaluated if event), key=lambda e: e.id, default=None)
    measured = {} if latest is None else latest.metrics
    alone = [
        gate
        for text in job.gates
        if not (gate := gates.gate(text)).champion
        and not gate.by
        and not math.isnan(measured.get(gate.metric, math.nan))
    ]
    reasons = [v.because for v in gates.judge(alone, measured) if not v.passed]
    return " and ".join(reasons)


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
