"""The health of jobs and models: which runs ended how, what serves, and whether users are hurt."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from mlops_nb.evaluation import gates
from mlops_nb.events import (
    AliasMoved,
    ApprovalAsked,
    ChampionScored,
    DataChecked,
    Evaluated,
    Event,
    Judged,
    ModelWatched,
    Registered,
    Released,
    RunClaimed,
    RunDone,
    RunFinished,
    RunLost,
    RunQueued,
    RunSkipped,
    ScoringFailed,
    VersionRefused,
    VersionServed,
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
OF_MODELS = (Registered, Released, ApprovalAsked, VersionServed, VersionRefused)
OF_THE_REST = (*job_states.KINDS, *OF_MODELS, Evaluated, AliasMoved, ModelWatched)


@dataclass(slots=True, kw_only=True)
class HealthState:
    """The state from which conditions are derived, folded event by event."""

    runs: dict[str, dict[str, Run]] = field(default_factory=dict)  # job → its runs
    began: dict[str, tuple[str, int]] = field(default_factory=dict)  # run → job, first event
    jobs: dict[str, JobState] = field(default_factory=dict)
    models: dict[str, Model] = field(default_factory=dict)
    scored: dict[tuple[str, int], ChampionScored | Evaluated] = field(default_factory=dict)
    moved: dict[str, AliasMoved] = field(default_factory=dict)
    watched: dict[str, ModelWatched] = field(default_factory=dict)  # by model: the last look
    taken_out: dict[str, Released] = field(default_factory=dict)  # by model, until the next release
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
            case ModelWatched():
                self.watched[event.model] = event
            case Released():
                self.moved.pop(event.model, None)
                self.taken_out.pop(event.model, None)
                if event.quarantines:
                    self.taken_out[event.model] = event
            case _:
                return

    def owner(self, job: str) -> str:
        """Return who applied a job, as the end of a sentence; "" if it is not known."""
        applied = self.jobs[job].applications if job in self.jobs else []
        return f"; owner: {applied[-1].by}" if applied and applied[-1].by else ""

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
