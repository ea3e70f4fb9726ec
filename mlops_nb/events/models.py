"""What happens to models: judged, registered, released."""

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from mlops_nb.events.base import Event
from mlops_nb.records import noun


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
    """A version answers from now on. `because`: gates, or rollback; `by`: who decided so."""

    model: str
    version: int
    previous: int | None = None
    because: str = ""
    rollback: bool = False
    by: str = ""


@noun
class ApprovalAsked(Event):
    """A version passed its gates and waits for a person. `champion`: what it was held against."""

    model: str
    version: int
    champion: int | None = None
    because: str = ""


@noun
class Evaluated(Event):
    """A version that answers was held against data that it had not seen; nothing was trained.

    drift: per column {"column", "statistic", "value", "threshold", "drifted"}
    """

    model: str
    version: int
    metrics: Mapping[str, float] = field(default_factory=dict)
    drift: tuple[Mapping[str, Any], ...] = ()
    error: str = ""


@noun
class AliasMoved(Event):
    """MLflow's champion is not the journal's: somebody else moved it. It is reported only."""

    model: str
    found: str
    expected: str
