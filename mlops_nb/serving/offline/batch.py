"""Answers the rows of files with one version, in chunks: CSV or Parquet in and out."""

import asyncio
import os
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from mlops_nb import files
from mlops_nb.context import Context
from mlops_nb.errors import MlopsError, NotFound, Refused
from mlops_nb.models import package
from mlops_nb.models.registry import read_models
from mlops_nb.serving import golden
from mlops_nb.serving.model_process import ModelProcess
from mlops_nb.serving.prediction_log import PredictionLog, Rows, publish, staged_log
from mlops_nb.serving.rows import BadRequest, RowReader
from mlops_nb.serving.settings import ReadSettings
from mlops_nb.serving.tables import (
    CHUNK,
    KINDS,
    TableFile,
    TableWriter,
    array_of,
    type_of,
)

WITHIN = 600.0  # s, for a chunk
MOST_FAILURES = 100  # rows that are looked for one by one
Note = Callable[[int, int | None], None]  # called with the rows answered so far, and all rows


class AnsweredFile(Struct, frozen=True, kw_only=True):
    """How many rows of a file were answered, and how many were left out."""

    rows: int
    skipped: int = 0


class AnsweredRows(Struct, frozen=True, kw_only=True):
    """Some rows of a chunk that were answered together, from `start`."""

    start: int
    answer: Mapping[str, Any]
    asked: Mapping[str, list[Any]]

    @property
    def places(self) -> range:
        """The places of the rows in their chunk."""
        return range(self.start, self.start + len(self.answer["predictions"]))


class FilePaths(Struct, frozen=True, kw_only=True):
    """A file of rows, and where its answers go.

    skip: where rows that cannot be answered go, each with its error; None: they refuse the file
    """

    file: Path
    out: Path
    skip: Path | None = None


def predict(
    ctx: Context,
    model: str,
    paths: FilePaths,
    settings: ReadSettings,
    note: Note = lambda *_: None,
) -> dict[str, Any]:
    """Write the rows of a file with their answers; return what `predict --json` prints.

    settings: reads what the prediction log keeps

    The output is there as a whole or not at all.

    Raises Refused for a file that cannot be used, NotFound without a released model, and MlopsError
    for rows on which the model or its functions raise.
    """
    refuse_paths(paths.file, paths.out, paths.skip)
    found = champion(ctx, model)
    scratch = ctx.scratch("predict")
    try:
        log = staged_log(ctx, scratch, settings)
        answered = asyncio.run(_predicted(FileAnswers(found, note), paths, log))
        publish(ctx, model, scratch)
    finally:
        ctx.drop(scratch)
    answer = {
        "version": 1,
        "model": model,
        "model_version": found.version,
        "rows": answered.rows,
        "output": str(paths.out),
    }
    return answer if paths.skip is None else {**answer, "skipped": answered.skipped}


async def _predicted(answers: "FileAnswers", paths: FilePaths, log: PredictionLog) -> AnsweredFile:
    """Answer one file, and put the output in place."""
    out, skip = paths.out, paths.skip
    parts = {path: part_of(path, uuid.uuid4().hex) for path in (out, skip) if path is not None}
    try:
        await answers.start()
        answered = await answers.write(
            paths.file, Output(parts[out], out.suffix), log, Output.of(skip, parts)
        )
        for path, part in parts.items():
            if part.exists():
                part.replace(path)
    finally:
        answers.end()
        for part in parts.values():
            part.unlink(missing_ok=True)
    return answered


def refuse_paths(file: Path, out: Path, skip: Path | None = None) -> None:
    """Raise Refused for an output that is the input, or no CSV or Parquet, and for no input."""
    given = [file, out] if skip is None else [file, out, skip]
    for path in given:
        if path.suffix.lower() not in KINDS:
            raise Refused(f"{path.name} is neither CSV nor Parquet", fix="name it .csv or .parquet")
    if not file.is_file():
        raise NotFound(f"there is no file {file}", fix="check its path")
    for number, path in enumerate(given):
        if any(_same(path, other) for other in given[:number]):
            raise Refused(f"{path} would be written over itself", fix="name another output: -o OUT")
        if number and path.is_dir():
            raise Refused(f"{path} is a folder", fix="name a file in it: -o OUT")
        if not path.absolute().parent.is_dir():
            raise Refused(f"there is no folder {path.parent}", fix=f"mkdir -p {path.parent}")


