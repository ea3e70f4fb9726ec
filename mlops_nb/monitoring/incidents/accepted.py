"""What persons taught: levels of a metric and movements that they called no harm."""

from collections.abc import Sequence

from msgspec.structs import replace

from mlops_nb.context import Context
from mlops_nb.events import AlertAcked, AlertRaised, CohortClosed, ModelWatched, Released
from mlops_nb.monitoring.live.movement import Movement

WIDER = 1.1  # a threshold after a person called a movement harmless, as a multiple of the value


def _mistaken(ctx: Context, job: str, kind: str, after: int) -> list[AlertAcked]:
    """Return how persons called alerts of a kind mistaken, after an event."""
    raised: dict[str, AlertRaised] = {}
    found = []
    for event in ctx.journal.read(kinds=[AlertRaised, AlertAcked], job=job):
        if isinstance(event, AlertRaised):
            raised[event.alert] = event
        elif isinstance(event, AlertAcked) and event.mistaken and event.id > after:
            about = raised.get(event.alert)
            if about is not None and about.kind == kind:
                found.append(event)
    return found


def accepted_day(
    ctx: Context, job: str, closed: Sequence[CohortClosed], releases: Sequence[Released]
) -> str:
    """Return the last day that was closed when a person called a harm mistaken, "" for never."""
    after = releases[-1].id if releases else 0
    acks = _mistaken(ctx, job, "harm", after)
    if not acks:
        return ""
    return max((day.day for day in closed if day.id < acks[-1].id), default="")


def of_movement(
    ctx: Context,
    model: str,
    moved: Sequence[Movement],
    releases: Sequence[Released],
) -> list[Movement]:
    """Return movements, with thresholds above what persons called harmless."""
    after = releases[-1].id if releases else 0
    job = releases[-1].job if releases else ""
    acks = _mistaken(ctx, job, "movement", after)
    if not acks:
        return list(moved)
    taught: dict[str, float] = {}
    looks = list(ctx.journal.read(kinds=[ModelWatched], after=after))
    for ack in acks:
        before = [e for e in looks if isinstance(e, ModelWatched) and e.model == model]
        seen = [e for e in before if e.id < ack.id]
        for one in seen[-1].signals if seen else ():
            if one["kind"] == "movement":
                taught[one["name"]] = max(taught.get(one["name"], 0.0), float(one["value"]))
    return [
        replace(one, threshold=max(one.threshold, WIDER * taught.get(one.column, 0.0)))
        for one in moved
    ]
