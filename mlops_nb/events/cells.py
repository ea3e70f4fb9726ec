"""Events of the cells and steps of a run."""

from collections.abc import Mapping
from typing import Any

from msgspec import field

from mlops_nb.events.base import Event


class CellStarted(Event, frozen=True, kw_only=True):
    """A code cell starts. `cell` is its index among the source's code cells."""

    cell: int


class CellFinished(Event, frozen=True, kw_only=True):
    """A code cell ends. `seconds`: wall time, s."""

    cell: int
    seconds: float


class CellFailed(Event, frozen=True, kw_only=True):
    """A code cell raised, or its kernel died in it."""

    cell: int
    seconds: float
    error: str
    traceback: str = ""


class CellObserved(Event, frozen=True, kw_only=True):
    """The reads, bindings and changes of a cell, as observed in the kernel."""

    cell: int
    seen: Mapping[str, Any]


class StepStarted(Event, frozen=True, kw_only=True):
    """The first cell of a step starts."""

    step: str


class StepFinished(Event, frozen=True, kw_only=True):
    """All cells of a step have ended. `seconds`: the sum of their wall times, s."""

    step: str
    seconds: float
    because: str = ""


class StepFailed(Event, frozen=True, kw_only=True):
    """A step's code raised, its data violated the contract, or the kernel died in it."""

    step: str
    seconds: float
    error: str
    cell: int | None = None


class StepObserved(Event, frozen=True, kw_only=True):
    """The values of a step: name → digest (or "unknown"), kind, and schema of frames."""

    step: str
    values: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


class StepReused(Event, frozen=True, kw_only=True):
    """A cached result of a step, or a part of one, is reused. `saved`: the time it took, s."""

    step: str
    because: str
    saved: float = 0.0
    cells: tuple[int, ...] = ()


class StepRecorded(Event, frozen=True, kw_only=True):
    """The record of a unit: everything that its result depends on, and the result."""

    step: str
    unit: str
    record: Mapping[str, Any]


class ArtifactDamaged(Event, frozen=True, kw_only=True):
    """The bytes of a stored value have changed; it is not used, and its step runs again."""

    artifact: str
    what: str = ""


class ReuseAudited(Event, frozen=True, kw_only=True):
    """A step that was up to date ran to check its reuse. `differs`: names with other values."""

    step: str
    differs: tuple[str, ...] = ()


class DataChecked(Event, frozen=True, kw_only=True):
    """A frame that a step loaded was checked against the contract and profile of the bundle.

    failures: {"column", "check", "rows": how many, "examples": [{"row", "value"}]}
    drift:    per column {"column", "statistic", "value", "threshold", "drifted"}, and "unseen"
    """

    step: str
    name: str
    rows: int
    failures: tuple[Mapping[str, Any], ...] = ()
    drift: tuple[Mapping[str, Any], ...] = ()
