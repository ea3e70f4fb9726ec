"""Decides from the journal which artifacts must stay."""

import contextlib
import shlex
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mlops_nb.errors import Refused
from mlops_nb.events import Event, ModelKept, ModelPackaged, Registered
from mlops_nb.models import registry
from mlops_nb.storage.ports import BORN, Journal

SLACK = 60.0  # s: how much the clocks of a disk and of a process may differ


def reachable(events: Iterable[Event], now: datetime, keep: timedelta) -> set[str]:
    """Return the artifacts that may still be needed.

    They are those of `champions`, and the models and step artifacts of runs younger than `keep`.
    A run is as old as its last event.

    >>> from datetime import UTC
    >>> kept = ModelKept(run="r", at="2026-01-01T00:00:00+00:00", variable="m", digest="d",
    ...                  artifact="a")
    >>> reachable([kept], datetime(2026, 1, 31, tzinfo=UTC), timedelta(days=30))
    {'a'}
    >>> reachable([kept], datetime(2026, 2, 1, tzinfo=UTC), timedelta(days=30))
    set()
    """
    known = list(events)
    since = now - keep
    seen = {event.run: _time(event) for event in known if event.run}  # the last one wins
    kept = champions(known)
    for event in known:
        young = event.run in seen and seen[event.run] >= since
        if young or _time(event) >= since:
            kept |= _of_model(event)
    return kept | {digest for digest, at in steps(known).items() if at >= since}


def champions(events: Iterable[Event]) -> set[str]:
    """Return the artifacts of champions, of versions that wait for approval, and of earlier ones.

    A rollback pops releases from a stack, so all versions on that stack count.
    """
    return {
        model.versions[version].artifact
        for model in registry.models(events).values()
        for version in (*model.releases, *model.waiting)
        if version in model.versions
    }


def steps(events: Iterable[Event]) -> dict[str, datetime]:
    """Return the artifacts of steps, each with the last time that a step made it."""
    last: dict[str, datetime] = {}
    for event in events:
        for digest in _artifacts(event):
            last[digest] = max(_time(event), last.get(digest, _time(event)))
    return last


def known(events: Iterable[Event]) -> set[str]:
    """Return every artifact that the journal knows."""
    found: set[str] = set()
    for event in events:
        found.update(_artifacts(event))
        found |= _of_model(event)
        if isinstance(event, ModelKept):
            found.add(event.example)
    return found


def _of_model(event: Event) -> set[str]:
    """Return the artifacts of a model, and of what serves it."""
    if isinstance(event, ModelPackaged):
        return {event.artifact, event.about} - {""}
    return {event.artifact} if isinstance(event, ModelKept | Registered) else set()


def born(journal: Journal, events: Iterable[Event] = ()) -> float | None:
    """Return when a journal was made, s since 1970, or earlier; None if that is unknown.

    events: may be older, as a journal of an earlier version does not know when it was made
    """
    times: list[datetime] = []
    with contextlib.suppress(ValueError):  # none, or damaged
        times.append(datetime.fromisoformat(journal.place(BORN)))
    oldest = min([*times, *map(_time, events)], default=None)
    return None if oldest is None else oldest.timestamp() - SLACK


def younger(path: Path, born: float) -> Refused:
    """Return the error that the journal is not the one of what it does not know."""
    since = datetime.fromtimestamp(born, UTC).isoformat(timespec="seconds")
    return Refused(
        f"the journal begins at {since} and does not know {path.name}: the journal before was "
        "lost, or this is another one, so nothing can be known to be unused",
        fix="bring the old journal back, or name it: MLOPS_NB_JOURNAL=…; "
        f"if nothing of it is needed, rm -r {shlex.quote(str(path))}",
        where=str(path.parent),
    )


def _artifacts(event: Event) -> Iterator[str]:
    """Yield the digests in a step's record: {"artifacts": [{"sha256": …}, …]}."""
    record = getattr(event, "record", None)
    if not isinstance(record, Mapping):
        return
    for artifact in record.get("artifacts") or ():
        if isinstance(artifact, Mapping) and "sha256" in artifact:
            yield str(artifact["sha256"])


def _time(event: Event) -> datetime:
    return datetime.fromisoformat(event.at)
