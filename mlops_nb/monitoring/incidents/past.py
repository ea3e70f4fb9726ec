"""What the journal knows of a live model: releases, closed days, deliveries, looks, mistakes."""

from datetime import datetime

from msgspec import Struct

from mlops_nb.context import Context
from mlops_nb.events import (
    AlertAcked,
    AlertRaised,
    CohortClosed,
    LabelsTaken,
    ModelWatched,
    Released,
)
from mlops_nb.models.registry import Model

KINDS = (AlertAcked, AlertRaised, CohortClosed, LabelsTaken, ModelWatched, Released)


class ModelPast(Struct, frozen=True, kw_only=True):
    """The events of one model, each kind in its order.

    closed:     its closed days, ascending
    deliveries: when its labels came
    mistaken:   acknowledgements since the last release that call an alert mistaken, each with the
                kind of the alert
    """

    releases: list[Released]
    closed: list[CohortClosed]
    deliveries: list[datetime]
    looks: list[ModelWatched]
    mistaken: list[tuple[str, AlertAcked]]

    @property
    def last_look(self) -> ModelWatched | None:
        """What the last look recorded, None for none."""
        return self.looks[-1] if self.looks else None

    @property
    def last_release(self) -> Released | None:
        """The release that made the champion, None for none."""
        return self.releases[-1] if self.releases else None

    def mistakes(self, kind: str) -> list[AlertAcked]:
        """Return the acknowledgements that call alerts of a kind mistaken."""
        return [ack for of, ack in self.mistaken if of == kind]


def read(ctx: Context, model: Model) -> ModelPast:
    """Read the events of a model, all at once."""
    found = ModelPast(releases=[], closed=[], deliveries=[], looks=[], mistaken=[])
    kinds: dict[str, str] = {}  # alert → its kind
    for event in ctx.journal.read(job=model.job, kinds=KINDS):
        match event:
            case AlertRaised():
                kinds[event.alert] = event.kind
            case AlertAcked() if event.mistaken and event.alert in kinds:
                found.mistaken.append((kinds[event.alert], event))
            case Released(model=name) if name == model.name:
                found.releases.append(event)
                found.mistaken.clear()
            case CohortClosed(model=name) if name == model.name:
                found.closed.append(event)
            case LabelsTaken(model=name) if name == model.name:
                found.deliveries.append(datetime.fromisoformat(event.at))
            case ModelWatched(model=name) if name == model.name:
                found.looks.append(event)
            case _:
                continue
    found.closed.sort(key=lambda one: one.day)
    return found
