"""Metrics that functions of the notebook define, day by day, computed by the version that answered.

The value of a window is the mean of the days, weighted by their labels, and its interval follows
from how the days differ. What a function returned for a day, as a whole and by slice, is kept with
a digest of all that it depends on.
"""

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, field

from mlops_nb import files
from mlops_nb.monitoring.labels import join
from mlops_nb.monitoring.live import day as days_of
from mlops_nb.monitoring.live import sliced, slices
from mlops_nb.monitoring.live.day import DayQuestion
from mlops_nb.monitoring.live.evaluated import EvaluatedSlices
from mlops_nb.monitoring.live.metrics import LiveMetric, ratio_error
from mlops_nb.monitoring.live.rows import BATCH, REQUESTS, DayRows
from mlops_nb.monitoring.live.sliced import SliceColumn
from mlops_nb.monitoring.live.slices import LiveSlice
from mlops_nb.monitoring.live.sums import OTHER, Day, Moments
from mlops_nb.serving.offline.measure import ComputedRows, JudgedBatch
from mlops_nb.serving.prediction_files import INPUT


class ComputedDay(Struct, frozen=True, kw_only=True):
    """What functions computed of one day. key: digest of all that it depends on.

    versions: version → what was computed of its rows
    slices:   version → slicing → slice → what was computed of those rows
    """

    day: str
    key: str = ""
    versions: dict[int, ComputedRows] = field(default_factory=dict)
    slices: dict[int, dict[str, dict[str, ComputedRows]]] = field(default_factory=dict)


class FailedMetric(Struct, frozen=True, kw_only=True):
    """A function that failed. days: on how many; error: the text of the last one."""

    metric: str
    version: int
    days: int
    last: str
    error: str


