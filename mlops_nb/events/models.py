"""What happens to models: judged, registered, released."""

from collections.abc import Mapping
from typing import Any

from msgspec import field

from mlops_nb.events.base import Event


class Judged(Event, frozen=True, kw_only=True):
    """What the gates said of a run's model, and what follows."""

    verdicts: tuple[Mapping[str, Any], ...]
    passed: bool
    because: str = ""


class Registered(Event, frozen=True, kw_only=True):
    """A model became a numbered version."""

    model: str
    version: int
    artifact: str
    digest: str
    metrics: Mapping[str, float] = field(default_factory=dict)


class Released(Event, frozen=True, kw_only=True):
    """A version answers from now on. `because`: gates, or rollback; `by`: who decided so."""

    model: str
    version: int
    previous: int | None = None
    because: str = ""
    rollback: bool = False
    by: str = ""


class ApprovalAsked(Event, frozen=True, kw_only=True):
    """A version passed its gates and waits for a person. `champion`: what it was held against."""

    model: str
    version: int
    champion: int | None = None
    because: str = ""


class Evaluated(Event, frozen=True, kw_only=True):
    """A version that answers was held against data that it had not seen; nothing was trained.

    drift: per column {"column", "statistic", "value", "threshold", "drifted"}
    """

    model: str
    version: int
    metrics: Mapping[str, float] = field(default_factory=dict)
    drift: tuple[Mapping[str, Any], ...] = ()
    error: str = ""


class AliasMoved(Event, frozen=True, kw_only=True):
    """MLflow's champion is not the journal's: somebody else moved it. It is reported only."""

    model: str
    found: str
    expected: str
