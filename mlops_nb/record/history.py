"""Folds of the journal: what runs, jobs and models are, told from what happened."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mlops_nb.events import (
    ChampionScored,
    Event,
    JobApplied,
    JobDrafted,
    JobPaused,
    JobUnpaused,
    Judged,
    Measured,
    Mirrored,
    ModelKept,
    Registered,
    Released,
    RunFinished,
    RunQueued,
    RunSkipped,
    RunStarted,
    StepFailed,
    StepFinished,
    StepReused,
    StepStarted,
)
from mlops_nb.model import Value

OPEN = {"queued", "running"}
AS_RUN = {"queued": "stopped", "running": "stopped", "skipped": "stopped", "refused": "finished"}


@dataclass(slots=True, kw_only=True)
class Run:
    """One run, as far as it is known."""

    id: str
    job: str = ""
    status: str = "queued"
    trigger: str = "hand"
    attempt: int = 1
    because: str = ""
    notebook: str = ""
    output: str = ""
    scheduled_at: str = ""
    data_start: str = ""
    data_end: str = ""
    started: str = ""
    finished: str = ""
    seconds: float | None = None
    parameters: Mapping[str, Value] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    slices: dict[str, Mapping[str, float]] = field(default_factory=dict)
    champion: dict[int, Mapping[str, float]] = field(default_factory=dict)
    champion_error: str = ""
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)
    error: str = ""
    fix: str = ""
    gates: list[Mapping[str, Any]] = field(default_factory=list)
    model: ModelKept | None = None
    model_version: int | None = None
    mlflow_run: str | None = None
    logged_run: str = ""
    process: tuple[int, str] = (0, "")
    sweep: str = ""
    shared: bool = False
    last_event: int = 0


@dataclass(slots=True, kw_only=True)
class Version:
    """One version of a model."""

    version: int
    run: str
    created: str
    artifact: str
    digest: str
    metrics: Mapping[str, float]


@dataclass(slots=True, kw_only=True)
class Model:
    """A model: its versions, and the releases that made one of them the champion."""

    name: str
    versions: dict[int, Version] = field(default_factory=dict)
    releases: list[int] = field(default_factory=list)  # a stack: a rollback takes one off
    job: str = ""

    @property
    def champion(self) -> int | None:
        """The version that answers now."""
        return self.releases[-1] if self.releases else None


@dataclass(slots=True, kw_only=True)
class JobState:
    """A job: the bundle that is live, whether it rests, and since when."""

    name: str
    digest: str = ""
    bundle: str = ""
    definition: Mapping[str, Any] = field(default_factory=dict)
    applied: str = ""
    source_digest: str = ""
    paused: bool = False
    draft: JobDrafted | None = None
    bundles: list[str] = field(default_factory=list)

    @property
    def status(self) -> str:
        """draft, paused or active."""
        if not self.digest:
            return "draft"
        return "paused" if self.paused else "active"


def runs(events: Iterable[Event]) -> dict[str, Run]:
    """Return every run by its id, oldest first."""
    found: dict[str, Run] = {}
    for event in events:
        take(found, event)
    return found


def take(found: dict[str, Run], event: Event) -> None:
    """Take one more event into what is known of runs."""
    if event.run:
        run = found.setdefault(event.run, Run(id=event.run, job=event.job))
        run.last_event = event.id
        _fold_run(run, event)


def _fold_run(run: Run, event: Event) -> None:
    match event:
        case RunQueued():
            run.trigger, run.scheduled_at = event.trigger, event.scheduled_at
            run.data_start, run.data_end = event.data_start, event.data_end
            run.attempt, run.because = event.attempt, event.because
        case RunStarted():
            run.status, run.started, run.notebook = "running", event.at, event.notebook
            run.parameters, run.output = event.parameters, event.output
            run.process = (int(event.process[0]), str(event.process[1]))
            run.sweep, run.shared = event.sweep, event.shared
            run.steps = {s: {"name": s, "status": "not-run", "seconds": None, "because": ""}
                         for s in event.steps}  # fmt: skip
        case StepStarted() | StepFinished() | StepFailed() | StepReused():
            _fold_step(run, event)
        case Measured():
            run.metrics, run.slices = dict(event.metrics), dict(event.slices)
            run.logged_run = event.logged_run
        case ModelKept():
            run.model = event
        case ChampionScored():
            run.champion[event.version] = event.metrics
            run.champion_error = event.error
        case RunFinished():
            _fold_end(run, event)
        case Judged():
            run.gates, run.because = list(event.verdicts), event.because
            if not event.passed:
                run.status = "refused"
            run.finished = event.at
        case Registered():
            run.model_version = event.version
        case RunSkipped():
            run.status, run.because = "skipped", event.because
            run.scheduled_at, run.finished = event.scheduled_at, event.at
        case Mirrored():
            run.mlflow_run = event.mlflow_run
        case _:
            return


def _fold_end(run: Run, event: RunFinished) -> None:
    run.status, run.error, run.finished = event.status, event.error, event.at
    run.seconds = event.seconds or _between(run.started, event.at)
    run.fix = event.fix
    for step in run.steps.values():
        if step["status"] == "running":  # it was cut off
            step |= {"status": "failed", "because": event.error}


def _between(started: str, ended: str) -> float:
    if not started or not ended:
        return 0.0
    spent = datetime.fromisoformat(ended) - datetime.fromisoformat(started)
    return round(max(0.0, spent.total_seconds()), 3)


def _fold_step(run: Run, event: StepStarted | StepFinished | StepFailed | StepReused) -> None:
    step = run.steps.setdefault(
        event.step, {"name": event.step, "status": "not-run", "seconds": None, "because": ""}
    )
    if isinstance(event, StepReused):
        if step["status"] in {"not-run", "reused"}:  # no other part of it ran
            step |= {"status": "reused", "seconds": 0.0, "because": event.because}
    elif isinstance(event, StepStarted):
        step["status"] = "running"
    elif isinstance(event, StepFinished):
        step |= {"status": "finished", "seconds": event.seconds, "because": event.because}
    else:
        step |= {"status": "failed", "seconds": event.seconds, "because": event.error}


def models(events: Iterable[Event]) -> dict[str, Model]:
    """Return every model by its name: the champion is a fold of release events."""
    found: dict[str, Model] = {}
    for event in events:
        if isinstance(event, Registered):
            model = found.setdefault(event.model, Model(name=event.model, job=event.job))
            model.versions[event.version] = Version(
                version=event.version,
                run=event.run,
                created=event.at,
                artifact=event.artifact,
                digest=event.digest,
                metrics=event.metrics,
            )
        elif isinstance(event, Released):
            model = found.setdefault(event.model, Model(name=event.model, job=event.job))
            if event.rollback and event.version in model.releases:
                while model.releases[-1] != event.version:
                    model.releases.pop()
            elif model.champion != event.version:
                model.releases.append(event.version)
    return found


def jobs(events: Iterable[Event]) -> dict[str, JobState]:
    """Return every job by its name."""
    found: dict[str, JobState] = {}
    for event in events:
        if not event.job:
            continue
        if isinstance(event, JobApplied | JobDrafted | JobPaused | JobUnpaused):
            state = found.setdefault(event.job, JobState(name=event.job))
            _fold_job(state, event)
    return found


def _fold_job(state: JobState, event: Event) -> None:
    match event:
        case JobApplied():
            state.digest, state.bundle, state.definition = (
                event.digest, event.bundle, event.definition,
            )  # fmt: skip
            state.applied, state.source_digest = event.at, event.source_digest
            state.bundles.append(event.digest)
            state.draft = None
        case JobDrafted():
            state.draft = event
        case JobPaused():
            state.paused = True
        case JobUnpaused():
            state.paused = False
        case _:
            return


def run_json(run: Run) -> dict[str, Any]:
    """Return the object that `run --json` prints of a run."""
    return {
        "version": 1,
        "run": run.id,
        "notebook": run.notebook,
        "status": AS_RUN.get(run.status, run.status),
        "seconds": run.seconds,
        "output": run.output,
        "parameters": dict(run.parameters),
        "metrics": run.metrics,
        "steps": list(run.steps.values()),
        "mlflow_run": run.mlflow_run,
        "error": run.error or None,
    }
