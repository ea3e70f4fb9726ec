"""The prediction log: every answer on record, as Parquet by day, written by one thread."""

import contextlib
import queue
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from mlops_nb.context import Context
from mlops_nb.errors import MlopsError
from mlops_nb.models.package import Package
from mlops_nb.serving import prediction_table
from mlops_nb.serving.prediction_files import compact, rows_a_day
from mlops_nb.serving.prediction_table import DROPPED, Mask, Pseudonym, Rows
from mlops_nb.serving.pseudonyms import Pseudonyms
from mlops_nb.serving.settings import PredictionSettings, ReadSettings, unknown_columns
from mlops_nb.storage.ports import PredictionFiles
from mlops_nb.storage.predictions import open_predictions
from mlops_nb.storage.predictions_local import LocalPredictions

WRITE_EVERY = 0.2  # s
RETRY_EVERY = 1.0  # s, while the disk refuses what is written
COMPACT_EVERY = 30.0  # s
MOST_ROWS = 500_000  # that wait for a disk that is full; more are dropped
STUCK_AFTER = 60.0  # s, that one write takes; then the disk counts as one that refuses
MOST_AT_ONCE = 100_000  # rows about dropped ones that are written as one file
UNUSABLE = (ValueError, TypeError, LookupError, NotImplementedError, OverflowError)
DROPPED_TOTAL, SAMPLED_OUT_TOTAL = "mlops_nb_dropped_total", "mlops_nb_sampled_out_total"

__all__ = ["PredictionLog", "Rows", "open_log", "publish", "staged_log"]


def open_log(ctx: Context, model: str, settings: ReadSettings) -> "PredictionLog":
    """Return the prediction log of a model, which is not started yet.

    settings: reads what is kept of a row

    Raises Refused if the place of the log cannot be used.
    """
    files = open_predictions(ctx.settings, model)
    return PredictionLog(files, Pseudonyms(ctx.settings.folder).of, settings)


def staged_log(ctx: Context, folder: Path, settings: ReadSettings) -> "PredictionLog":
    """Return a log below a folder, whose rows `publish` puts into the log of their model later."""
    return PredictionLog(LocalPredictions(folder), Pseudonyms(ctx.settings.folder).of, settings)


def publish(ctx: Context, model: str, staged: Path) -> None:
    """Put staged rows into the log of a model.

    If this process is killed in between and it is done again, repeated rows are one on reading.
    """
    from pyarrow import parquet

    files = open_predictions(ctx.settings, model)
    for file in sorted(staged.glob("day=*/*.parquet")):
        files.write(file.parent.name.removeprefix("day="), parquet.ParquetFile(file).read())
        file.unlink()


class DroppedRows(Struct, frozen=True, kw_only=True):
    """Rows of a version that were answered and are not in the log; time: s since 1970."""

    version: int
    count: int
    time: float


