"""Jobs, their schedules, and the proof that a bundle equals its notebook."""

import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field

from mlops_nb.notebook.model import Value
from mlops_nb.serving.settings import ServingSettings


class Difference(Struct, frozen=True, kw_only=True):
    """The result of one step of a proof: the names whose values differ, each with a reason."""

    step: str
    equal: bool
    differs: tuple[str, ...] = ()
    varying: tuple[str, ...] = ()
    close: tuple[str, ...] = ()
    uncompared: tuple[str, ...] = ()


class Proof(Struct, frozen=True, kw_only=True):
    """The proof that a bundle equals its notebook. `equal` is None if that was not tested."""

    equal: bool | None
    steps: tuple[Difference, ...] = ()
    because: str = ""


class Schedule(Struct, frozen=True, kw_only=True):
    """When a job is due: a 5-field cron line in an IANA time zone."""

    cron: str
    timezone: str
    missed: str = "last"
    overlap: str = "skip"


class Job(Struct, frozen=True, kw_only=True):
    """The definition of a job, the content of `job.yaml`."""

    name: str
    notebook: str
    folder: str  # the source notebook's folder, relative to the project: the working folder
    source: str  # the source notebook, relative to the project
    parameters: Mapping[str, Value] = field(default_factory=dict)
    schedule: Schedule | None = None
    gates: tuple[str, ...] = ()
    model_name: str | None = None
    model_variable: str | None = None
    secrets: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    reuse: bool = False  # whether its runs reuse steps that are up to date
    retries: int = 0
    timeout: float | None = None
    triggers: tuple[Mapping[str, Value], ...] = ()
    score: Mapping[str, str] | None = None  # {"files": glob, "output": template}
    approval: str = "none"  # none | required
    release_with: tuple[str, ...] = ()  # jobs whose models become champions in the same moment
    notify: tuple[Mapping[str, Value], ...] = ()  # {"webhook": …} or {"command": …}
    serving: ServingSettings = field(default_factory=ServingSettings)


class Interval(Struct, frozen=True, kw_only=True):
    """The interval of a run: [start, end), aware datetimes in the zone of the job."""

    start: Any
    end: Any
    scheduled_at: Any


JOB_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}\Z")
