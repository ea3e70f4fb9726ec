"""What happens to runs and sweeps as a whole."""

from collections.abc import Mapping
from typing import Any

from msgspec import field

from mlops_nb.events.base import Event
from mlops_nb.notebook.model import Value


class RunQueued(Event, frozen=True, kw_only=True):
    """A run is due; written before anything is launched. (job, scheduled_at) happens once.

    trigger:    schedule, hand, promote, backfill, or the kind of the trigger that fired
    attempt:    which try it is, from 1; a later one makes those before it void
    first:      the run that was the first try, "" where this is
    not_before: ISO time until which it waits, after a try that failed
    given:      parameters that were given for this run alone
    signal:     what the trigger saw: {"files": {path: sha256}}, {"run": id}, …
    commit:     the project's git commit, "" where there is none
    """

    trigger: str
    scheduled_at: str
    data_start: str = ""
    data_end: str = ""
    attempt: int = 1
    first: str = ""
    because: str = ""
    not_before: str = ""
    given: Mapping[str, Value] = field(default_factory=dict)
    signal: Mapping[str, Any] = field(default_factory=dict)
    commit: str = ""


class RunClaimed(Event, frozen=True, kw_only=True):
    """A process took a queued run upon itself: one may, before any code of the user's runs."""

    process: tuple[int, str]


class RunLost(Event, frozen=True, kw_only=True):
    """The process of a run is gone, or says nothing any more; what it says later is void."""

    error: str


class RunDone(Event, frozen=True, kw_only=True):
    """The last word of a run's process: judged, released, mirrored. `exit_status`: 0 or 1."""

    exit_status: int


class RunStarted(Event, frozen=True, kw_only=True):
    """A run starts. `process` tells which process runs it: (pid, start time).

    sweep:  the sweep that it is a point of
    shared: it is no point, but makes what the sweep's points share
    """

    notebook: str
    parameters: Mapping[str, Value] = field(default_factory=dict)
    output: str = ""
    process: tuple[int, str] = (0, "")
    steps: tuple[str, ...] = ()
    sweep: str = ""
    shared: bool = False


class EngineChosen(Event, frozen=True, kw_only=True):
    """What runs the cells: warm, kernel or cold; `because` says why, where it was not asked for."""

    engine: str
    because: str = ""


class RunRetried(Event, frozen=True, kw_only=True):
    """This run failed and is tried again, as a run of its own, after a pause of `seconds`."""

    attempt: int
    of: int
    seconds: float


class Measured(Event, frozen=True, kw_only=True):
    """The numbers a run ended with. `logged_run`: the MLflow run its own cells logged to.

    evaluation: what `evaluation.metrics` made of the arrays that an evaluation mark names
    """

    metrics: Mapping[str, float]
    slices: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    logged_run: str = ""
    evaluation: Mapping[str, Any] = field(default_factory=dict)


class Imported(Event, frozen=True, kw_only=True):
    """What a run had imported at its end: top-level modules, and files that no package owns."""

    modules: tuple[str, ...]
    files: tuple[str, ...] = ()


class ModelKept(Event, frozen=True, kw_only=True):
    """A run's model is in the store. `digest` is of its value, `artifact` of its bytes."""

    variable: str
    digest: str
    artifact: str
    type: str = ""


class ChampionScored(Event, frozen=True, kw_only=True):
    """The champion, judged by the same cells on the same data."""

    version: int
    metrics: Mapping[str, float]
    error: str = ""
    slices: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    evaluation: Mapping[str, Any] = field(default_factory=dict)


class RunFinished(Event, frozen=True, kw_only=True):
    """A run's end. `status`: finished, failed or stopped; `fix` mends the error.

    stood: all of it stood by earlier runs, and no cell ran
    """

    status: str
    seconds: float
    error: str = ""
    fix: str = ""
    stood: bool = False


class RunSkipped(Event, frozen=True, kw_only=True):
    """A due run was not started."""

    scheduled_at: str
    because: str


class SweepStarted(Event, frozen=True, kw_only=True):
    """A sweep starts, or goes on. Its points are `grid`'s combinations, `parameters` is for all.

    shared:  the steps that every point shares
    by:      the metric that names the best point
    digest:  of the notebook's code
    process: which process leads it: (pid, start time)
    """

    sweep: str
    notebook: str
    grid: Mapping[str, Any]
    parameters: Mapping[str, Value] = field(default_factory=dict)
    shared: tuple[str, ...] = ()
    workers: int = 1
    by: str = ""
    fresh: bool = False
    digest: str = ""
    process: tuple[int, str] = (0, "")


class SweepFinished(Event, frozen=True, kw_only=True):
    """A sweep's end. `status`: finished, failed or stopped; `best`: the best point's run."""

    sweep: str
    status: str
    seconds: float
    best: str = ""
    error: str = ""


class Mirrored(Event, frozen=True, kw_only=True):
    """MLflow knows of this run under its own id, or of a version under its own number."""

    mlflow_run: str
    note: str = ""
