"""Lets a version answer rows that another one has answered, outside any server."""

import asyncio
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from mlops_nb.errors import MlopsError
from mlops_nb.models.package import Package
from mlops_nb.serving import golden
from mlops_nb.serving.model_process import ModelProcess
from mlops_nb.serving.rows import RowReader

WITHIN = 120.0  # s, for all rows together, or for one that is asked alone


class Rescored(Struct, frozen=True, kw_only=True):
    """The answers of a version to some rows. scores: None if it gives none."""

    predictions: list[Any]
    scores: list[Any] | None


def rescore(package: Package, rows: Sequence[dict[str, Any]]) -> Rescored:
    """Return what a version answers to rows, as they came.

    Raises MlopsError if it cannot be started, refuses a row, or fails.
    """
    return asyncio.run(_rescored(package, list(rows)))


async def _rescored(package: Package, rows: list[dict[str, Any]]) -> Rescored:
    columns = RowReader(package.signature, max(len(rows), 1)).columns_of(rows)
    process = ModelProcess(package)
    try:
        golden.check(package, await process.start(threads=0))
        parts = [(0, len(rows))] if package.independent else [(n, n + 1) for n in range(len(rows))]
        answers = []
        for start, stop in parts:
            asked = {name: values[start:stop] for name, values in columns.items()}
            answers.append(await process.ask(asked, WITHIN, quiet=True))
    finally:
        process.end()
    for answer in answers:
        if "error" in answer:
            raise MlopsError(
                f"version {package.version} fails on rows that were answered: {answer['error']}",
                fix="look at it with the rows of the prediction log",
            )
    scored = all(answer["scores"] is not None for answer in answers)
    return Rescored(
        predictions=[p for answer in answers for p in answer["predictions"]],
        scores=[s for answer in answers for s in answer["scores"]] if scored else None,
    )