class PredictionLog:
    """Writes the rows of one model; it never makes a caller wait.

    settings:  reads what is kept of a row
    pseudonym: makes the pseudonym of a value
    counts:    of rows that are not in the log, by the names of `/metrics`
    """

    def __init__(
        self,
        files: PredictionFiles,
        pseudonym: Pseudonym,
        settings: ReadSettings = PredictionSettings,
    ) -> None:
        self.files, self.pseudonym, self.read_settings = files, pseudonym, settings
        self.settings = settings()
        self.packages: dict[int, Package] = {}
        self.queue: queue.SimpleQueue[Rows | DroppedRows | None] = queue.SimpleQueue()
        self.counts: Counter[str] = Counter()
        self.kept: list[Rows] = []  # not masked yet, and never written as they are
        self.tables: dict[tuple[str, int], list[Any]] = {}  # day and version: what is to be written
        self.dropped: dict[tuple[str, int], DroppedRows] = {}  # day and version: not on record yet
        self.days: set[str] = set()  # that were written to since they were compacted
        self.fails, self.retry_at = False, 0.0
        self.began: float | None = None  # when the write that goes on began, by the monotonic clock
        self.lock = threading.Lock()  # of the next two
        self.queued = 0  # rows in the queue
        self.refused: dict[int, DroppedRows] = {}  # version: rows that were not queued
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self._work, daemon=True)

    def start(self) -> None:
        """Finish what a killed process began, and start to write."""
        import pyarrow.compute  # its import takes as long as rows may wait
        import pyarrow.parquet  # noqa: F401

        with contextlib.suppress(OSError):  # a full disk: a later process finishes it
            self.files.recover()
        self.thread.start()

    def follow(self, package: Package) -> None:
        """Take a version that is to answer, and read the settings again."""
        self.packages[package.version] = package
        self.refresh()
        if unknown := unknown_columns(self.settings, package.signature):
            self._warn(
                f"the prediction settings of job.yaml name columns that version {package.version} "
                f"does not have: {', '.join(unknown)}"
            )

    def refresh(self) -> None:
        """Read the settings again; those of before hold where they cannot be read."""
        try:
            self.settings = self.read_settings()
        except MlopsError as error:
            self._warn(f"the prediction settings of before hold: {error.what}")

    def put(self, rows: Rows) -> None:
        """Write rows soon; drop them if the disk refuses what is written, and too many wait."""
        count = len(rows.ids)
        with self.lock:
            if self.queued + count <= MOST_ROWS or not (self.fails or self.is_stuck):
                self.queued += count
                self.queue.put(rows)
                return
            before = self.refused.get(rows.version)
            self.refused[rows.version] = DroppedRows(
                version=rows.version,
                count=count + (before.count if before is not None else 0),
                time=rows.times[0],
            )
            self.counts[DROPPED_TOTAL] += count

    def note_dropped(self, version: int, count: int) -> None:
        """Record that rows were answered and are not in the log."""
        self.queue.put(DroppedRows(version=version, count=count, time=time.time()))

    def close(self) -> None:
        """Write everything, and end; a write that hangs is given up."""
        self.queue.put(None)
        self.ending.set()
        while self.thread.is_alive() and not self.is_stuck:
            self.thread.join(1.0)
        if self.thread.is_alive():
            self._warn_of_lost()

    @property
    def is_stuck(self) -> bool:
        """Whether a write takes so long that no end of it is to be expected."""
        began = self.began
        return began is not None and time.monotonic() - began > STUCK_AFTER

    @property
    def lost(self) -> int:
        """How many rows are not in the log, once it is closed."""
        return self._waiting() + self.queued + self.counts[DROPPED_TOTAL]

    def rows_a_day(self) -> float:
        """Return how many rows a day are answered, in the mean of the last week that has rows."""
        return rows_a_day(self.files) / self.settings.sample

    def _warn(self, text: str) -> None:
        sys.stderr.write(f"warning: {text}\n")

    def _work(self) -> None:
        compacted, ended = time.monotonic(), False
        while not ended:
            self.ending.wait(WRITE_EVERY)
            ended = self._take()
            self._write(now=ended)
            while ended and self.dropped and not self.fails:
                self._write()
            if time.monotonic() - compacted > COMPACT_EVERY and not ended:
                compacted = time.monotonic()
                self._compact()
        self._warn_of_lost()

    def _warn_of_lost(self) -> None:
        if lost := self._waiting() + self.queued:
            self._warn(f"{lost} rows are not in the prediction log, which cannot be written")

    def _take(self) -> bool:
        """Take what is queued; return whether it was the last."""
        ended = False
        while not self.queue.empty():
            found = self.queue.get()
            if found is None:
                ended = True
            elif isinstance(found, DroppedRows):
                self._note(found)
            else:
                self.kept.append(found)
                with self.lock:
                    self.queued -= len(found.ids)
        with self.lock:
            refused, self.refused = self.refused, {}
        for rows in refused.values():
            self._note(rows)
        return ended

    def _note(self, rows: DroppedRows) -> None:
        key = (prediction_table.day_of(rows.time), rows.version)
        before = self.dropped.get(key)
        count = rows.count + (before.count if before is not None else 0)
        self.dropped[key] = DroppedRows(version=rows.version, count=count, time=rows.time)

    def _write(self, *, now: bool = True) -> None:
        """Write what waits; if the disk refuses it, try again with the next rows.

        now: try even if the disk refused a moment ago
        """
        try:
            self._mask()
            if not now and self.fails and time.monotonic() < self.retry_at:
                self._limit()
                return
            for (day, version), tables in list(self.tables.items()):
                table = prediction_table.combined(tables)
                self.tables[day, version] = [table]
                self._write_day(day, table)
                del self.tables[day, version]
            self._write_dropped()
        except (OSError, MlopsError) as error:
            if not self.fails:
                what = error.what if isinstance(error, MlopsError) else str(error)
                self._warn(f"the prediction log cannot be written, and rows wait: {what}")
            self.fails, self.retry_at = True, time.monotonic() + RETRY_EVERY
            self._limit()
        else:
            if self.fails:
                self._warn("the prediction log is written again")
            self.fails = False

    def _mask(self) -> None:
        """Make tables of the rows, in which nothing is that must not be written.

        Raises OSError or MlopsError if there is no key for pseudonyms; the rows wait then.
        """
        mask = Mask(settings=self.settings, pseudonym=self.pseudonym)
        groups: dict[int, list[Rows]] = {}
        for rows in self.kept:
            groups.setdefault(rows.version, []).append(rows)
        found = [(v, t) for v, group in groups.items() for t in self._made(v, group, mask)]
        self.kept = []
        for version, table in found:
            left = prediction_table.sampled(table, mask.settings.sample)
            if len(left) < len(table):
                self.counts[SAMPLED_OUT_TOTAL] += len(table) - len(left)
            for day, rows in prediction_table.by_day(left):
                self.tables.setdefault((day, version), []).append(rows)

    def _made(self, version: int, group: Sequence[Rows], mask: Mask) -> list[Any]:
        """Return the tables of some rows; rows that no table can hold are dropped alone."""
        try:
            return [self._table(version, group, mask)]
        except UNUSABLE as error:
            if len(group) > 1:
                return [table for rows in group for table in self._made(version, [rows], mask)]
            self._warn(f"rows cannot be logged: {type(error).__name__}: {error}")
            self._drop(version, len(group[0].ids), group[0].times[0])
            return []

    def _table(self, version: int, group: Sequence[Rows], mask: Mask) -> Any:
        return prediction_table.table_of(self.packages[version], group, mask)

    def _write_day(self, day: str, table: Any) -> None:
        self.began = time.monotonic()
        try:
            self.files.write(day, table)
        finally:
            self.began = None
        self.days.add(day)

    def _write_dropped(self) -> None:
        """Write rows about those that are not in the log, some at a time."""
        for key, rows in list(self.dropped.items()):
            count = min(rows.count, MOST_AT_ONCE)
            mask = Mask(settings=self.settings, pseudonym=self.pseudonym)
            table = self._table(rows.version, [about_dropped(rows, count)], mask)
            self._write_day(key[0], table)
            del self.dropped[key]
            if count < rows.count:
                self.dropped[key] = DroppedRows(
                    version=rows.version, count=rows.count - count, time=rows.time
                )

    def _waiting(self) -> int:
        made = sum(len(table) for tables in self.tables.values() for table in tables)
        return made + sum(len(rows.ids) for rows in self.kept)

    def _limit(self) -> None:
        """Drop the oldest rows where too many wait."""
        while (excess := self._waiting() - MOST_ROWS) > 0:
            if self.tables:
                day, version = next(iter(self.tables))
                oldest = self.tables[day, version]
                count = min(excess, len(oldest[0]))
                at = oldest[0]["time"][0].as_py().timestamp()
                oldest[0] = oldest[0].slice(count)
                if not len(oldest[0]):
                    oldest.pop(0)
                if not oldest:
                    del self.tables[day, version]
            else:
                rows = self.kept.pop(0)
                version, count, at = rows.version, len(rows.ids), rows.times[0]
            self._drop(version, count, at)

    def _drop(self, version: int, count: int, at: float) -> None:
        self.counts[DROPPED_TOTAL] += count
        self._note(DroppedRows(version=version, count=count, time=at))

    def _compact(self) -> None:
        for day in sorted(self.days):
            try:
                compact(self.files, day)
            except OSError:  # a full disk: the small files stay
                continue
            except UNUSABLE as error:
                self._warn(f"files of {day} cannot be merged: {type(error).__name__}: {error}")
        self.days = {prediction_table.day_of(time.time())} & self.days


def about_dropped(rows: DroppedRows, count: int) -> Rows:
    """Return rows that say that others are not in the log."""
    empty = {"predictions": [None] * count, "scores": None, "features": None}
    return Rows(
        version=rows.version,
        ids=[f"dropped-{uuid.uuid4().hex}" for _ in range(count)],
        times=[rows.time] * count,
        seconds=[0.0] * count,
        answers=[(empty, {})],
        source=DROPPED,
    )
