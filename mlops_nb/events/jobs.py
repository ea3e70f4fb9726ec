"""What happens to jobs."""

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from mlops_nb.events.base import Event
from mlops_nb.records import noun


@noun
class JobDrafted(Event):
    """A bundle was written for review; nothing runs from it yet."""

    digest: str
    model_run: str = ""


@noun
class JobApplied(Event):
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


@noun
class JobPaused(Event):
    """The schedule of a job rests."""


@noun
class JobUnpaused(Event):
    """The schedule of a job goes on."""


@noun
class DataSeen(Event):
    """The files that a job's data triggers know, none of which is new: {path: sha256}."""

    files: Mapping[str, str] = field(default_factory=dict)
