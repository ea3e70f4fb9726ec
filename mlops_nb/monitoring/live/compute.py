"""Asks the versions of a model for the metrics that functions of their notebooks compute."""

import functools
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from mlops_nb.context import Context
from mlops_nb.models import package
from mlops_nb.monitoring.live import computed, window
from mlops_nb.monitoring.live.computed import ComputedDay, ComputedDays
from mlops_nb.monitoring.live.kept import key_of
from mlops_nb.monitoring.live.rows import DayRows
from mlops_nb.monitoring.live.sums import Day
from mlops_nb.monitoring.live.window import Look, WatchedWindow
from mlops_nb.serving import prediction_files
from mlops_nb.serving.offline import measure
from mlops_nb.serving.offline.measure import ComputedMetric, JudgedBatch

SAMPLED = "its labels are of a drawn sample, whose weights a function does not take"


class ComputingVersion(Struct, frozen=True, kw_only=True):
    """A version whose package computes metrics. digest: of the package's manifest."""

    metrics: tuple[str, ...]
    digest: str


def with_computed(ctx: Context, found: WatchedWindow) -> WatchedWindow:
    """Return a window with the metrics that functions compute; as it is if there are none."""
    versions = {
        version: one
        for version in sorted({v for day in found.days for v in day.sums.versions})
        if (one := _computing(ctx, found.model, version)) is not None
    }
    if not versions:
        return found
    look = window.open_model(ctx, found.model).look
    days = _days(ctx, found, look, versions)
    return replace(
        found,
        metrics=(*found.metrics, *computed.metrics(days, found.days)),
        failed=tuple(computed.failures(days)),
        computed=computed.by_day(days),
    )


def _computing(ctx: Context, model: str, version: int) -> ComputingVersion | None:
    place = package.folder(ctx, model, version)
    try:
        metrics = json.loads((place / package.ABOUT).read_bytes()).get("computed") or {}
        manifest = (place / package.MANIFEST).read_bytes()
    except (OSError, ValueError):  # versions of before have no package
        return None
    digest = hashlib.sha256(manifest).hexdigest()
    return ComputingVersion(metrics=tuple(metrics), digest=digest) if metrics else None


def _days(
    ctx: Context, found: WatchedWindow, look: Look, versions: Mapping[int, ComputingVersion]
) -> list[ComputedDay]:
    """Return what the functions compute of the whole days of a window, of those that have ended."""
    kept = ComputedDays(ctx.settings.folder / "watch" / found.model / "computed")
    made: dict[str, ComputedDay] = {}
    new: list[Day] = []
    keys: dict[str, str] = {}
    for day in found.days:
        ends = window.day_end(day.day)
        if found.since <= ends - window.A_DAY and ends <= min(found.until, look.now):
            keys[day.day] = _key(look, day, versions)
            one = kept.get(day.day, keys[day.day])
            if one is None:
                new.append(day)
            else:
                made[day.day] = one
    for one in _asked(ctx, found.model, look, new, versions):
        made[one.day] = replace(one, key=keys[one.day])
        kept.put(made[one.day])
    return [made[day] for day in sorted(made)]


def _key(look: Look, day: Day, versions: Mapping[int, ComputingVersion]) -> str:
    """Return the digest of what the results of a day depend on."""
    labelled = (look.labels, look.samples)
    rows = key_of(day.day, look.log, labelled, look.asked, mature=look.is_mature(day.day))
    digests = {version: one.digest for version, one in versions.items()}
    return hashlib.sha256(json.dumps([rows, digests, day.is_batch]).encode()).hexdigest()


def _asked(
    ctx: Context,
    model: str,
    look: Look,
    days: Sequence[Day],
    versions: Mapping[int, ComputingVersion],
) -> Iterator[ComputedDay]:
    """Yield what each version computes of the days that it answered and that have labels."""
    results: dict[str, dict[int, dict[str, ComputedMetric]]] = {day.day: {} for day in days}
    for version, one in versions.items():
        mine = [d for d in days if version in d.sums.versions and d.sums.versions[version].labels]
        if not mine:
            continue
        if look.asked.sampled:
            refused = dict.fromkeys(one.metrics, ComputedMetric(error=SAMPLED))
            computed_of = {day.day: refused for day in mine}
        else:
            found = package.read(package.folder(ctx, model, version))
            batches = ((day.day, _batch(look, day, version)) for day in mine)
            computed_of = measure.measure(found, one.metrics, batches)
        for name, results_of in computed_of.items():
            results[name][version] = results_of
    for day in days:
        labels = {v: day.sums.versions[v].labels for v in results[day.day]}
        yield ComputedDay(day=day.day, versions=results[day.day], labels=labels)


def _batch(look: Look, day: Day, version: int) -> JudgedBatch:
    with prediction_files.opened_day(look.log, day.day) as opened:
        read: Any = functools.partial(look.labels.read, [day.day])
        mature = look.is_mature(day.day)
        rows = DayRows(opened)
        return computed.batch(rows, read, version, look.asked, mature=mature, is_batch=day.is_batch)
