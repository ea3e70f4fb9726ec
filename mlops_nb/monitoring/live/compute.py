"""Asks the versions of a model for the metrics that functions of their notebooks compute."""

import functools
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
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
from mlops_nb.serving.offline.measure import ComputedMetric, ComputedRows, JudgedBatch

Part = tuple[str, str, str]  # a day, a slicing and a slice; "" for all rows of the day
FORMAT = 2  # of what is kept of a day
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
    opened = window.open_model(ctx, found.model)
    days = _days(ctx, found, opened.look, versions)
    return replace(
        found,
        metrics=(*found.metrics, *computed.metrics(days, found.days)),
        slices=(*found.slices, *computed.by_slice(days, found.days, opened.evaluated)),
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
    """Return what the functions compute of the days that lie in a window, with the present one."""
    kept = ComputedDays(ctx.settings.folder / "watch" / found.model / "computed")
    made: dict[str, ComputedDay] = {}
    new: list[Day] = []
    keys: dict[str, str] = {}
    for day in found.days:
        ends = window.day_end(day.day)
        if found.since <= ends - window.A_DAY and min(ends, found.now) <= found.until:
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
    return hashlib.sha256(json.dumps([FORMAT, rows, digests, day.is_batch]).encode()).hexdigest()


def _asked(
    ctx: Context,
    model: str,
    look: Look,
    days: Sequence[Day],
    versions: Mapping[int, ComputingVersion],
) -> Iterator[ComputedDay]:
    """Yield what each version computes of the days that it answered and that have labels."""
    made = {day.day: ComputedDay(day=day.day) for day in days}
    for version, one in versions.items():
        mine = [d for d in days if version in d.sums.versions and d.sums.versions[version].labels]
        if not mine:
            continue
        place = package.folder(ctx, model, version)
        for (name, by, of), rows in _computed(place, look, mine, version, one).items():
            if by:
                of_version = made[name].slices.setdefault(version, {})
                of_version.setdefault(by, {})[of] = rows
            else:
                made[name].versions[version] = rows
    yield from made.values()


def _computed(
    place: Path, look: Look, days: Sequence[Day], version: int, one: ComputingVersion
) -> dict[Part, ComputedRows]:
    """Return what a version computes of the rows that it answered, by day and by slice.

    place: the folder of its package
    """
    if look.asked.sampled:
        refused = dict.fromkeys(one.metrics, ComputedMetric(error=SAMPLED))
        labels = {day.day: day.sums.versions[version].labels for day in days}
        return {
            (day, "", ""): ComputedRows(labels=count, results=refused)
            for day, count in labels.items()
        }
    return measure.measure(package.read(place), one.metrics, _batches(look, days, version))


def _batches(look: Look, days: Sequence[Day], version: int) -> Iterator[tuple[Part, JudgedBatch]]:
    """Yield the labelled rows of each day, then those of each slice of each day.

    The days come first: a function that ends its process on a slice is not asked again.
    """
    for day in days:
        yield (day.day, "", ""), _batch(look, day, version)[0]
    for day in days if look.asked.slices else ():
        batch, slices = _batch(look, day, version)
        for by, places in slices.items():
            for name, rows in places.items():
                yield (day.day, by, name), batch.of(rows)


def _batch(
    look: Look, day: Day, version: int
) -> tuple[JudgedBatch, dict[str, dict[str, list[int]]]]:
    with prediction_files.opened_day(look.log, day.day) as opened:
        read: Any = functools.partial(look.labels.read, [day.day])
        mature = look.is_mature(day.day)
        rows = DayRows(opened)
        return computed.batch(rows, read, version, look.asked, mature=mature, is_batch=day.is_batch)
