"""Measures, verifies and prunes the store of artifacts."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from mlops_nb.context import Context
from mlops_nb.errors import NotFound, Refused
from mlops_nb.events import Event, ModelKept, Registered
from mlops_nb.governance import housekeeping, retention
from mlops_nb.storage.ports import MLFLOW_PLACE, number_of

GIB = 1 << 30
LIMIT = 20 * GIB  # bytes, by default
LIMIT_NAME = "MLOPS_NB_STORE_LIMIT"  # in GiB
GRACE = timedelta(hours=1)  # artifacts of a run in progress are not in the journal yet


def limit(ctx: Context) -> int:
    """Return the bound of the store, bytes.

    Raises Refused if the environment gives no valid size.
    """
    given = ctx.environment.get(LIMIT_NAME)
    if not given:
        return LIMIT
    try:
        bound = int(float(given) * GIB)
    except (ValueError, OverflowError):
        bound = 0
    if bound <= 0:
        raise Refused(
            f"{LIMIT_NAME} is {given!r}, which is no size in GiB",
            fix=f"export {LIMIT_NAME}=20",
        )
    return bound


def size(ctx: Context) -> dict[str, int]:
    """Return what `store --size --json` prints."""
    sizes = [size for _, size, _ in ctx.store.contents()]
    return {"version": 1, "files": len(sizes), "bytes": sum(sizes), "limit": limit(ctx)}


def verify(ctx: Context) -> dict[str, Any]:
    """Read every artifact; return what `store --verify --json` prints."""
    checked = 0
    damaged: list[str] = []
    for digest, _, _ in ctx.store.contents():
        checked += 1
        try:
            ctx.store.path(digest)
        except NotFound:
            if ctx.store.holds(digest):  # it was not removed meanwhile
                damaged.append(digest)
    return {"version": 1, "checked": checked, "damaged": damaged}


def prune(ctx: Context, keep: timedelta) -> dict[str, int]:
    """Remove unreachable artifacts; return what `store --prune --json` prints.

    keep: age up to which models and artifacts of runs stay

    Raises Refused if the journal may be a new one: it is empty, or younger than what it does not
    know.
    """
    if not ctx.knows_anything:
        _refuse_empty(ctx)
        return {"version": 1, "removed": 0, "bytes": 0, "kept": 0}
    with ctx.deciding():  # no release or rollback meanwhile
        events = list(ctx.journal.read())
        if not events:
            _refuse_empty(ctx)
        born = retention.born(ctx.journal, events)
        if foreign := _older(ctx, events, born):
            raise retention.younger(foreign, born or 0.0)
        housekeeping.refuse_younger(ctx, {event.run for event in events}, born)
        now = ctx.now()
        stays = retention.reachable(events, now, keep) | _unmirrored(ctx, events)
        freed = ctx.store.tidy()
        removed = kept = 0
        for digest, size, put_at in ctx.store.contents():
            if digest in stays or now - put_at < GRACE:
                kept += 1
            else:
                ctx.store.remove(digest)
                removed, freed = removed + 1, freed + size
    return {"version": 1, "removed": removed, "bytes": freed, "kept": kept}


def bounded(ctx: Context) -> dict[str, int]:
    """Remove artifacts until the store is under its bound; return what `prune` returns.

    The oldest artifacts of steps go first, then other old ones. What a champion or a rollback
    needs, what is not synced to MLflow, and what is younger than the grace period stays.
    """
    contents = list(ctx.store.contents())
    over = sum(size for _, size, _ in contents) - limit(ctx)
    removed = freed = 0
    events = list(ctx.journal.read()) if over > 0 and ctx.knows_anything else []
    if events and not _older(ctx, events, retention.born(ctx.journal, events)):
        stays = retention.champions(events) | _unmirrored(ctx, events)
        last = retention.steps(events)
        now = ctx.now()

        def order(found: tuple[str, int, datetime]) -> tuple[bool, datetime]:
            return found[0] not in last, last.get(found[0], found[2])

        for digest, size, put_at in sorted(contents, key=order):
            if freed < over and digest not in stays and now - put_at >= GRACE:
                ctx.store.remove(digest)
                removed, freed = removed + 1, freed + size
    return {"version": 1, "removed": removed, "bytes": freed, "kept": len(contents) - removed}


def _refuse_empty(ctx: Context) -> None:
    """Raise Refused if there are artifacts that an empty journal does not know."""
    if any(True for _ in ctx.store.contents()):
        raise Refused(
            "the journal is empty, so no artifact can be known to be unused",
            fix="set the journal that these artifacts were recorded in: MLOPS_NB_JOURNAL=…",
            where=str(ctx.settings.folder / "store"),
        )


def _older(ctx: Context, events: Iterable[Event], born: float | None) -> Path | None:
    """Return an artifact that the journal does not know and that is older; None if none is.

    If the journal knows none of the artifacts, it is that of another store: return any.
    """
    known = retention.known(events)
    contents = list(ctx.store.contents())
    foreign = not any(digest in known for digest, _, _ in contents)
    for digest, _, put_at in contents:
        older = born is not None and put_at.timestamp() < born
        if digest not in known and (older or foreign):
            return ctx.settings.folder / "store" / digest[:2] / digest
    return None


def _unmirrored(ctx: Context, events: Iterable[Event]) -> set[str]:
    """Return the artifacts that are not synced to MLflow yet: models, and rows of their input."""
    synced = number_of(ctx.journal.place(MLFLOW_PLACE))
    waiting = [e for e in events if isinstance(e, Registered) and e.id > synced]
    runs = {e.run for e in waiting}
    examples = {e.example for e in events if isinstance(e, ModelKept) and e.run in runs}
    return {e.artifact for e in waiting} | examples - {""}
