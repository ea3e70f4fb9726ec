"""What happens to the cells and steps of a run."""

from collections.abc import Mapping
from typing import Any

from msgspec import field

from mlops_nb.events.base import Event


class CellStarted(Event, frozen=True, kw_only=True):
    """A code cell starts. `cell` is its index among the source's code cells."""

    cell: int


class CellFinished(Event, frozen=True, kw_only=True):
    """A code cell is done. `seconds`: wall time, s."""

    cell: int
    seconds: float


class CellFailed(Event, frozen=True, kw_only=True):
    """A code cell raised, or its kernel died in it."""

    cell: int
    seconds: float
    error: str
    traceback: str = ""


class CellObserved(Event, frozen=True, kw_only=True):
    """What a cell read, bound and changed, as it was seen from inside the kernel."""

    cell: int
    seen: Mapping[str, Any]


class StepStarted(Event, frozen=True, kw_only=True):
    """The first cell of a step starts."""

    step: str


class StepFinished(Event, frozen=True, kw_only=True):
    """All cells of a step are done. `seconds`: the sum of its cells' wall times, s."""

    step: str
    seconds: float
    because: str = ""


class StepFailed(Event, frozen=True, kw_only=True):
    """A step's own code raised, its data did not fit, or the kernel died in it."""

    step: str
    seconds: float
    error: str
    cell: int | None = None


class StepObserved(Event, frozen=True, kw_only=True):
    """What a step left behind: per name a digest (or "unknown"), a kind and a schema of frames."""

    step: str
    values: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


class StepReused(Event, frozen=True, kw_only=True):
    """A step, or a part of one, stands by what was recorded. `saved`: what it took then, s."""

    step: str
    because: str
    saved: float = 0.0
    cells: tuple[int, ...] = ()


class StepRecorded(Event, frozen=True, kw_only=True):
    """What a unit read, ran as and left behind: what must be the same for it to stand later."""

    step: str
    unit: str
    record: Mapping[str, Any]


class ArtifactDamaged(Event, frozen=True, kw_only=True):
    """A stored value's bytes are not what they were; it is not used, what made it runs again."""

    artifact: str
    what: str = ""


class ReuseAudited(Event, frozen=True, kw_only=True):
    """A step that would have stood ran all the same: the names that came out otherwise, if any."""

    step: str
    differs: tuple[str, ...] = ()


class DataChecked(Event, frozen=True, kw_only=True):
    """A frame that a step loaded was held against the bundle's schema and profile.

    failures: {"column", "check", "rows": how many, "examples": [{"row", "value"}]}
    drift:    per column {"column", "statistic", "value", "threshold", "drifted"}, and "unseen"
    """

    step: str
    name: str
    rows: int
    failures: tuple[Mapping[str, Any], ...] = ()
    drift: tuple[Mapping[str, Any], ...] = ()
