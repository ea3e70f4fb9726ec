"""One scheduled look at a live model: closes cohorts, judges them, and acts on harm."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec.structs import replace

from mlops_nb.context import Context
from mlops_nb.events import CohortClosed, LabelsTaken, ModelWatched, Released
from mlops_nb.models import package, release
from mlops_nb.monitoring.incidents import (
    accepted,
    cohorts,
    harm,
    mend,
    promise,
    signals,
    smoke,
)
from mlops_nb.monitoring.incidents.harm import Harm, WatchedRelease
from mlops_nb.monitoring.incidents.mend import Mend
from mlops_nb.monitoring.incidents.signals import Signal
from mlops_nb.monitoring.labels import take
from mlops_nb.monitoring.live import faults, window
from mlops_nb.monitoring.live.window import OpenedModel

WINDOW = timedelta(days=7)  # whose rows are compared with the reference
LEAST_ROWS = 50  # of a window that is compared
WATCHER = "watch"  # who rolls back by itself


def check(ctx: Context, model: str) -> ModelWatched | None:
    """Look at a live model, record what differs from the last look, and return it.

    A harm is recorded with its mend. Where job.yaml says so, a version is rolled back if the one
    before does better on the same labelled rows.

    Returns None for a model without a champion. Raises NotFound if there is no such model.
    """
    take.take_source(ctx, model)
    opened = window.open_model(ctx, model)
    if opened.model.champion is None:
        return None
    releases = _releases(ctx, model)
    event, primary = _found(ctx, opened, releases)
    if primary is None:
        return _record(ctx, event)
    chosen = _known_mend(ctx, event)
    if chosen is None:
        faulty = [one for one in event.signals if one["kind"] == "data-fault"]
        before = _before(opened, event.version)
        chosen = mend.choose(ctx, opened, primary, faulty, before)
    written = _record(ctx, replace(event, mend=chosen.as_dict()))
    _roll_back(ctx, opened, chosen, releases)
    return written


def harm_now(ctx: Context, model: str) -> list[Signal]:
    """Return the harm and the lack of labels that a look would find now, and record nothing."""
    looking = ctx.to_look()
    opened = window.open_model(looking, model)
    if opened.model.champion is None:
        return []
    event, _ = _found(looking, opened, _releases(looking, model))
    return [one for one in event.signals if one["kind"] in {"harm", "labels"}]


def _found(
    ctx: Context, opened: OpenedModel, releases: Sequence[Released]
) -> tuple[ModelWatched, Harm | None]:
    """Return everything that a look finds, and the harm that wakes people."""
    model = opened.model.name
    closed = cohorts.close(ctx, opened, cohorts.closed(ctx, model))
    watched = _release(ctx, opened, opened.model.champion or 0, releases, closed)
    found = harm.harms(closed, watched)
    event = _seen(ctx, opened, watched, closed, found, releases)
    return event, next((one for one in found if one.primary), None)


def _seen(
    ctx: Context,
    opened: OpenedModel,
    watched: WatchedRelease,
    closed: Sequence[CohortClosed],
    found: Sequence[Harm],
    releases: Sequence[Released],
) -> ModelWatched:
    """Return everything that a look found, without its mend."""
    now, model = opened.look.now, opened.model.name
    days = window.days_between(opened.look, now - WINDOW, now)
    rows = sum(day.sums.rows for day in days)
    moved = window.moved(days, opened.columns) if rows >= LEAST_ROWS else []
    moved = accepted.of_movement(ctx, model, moved, releases)
    wrong = list(faults.faults(days, opened.columns, model)) if days else []
    if not rows and closed:
        wrong.append(faults.no_rows(model, window.last_before(opened.look.log, now, model)))
    wrong += smoke.smoke(opened, releases)
    logged = (now.date() - datetime.fromisoformat(closed[0].day).date()).days if closed else 0
    every: list[Signal] = [
        *signals.of_harm(found, model),
        *signals.of_faults(wrong),
        *signals.of_labels(closed, watched.version, watched.since, model),
        *signals.of_arrivals(_deliveries(ctx, model), now, model),
        *signals.of_movement(moved, days, {one.column for one in wrong}, logged),
    ]
    return ModelWatched(
        job=opened.model.job,
        model=model,
        version=watched.version,
        signals=tuple(every),
        moved=sum(one.drifted for one in moved),
        compared=len(moved),
    )


def _deliveries(ctx: Context, model: str) -> list[datetime]:
    """Return when labels of a model came, ascending."""
    events = ctx.journal.read(kinds=[LabelsTaken])
    return [
        datetime.fromisoformat(e.at)
        for e in events
        if isinstance(e, LabelsTaken) and e.model == model
    ]


def _record(ctx: Context, event: ModelWatched) -> ModelWatched:
    """Record what a look found if it differs from the last one, or is of another day."""
    last = last_look(ctx, event.model)
    if last is None and not event.signals:
        return event
    if last is not None and _essence(last) == _essence(event):
        same_day = last.at[:10] == ctx.now().astimezone(UTC).isoformat()[:10]
        if same_day or not event.signals:
            return event
    written = ctx.journal.append(event)
    assert isinstance(written, ModelWatched)
    return written


def last_look(ctx: Context, model: str) -> ModelWatched | None:
    """Return what the last look at a model recorded, None for none."""
    found = None
    for event in ctx.journal.read(kinds=[ModelWatched]):
        if isinstance(event, ModelWatched) and event.model == model:
            found = event
    return found


def _essence(event: ModelWatched) -> Any:
    """Return what makes two looks differ: not the figures of a day, which change each hour."""
    names = sorted(
        (one["kind"], one["name"], one["since"] if one["kind"] == "harm" else "")
        for one in event.signals
    )
    return event.version, names, event.mend.get("kind"), event.mend.get("to")


def _known_mend(ctx: Context, event: ModelWatched) -> Mend | None:
    """Return the mend of this harm as it was found today, None if it must be looked for."""
    last = last_look(ctx, event.model)
    if last is None or not last.mend or last.version != event.version:
        return None
    today = ctx.now().astimezone(UTC).isoformat()[:10]
    same = _essence(replace(event, mend=last.mend)) == _essence(last)
    return Mend(**last.mend) if same and last.at[:10] == today else None


def _releases(ctx: Context, model: str) -> list[Released]:
    events = ctx.journal.read(kinds=[Released])
    return [e for e in events if isinstance(e, Released) and e.model == model]


def _release(
    ctx: Context,
    opened: OpenedModel,
    version: int,
    releases: Sequence[Released],
    closed: Sequence[CohortClosed],
) -> WatchedRelease:
    since = releases[-1].at[:10] if releases else ""
    rows = [int(one["rows"]) for day in closed for one in day.versions if one["version"] == version]
    a_day = sum(rows) / len(rows) if rows else 0.0
    return WatchedRelease(
        version=version,
        since=since,
        promised=promise.promised(package.folder(ctx, opened.model.name, version), a_day),
        tolerances=_tolerances(opened),
        accepted=accepted.accepted_day(ctx, opened.model.job, closed, releases),
    )


def _tolerances(opened: OpenedModel) -> dict[str, float]:
    """Return metric → how far it may fall, by the triggers of the job."""
    specs = [spec for spec in opened.triggers if "metric" in spec]
    return {s["metric"]: float(s["fall"]) for s in specs if s["metric"] in harm.LOSSES}


def _before(opened: OpenedModel, version: int) -> int | None:
    """Return the version that was champion before, None if there is none."""
    stack = opened.model.releases
    return stack[-2] if len(stack) > 1 and stack[-1] == version else None


def _roll_back(
    ctx: Context, opened: OpenedModel, chosen: Mend, releases: Sequence[Released]
) -> None:
    """Roll back once, where job.yaml says so and the version before does better."""
    if opened.settings.watch.rollback != "auto" or chosen.to is None:
        return
    if releases and releases[-1].rollback:
        return  # a rollback did not cure it: people must look
    with ctx.deciding():
        model = release.model_of(ctx, opened.model.name)
        if model.champion != opened.model.champion:
            return
        made = release.rolled_back(model, chosen.to, by=WATCHER)
        because = f"the version before does better: {chosen.because}"
        ctx.journal.append(replace(made, because=because, quarantines=True))