def _same(one: Path, other: Path) -> bool:
    if one.resolve() == other.resolve():
        return True
    return one.exists() and other.exists() and one.samefile(other)


def part_of(out: Path, key: str) -> Path:
    """Return the temporary name of an output, in its folder."""
    return out.with_name(f".mlops-nb-{key[:24]}.part")


def champion(ctx: Context, model: str) -> package.Package:
    """Return the package of a model's champion. Raises NotFound if there is none."""
    known = read_models(ctx)
    number = known[model].champion if model in known else None
    if number is None:
        there = f"the models are {', '.join(known)}" if known else "promote a notebook first"
        raise NotFound(f"there is no model {model!r} that was released", fix=there)
    return package.read(package.folder(ctx, model, number))


class Output(Struct, frozen=True):
    """A file to write: its temporary name, and the suffix of its real one."""

    part: Path
    suffix: str

    @classmethod
    def of(cls, path: Path | None, parts: Mapping[Path, Path]) -> "Output | None":
        """Return the output of a path, None for none."""
        return None if path is None else cls(parts[path], path.suffix)


class FileAnswers:
    """Answers files with the process of one version."""

    def __init__(self, found: package.Package, note: Note = lambda *_: None) -> None:
        self.package, self.note = found, note
        self.process = ModelProcess(found)
        self.types = {
            part: type_of(found.golden.get(part) or ()) for part in ("predictions", "scores")
        }
        if found.golden.get("scores") is None:
            self.types["scores"] = type_of([0.5])

    async def start(self) -> None:
        """Start the process. Raises MlopsError if it does not answer its golden requests."""
        golden.check(self.package, await self.process.start(threads=0))

    def end(self) -> None:
        """End the process."""
        self.process.end()

    async def write(
        self, path: Path, out: Output, log: PredictionLog, skip: Output | None = None
    ) -> AnsweredFile:
        """Write the answers to a file's rows, and put them into a log of their own.

        log:  not started yet; it is closed at the end
        skip: where rows that cannot be answered go; None: they refuse the file

        Raises Refused for rows that the signature refuses, MlopsError for those that fail.
        """
        file = TableFile(path, self.package.signature)
        total = None if skip else refuse_rows(file, self.package.signature)
        log.follow(self.package)
        log.start()
        writing = _FileWriting(self, file, out, log, skip)
        try:
            for table in file.chunks():
                await writing.take(table)
                self.note(writing.count, total)
            writing.refuse_failed()
        finally:
            writing.close()
            log.close()
        if log.lost:
            raise OSError(f"the log of its answers cannot be written below {log.files.where}")
        skipped = len(writing.failed)
        return AnsweredFile(rows=writing.count - skipped, skipped=skipped)


