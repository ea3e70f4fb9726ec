"""Puts the columns that moved into signals, as one incident while they come and go.

Looks share most of their days, so that a column near its threshold passes it on some looks alone.
An incident of movement begins with the first column that moves, and ends when none has moved for
two weeks.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta

from mlops_nb.events import ModelWatched
from mlops_nb.monitoring.incidents.signals import Signal
from mlops_nb.monitoring.live.movement import Movement

MOVEMENT, SETTLED = "movement", "settled"
QUIET = timedelta(days=14)  # without movement, after which an incident has ended
YEAR = 365  # days of a log, from which on season and drift can be told apart


def of_movement(
    found: Sequence[Movement], window: tuple[str, str], logged: int, before: ModelWatched | None
) -> Iterator[Signal]:
    """Yield the columns that moved; if none did, an incident that has not ended.

    window: the first and the last day; logged: days since the log began
    before: what the look before recorded
    """
    first, today = window
    known = _known(before)
    incident = min((str(one["incident"]) for one in known.values()), default=first)
    if known and date.fromisoformat(today) - _last(known) > QUIET:
        known, incident = {}, first
    season = "" if logged >= YEAR else " (season or drift: with less than a year, it cannot tell)"
    moved = sorted((m for m in found if m.drifted), key=lambda m: -m.excess)
    for one in moved:
        yield {
            "kind": MOVEMENT,
            "name": one.column,
            "what": f"{one.column} moved: {one.direction}, {one.statistic} {one.value:.3g}, "
            f"threshold {one.threshold:.3g}{season}",
            "since": known[one.column]["since"] if one.column in known else first,
            "fix": "",
            "value": one.value,
            "incident": incident,
            "last": today,
        }
    if known and not moved:
        yield _settled(known, incident)


def _known(before: ModelWatched | None) -> dict[str, Signal]:
    """Return the signals of movement of the look before, by their names."""
    signals = before.signals if before is not None else ()
    return {
        str(one["name"]): one
        for one in signals
        if one["kind"] in {MOVEMENT, SETTLED} and "incident" in one  # looks of before have none
    }


def _last(known: Mapping[str, Signal]) -> date:
    """Return the last day on which a column moved."""
    return max(date.fromisoformat(str(one["last"])) for one in known.values())


def _settled(known: Mapping[str, Signal], incident: str) -> Signal:
    settled = [one for one in known.values() if one["kind"] == SETTLED]
    what = settled[0]["what"] if settled else f"no column has moved since; {', '.join(known)} had"
    return {
        "kind": SETTLED,
        "name": "columns",
        "what": what,
        "since": incident,
        "fix": "",
        "incident": incident,
        "last": _last(known).isoformat(),
    }
