"""Runs, folded from the events of the journal."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from mlops_nb.errors import NotFound
from mlops_nb.events import (
    ApprovalAsked,
    ChampionScored,
    DataChecked,
    Event,
    Judged,
    Measured,
    Mirrored,
    ModelKept,
    ModelPackaged,
    Registered,
    Released,
    RunClaimed,
    RunDone,
    RunFinished,
    RunLost,
    RunQueued,
    RunSkipped,
    RunStarted,
    StepFailed,
    StepFinished,
    StepReused,
    StepStarted,
)
from mlops_nb.notebook.model import Value
from mlops_nb.storage.ports import Journal

OPEN = {"queued", "running"}
AT_ONCE = 500  # runs that one query reads
# the events of whole runs; the other events are about cells and steps
COURSE = (
    RunQueued,
    RunClaimed,
    RunStarted,
    RunLost,
    RunDone,
    RunFinished,
    RunSkipped,
    Measured,
    Judged,
    ApprovalAsked,
    Registered,
    Released,
    DataChecked,
    ChampionScored,
)
STEPS = (StepStarted, StepFinished, StepFailed, StepReused)
AS_RUN = {
    "queued": "stopped",
    "running": "stopped",
    "skipped": "stopped",
    "refused": "finished",
    "waiting": "finished",
}


@dataclass(slots=True, kw_only=True)
class Run:
    """One run, as the journal describes it."""

    id: str
    job: str = ""
    status: str = "queued"
    trigger: str = "hand"
    attempt: int = 1
    first: str = ""  # the run that was the first try
    because: str = ""
    fired: str = ""  # why it was queued
    not_before: str = ""
    given: Mapping[str, Value] = field(default_factory=dict)
    signal: Mapping[str, Any] = field(default_factory=dict)
    commit: str = ""
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
    evaluation: Mapping[str, Any] = field(default_factory=dict)
    champion: dict[int, Mapping[str, float]] = field(default_factory=dict)
    scored: dict[int, ChampionScored] = field(default_factory=dict)
    champion_error: str = ""
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)
    error: str = ""
    fix: str = ""
    gates: list[Mapping[str, Any]] = field(default_factory=list)
    model: ModelKept | None = None
    package: ModelPackaged | None = None
    model_version: int | None = None
    mlflow_run: str | None = None
    logged_run: str = ""
    process: tuple[int, str] = (0, "")
    claimed: bool = False  # a process has claimed it
    lost: bool = False  # its process is gone; later events of it are ignored
    judged: bool = False
    exit_status: int | None = None  # of its process, once that is done
    data: list[DataChecked] = field(default_factory=list)
    sweep: str = ""
    shared: bool = False
    last_event: int = 0


def runs(events: Iterable[Event]) -> dict[str, Run]:
    """Return every run by its id, oldest first."""
    found: dict[str, Run] = {}
    for event in events:
        take(found, event)
    return found


def take(found: dict[str, Run], event: Event) -> None:
    """Fold one more event into the runs."""
    if event.run:
        run = found.setdefault(event.run, Run(id=event.run, job=event.job))
        run.last_event = event.id
        if not run.lost:
            _fold_run(run, event)


def _fold_run(run: Run, event: Event) -> None:
    match event:
        case RunQueued() | RunClaimed() | RunLost() | RunDone() | RunSkipped():
            _fold_course(run, event)
        case Judged() | Registered() | ApprovalAsked() | Released():
            _fold_verdict(run, event)
        case StepStarted() | StepFinished() | StepFailed() | StepReused():
            _fold_step(run, event)
        case RunStarted():
            run.status, run.started, run.notebook = "running", event.at, event.notebook
            run.parameters, run.output = event.parameters, event.output
            run.process = (int(event.process[0]), str(event.process[1]))
            run.sweep, run.shared = event.sweep, event.shared
            run.steps = {
                s: {"name": s, "status": "not-run", "seconds": None, "because": ""}
                for s in event.steps
            }
        case Measured():
            run.metrics, run.slices = dict(event.metrics), dict(event.slices)
            run.logged_run, run.evaluation = event.logged_run, event.evaluation
        case ModelKept():
            run.model = event
        case ModelPackaged():
            run.package = event
        case ChampionScored():
            run.champion[event.version] = event.metrics
            run.scored[event.version] = event
            run.champion_error = event.error
        case DataChecked():
            run.data.append(event)
        case RunFinished():
            _fold_end(run, event)
        case Mirrored():
            run.mlflow_run = event.mlflow_run
        case _:
            return


def _fold_course(run: Run, event: RunQueued | RunClaimed | RunLost | RunDone | RunSkipped) -> None:
    match event:
        case RunQueued():
            run.trigger, run.scheduled_at = event.trigger, event.scheduled_at
            run.data_start, run.data_end = event.data_start, event.data_end
            run.attempt, run.because, run.fired = event.attempt, event.because, event.because
            run.first = event.first or run.id
            run.not_before, run.commit = event.not_before, event.commit
            run.given, run.signal = event.given, event.signal
        case RunClaimed():
            run.status, run.claimed, run.started = "running", True, event.at
            run.process = (int(event.process[0]), str(event.process[1]))
        case RunLost():
            run.status, run.error, run.finished, run.lost = "failed", event.error, event.at, True
        case RunDone():
            run.exit_status = event.exit_status
        case RunSkipped():
            run.status, run.because, run.trigger = "skipped", event.because, event.trigger
            run.scheduled_at, run.finished = event.scheduled_at, event.at


def _fold_verdict(run: Run, event: Judged | Registered | ApprovalAsked | Released) -> None:
    match event:
        case Judged():
            run.gates, run.because, run.judged = list(event.verdicts), event.because, True
            if not event.passed:
                run.status = "refused"
            run.finished = event.at
        case Registered():
            run.model_version = event.version
        case ApprovalAsked():
            run.status = "waiting"
            run.because = f"{event.because}; it waits for {event.waits_for}"
        case Released() if run.status == "waiting":
            run.status = "finished"


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


def read_run(journal: Journal, run: str) -> Run:
    """Return a run, as the journal describes it. Raises NotFound if there is no such run."""
    found = runs(journal.read(run=run)).get(run)
    if found is None:
        raise NotFound(f"there is no run {run!r}", fix="list them with: mlops-nb runs")
    return found


class KnownRuns(Mapping[str, Run]):
    """Every run of a journal by its id; each is read when it is asked for."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        courses = journal.read(kinds=(RunQueued, RunSkipped, RunStarted, RunFinished))
        self.ids = dict.fromkeys(event.run for event in courses)

    def __getitem__(self, run: str) -> Run:
        if run not in self.ids:
            raise KeyError(run)
        return read_run(self.journal, run)

    def __iter__(self) -> Iterator[str]:
        return iter(self.ids)

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, run: object) -> bool:
        return run in self.ids


