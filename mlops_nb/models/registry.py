"""Models and their versions, folded from the events of the journal."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mlops_nb.context import Context
from mlops_nb.events import (
    AliasMoved,
    ApprovalAsked,
    Event,
    Registered,
    Released,
    VersionRefused,
    VersionServed,
)

SEEN = (AliasMoved, VersionServed, VersionRefused)
KINDS = (Registered, Released, ApprovalAsked, *SEEN)


@dataclass(slots=True, kw_only=True)
class Version:
    """One version of a model."""

    version: int
    run: str
    created: str
    artifact: str
    digest: str
    metrics: Mapping[str, float]
    answers: str = ""
    lookups: Mapping[str, float] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Model:
    """A model: its versions, and the releases that made one of them the champion."""

    name: str
    versions: dict[int, Version] = field(default_factory=dict)
    releases: list[int] = field(default_factory=list)  # a stack: a rollback pops one
    job: str = ""
    waiting: dict[int, ApprovalAsked] = field(default_factory=dict)
    moved: str = ""  # the champion in MLflow, if its alias was moved there
    unserved: dict[str, VersionRefused] = field(default_factory=dict)  # by server: the champion
    released: str = ""  # when the champion was released
    ever: set[int] = field(default_factory=set)  # every version that was released
    quarantined: set[int] = field(default_factory=set)  # did harm: released by hand alone
    together: Mapping[str, int] = field(default_factory=dict)  # what was released with the champion

    @property
    def champion(self) -> int | None:
        """The version that serves now."""
        return self.releases[-1] if self.releases else None


def read_models(ctx: Context) -> dict[str, Model]:
    """Return every model of a project by its name."""
    return models(ctx.journal.read(kinds=KINDS)) if ctx.knows_anything else {}


def models(events: Iterable[Event]) -> dict[str, Model]:
    """Return every model by its name: the champion is a fold of release events."""
    found: dict[str, Model] = {}
    for event in events:
        if isinstance(event, Registered):
            model = found.setdefault(event.model, Model(name=event.model, job=event.job))
            model.versions[event.version] = Version(
                version=event.version,
                run=event.run,
                created=event.at,
                artifact=event.artifact,
                digest=event.digest,
                metrics=event.metrics,
                answers=event.answers,
                lookups=event.lookups,
            )
        elif isinstance(event, ApprovalAsked):
            model = found.setdefault(event.model, Model(name=event.model, job=event.job))
            model.waiting[event.version] = event
        elif isinstance(event, Released):
            model = found.setdefault(event.model, Model(name=event.model, job=event.job))
            _fold_waiting(model, event)
            model.moved = ""
            model.unserved = {}
            _fold_quarantine(model, event)
            if event.rollback and event.version in model.releases:
                while model.releases[-1] != event.version:
                    model.releases.pop()
            elif model.champion != event.version:
                model.releases.append(event.version)
        elif isinstance(event, SEEN) and event.model in found:
            _fold_seen(found[event.model], event)
    return found


def _fold_waiting(model: Model, event: Released) -> None:
    """Drop what waits no longer: the released version, and older ones that waited for others."""
    model.together = {} if event.rollback else event.together
    model.waiting = {
        version: asked
        for version, asked in model.waiting.items()
        if version != event.version and not (asked.awaits and version < event.version)
    }


def _fold_quarantine(model: Model, event: Released) -> None:
    model.released = event.at
    model.ever.add(event.version)
    model.quarantined.discard(event.version)  # a person has released it again
    if event.quarantines and event.previous is not None:
        model.quarantined.add(event.previous)


def _fold_seen(model: Model, event: AliasMoved | VersionServed | VersionRefused) -> None:
    """Fold what was seen of a model outside the journal: in MLflow, and in its servers."""
    match event:
        case AliasMoved():
            model.moved = event.found
        case VersionServed():
            model.unserved.pop(event.server, None)
        case VersionRefused() if event.version == model.champion:
            model.unserved[event.server] = event
        case _:
            return  # a challenger that cannot answer
