"""Answers a few rows that a person types, with the champion; they are logged as `try`."""

import asyncio
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from mlops_nb.context import Context
from mlops_nb.errors import MlopsError
from mlops_nb.models.package import Package
from mlops_nb.serving import golden
from mlops_nb.serving.model_process import ModelProcess
from mlops_nb.serving.offline.batch import champion
from mlops_nb.serving.prediction_log import Rows, publish, staged_log
from mlops_nb.serving.rows import RowReader
from mlops_nb.serving.settings import ReadSettings

MOST_ROWS = 100
WITHIN = 60.0  # s


def example(ctx: Context, model: str) -> dict[str, Any]:
    """Return the columns that a model's champion takes, and a row that it was judged on.

    Raises NotFound without a released model.
    """
    found = champion(ctx, model)
    columns = [{"name": c["name"], "kind": c["kind"]} for c in found.signature["columns"]]
    row: Mapping[str, Any] = next(iter(found.golden["rows"]), {})
    return {
        "version": 1,
        "model": model,
        "model_version": found.version,
        "columns": columns,
        "rows": [row],
    }


def attempt(
    ctx: Context, model: str, rows: Sequence[Mapping[str, Any]], settings: ReadSettings
) -> dict[str, Any]:
    """Answer rows with a model's champion; return its predictions, scores and version.

    settings: reads what the prediction log keeps

    Raises BadRequest for rows that the signature refuses, MlopsError where the model raises.
    """
    found = champion(ctx, model)
    columns = RowReader(found.signature, MOST_ROWS).columns_of(rows)
    answer = asyncio.run(_answered(found, columns))
    if "error" in answer:
        raise MlopsError(f"the model raises: {answer['error']}", fix="correct the row")
    ids = [uuid.uuid4().hex for _ in rows]
    scratch = ctx.scratch("try")
    try:
        log = staged_log(ctx, scratch, settings)
        log.follow(found)
        log.start()
        log.put(
            Rows(
                version=found.version,
                ids=ids,
                times=[time.time()] * len(ids),
                seconds=[0.0] * len(ids),
                answers=[(answer, columns)],
                source="try",
            )
        )
        log.close()
        publish(ctx, model, scratch)
    finally:
        ctx.drop(scratch)
    return {
        "version": 1,
        "model": model,
        "model_version": found.version,
        "request_ids": ids,
        "predictions": answer["predictions"],
        "scores": answer["scores"],
    }


async def _answered(found: Package, columns: Mapping[str, list[Any]]) -> dict[str, Any]:
    process = ModelProcess(found)
    try:
        golden.check(found, await process.start(threads=0))
        return await process.ask(columns, WITHIN, quiet=True)
    finally:
        process.end()