def at_work(run: Run) -> bool:
    """Return whether a process has claimed a run and is not done with it."""
    return run.claimed and run.exit_status is None and not run.lost


def is_open(run: Run) -> bool:
    """Return whether a run is queued, running, or not done with its verdict."""
    return run.status in {"queued", "running"} or at_work(run)


def takes_turns(run: Run) -> bool:
    """Return whether a run waits for other runs of its job; backfills and promotions do not."""
    return run.trigger not in {"promote", "backfill"}


def try_key(first: str, attempt: int) -> str:
    """Return the key under which a try of a run is queued, so that it is queued once."""
    return f"try:{first}#{attempt}"


def superseded(journal: Journal, run: Run) -> bool:
    """Return whether a run is lost or a later try has replaced it."""
    return run.lost or journal.written(try_key(run.first, run.attempt + 1)) is not None


def latest_runs(journal: Journal, count: int, job: str = "") -> list[Run]:
    """Return the runs that began last, the newest first.

    job: only runs of this job
    """
    began = journal.read_back(job=job, kinds=(RunQueued, RunSkipped, RunStarted))
    names = (e.run for e in began if not (isinstance(e, RunStarted) and e.job))  # it was queued
    wanted = tuple(islice(names, count))
    found: dict[str, Run] = {}
    for first in range(0, len(wanted), AT_ONCE):
        found |= runs(journal.read(run=wanted[first : first + AT_ONCE]))
    return [found[name] for name in wanted if name in found]
