"""Events of live models that are watched."""

from collections.abc import Mapping
from typing import Any

from msgspec import field

from mlops_nb.events.base import Event


class CohortClosed(Event, frozen=True, kw_only=True):
    """The answers of a UTC day have the labels that they are judged by, for good.

    versions: of each version that answered {"version", "rows", "labels",
              "losses": {loss of a row: [labels, sum, sum of squares]}}

    Labels that come later, and corrections, change charts and no alarm.
    """

    model: str
    day: str
    versions: tuple[Mapping[str, Any], ...] = ()


class ModelWatched(Event, frozen=True, kw_only=True):
    """What a look at a live model found, recorded when it differs from the look before.

    version: the champion
    signals: harm, faults of the data, and movement, each {"kind", "name", "what", "since", "fix"};
             of harm "value", "promised" and "mend" as well; of movement "incident" and "last",
             the days on which the first column moved, and the last one
    moved:   columns that moved, of those that were compared
    """

    model: str
    version: int
    signals: tuple[Mapping[str, Any], ...] = ()
    moved: int = 0
    compared: int = 0
    mend: Mapping[str, Any] = field(default_factory=dict)


class SampleDrawn(Event, frozen=True, kw_only=True):
    """Answers of a model were drawn for labelling, with known probabilities.

    rows: drawn ones; of: the answers without a label that they were drawn from
    name: of the sample, in the folder of the labels
    """

    model: str
    rows: int
    of: int
    since: str
    until: str
    name: str
