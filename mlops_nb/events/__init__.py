"""All events, as data. The journal records these and nothing else."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec import ValidationError, convert
from msgspec.structs import asdict

from mlops_nb.events.alerts import (
    AlertAcked,
    AlertEnded,
    AlertRaised,
    AlertSent,
)
from mlops_nb.events.base import Event
from mlops_nb.events.cells import (
    ArtifactDamaged,
    CellFailed,
    CellFinished,
    CellObserved,
    CellStarted,
    DataChecked,
    ReuseAudited,
    StepFailed,
    StepFinished,
    StepObserved,
    StepRecorded,
    StepReused,
    StepStarted,
)
from mlops_nb.events.jobs import (
    DataSeen,
    JobApplied,
    JobDrafted,
    JobPaused,
    JobUnpaused,
)
from mlops_nb.events.models import (
    AliasMoved,
    ApprovalAsked,
    Evaluated,
    FileScored,
    Judged,
    LabelsTaken,
    Registered,
    Released,
    ScoringDropped,
    ScoringFailed,
    VersionRefused,
    VersionServed,
)
from mlops_nb.events.runs import (
    ChampionScored,
    EngineChosen,
    Imported,
    Measured,
    Mirrored,
    ModelKept,
    ModelPackaged,
    RunClaimed,
    RunDone,
    RunFinished,
    RunLost,
    RunQueued,
    RunRetried,
    RunSkipped,
    RunStarted,
    SweepFinished,
    SweepStarted,
)
from mlops_nb.events.watching import CohortClosed, ModelWatched, SampleDrawn

__all__ = [
    "KINDS",
    "AlertAcked",
    "AlertEnded",
    "AlertRaised",
    "AlertSent",
    "AliasMoved",
    "ApprovalAsked",
    "ArtifactDamaged",
    "CellFailed",
    "CellFinished",
    "CellObserved",
    "CellStarted",
    "ChampionScored",
    "CohortClosed",
    "DataChecked",
    "DataSeen",
    "EngineChosen",
    "Evaluated",
    "Event",
    "FileScored",
    "Imported",
    "JobApplied",
    "JobDrafted",
    "JobPaused",
    "JobUnpaused",
    "Judged",
    "LabelsTaken",
    "Measured",
    "Mirrored",
    "ModelKept",
    "ModelPackaged",
    "ModelWatched",
    "Registered",
    "Released",
    "ReuseAudited",
    "RunClaimed",
    "RunDone",
    "RunFinished",
    "RunLost",
    "RunQueued",
    "RunRetried",
    "RunSkipped",
    "RunStarted",
    "SampleDrawn",
    "ScoringDropped",
    "ScoringFailed",
    "StepFailed",
    "StepFinished",
    "StepObserved",
    "StepRecorded",
    "StepReused",
    "StepStarted",
    "SweepFinished",
    "SweepStarted",
    "VersionRefused",
    "VersionServed",
    "as_record",
    "check_record",
    "from_record",
]

# the names that events are stored under: a class that is renamed keeps its stored name here
KINDS: dict[str, type[Event]] = {kind.__name__: kind for kind in Event.__subclasses__()}
ENVELOPE = ("run", "job", "at", "id")  # stored in columns of their own


def as_record(event: Event) -> dict[str, Any]:
    """Return what is stored of an event besides run, job, time and place.

    >>> as_record(CellFinished(run="r", cell=1, seconds=0.5))
    {'cell': 1, 'seconds': 0.5}
    """
    return {k: v for k, v in asdict(event).items() if k not in ENVELOPE}


def check_record(kind: str, record: Any, *, run: Any, job: Any, at: Any) -> None:
    """Raise ValueError if a stored record cannot be read as an event.

    >>> check_record("CellFinished", {"cell": 1, "seconds": "long"}, run="", job="", at="")
    Traceback (most recent call last):
    ValueError: Expected `float`, got `str` - at `$.seconds`
    """
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is no kind of event that this version knows")
    try:
        convert(record, KINDS[kind], str_keys=True)
        convert([run, job, at], list[str])
    except ValidationError as error:
        raise ValueError(str(error)) from None
    if at and datetime.fromisoformat(at).tzinfo is None:
        raise ValueError(f"its time {at!r} has no zone")


def from_record(kind: str, record: Mapping[str, Any], **envelope: Any) -> Event | None:
    """Return the event of a stored record, or None for a kind that this version does not know.

    Fields that this version does not know are left out; a field that is not stored has its default.

    >>> from_record("CellFinished", {"cell": 1, "seconds": 0.5}, run="r")
    CellFinished(run='r', job='', at='', id=0, cell=1, seconds=0.5)
    """
    made = KINDS.get(kind)
    if made is None:
        return None
    known = made.__struct_fields__
    values: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in record.items() if k in known
    }
    return made(**values, **envelope)
