"""Everything that can happen, as data. Listeners fold these; nothing else is recorded."""

from collections.abc import Mapping
from dataclasses import asdict, field, fields
from typing import Any

from mlops_nb.model import Value
from mlops_nb.noun import Noun, noun


@noun
class Event(Noun):
    """Something that happened. `at` is filled in by the journal: ISO time, UTC."""

    run: str = ""
    job: str = ""
    at: str = ""
    id: int = 0


@noun
class RunQueued(Event):
    """A run is due; written before anything is launched. (job, scheduled_at) happens once."""

    trigger: str  # schedule | hand | promote
    scheduled_at: str
    data_start: str = ""
    data_end: str = ""
    attempt: int = 1
    because: str = ""


@noun
class RunStarted(Event):
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


@noun
class EngineChosen(Event):
    """What runs the cells: warm, kernel or cold; `because` says why, where it was not asked for."""

    engine: str
    because: str = ""


@noun
class SweepStarted(Event):
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


@noun
class SweepFinished(Event):
    """A sweep's end. `status`: finished, failed or stopped; `best`: the best point's run."""

    sweep: str
    status: str
    seconds: float
    best: str = ""
    error: str = ""


@noun
class RunRetried(Event):
    """This run failed and is tried again, as a run of its own, after a pause of `seconds`."""

    attempt: int
    of: int
    seconds: float


@noun
class CellStarted(Event):
    """A code cell starts. `cell` is its index among the source's code cells."""

    cell: int


@noun
class CellFinished(Event):
    """A code cell is done. `seconds`: wall time, s."""

    cell: int
    seconds: float


@noun
class CellFailed(Event):
    """A code cell raised, or its kernel died in it."""

    cell: int
    seconds: float
    error: str
    traceback: str = ""


@noun
class StepStarted(Event):
    """The first cell of a step starts."""

    step: str


@noun
class StepFinished(Event):
    """All cells of a step are done. `seconds`: the sum of its cells' wall times, s."""

    step: str
    seconds: float
    because: str = ""


@noun
class StepReused(Event):
    """A step, or a part of one, stands by what was recorded. `saved`: what it took then, s."""

    step: str
    because: str
    saved: float = 0.0
    cells: tuple[int, ...] = ()


@noun
class StepRecorded(Event):
    """What a unit read, ran as and left behind: what must be the same for it to stand later."""

    step: str
    unit: str
    record: Mapping[str, Any]


@noun
class ArtifactDamaged(Event):
    """A stored value's bytes are not what they were; it is not used, what made it runs again."""

    artifact: str
    what: str = ""


@noun
class ReuseAudited(Event):
    """A step that would have stood ran all the same: the names that came out otherwise, if any."""

    step: str
    differs: tuple[str, ...] = ()


@noun
class StepFailed(Event):
    """A step's own code raised, its data did not fit, or the kernel died in it."""

    step: str
    seconds: float
    error: str
    cell: int | None = None


@noun
class StepObserved(Event):
    """What a step left behind: per name a digest (or "unknown"), a kind and a schema of frames."""

    step: str
    values: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@noun
class CellObserved(Event):
    """What a cell read, bound and changed, as it was seen from inside the kernel."""

    cell: int
    seen: Mapping[str, Any]


@noun
class Measured(Event):
    """The numbers a run ended with. `logged_run`: the MLflow run its own cells logged to."""

    metrics: Mapping[str, float]
    slices: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    logged_run: str = ""


@noun
class Imported(Event):
    """What a run had imported at its end: top-level modules, and files that no package owns."""

    modules: tuple[str, ...]
    files: tuple[str, ...] = ()


@noun
class ModelKept(Event):
    """A run's model is in the store. `digest` is of its value, `artifact` of its bytes."""

    variable: str
    digest: str
    artifact: str
    type: str = ""


@noun
class ChampionScored(Event):
    """The champion, judged by the same cells on the same data."""

    version: int
    metrics: Mapping[str, float]
    error: str = ""


@noun
class RunFinished(Event):
    """A run's end. `status`: finished, failed or stopped; `fix` mends the error.

    stood: all of it stood by earlier runs, and no cell ran
    """

    status: str
    seconds: float
    error: str = ""
    fix: str = ""
    stood: bool = False


@noun
class Judged(Event):
    """What the gates said of a run's model, and what follows."""

    verdicts: tuple[Mapping[str, Any], ...]
    passed: bool
    because: str = ""


@noun
class Registered(Event):
    """A model became a numbered version."""

    model: str
    version: int
    artifact: str
    digest: str
    metrics: Mapping[str, float] = field(default_factory=dict)


@noun
class Released(Event):
    """A version answers from now on. `because`: gates, or rollback."""

    model: str
    version: int
    previous: int | None = None
    because: str = ""
    rollback: bool = False


@noun
class JobDrafted(Event):
    """A bundle was written for review; nothing runs from it yet."""

    digest: str
    model_run: str = ""


@noun
class JobApplied(Event):
    """This bundle is the live one from now on. `definition`: what job.yaml said."""

    digest: str
    bundle: str
    definition: Mapping[str, Any] = field(default_factory=dict)
    source_digest: str = ""


@noun
class JobPaused(Event):
    """The schedule of a job rests."""


@noun
class JobUnpaused(Event):
    """The schedule of a job goes on."""


@noun
class RunSkipped(Event):
    """A due run was not started."""

    scheduled_at: str
    because: str


@noun
class Mirrored(Event):
    """MLflow knows of this run under its own id, or of a version under its own number."""

    mlflow_run: str
    note: str = ""


KINDS: dict[str, type[Event]] = {kind.__name__: kind for kind in Event.__subclasses__()}


def as_record(event: Event) -> dict[str, Any]:
    """Return what is stored of an event besides run, job, time and place.

    >>> as_record(CellFinished(run="r", cell=1, seconds=0.5))
    {'cell': 1, 'seconds': 0.5}
    """
    return {k: v for k, v in asdict(event).items() if k not in {"run", "job", "at", "id"}}


def from_record(kind: str, record: Mapping[str, Any], **envelope: Any) -> Event | None:
    """Return the event that a stored record tells of, or None for a kind unknown to this version.

    >>> from_record("CellFinished", {"cell": 1, "seconds": 0.5}, run="r")
    CellFinished(run='r', job='', at='', id=0, cell=1, seconds=0.5)
    """
    made = KINDS.get(kind)
    if made is None:
        return None
    known = {f.name for f in fields(made)}
    values: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in record.items() if k in known
    }
    return made(**values, **envelope)
