"""The interface of trigger sensors: their input, a view of a job, and their result, a signal."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct, field

from mlops_nb.events import Evaluated, ModelWatched
from mlops_nb.jobs.model import Job
from mlops_nb.runs.history import Run


class View(Struct, frozen=True, kw_only=True):
    """The input of a sensor.

    folder:  the job's working folder
    now:     the time by the clock of the job; files are in their present state
    since:   when the job was applied
    done:    job → its run that ended well last
    followed: other job → its run that a run of this job followed last
    known:   the files of data triggers that are not new: path → sha256
    evaluated: evaluations of the job's model on current data, newest last
    watched: the last look at the live model, None if there is none since the last run was queued
    champion: the version that serves, and its metrics at release
    notes:   the notes of the sensor's last check; the sensor may change them
    """

    job: Job
    folder: Path
    now: datetime
    since: datetime
    known: Mapping[str, str]
    done: Mapping[str, Run] = field(default_factory=dict)
    followed: Mapping[str, str] = field(default_factory=dict)
    evaluated: Sequence[Evaluated] = ()
    watched: ModelWatched | None = None
    champion: tuple[int, Mapping[str, float]] | None = None
    notes: dict[str, Any] = field(default_factory=dict)


class Signal(Struct, frozen=True, kw_only=True):
    """The reason why a job must run now. `seen`: its cause, which then does not fire again."""

    because: str
    seen: Mapping[str, Any]


class Sensor(Protocol):
    """Decides whether a trigger fires."""

    cooldown: float  # s between two runs, if the trigger does not say

    def signal(self, spec: Mapping[str, Any], view: View) -> Signal | None:
        """Return why the job must run, None if it need not."""
        ...
