"""What happens to jobs."""

from collections.abc import Mapping
from typing import Any

from msgspec import field

from mlops_nb.events.base import Event


class JobDrafted(Event, frozen=True, kw_only=True):
    """A bundle was written for review; nothing runs from it yet."""

    digest: str
    model_run: str = ""


class JobApplied(Event, frozen=True, kw_only=True):
    """This bundle is the live one from now on.

    definition: what job.yaml said
    commit:     the project's git commit, "" where there is none
    rollback:   it was the live one before
    """

    digest: str
    bundle: str
    definition: Mapping[str, Any] = field(default_factory=dict)
    source_digest: str = ""
    commit: str = ""
    rollback: bool = False


class JobPaused(Event, frozen=True, kw_only=True):
    """The schedule of a job rests."""


class JobUnpaused(Event, frozen=True, kw_only=True):
    """The schedule of a job goes on."""


class DataSeen(Event, frozen=True, kw_only=True):
    """The files that a job's data triggers know, none of which is new: {path: sha256}."""

    files: Mapping[str, str] = field(default_factory=dict)
