"""Keeps the store in order: how large it is, whether it is whole, and what can go."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from mlops_nb.context import Workshop
from mlops_nb.errors import NotFound, Refused
from mlops_nb.events import Event, Registered
from mlops_nb.governance import retention

GIB = 1 << 30
LIMIT = 20 * GIB  # bytes, where nothing else was set
LIMIT_NAME = "MLOPS_NB_STORE_LIMIT"  # in GiB
GRACE = timedelta(hours=1)  # what a run in progress has put here is not in the journal yet


def limit(shop: Workshop) -> int:
    """Return how many bytes the store should hold at most.

    Raises Refused where the environment gives what is no size.
    """
    given = shop.environment.get(LIMIT_NAME)
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


def size(shop: Workshop) -> dict[str, int]:
    """Return what `store --size --json` prints."""
    sizes = [held for _, held, _ in shop.store.contents()]
    return {"version": 1, "files": len(sizes), "bytes": sum(sizes), "limit": limit(shop)}


def verify(shop: Workshop) -> dict[str, Any]:
    """Read every artifact; return what `store --verify --json` prints."""
    checked = 0
    damaged: list[str] = []
    for digest, _, _ in shop.store.contents():
        checked += 1
        try:
            shop.store.path(digest)
        except NotFound:
            if shop.store.holds(digest):  # else it was removed in the meantime
                damaged.append(digest)
    return {"version": 1, "checked": checked, "damaged": damaged}


def prune(shop: Workshop, keep: timedelta) -> dict[str, int]:
    """Remove what is not reachable any more; return what `store --prune --json` prints.

    keep: age up to which runs' models and steps' artifacts stay

    Raises Refused where the journal is empty and the store is not: it may be another one's.
    """
    if not shop.knows_anything and not any(True for _ in shop.store.contents()):
        return {"version": 1, "removed": 0, "bytes": 0, "kept": 0}
    with shop.deciding():  # nobody releases or rolls back meanwhile
        events = list(shop.journal.read())
        if not events and any(True for _ in shop.store.contents()):
            raise Refused(
                "the journal knows of nothing, so it cannot tell what may go",
                fix="set the journal that these artifacts were recorded in: MLOPS_NB_JOURNAL=…",
                where=str(shop.settings.folder / "store"),
            )
        now = shop.now()
        stays = retention.reachable(events, now, keep) | _unmirrored(shop, events)
        freed = shop.store.tidy()
        removed = kept = 0
        for digest, held, put_at in shop.store.contents():
            if digest in stays or now - put_at < GRACE:
                kept += 1
            else:
                shop.store.remove(digest)
                removed, freed = removed + 1, freed + held
    return {"version": 1, "removed": removed, "bytes": freed, "kept": kept}


def bounded(shop: Workshop) -> dict[str, int]:
    """Remove artifacts until the store is under its bound; return what `prune` returns.

    The oldest steps' artifacts go first, then what else is old; what a champion or a rollback
    needs, what MLflow was not told of, and what is younger than the grace never goes.
    """
    contents = list(shop.store.contents())
    over = sum(held for _, held, _ in contents) - limit(shop)
    removed = freed = 0
    if over > 0 and shop.knows_anything and (events := list(shop.journal.read())):
        stays = retention.champions(events) | _unmirrored(shop, events)
        last = retention.steps(events)
        now = shop.now()

        def order(found: tuple[str, int, datetime]) -> tuple[bool, datetime]:
            return found[0] not in last, last.get(found[0], found[2])

        for digest, held, put_at in sorted(contents, key=order):
            if freed < over and digest not in stays and now - put_at >= GRACE:
                shop.store.remove(digest)
                removed, freed = removed + 1, freed + held
    return {"version": 1, "removed": removed, "bytes": freed, "kept": len(contents) - removed}


def _unmirrored(shop: Workshop, events: Iterable[Event]) -> set[str]:
    """Return the artifacts that MLflow is still to be given."""
    from mlops_nb.integrations.mlflow.mirror import PLACE

    told = int(shop.journal.place(PLACE) or 0)
    return {e.artifact for e in events if isinstance(e, Registered) and e.id > told}
