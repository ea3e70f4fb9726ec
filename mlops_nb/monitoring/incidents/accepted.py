"""Levels of a metric and movements whose alerts persons marked as false."""

from collections.abc import Sequence

from msgspec.structs import replace

from mlops_nb.events import CohortClosed
from mlops_nb.monitoring.incidents.past import ModelPast
from mlops_nb.monitoring.live.movement import Movement

WIDER = 1.1  # a threshold after a person called a movement harmless, as a multiple of the value


def accepted_day(past: ModelPast, closed: Sequence[CohortClosed]) -> str:
    """Return the last day that was closed when a person called a harm mistaken, "" for never."""
    acks = past.mistakes("harm")
    if not acks:
        return ""
    return max((day.day for day in closed if day.id < acks[-1].id), default="")


def of_movement(past: ModelPast, moved: Sequence[Movement]) -> list[Movement]:
    """Return movements, with thresholds above what persons called harmless."""
    taught: dict[str, float] = {}
    for ack in past.mistakes("movement"):
        seen = [look for look in past.looks if look.id < ack.id]
        for one in seen[-1].signals if seen else ():
            if one["kind"] == "movement":
                taught[one["name"]] = max(taught.get(one["name"], 0.0), float(one["value"]))
    return [
        replace(one, threshold=max(one.threshold, WIDER * taught.get(one.column, 0.0)))
        for one in moved
    ]
