"""What a sensor may look at, and what it answers: the seam between triggers and the world."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct, field

from mlops_nb.events import Evaluated
from mlops_nb.jobs.model import Job
from mlops_nb.runs.history import Run


class View(Struct, frozen=True, kw_only=True):
    """What a sensor may look at.

    folder:  the job's working folder
    now:     the time, by the job's clock; files are as they are
    since:   when the job was applied
    runs:    every run by its id
    known:   the files of data triggers that are not new: path → sha256
    evaluated: how versions of the job's model did on data as it is, newest last
    champion: the version that answers, and its metrics at release
    notes:   what the sensor noted the last time; it may be changed
    """

    job: Job
    folder: Path
    now: datetime
    since: datetime
    runs: Mapping[str, Run]
    known: Mapping[str, str]
    evaluated: Sequence[Evaluated] = ()
    champion: tuple[int, Mapping[str, float]] | None = None
    notes: dict[str, Any] = field(default_factory=dict)


class Signal(Struct, frozen=True, kw_only=True):
    """Why a job is to run now. `seen`: what of, so that it does not count twice."""

    because: str
    seen: Mapping[str, Any]


class Sensor(Protocol):
    """Looks whether what a trigger waits for has happened."""

    cooldown: float  # s from one run to the next, where the trigger names none

    def signal(self, spec: Mapping[str, Any], view: View) -> Signal | None:
        """Return why the job is to run, None where it is not."""
        ...
