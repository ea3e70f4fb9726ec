"""Jobs and their live bundles, folded from the events of the journal."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mlops_nb.context import Context
from mlops_nb.events import Event, JobApplied, JobDrafted, JobPaused, JobUnpaused

KINDS = (JobApplied, JobDrafted, JobPaused, JobUnpaused)


@dataclass(slots=True, kw_only=True)
class JobState:
    """A job: its live bundle, and whether it is paused."""

    name: str
    digest: str = ""
    bundle: str = ""
    definition: Mapping[str, Any] = field(default_factory=dict)
    applied: str = ""
    source_digest: str = ""
    paused: bool = False
    unpaused: str = ""  # when it was unpaused last
    draft: JobDrafted | None = None
    bundles: list[str] = field(default_factory=list)
    # a stack: a rollback pops one
    applications: list[JobApplied] = field(default_factory=list)

    @property
    def status(self) -> str:
        """The status: draft, paused or active."""
        if not self.digest:
            return "draft"
        return "paused" if self.paused else "active"


def read_jobs(ctx: Context) -> dict[str, JobState]:
    """Return every job of a project by its name."""
    return jobs(ctx.journal.read(kinds=KINDS)) if ctx.knows_anything else {}


def jobs(events: Iterable[Event]) -> dict[str, JobState]:
    """Return every job by its name."""
    found: dict[str, JobState] = {}
    for event in events:
        if not event.job:
            continue
        if isinstance(event, JobApplied | JobDrafted | JobPaused | JobUnpaused):
            state = found.setdefault(event.job, JobState(name=event.job))
            _fold_job(state, event)
    return found


def _fold_job(state: JobState, event: Event) -> None:
    match event:
        case JobApplied():
            state.digest, state.bundle, state.definition = (
                event.digest,
                event.bundle,
                event.definition,
            )
            state.applied, state.source_digest = event.at, event.source_digest
            state.bundles.append(event.digest)
            if event.rollback and len(state.applications) > 1:
                state.applications.pop()
            else:
                state.applications.append(event)
            state.draft = None
        case JobDrafted():
            state.draft = event
        case JobPaused():
            state.paused = True
        case JobUnpaused():
            state.paused, state.unpaused = False, event.at
        case _:
            return
