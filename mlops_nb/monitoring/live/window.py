"""Looks at a window of a model's prediction log: its metrics, its movement, what is wrong."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import Struct

from mlops_nb.context import Context
from mlops_nb.errors import NotFound
from mlops_nb.events import Released
from mlops_nb.jobs import predictions
from mlops_nb.models import package
from mlops_nb.models.registry import Model, read_models
from mlops_nb.monitoring.labels import classes, take
from mlops_nb.monitoring.labels.kept import LabelFiles
from mlops_nb.monitoring.labels.samples import SampleFiles
from mlops_nb.monitoring.live import day as days_of
from mlops_nb.monitoring.live import evaluated, faults, metrics, reference, slices, sums
from mlops_nb.monitoring.live.computed import FailedMetric
from mlops_nb.monitoring.live.day import DayQuestion
from mlops_nb.monitoring.live.evaluated import EvaluatedSlices
from mlops_nb.monitoring.live.faults import WatchAlert
from mlops_nb.monitoring.live.kept import KeptDays, key_of
from mlops_nb.monitoring.live.metrics import LiveMetric
from mlops_nb.monitoring.live.movement import Movement, movement
from mlops_nb.monitoring.live.reference import ReferenceColumn, ReferenceDays
from mlops_nb.monitoring.live.rows import DayRows
from mlops_nb.monitoring.live.slices import LiveSlice
from mlops_nb.monitoring.live.sums import Day, DaySums
from mlops_nb.serving import prediction_files
from mlops_nb.serving.settings import ServingSettings
from mlops_nb.storage.ports import PredictionFiles
from mlops_nb.storage.predictions import open_predictions

USUAL = timedelta(days=30)  # the window if none is asked for
A_DAY = timedelta(days=1)
AT_ONCE = 2  # days


class Release(Struct, frozen=True, kw_only=True):
    """A release in a window."""

    at: datetime
    version: int
    rollback: bool = False


class WatchedWindow(Struct, frozen=True, kw_only=True):
    """What a look at a model found. now: when it was taken.

    uncompared: columns that are not compared with the reference, as they are pseudonyms
    reference:  the version whose evaluation the columns are compared with; None: there is none
    own:        the days of that evaluation
    slices:     metrics by slice, as that evaluation cut its rows
    is_sliced:  whether that evaluation cut its rows
    unsliced:   in words, the slicings that cannot be measured, and why
    failed:     the metrics that functions of the notebook compute, and that failed
    computed:   metric of such a function → day → its value
    """

    model: str
    since: datetime
    until: datetime
    now: datetime
    days: tuple[Day, ...]
    metrics: tuple[LiveMetric, ...]
    drift: tuple[Movement, ...]
    alerts: tuple[WatchAlert, ...]
    columns: Mapping[str, ReferenceColumn]
    uncompared: tuple[str, ...] = ()
    reference: int | None = None
    own: ReferenceDays = ReferenceDays()
    releases: tuple[Release, ...] = ()
    slices: tuple[LiveSlice, ...] = ()
    is_sliced: bool = False
    unsliced: tuple[str, ...] = ()
    failed: tuple[FailedMetric, ...] = ()
    computed: Mapping[str, Mapping[str, float]] = {}

    @property
    def rows(self) -> int:
        """How many answers are on record."""
        return sum(day.sums.rows for day in self.days)

    @property
    def dropped(self) -> int:
        """How many answers are not on record."""
        return sum(day.dropped for day in self.days)


class Look(Struct, frozen=True, kw_only=True):
    """What a look reads: the log and labels of a model, and what is asked of each day."""

    log: PredictionFiles
    labels: LabelFiles
    samples: SampleFiles
    kept: KeptDays
    asked: DayQuestion
    now: datetime
    wait: timedelta

    def is_mature(self, day: str) -> bool:
        """Return whether no more labels of a day are to come."""
        return day_end(day) + self.wait <= self.now

    def day(self, day: str, since: datetime | None, until: datetime | None) -> DaySums:
        """Return the sums of a day between two times; those of a whole day are kept."""
        mature = self.is_mature(day)
        start, end = day_end(day) - A_DAY, day_end(day)
        cut = (since is not None and since > start) or (until is not None and until < end)
        if not cut and end <= self.now:
            key = key_of(day, self.log, (self.labels, self.samples), self.asked, mature=mature)
            make = functools.partial(self._made, day, None, None, mature=mature)
            return self.kept.get(day, key, make)
        return self._made(day, since, until, mature=mature)

    def _made(
        self, day: str, since: datetime | None, until: datetime | None, *, mature: bool
    ) -> DaySums:
        with prediction_files.opened_day(self.log, day) as opened:
            return days_of.of_rows(
                day,
                DayRows(opened, since, until),
                functools.partial(self.labels.read, [day]),
                self.asked,
                self.samples.drawn(day),
                mature=mature,
            )


def look(
    ctx: Context,
    model: str,
    since: datetime | None = None,
    until: datetime | None = None,
    open_alerts: Callable[[str], Sequence[WatchAlert]] = lambda _: (),
) -> WatchedWindow:
    """Return what a model's log has from `since` on and before `until`.

    open_alerts: returns the open alerts of a job

    Raises NotFound if there is no such model, or no row until then.
    """
    _known(ctx, model)
    take.take_source(ctx, model)
    about = open_model(ctx, model)
    known, opened, columns = about.model, about.look, about.columns
    ends = until or opened.now
    begins = since or ends - USUAL
    found = tuple(days_between(opened, begins, ends))
    alerts = list(open_alerts(known.job))
    if any(day.sums.rows or day.dropped for day in found):
        alerts += faults.faults(found, columns, model)
    else:
        alerts.append(faults.no_rows(model, last_before(opened.log, begins, model)))
    return WatchedWindow(
        model=model,
        since=begins,
        until=ends,
        now=opened.now,
        days=found,
        metrics=tuple(_metrics(found)),
        drift=tuple(moved(found, columns, about.own)),
        alerts=tuple(alerts),
        columns=columns,
        uncompared=about.uncompared,
        reference=about.reference,
        own=about.own,
        releases=tuple(_releases(ctx, model, begins, ends)),
        slices=tuple(slices.of_days(found, about.evaluated)),
        is_sliced=bool(about.evaluated.columns or about.evaluated.lacking),
        unsliced=about.evaluated.lacking,
    )


class OpenedModel(Struct, frozen=True, kw_only=True):
    """A model that is looked at.

    triggers:   those of its job
    columns:    the columns that are compared with the reference
    uncompared: columns that are not compared, as they are pseudonyms
    reference:  the version whose evaluation that is; None: there is none
    own:        the days of that evaluation
    evaluated:  how that evaluation cut its rows into slices
    """

    model: Model
    settings: ServingSettings
    triggers: Sequence[Mapping[str, Any]]
    look: Look
    columns: Mapping[str, ReferenceColumn]
    uncompared: tuple[str, ...]
    reference: int | None
    own: ReferenceDays
    evaluated: EvaluatedSlices

    @property
    def is_number(self) -> bool:
        """Whether the model answers with numbers."""
        return self.look.asked.kind.is_number


def open_model(ctx: Context, model: str) -> OpenedModel:
    """Open the log and the labels of a model. Raises NotFound if there is no such model."""
    known = _known(ctx, model)
    job = predictions.job_of(ctx, model)
    settings = ServingSettings() if job is None else job.serving
    version, columns = _reference(ctx, known)
    by_slice, own = EvaluatedSlices(), ReferenceDays()
    if version is not None:
        place = package.folder(ctx, model, version)
        by_slice = evaluated.read(place, settings.predictions)
        own = reference.read_days(place)
    hashed = tuple(name for name in columns if name in settings.predictions.hash)
    columns = {name: one for name, one in columns.items() if name not in hashed}
    return OpenedModel(
        model=known,
        settings=settings,
        triggers=() if job is None else job.triggers,
        look=_look(ctx, model, settings, columns, by_slice),
        columns=columns,
        uncompared=hashed,
        reference=version,
        own=own,
        evaluated=by_slice,
    )


def _known(ctx: Context, model: str) -> Model:
    known = read_models(ctx)
    if model not in known:
        hint = f"the models are {', '.join(known)}" if known else "promote a notebook first"
        raise NotFound(f"there is no model {model!r}", fix=hint)
    return known[model]


def moved(
    days: Sequence[Day], columns: Mapping[str, ReferenceColumn], own: ReferenceDays
) -> list[Movement]:
    """Return the movement of each column that the log has. own: the days of the reference."""
    found = []
    for name, was in columns.items():
        there = [day for day in days if name in day.sums.columns]
        counted = [day.sums.columns[name] for day in there]
        days_of = own.of(was.log, [day.day for day in there], len(columns))
        one = movement(was, counted, days_of) if counted else None
        if one is not None:
            found.append(one)
    return found


def _releases(ctx: Context, model: str, since: datetime, until: datetime) -> Iterator[Release]:
    for event in ctx.journal.read(kinds=[Released]):
        if isinstance(event, Released) and event.model == model:
            at = datetime.fromisoformat(event.at)
            if since <= at < until:
                yield Release(at=at, version=event.version, rollback=event.rollback)


def _metrics(days: Sequence[Day]) -> list[LiveMetric]:
    found = metrics.of_days(days)
    for version in metrics.versions(days):
        found += metrics.of_days(days, version)
    return found


def _reference(ctx: Context, model: Model) -> tuple[int | None, dict[str, ReferenceColumn]]:
    """Return the champion, or the newest version that has a package, and its reference."""
    order = [model.champion, *sorted(model.versions, reverse=True)]
    for version in order:
        if version is not None and package.exists(ctx, model.name, version):
            return version, reference.read(package.folder(ctx, model.name, version))
    return None, {}


def _look(
    ctx: Context,
    model: str,
    settings: ServingSettings,
    columns: Mapping[str, ReferenceColumn],
    by_slice: EvaluatedSlices,
) -> Look:
    kind, labels = take.answer_kind(ctx, model), settings.labels
    samples = SampleFiles(take.folder(ctx, model))
    absent = labels.absent
    asked = DayQuestion(
        kind=kind,
        reference=columns,
        absent=None if absent is None else classes.class_text(absent, kind.classes),
        timed=labels.time is not None,
        sampled=bool(samples.names()),
        slices=by_slice.columns,
        quantile=by_slice.quantile,
        query=by_slice.query,
    )
    return Look(
        log=open_predictions(ctx.settings, model),
        labels=LabelFiles(take.folder(ctx, model)),
        samples=samples,
        kept=KeptDays(ctx.settings.folder / "watch" / model),
        asked=asked,
        now=ctx.now(),
        wait=labels.wait,
    )


def days_between(opened: Look, since: datetime, until: datetime) -> list[Day]:
    """Return the sums of the days of a window that have rows, or lost some."""
    return sums.of_window(_days(opened, since, until))


def _days(opened: Look, since: datetime, until: datetime) -> list[DaySums]:
    names = prediction_files.days(opened.log, since, until)
    opened.kept.forget(opened.log.days())
    with ThreadPoolExecutor(AT_ONCE) as pool:
        made = pool.map(lambda day: opened.day(day, since, until), names)
        return [one for one in made if one.requests.rows or one.batch.rows or one.dropped]


def last_before(log: PredictionFiles, since: datetime, model: str) -> str:
    """Return when the last row before a time was answered. Raises NotFound if there is none."""
    for day in reversed(prediction_files.days(log, None, since)):
        with prediction_files.opened_day(log, day) as opened:
            keys = DayRows(opened, until=since).keys
            if keys is not None and len(keys):
                return _latest(keys)
    later = prediction_files.days(log, since, None)
    if later:
        rest = f"the log has rows from {later[0]} to {later[-1]}"
        raise NotFound(
            f"{model!r} has no rows in this window, or before it", fix=f"choose another: {rest}"
        )
    raise NotFound(
        f"{model!r} has answered nothing that is on record",
        fix=f"mlops-nb serve {model}, or mlops-nb predict {model} FILE -o OUT",
    )


def _latest(keys: Any) -> str:
    import pyarrow.compute as pc

    found: datetime = pc.max(keys["time"]).as_py()
    return found.astimezone(UTC).isoformat(timespec="seconds")


def day_end(day: str) -> datetime:
    """Return when a UTC day ends."""
    return datetime.fromisoformat(day).replace(tzinfo=UTC) + A_DAY
