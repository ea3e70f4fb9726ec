"""One scheduled look at a live model: closes cohorts, judges them, and acts on harm."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, timedelta
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from mlops_nb.context import Context
from mlops_nb.events import CohortClosed, ModelWatched
from mlops_nb.models import package, release, together
from mlops_nb.models.registry import read_models
from mlops_nb.monitoring.incidents import (
    accepted,
    cohorts,
    harm,
    mend,
    moving,
    past,
    promise,
    signals,
    smoke,
)
from mlops_nb.monitoring.incidents.harm import Harm, WatchedRelease
from mlops_nb.monitoring.incidents.mend import Mend
from mlops_nb.monitoring.incidents.past import ModelPast
from mlops_nb.monitoring.incidents.signals import Signal
from mlops_nb.monitoring.labels import take
from mlops_nb.monitoring.live import faults, window
from mlops_nb.monitoring.live.movement import Movement
from mlops_nb.monitoring.live.sums import Day
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
    known = past.read(ctx, opened.model)
    judged = _judged(ctx, opened, known)
    event = _seen(opened, known, judged)
    primary = next((one for one in judged.harms if one.primary), None)
    if primary is None:
        return _record(ctx, event, known)
    chosen = _known_mend(ctx, event, known)
    if chosen is None:
        faulty = [one for one in event.signals if one["kind"] == "data-fault"]
        before = _before(opened, event.version)
        chosen = mend.choose(ctx, opened, primary, faulty, before)
    written = _record(ctx, replace(event, mend=chosen.as_dict()), known)
    _roll_back(ctx, opened, chosen, known)
    return written


def harm_now(ctx: Context, model: str) -> list[Signal]:
    """Return the harm and the lack of labels that a look would find now, and record nothing."""
    looking = ctx.to_look()
    opened = window.open_model(looking, model)
    if opened.model.champion is None:
        return []
    known = past.read(looking, opened.model)
    return list(_of_labels(opened, known, _judged(looking, opened, known)))


class JudgedCohorts(Struct, frozen=True, kw_only=True):
    """The closed days of a model, its champion, and the harm that it does."""

    closed: list[CohortClosed]
    release: WatchedRelease
    harms: list[Harm]


def _judged(ctx: Context, opened: OpenedModel, known: ModelPast) -> JudgedCohorts:
    """Close the days that can be closed, and judge the champion by them."""
    closed = cohorts.close(ctx, opened, known.closed)
    watched = _release(ctx, opened, known, closed)
    return JudgedCohorts(closed=closed, release=watched, harms=harm.harms(closed, watched))


def _of_labels(opened: OpenedModel, known: ModelPast, judged: JudgedCohorts) -> Iterator[Signal]:
    """Yield what labels say: harm, or that they are too few to show it."""
    model, watched = opened.model.name, judged.release
    yield from signals.of_harm(judged.harms, model)
    yield from signals.of_labels(judged.closed, watched.version, watched.since, model)
    yield from signals.of_arrivals(known.deliveries, opened.look.now, model)


def _seen(opened: OpenedModel, known: ModelPast, judged: JudgedCohorts) -> ModelWatched:
    """Return everything that a look found, without its mend."""
    now, model, closed = opened.look.now, opened.model.name, judged.closed
    days = window.days_between(opened.look, now - WINDOW, now)
    rows = sum(day.sums.rows for day in days)
    moved = window.moved(days, opened.columns, opened.own) if rows >= LEAST_ROWS else []
    moved = accepted.of_movement(known, moved)
    wrong = list(faults.faults(days, opened.columns, model)) if days else []
    if not rows and closed:
        wrong.append(faults.no_rows(model, window.last_before(opened.look.log, now, model)))
    wrong += smoke.smoke(opened, known.last_release)
    every: list[Signal] = [
        *_of_labels(opened, known, judged),
        *signals.of_faults(wrong),
        *_moving(moved, days, {one.column for one in wrong}, opened, known, closed),
    ]
    return ModelWatched(
        job=opened.model.job,
        model=model,
        version=judged.release.version,
        signals=tuple(every),
        moved=sum(one.drifted for one in moved),
        compared=len(moved),
    )


def _moving(
    moved: Sequence[Movement],
    days: Sequence[Day],
    faulty: set[str],
    opened: OpenedModel,
    known: ModelPast,
    closed: Sequence[CohortClosed],
) -> Iterator[Signal]:
    """Yield the movement of the columns that have no fault."""
    today = opened.look.now.astimezone(UTC).date()
    logged = (today - date.fromisoformat(closed[0].day)).days if closed else 0
    last, mistakes = known.last_look, known.mistakes("movement")
    if last is not None and mistakes and mistakes[-1].id > last.id:
        last = None  # a person called it harmless: it is over
    return moving.of_movement(
        [one for one in moved if one.column not in faulty],
        (days[0].day if days else today.isoformat(), today.isoformat()),
        logged,
        last if last is not None and last.version == opened.model.champion else None,
    )


def _record(ctx: Context, event: ModelWatched, known: ModelPast) -> ModelWatched:
    """Record what a look found if it differs from the last one, or is of another day."""
    last = known.last_look
    if last is None and not event.signals:
        return event
    same = last is not None and _essence(last) == _essence(event)
    if last is not None and same and (_is_of_today(ctx, last) or not event.signals):
        return event
    written = ctx.journal.append(event)
    assert isinstance(written, ModelWatched)
    return written


def _is_of_today(ctx: Context, event: ModelWatched) -> bool:
    return event.at[:10] == ctx.now().astimezone(UTC).isoformat()[:10]


def _essence(event: ModelWatched) -> Any:
    """Return what makes two looks differ: not the figures of a day, which change each hour."""
    names = sorted(
        (one["kind"], one["name"], one["since"] if one["kind"] == "harm" else "")
        for one in event.signals
    )
    return event.version, names, event.mend.get("kind"), event.mend.get("to")


def _known_mend(ctx: Context, event: ModelWatched, known: ModelPast) -> Mend | None:
    """Return the mend of this harm as it was found today, None if it must be looked for."""
    last = known.last_look
    if last is None or not last.mend or last.version != event.version:
        return None
    same = _essence(replace(event, mend=last.mend)) == _essence(last)
    return Mend(**last.mend) if same and _is_of_today(ctx, last) else None


def _release(
    ctx: Context, opened: OpenedModel, known: ModelPast, closed: Sequence[CohortClosed]
) -> WatchedRelease:
    version = opened.model.champion or 0
    rows = [int(one["rows"]) for day in closed for one in day.versions if one["version"] == version]
    a_day = sum(rows) / len(rows) if rows else 0.0
    return WatchedRelease(
        version=version,
        since=known.last_release.at[:10] if known.last_release is not None else "",
        promised=promise.promised(package.folder(ctx, opened.model.name, version), a_day),
        tolerances=_tolerances(opened),
        accepted=accepted.accepted_day(known, closed),
    )


def _tolerances(opened: OpenedModel) -> dict[str, float]:
    """Return metric → how far it may fall, by the triggers of the job."""
    specs = [spec for spec in opened.triggers if "metric" in spec]
    return {s["metric"]: float(s["fall"]) for s in specs if s["metric"] in harm.LOSSES}


def _before(opened: OpenedModel, version: int) -> int | None:
    """Return the version that was champion before, None if there is none."""
    stack = opened.model.releases
    return stack[-2] if len(stack) > 1 and stack[-1] == version else None


def _roll_back(ctx: Context, opened: OpenedModel, chosen: Mend, known: ModelPast) -> None:
    """Roll back once, where job.yaml says so and the version before does better."""
    if opened.settings.watch.rollback != "auto" or chosen.to is None:
        return
    if known.last_release is not None and known.last_release.rollback:
        return  # a rollback did not cure it: people must look
    with ctx.deciding():
        models = read_models(ctx)
        model = release.model_of(ctx, opened.model.name)
        if model.champion != opened.model.champion:
            return
        made = release.rolled_back(model, chosen.to, by=WATCHER)
        because = f"the version before does better: {chosen.because}"
        first = replace(made, because=because, quarantines=True)
        ctx.journal.append_all(together.named(together.rolled_back_with(models, first)))
