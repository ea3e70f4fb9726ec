"""Answers the rows of a file, in chunks: CSV or Parquet in, CSV or Parquet out."""

import asyncio
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlops_nb import files
from mlops_nb.context import Context
from mlops_nb.errors import MlopsError, NotFound, Refused
from mlops_nb.models import package
from mlops_nb.models.registry import read_models
from mlops_nb.serving import golden
from mlops_nb.serving.model_process import ModelProcess
from mlops_nb.serving.prediction_log import PredictionLog, Rows
from mlops_nb.serving.rows import RowReader

CHUNK = 10_000  # rows that are answered at once
WITHIN = 600.0  # s, for a chunk
KINDS = (".csv", ".parquet")


def predict(ctx: Context, model: str, file: Path, out: Path, log: PredictionLog) -> dict[str, Any]:
    """Write the rows of a file with their answers; return what `predict --json` prints.

    log: not started yet; it is closed at the end

    The output is there as a whole or not at all.

    Raises Refused for a file that cannot be used, NotFound without a released model.
    """
    for path in (file, out):
        if path.suffix not in KINDS:
            raise Refused(f"{path.name} is neither CSV nor Parquet", fix="name it .csv or .parquet")
    if not file.is_file():
        raise NotFound(f"there is no file {file}", fix="check its path")
    known = read_models(ctx)
    if model not in known or known[model].champion is None:
        there = f"the models are {', '.join(known)}" if known else "promote a notebook first"
        raise NotFound(f"there is no model {model!r} that was released", fix=there)
    number = known[model].champion or 0
    found = package.read(package.folder(ctx, model, number))
    log.follow(found)
    log.start()
    try:
        rows = asyncio.run(_written(found, file, out, log))
    finally:
        log.close()
    return {
        "version": 1,
        "model": model,
        "model_version": number,
        "rows": rows,
        "output": str(out),
    }


async def _written(found: package.Package, file: Path, out: Path, log: PredictionLog) -> int:
    """Answer a file and write the output; return the number of rows."""
    import pyarrow as pa

    process = ModelProcess(found)
    part = out.with_name(f".{out.name}.{uuid.uuid4().hex[:8]}.part")
    count = 0
    writer = None
    try:
        golden.check(found, await process.start(threads=0))
        reader = RowReader(found.signature, CHUNK)
        for table in _chunks(file):
            answered = await _answered(process, reader, table, count, log)
            writer = writer or _writer(part, out.suffix, answered.schema)
            writer.write_table(answered)
            count += len(table)
        if writer is None:
            raise Refused(f"{file.name} has no rows", fix="give a file with rows")
        writer.close()
        part.chmod(files.mode_of(part))
        part.replace(out)
    except pa.ArrowInvalid as error:
        raise Refused(f"{file.name} cannot be read: {error}", fix="check the file") from None
    finally:
        process.end()
        part.unlink(missing_ok=True)
    return count


async def _answered(
    process: ModelProcess, reader: RowReader, table: Any, count: int, log: PredictionLog
) -> Any:
    """Return a chunk with its answers."""
    import pyarrow as pa

    package_ = process.package
    try:
        columns = reader.columns_of(_plain(table))
    except MlopsError as error:
        raise Refused(f"after row {count}: {error.what}", fix=error.fix) from None
    began = time.perf_counter()
    found = await process.ask(columns, WITHIN)
    if "error" in found:
        raise MlopsError(
            f"the model raised {found['error']} in rows {count} to {count + len(table)}",
            fix="check the values of these rows",
        )
    ids = [uuid.uuid4().hex for _ in range(len(table))]
    seconds = (time.perf_counter() - began) / max(1, len(table))
    log.put(
        Rows(
            version=package_.version,
            ids=ids,
            times=[time.time()] * len(ids),
            seconds=[seconds] * len(ids),
            answers=[(found, columns)],
            source="batch",
        )
    )
    scores = found["scores"] if found["scores"] is not None else [None] * len(ids)
    made = {
        "request_id": pa.array(ids),
        "prediction": pa.array(found["predictions"]),
        "score": pa.array(scores) if found["scores"] else pa.array(scores, pa.float64()),
        "model_version": pa.array([package_.version] * len(ids), pa.int64()),
    }
    for name, values in made.items():
        table = table.append_column(name, values)
    return table


def _plain(table: Any) -> list[dict[str, Any]]:
    """Return the rows of a table as callers would send them."""
    import pyarrow as pa

    names = table.column_names
    columns = []
    for name in names:
        column = table.column(name)
        if pa.types.is_temporal(column.type):
            columns.append([None if v is None else v.isoformat() for v in column.to_pylist()])
        else:
            columns.append([None if v != v else v for v in column.to_pylist()])  # noqa: PLR0124  NaN
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _chunks(file: Path) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.csv as pc
    import pyarrow.parquet as pq

    if file.suffix == ".parquet":
        batches: Any = pq.ParquetFile(file).iter_batches(CHUNK)
    else:
        batches = pc.open_csv(file)
    for batch in batches:
        table = pa.Table.from_batches([batch])
        for start in range(0, len(table), CHUNK):
            yield table.slice(start, CHUNK)


def _writer(part: Path, kind: str, schema: Any) -> Any:
    import pyarrow.csv as pc
    import pyarrow.parquet as pq

    return pq.ParquetWriter(part, schema) if kind == ".parquet" else pc.CSVWriter(part, schema)
