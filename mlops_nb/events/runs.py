"""Events of whole runs and sweeps."""

from collections.abc import Mapping
from typing import Any

from msgspec import field

from mlops_nb.events.base import Event
from mlops_nb.notebook.model import Value


class RunQueued(Event, frozen=True, kw_only=True):
    """A run is queued, before its process starts. (job, scheduled_at) is unique.

    trigger:    schedule, hand, promote, backfill, or the kind of the trigger that fired
    attempt:    the number of the try, from 1; a later try replaces earlier ones
    first:      the run of the first try, "" if this is it
    not_before: ISO time until which it waits after a failed try
    given:      parameters given for this run alone
    signal:     what fired the trigger: {"files": {path: sha256}}, {"run": id}, …
    commit:     the git commit of the project, "" if there is none
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
    """A process claims a queued run, before any code of the user runs; only one can."""

    process: tuple[int, str]


class RunLost(Event, frozen=True, kw_only=True):
    """The process of a run is gone or silent; its later events are ignored."""

    error: str


class RunDone(Event, frozen=True, kw_only=True):
    """The process of a run is done: executed, judged, released. `exit_status`: 0 or 1."""

    exit_status: int


class RunStarted(Event, frozen=True, kw_only=True):
    """A run starts. `process` runs it: (pid, host and start time).

    sweep:  the sweep that it belongs to
    shared: it is no point, but runs the shared steps of the sweep
    """

    notebook: str
    parameters: Mapping[str, Value] = field(default_factory=dict)
    output: str = ""
    process: tuple[int, str] = (0, "")
    steps: tuple[str, ...] = ()
    sweep: str = ""
    shared: bool = False


class EngineChosen(Event, frozen=True, kw_only=True):
    """The engine that runs the cells: warm, kernel or cold; `because`: why it was chosen."""

    engine: str
    because: str = ""


class RunRetried(Event, frozen=True, kw_only=True):
    """A failed run is retried as a new run after `seconds`."""

    attempt: int
    of: int
    seconds: float


class Measured(Event, frozen=True, kw_only=True):
    """The metrics of a run. `logged_run`: the MLflow run that its cells logged to.

    evaluation: the scores of the arrays that an evaluation mark names, by `evaluation.metrics`
    """

    metrics: Mapping[str, float]
    slices: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    logged_run: str = ""
    evaluation: Mapping[str, Any] = field(default_factory=dict)


class Imported(Event, frozen=True, kw_only=True):
    """The imports of a run: top-level modules, and files outside installed packages."""

    modules: tuple[str, ...]
    files: tuple[str, ...] = ()


class ModelKept(Event, frozen=True, kw_only=True):
    """A run's model is stored. `digest` is of its value, `artifact` of its bytes.

    example:    the artifact of some rows of its input, "" if they are not known
    example_of: the description of these rows, or why there are none
    """

    variable: str
    digest: str
    artifact: str
    type: str = ""
    example: str = ""
    example_of: str = ""


class ModelPackaged(Event, frozen=True, kw_only=True):
    """What serves a run's model is stored, and was proven; or `error` says why it cannot be served.

    artifact: of the pickle of model, features and decide, "" with an error
    about:    of the JSON of its signature, golden rows and reference
    answers:  digest of what answers beside the model: functions, and the values that they read
    lookups:  the tables that the features join → how old they may be, s
    refused:  the model would answer otherwise than it was judged: it must not be released
    """

    artifact: str = ""
    about: str = ""
    answers: str = ""
    lookups: Mapping[str, float] = field(default_factory=dict)
    error: str = ""
    fix: str = ""
    refused: bool = False


class ChampionScored(Event, frozen=True, kw_only=True):
    """The champion was scored by the same cells on the same data."""

    version: int
    metrics: Mapping[str, float]
    error: str = ""
    slices: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    evaluation: Mapping[str, Any] = field(default_factory=dict)


class RunFinished(Event, frozen=True, kw_only=True):
    """A run ends. `status`: finished, failed or stopped; `fix`: how to resolve the error.

    stood: everything was reused, and no cell ran
    """

    status: str
    seconds: float
    error: str = ""
    fix: str = ""
    stood: bool = False


class RunSkipped(Event, frozen=True, kw_only=True):
    """A due run is skipped."""

    scheduled_at: str
    because: str
    trigger: str = "schedule"


class SweepStarted(Event, frozen=True, kw_only=True):
    """A sweep starts or is resumed. Its points are `grid`'s combinations, `parameters` is for all.

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
    """MLflow has a copy of this run, under an id of MLflow, or of a model version."""

    mlflow_run: str
    note: str = ""
