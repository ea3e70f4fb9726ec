"""Metrics that functions of the notebook define, day by day, computed by the version that answered.

The value of a window is the mean of the days, weighted by their labels, and its interval follows
from how the days differ. Only whole days that have ended are computed: what a function returned for
them is kept, with a digest of all that it depends on.
"""

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, field

from mlops_nb import files
from mlops_nb.monitoring.labels import join
from mlops_nb.monitoring.live import day as days_of
from mlops_nb.monitoring.live.day import DayQuestion
from mlops_nb.monitoring.live.metrics import LiveMetric, ratio_error
from mlops_nb.monitoring.live.rows import BATCH, REQUESTS, DayRows
from mlops_nb.monitoring.live.sums import Day, Moments
from mlops_nb.serving.offline.measure import ComputedMetric, JudgedBatch
from mlops_nb.serving.prediction_files import INPUT


class ComputedDay(Struct, frozen=True, kw_only=True):
    """What functions computed of one day. key: digest of all that it depends on.

    versions: version → metric → its result; labels: version → labelled rows
    """

    day: str
    key: str = ""
    versions: dict[int, dict[str, ComputedMetric]] = field(default_factory=dict)
    labels: dict[int, int] = field(default_factory=dict)


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
        results = [one for of in made.versions.values() for one in of.values()]
        if all(one.is_final for one in results):
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
) -> JudgedBatch:
    """Return the labelled rows of a day that a version answered.

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
    table = rows.columns([*names, "prediction", "score"], keys.take(places[mine]))
    inputs = table.select(names).rename_columns([name.removeprefix(INPUT) for name in names])
    scores = table["score"].to_pylist()
    kind = asked.kind
    values = dict(zip(kind.texts or (), kind.classes or (), strict=True))
    truth = texts.take(mine).to_pylist()
    return JudgedBatch(
        inputs=inputs.to_pylist(),
        truth=[float(t) if kind.is_number else values.get(t, t) for t in truth],
        predictions=table["prediction"].to_pylist(),
        scores=None if None in scores else scores,
    )


def metrics(found: Sequence[ComputedDay], days: Sequence[Day]) -> Iterator[LiveMetric]:
    """Yield the metrics of a window: of all versions together, and of each one."""
    rows = {day.day: day.sums for day in days}
    versions = sorted({version for one in found for version in one.versions})
    for metric in _names(found):
        for version in (None, *versions):
            of_days = [(one, _moments(one, metric, version)) for one in found]
            known = [(one, moments) for one, moments in of_days if moments.count]
            if known:
                answered = sum(_rows(rows.get(one.day), version) for one, _ in known)
                yield _metric(metric, version, known, answered)


def by_day(found: Sequence[ComputedDay]) -> dict[str, dict[str, float]]:
    """Return metric → day → its value, of all versions together."""
    made: dict[str, dict[str, float]] = {}
    for metric in _names(found):
        moments = {one.day: _moments(one, metric, None) for one in found}
        made[metric] = {day: one.total / one.count for day, one in moments.items() if one.count}
    return made


def _names(found: Sequence[ComputedDay]) -> list[str]:
    return list(dict.fromkeys(m for one in found for of in one.versions.values() for m in of))


def _metric(
    metric: str, version: int | None, known: Sequence[tuple[ComputedDay, Moments]], rows: int
) -> LiveMetric:
    moments = [one for _, one in known]
    labels = sum(one.count for one in moments)
    value = sum(one.total for one in moments) / labels
    half = ratio_error(moments) if len(moments) > 1 else math.inf
    return LiveMetric(
        metric=metric,
        start=known[0][0].day,
        end=known[-1][0].day,
        value=value,
        low=value - half,
        high=value + half,
        labels=int(labels),
        rows=rows,
        version=version,
        by_days=True,
    )


def _moments(one: ComputedDay, metric: str, version: int | None) -> Moments:
    count, total = 0, 0.0
    for of, results in one.versions.items():
        result = results.get(metric)
        if version in {None, of} and result is not None and result.value is not None:
            count += one.labels[of]
            total += one.labels[of] * result.value
    return Moments(count=count, total=total, squares=0.0)


def _rows(sums: Any, version: int | None) -> int:
    known = sums.versions if sums is not None else {}
    return sum(one.rows for of, one in known.items() if version in {None, of})


def failures(found: Sequence[ComputedDay]) -> Iterator[FailedMetric]:
    """Yield the functions that failed, each once a version."""
    by: dict[tuple[str, int], list[tuple[str, str]]] = {}
    for one in found:
        for version, results in one.versions.items():
            for metric, result in results.items():
                if result.error:
                    by.setdefault((metric, version), []).append((one.day, result.error))
    for (metric, version), errors in sorted(by.items()):
        last, error = max(errors)
        yield FailedMetric(metric=metric, version=version, days=len(errors), last=last, error=error)
