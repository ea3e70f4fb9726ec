"""The prediction log: every answer on record, as Parquet by day, written by one thread."""

import contextlib
import json
import os
import queue
import sys
import threading
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec import Struct

from mlops_nb import files
from mlops_nb.models.package import Package

WRITE_EVERY = 0.2  # s
COMPACT_EVERY = 30.0  # s
SMALL = 16  # files of a day that are left as they are
OLD = 5.0  # s, before a file is merged with others
MOST_ROWS = 500_000  # that wait for a disk that is full; more are dropped
MERGING = "merging.json"  # the files that a merged one replaces, until they are removed
LIVE, DROPPED = "live", "dropped"


class Rows(Struct, frozen=True, kw_only=True):
    """Answered rows of one version.

    answers: for some rows each, the answer and the columns that were asked
    """

    version: int
    ids: Sequence[str]
    times: Sequence[float]
    seconds: Sequence[float]
    answers: Sequence[tuple[Mapping[str, Any], Mapping[str, Sequence[Any]]]]
    source: str = LIVE


class PredictionLog:
    """Writes the rows of one model below a folder; it never makes a caller wait.

    dropped: rows that could not be kept
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.packages: dict[int, Package] = {}
        self.queue: queue.SimpleQueue[Rows | None] = queue.SimpleQueue()
        self.dropped = 0
        self.kept: list[Rows] = []
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self._work, daemon=True)

    def start(self) -> None:
        """Finish what a killed process began, and start to write."""
        import pyarrow.parquet  # noqa: F401  its import takes as long as rows may wait

        self.folder.mkdir(parents=True, exist_ok=True)
        for day in self.folder.glob("day=*"):
            finish_merge(day)
        self.thread.start()

    def put(self, rows: Rows) -> None:
        """Write rows soon."""
        self.queue.put(rows)

    def note_dropped(self, version: int, count: int) -> None:
        """Record that rows were answered and are not in the log."""
        now = time.time()
        ids = [f"dropped-{uuid.uuid4().hex}" for _ in range(count)]
        answers: list[tuple[Mapping[str, Any], Mapping[str, Sequence[Any]]]] = [
            ({"predictions": [None] * count, "scores": None, "features": None}, {})
        ]
        self.put(
            Rows(
                version=version,
                ids=ids,
                times=[now] * count,
                seconds=[0.0] * count,
                answers=answers,
                source=DROPPED,
            )
        )

    def close(self) -> None:
        """Write everything, and end."""
        self.queue.put(None)
        self.ending.set()
        self.thread.join()

    def _work(self) -> None:
        compacted, ended = time.monotonic(), False
        while not ended:
            self.ending.wait(WRITE_EVERY)
            while not self.queue.empty():
                rows = self.queue.get()
                ended = ended or rows is None
                if rows is not None:
                    self.kept.append(rows)
            self._write()
            if time.monotonic() - compacted > COMPACT_EVERY and not ended:
                compacted = time.monotonic()
                self._compact()

    def _write(self) -> None:
        """Write what waits; if the disk refuses it, try again with the next rows."""
        waiting, self.kept = self.kept, []
        if not waiting:
            return
        try:
            for (day, version), group in _by_day(waiting).items():
                table = table_of(self.packages[version], group)
                write(self.folder / f"day={day}", table)
        except OSError as error:
            sys.stderr.write(f"warning: the prediction log cannot be written: {error}\n")
            self.kept = waiting
            while sum(len(rows.ids) for rows in self.kept) > MOST_ROWS:
                self.dropped += len(self.kept.pop(0).ids)

    def _compact(self) -> None:
        for day in self.folder.glob("day=*"):
            with contextlib.suppress(OSError):  # a full disk: the small files stay
                compact(day)


def _by_day(waiting: Iterable[Rows]) -> dict[tuple[str, int], list[Rows]]:
    """Return rows by day, in UTC, and version."""
    found: dict[tuple[str, int], list[Rows]] = {}
    for rows in waiting:
        day = datetime.fromtimestamp(rows.times[0], UTC).date().isoformat()
        found.setdefault((day, rows.version), []).append(rows)
    return found


def table_of(package: Package, group: Sequence[Rows]) -> Any:
    """Return rows of one version as an Arrow table, whose schema the signature fixes."""
    import pyarrow as pa

    signature = package.signature
    parts = [part for rows in group for part in rows.answers]
    counts = [len(answer["predictions"]) for answer, _ in parts]
    predictions = [p for answer, _ in parts for p in answer["predictions"]]
    scores = [
        s
        for (answer, _), n in zip(parts, counts, strict=True)
        for s in (answer["scores"] or [None] * n)
    ]
    sources = [rows.source for rows in group for _ in rows.ids]
    times = [round(t * 1e6) for rows in group for t in rows.times]
    columns: dict[str, Any] = {
        "request_id": pa.array([i for rows in group for i in rows.ids], pa.string()),
        "time": pa.array(times, pa.timestamp("us", tz="UTC")),
        "model_version": pa.array([package.version] * len(times), pa.int64()),
        "source": pa.array(sources, pa.string()),
        "prediction": _array(predictions, _answer_type(signature["answer"])),
        "score": _array(scores, _score_type(scores)),
        "seconds": pa.array([s for rows in group for s in rows.seconds], pa.float64()),
    }
    for column in signature["columns"]:
        name = column["name"]
        values = [
            v
            for (_, asked), n in zip(parts, counts, strict=True)
            for v in asked.get(name, [None] * n)
        ]
        columns[f"in_{name}"] = _array(values, _input_type(column["kind"]))
    for name in signature["features"]:
        values = [
            v
            for (answer, _), n in zip(parts, counts, strict=True)
            for v in (answer["features"] or {}).get(name, [None] * n)
        ]
        columns[f"f_{name}"] = _array(values, pa.float64())
    return pa.table(columns)


def _array(values: Sequence[Any], kind: Any) -> Any:
    """Return values as an array of a type, as texts where they do not fit."""
    import pyarrow as pa

    try:
        return pa.array(values, kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        pass  # a label of another kind, say: kept as text
    return pa.array(
        [None if v is None else v if isinstance(v, str) else json.dumps(v) for v in values]
    )


def _answer_type(answer: Mapping[str, Any]) -> Any:
    import pyarrow as pa

    if answer["kind"] == "number":
        return pa.float64()
    classes = answer["classes"] or []
    kinds: tuple[tuple[type, Any], ...] = (
        (bool, pa.bool_()),
        (int, pa.int64()),
        (float, pa.float64()),
    )
    for kind, made in kinds:
        if classes and all(type(one) is kind for one in classes):
            return made
    return pa.string()


def _score_type(scores: Sequence[Any]) -> Any:
    import pyarrow as pa

    lists = any(isinstance(score, list) for score in scores)
    return pa.list_(pa.float64()) if lists else pa.float64()


def _input_type(kind: str) -> Any:
    import pyarrow as pa

    known = {"int": pa.int64(), "float": pa.float64(), "bool": pa.bool_()}
    return known.get(kind, pa.string())


def write(day: Path, table: Any) -> Path:
    """Write a table as a new file of a day, under a temporary name first."""
    import pyarrow.parquet as pq

    day.mkdir(parents=True, exist_ok=True)
    file = day / f"{time.time_ns()}-{uuid.uuid4().hex[:8]}.parquet"
    part = file.with_suffix(".part")
    try:
        pq.write_table(table, part)
        part.chmod(files.mode_of(part))
        os.replace(part, file)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return file


def compact(day: Path) -> None:
    """Merge the small files of a day into one, if there are many.

    What a killed process leaves is finished by the next one, from the list of merged files.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    now = time.time()
    small = [f for f in sorted(day.glob("*.parquet")) if now - f.stat().st_mtime > OLD]
    if len(small) <= SMALL:
        return
    tables = []
    for file in small:
        try:
            tables.append(pq.ParquetFile(file).read())
        except pa.ArrowInvalid:  # torn: it is set aside, and its rows are lost
            os.replace(file, file.with_suffix(".damaged"))
    merged = pa.concat_tables(tables, promote_options="permissive")
    part = day / f"{small[0].stem}-merged.part"
    pq.write_table(merged, part)
    part.chmod(files.mode_of(part))
    left = [file.name for file in small if file.is_file()]
    files.write_text(day / MERGING, json.dumps({"part": part.name, "files": left}))
    finish_merge(day)


def finish_merge(day: Path) -> None:
    """Let a merged file take the place of those that it was made of."""
    listed = day / MERGING
    if not listed.is_file():
        for part in day.glob("*.part"):
            part.unlink()
        return
    told = json.loads(listed.read_text(encoding="utf-8"))
    part = day / told["part"]
    for name in told["files"]:
        (day / name).unlink(missing_ok=True)
    if part.is_file():
        os.replace(part, part.with_suffix(".parquet"))
    listed.unlink()