class ComputedDays:
    """What functions computed, in a folder: one file a day."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, day: str, key: str) -> ComputedDay | None:
        """Return what is kept of a day, None if anything changed."""
        with contextlib.suppress(OSError, msgspec.MsgspecError):  # made anew
            found = msgspec.json.decode(self._path(day).read_bytes(), type=ComputedDay)
            if found.key == key:
                return found
        return None

    def put(self, made: ComputedDay) -> None:
        """Keep a day, unless a process ended or did not answer: the next look asks again."""
        every = [*made.versions.values()]
        every += (rows for by in made.slices.values() for of in by.values() for rows in of.values())
        if all(one.is_final for rows in every for one in rows.results.values()):
            with contextlib.suppress(OSError):  # a full disk, or a folder to read alone
                files.write_bytes(self._path(made.day), msgspec.json.encode(made))

    def _path(self, day: str) -> Path:
        return self.folder / f"day={day}.json"


def batch(
    rows: DayRows,
    labels: Callable[[], Any],
    version: int,
    asked: DayQuestion,
    *,
    mature: bool,
    is_batch: bool,
) -> tuple[JudgedBatch, dict[str, dict[str, list[int]]]]:
    """Return the labelled rows of a day that a version answered, and slicing → slice → its rows.

    labels: reads those that may belong to it; mature: no more labels are to come; is_batch: the
    window is about answers to files
    """
    import numpy as np

    keys = rows.of(BATCH if is_batch else REQUESTS)
    held = join.holding(labels(), keys["request_id"].combine_chunks())
    places, texts = held.places, held.labels
    if mature and asked.absent is not None:
        places, texts = days_of.with_absent(places, texts, len(keys), asked.absent)
    mine = np.flatnonzero(keys["model_version"].to_numpy()[places] == version)
    names = sorted(name for name in rows.names if name.startswith(INPUT))
    there = [one for one in asked.slices if one.log in rows.names]
    own = [one.log for one in there if one.log not in names]
    table = rows.columns([*names, *own, "prediction", "score"], keys.take(places[mine]))
    inputs = table.select(names).rename_columns([name.removeprefix(INPUT) for name in names])
    scores = table["score"].to_pylist()
    kind = asked.kind
    values = dict(zip(kind.texts or (), kind.classes or (), strict=True))
    truth = texts.take(mine).to_pylist()
    made = JudgedBatch(
        inputs=inputs.to_pylist(),
        truth=[float(t) if kind.is_number else values.get(t, t) for t in truth],
        predictions=table["prediction"].to_pylist(),
        scores=None if None in scores else scores,
    )
    return made, {one.name: _places(sliced.codes(table[one.log], one), one) for one in there}


def _places(codes: Any, of: SliceColumn) -> dict[str, list[int]]:
    """Return slice → places of its rows, for the slices that have any."""
    import numpy as np

    found = {name: np.flatnonzero(codes == n) for n, name in enumerate((*of.slices, OTHER))}
    return {name: places.tolist() for name, places in found.items() if len(places)}


def metrics(found: Sequence[ComputedDay], days: Sequence[Day]) -> Iterator[LiveMetric]:
    """Yield the metrics of a window: of all versions together, and of each one."""
    rows = {day.day: day.sums for day in days}
    versions = sorted({version for one in found for version in one.versions})
    for metric in _names(found):
        for version in (None, *versions):
            of_days = [(one, _moments(_of(one, version), metric)) for one in found]
            known = [(one, moments) for one, moments in of_days if moments.count]
            if known:
                answered = sum(_rows(rows.get(one.day), version) for one, _ in known)
                yield _metric(metric, version, known, answered)


def by_slice(
    found: Sequence[ComputedDay], days: Sequence[Day], evaluated: EvaluatedSlices
) -> Iterator[LiveSlice]:
    """Yield the metrics of each slice of an evaluation, of all versions together.

    found: what was computed of the days that count
    """
    whole = {one.metric: one for one in metrics(found, days) if one.version is None}
    counted = [day for day in days if day.day in {one.day for one in found}]
    for column in evaluated.columns:
        for metric, every in whole.items():
            names = (*column.slices, OTHER)
            made = [_sliced(found, counted, metric, column.name, name) for name in names]
            known = [one for one in made if one is not None]
            ends = every.value, every.low, every.high
            yield from slices.compared(known, ends, every.labels, evaluated)


def _sliced(
    found: Sequence[ComputedDay], days: Sequence[Day], metric: str, by: str, name: str
) -> LiveSlice | None:
    """Return a metric of one slice, None if nothing was computed of it."""
    parts = [
        [of[by][name] for of in one.slices.values() if name in of.get(by, {})] for one in found
    ]
    moments = [_moments(of_day, metric) for of_day in parts]
    labels = sum(one.count for one in moments)
    if not labels:
        return None
    value, low, high = _interval(moments)
    versions = [one for day in days for one in day.sums.versions.values()]
    rows = [one.slices[by][name].rows for one in versions if name in one.slices.get(by, {})]
    return LiveSlice(
        metric=metric,
        by=by,
        slice=None if name == OTHER else name,
        value=value,
        low=low,
        high=high,
        labels=int(labels),
        rows=sum(rows),
        is_computed=True,
    )


def by_day(found: Sequence[ComputedDay]) -> dict[str, dict[str, float]]:
    """Return metric → day → its value, of all versions together."""
    made: dict[str, dict[str, float]] = {}
    for metric in _names(found):
        moments = {one.day: _moments(one.versions.values(), metric) for one in found}
        made[metric] = {day: one.total / one.count for day, one in moments.items() if one.count}
    return made


def _names(found: Sequence[ComputedDay]) -> list[str]:
    every = (rows.results for one in found for rows in one.versions.values())
    return list(dict.fromkeys(metric for results in every for metric in results))


def _metric(
    metric: str, version: int | None, known: Sequence[tuple[ComputedDay, Moments]], rows: int
) -> LiveMetric:
    value, low, high = _interval([one for _, one in known])
    return LiveMetric(
        metric=metric,
        start=known[0][0].day,
        end=known[-1][0].day,
        value=value,
        low=low,
        high=high,
        labels=int(sum(one.count for _, one in known)),
        rows=rows,
        version=version,
        by_days=True,
    )


def _interval(of_days: Sequence[Moments]) -> tuple[float, float, float]:
    """Return the value of a window and its interval, which one day alone does not tell."""
    known = [one for one in of_days if one.count]
    value = sum(one.total for one in known) / sum(one.count for one in known)
    half = ratio_error(known) if len(known) > 1 else math.inf
    return value, value - half, value + half


def _of(one: ComputedDay, version: int | None) -> Iterator[ComputedRows]:
    return (rows for of, rows in one.versions.items() if version in {None, of})


def _moments(parts: Iterable[ComputedRows], metric: str) -> Moments:
    count, total = 0, 0.0
    for rows in parts:
        result = rows.results.get(metric)
        if result is not None and result.value is not None:
            count += rows.labels
            total += rows.labels * result.value
    return Moments(count=count, total=total, squares=0.0)


def _rows(sums: Any, version: int | None) -> int:
    known = sums.versions if sums is not None else {}
    return sum(one.rows for of, one in known.items() if version in {None, of})


def failures(found: Sequence[ComputedDay]) -> Iterator[FailedMetric]:
    """Yield the functions that failed, each once a version."""
    by: dict[tuple[str, int], list[tuple[str, str]]] = {}
    for one in found:
        for version, rows in one.versions.items():
            for metric, result in rows.results.items():
                if result.error:
                    by.setdefault((metric, version), []).append((one.day, result.error))
    for (metric, version), errors in sorted(by.items()):
        last, error = max(errors)
        yield FailedMetric(metric=metric, version=version, days=len(errors), last=last, error=error)
