"""Events of jobs."""

from collections.abc import Mapping
from typing import Any

from msgspec import field

from mlops_nb.events.base import Event


class JobDrafted(Event, frozen=True, kw_only=True):
    """A bundle is written for review; no run uses it yet."""

    digest: str
    model_run: str = ""


class JobApplied(Event, frozen=True, kw_only=True):
    """A bundle becomes the live one.

    definition: the content of job.yaml
    commit:     the git commit of the project, "" if there is none
    rollback:   it was live before
    elsewhere:  it was not proven in this project
    by:         the user who applied it, and owns what it does
    """

    digest: str
    bundle: str
    definition: Mapping[str, Any] = field(default_factory=dict)
    source_digest: str = ""
    commit: str = ""
    rollback: bool = False
    elsewhere: bool = False
    by: str = ""


class JobPaused(Event, frozen=True, kw_only=True):
    """A job is paused."""


class JobUnpaused(Event, frozen=True, kw_only=True):
    """A job is unpaused."""


class DataSeen(Event, frozen=True, kw_only=True):
    """The files that are not new for a job's data triggers: {path: sha256}."""

    files: Mapping[str, str] = field(default_factory=dict)
