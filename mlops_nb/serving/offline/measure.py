"""Lets a version compute the metrics that its notebook defines, outside any server."""

import asyncio
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from msgspec import Struct

from mlops_nb.errors import MlopsError
from mlops_nb.models.package import Package
from mlops_nb.serving.model_process import ModelProcess
from mlops_nb.serving.rows import RowReader

Name = TypeVar("Name", bound=Hashable)
WITHIN = 120.0  # s, for the rows of a day
MOST_ROWS = 500_000


class JudgedBatch(Struct, frozen=True, kw_only=True):
    """Labelled rows that a version answered.

    inputs: (n,) as they came; truth, predictions: (n,); scores: (n,), None without
    """

    inputs: Sequence[dict[str, Any]]
    truth: Sequence[Any]
    predictions: Sequence[Any]
    scores: Sequence[Any] | None

    def of(self, rows: Sequence[int]) -> "JudgedBatch":
        """Return some of the rows."""

        def some(values: Sequence[Any]) -> list[Any]:
            return [values[row] for row in rows]

        return JudgedBatch(
            inputs=some(self.inputs),
            truth=some(self.truth),
            predictions=some(self.predictions),
            scores=None if self.scores is None else some(self.scores),
        )


class ComputedMetric(Struct, frozen=True, kw_only=True):
    """What a function computed: a value, or in words why there is none.

    is_final: the same rows would give the same; else the process ended, or did not answer
    """

    value: float | None = None
    error: str = ""
    is_final: bool = True


class ComputedRows(Struct, frozen=True, kw_only=True):
    """What functions computed of some labelled rows. results: metric → its result."""

    labels: int
    results: dict[str, ComputedMetric]


def measure(
    package: Package, metrics: Sequence[str], batches: Iterable[tuple[Name, JudgedBatch]]
) -> dict[Name, ComputedRows]:
    """Return batch → what the function of each metric computes of the rows of a batch.

    batches: names and rows, which are asked for one after the other

    A function that fails stops no other; one that ends the process, or does not answer in time, is
    not asked again.
    """
    return asyncio.run(_measured(package, metrics, batches))


async def _measured(
    package: Package, metrics: Sequence[str], batches: Iterable[tuple[Name, JudgedBatch]]
) -> dict[Name, ComputedRows]:
    found: dict[Name, ComputedRows] = {}
    gone: dict[str, ComputedMetric] = {}
    process: ModelProcess | None = None
    try:
        for name, batch in batches:
            results: dict[str, ComputedMetric] = {}
            found[name] = ComputedRows(labels=len(batch.inputs), results=results)
            for metric in metrics:
                try:
                    if process is None and metric not in gone:
                        process = ModelProcess(package)
                        await process.start(threads=0)
                    if process is not None and metric not in gone:
                        results[metric] = await _of_batch(process, package, metric, batch)
                        continue
                except MlopsError as error:
                    gone[metric] = ComputedMetric(error=error.what, is_final=False)
                    _ended(process)
                    process = None
                results[metric] = gone[metric]
    finally:
        _ended(process)
    return found


def _ended(process: ModelProcess | None) -> None:
    if process is not None:
        process.end()


async def _of_batch(
    process: ModelProcess, package: Package, metric: str, batch: JudgedBatch
) -> ComputedMetric:
    if len(batch.inputs) > MOST_ROWS:
        return ComputedMetric(
            error=f"a day has {len(batch.inputs):,} labelled rows, and a function takes at most "
            f"{MOST_ROWS:,} at once"
        )
    lacking = list(_lacking(package, batch))
    if lacking:
        return ComputedMetric(error=f"the log does not have the column {lacking[0]!r}")
    try:
        reader = RowReader(package.signature, max(len(batch.inputs), 1))
        asked = {
            "metric": metric,
            "columns": reader.columns_of(list(batch.inputs)),
            "truth": batch.truth,
            "pred": batch.predictions,
            "score": batch.scores,
        }
    except MlopsError as error:
        return ComputedMetric(error=f"the rows of the log cannot be read: {error.what}")
    answer = await process.measure(asked, WITHIN)
    if "error" in answer:
        return ComputedMetric(error=answer["error"])
    return ComputedMetric(value=answer["value"])


def _lacking(package: Package, batch: JudgedBatch) -> Iterator[str]:
    known = set(batch.inputs[0]) if batch.inputs else set()
    return (c["name"] for c in package.signature["columns"] if c["name"] not in known)