class _FileWriting:
    """One file that is being answered.

    count:  rows that were read
    failed: row → its error, of those that have no answer
    """

    def __init__(
        self,
        answers: FileAnswers,
        file: TableFile,
        out: Output,
        log: PredictionLog,
        skip: Output | None,
    ) -> None:
        self.answers, self.file, self.log = answers, file, log
        beside = log.settings.beside
        self.reader = RowReader(answers.package.signature, CHUNK, beside)
        self.out = TableWriter(out.part, out.suffix)
        self.skip = None if skip is None else TableWriter(skip.part, skip.suffix)
        self.count, self.failed = 0, dict[int, str]()

    async def take(self, table: Any) -> None:
        """Answer a chunk and write it."""
        rows = self.file.rows(table, self.reader.beside)
        errors = wrong_rows(self.reader, rows) if self.skip else {}
        good = [place for place in range(len(rows)) if place not in errors]
        columns = self.reader.columns_of([rows[place] for place in good])
        failed: dict[int, str] = {}
        parts = await self._parts(columns, 0, len(good), failed) if good else []
        errors |= {good[place]: error for place, error in failed.items()}
        self.failed |= {self.count + place: error for place, error in sorted(errors.items())}
        self.count += len(rows)
        if self.skip is not None and errors:
            self._write_skipped(table, errors)
        if self.skip is None and self.failed:
            if len(self.failed) > MOST_FAILURES:
                self.refuse_failed()
            return  # the file is refused: the other rows that fail are still looked for
        if parts:
            answered = [good[place] for part in parts for place in part.places]
            self._write(table.take(answered), parts)

    async def _parts(
        self, columns: Mapping[str, list[Any]], start: int, stop: int, failed: dict[int, str]
    ) -> list[AnsweredRows]:
        """Answer some rows; where they fail, answer each half by itself, down to one row."""
        if self.skip is None and len(failed) > MOST_FAILURES:
            return []
        asked = {name: values[start:stop] for name, values in columns.items()}
        answer = await self.answers.process.ask(asked, WITHIN, quiet=True)
        if "error" not in answer:
            return [AnsweredRows(start=start, answer=answer, asked=asked)]
        if stop - start == 1:
            failed[start] = answer["error"]
            return []
        middle = (start + stop) // 2
        first = await self._parts(columns, start, middle, failed)
        return first + await self._parts(columns, middle, stop, failed)

    def _write(self, table: Any, parts: Sequence[AnsweredRows]) -> None:
        """Write answered rows, and put them into the log."""
        import pyarrow as pa

        table = self.file.typed(table)
        version, now = self.answers.package.version, time.time()
        ids = [uuid.uuid4().hex for _ in range(len(table))]
        predictions = [p for part in parts for p in part.answer["predictions"]]
        scores = [
            s for p in parts for s in (p.answer["scores"] or [None] * len(p.answer["predictions"]))
        ]
        made = {
            "request_id": pa.array(ids),
            "prediction": array_of(predictions, self.answers.types["predictions"]),
            "score": array_of(scores, self.answers.types["scores"]),
            "model_version": pa.array([version] * len(ids), pa.int64()),
        }
        for name, values in made.items():
            table = table.append_column(name, values)
        self.out.write(table)
        self.log.put(
            Rows(
                version=version,
                ids=ids,
                times=[now] * len(ids),
                seconds=[0.0] * len(ids),
                answers=[(part.answer, part.asked) for part in parts],
                source="batch",
            )
        )

    def _write_skipped(self, table: Any, errors: Mapping[int, str]) -> None:
        import pyarrow as pa

        assert self.skip is not None
        places = sorted(errors)
        texts = pa.array([errors[place] for place in places])
        self.skip.write(table.take(places).append_column("error", texts))

    def refuse_failed(self) -> None:
        """Raise MlopsError if rows fail that are not to be left out, or if all rows do."""
        if not self.count:
            raise Refused(f"{self.file.path.name} has no rows", fix="give a file with rows")
        if not self.failed or (self.skip is not None and len(self.failed) < self.count):
            return
        row, error = next(iter(self.failed.items()))
        count = len(self.failed)
        many = f"more than {MOST_FAILURES}" if count > MOST_FAILURES else str(count)
        raise MlopsError(
            f"{self.file.path.name}: row {row}: {error}; {many} of its rows fail",
            fix="correct these rows, or leave them out: --skip-bad FILE",
        )

    def close(self) -> None:
        """Close the files, and sync them."""
        for writer in (self.out, self.skip):
            if writer is not None and writer.opened is not None:
                writer.close()
                with writer.path.open("rb") as opened:
                    os.fsync(opened.fileno())
                writer.path.chmod(files.mode_of(writer.path))


def refuse_rows(file: TableFile, signature: Mapping[str, Any]) -> int:
    """Return the number of a file's rows.

    Raises Refused, with the first row that the signature refuses and how many there are.
    """
    reader = RowReader(signature, CHUNK)
    wrong: dict[int, str] = {}
    count = 0
    for table in file.chunks():
        rows = file.rows(table)
        wrong |= {count + place: error for place, error in wrong_rows(reader, rows).items()}
        count += len(rows)
    if not count:
        raise Refused(f"{file.path.name} has no rows", fix="give a file with rows")
    if wrong:
        row, error = next(iter(wrong.items()))
        raise Refused(
            f"{file.path.name}: row {row}: {error}; {len(wrong)} of {count} rows cannot be used",
            fix="correct these rows, or leave them out: --skip-bad FILE",
        )
    return count


def wrong_rows(reader: RowReader, rows: list[dict[str, Any]]) -> dict[int, str]:
    """Return place → error of the rows that a signature refuses."""
    try:
        reader.columns_of(rows)
    except BadRequest:
        pass  # one of them at least: each is read by itself
    else:
        return {}
    found: dict[int, str] = {}
    for place, row in enumerate(rows):
        try:
            reader.columns_of([row])
        except BadRequest as error:
            found[place] = error.what.removeprefix("row 0: ")
    return found
