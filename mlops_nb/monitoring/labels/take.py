"""Takes labels of a model: a file, or what is new at the source that job.yaml names."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from mlops_nb import files
from mlops_nb.context import Context
from mlops_nb.errors import MlopsError, Refused
from mlops_nb.events import LabelsTaken
from mlops_nb.jobs import predictions, secret_values
from mlops_nb.jobs.model import Job
from mlops_nb.models import package
from mlops_nb.models.registry import read_models
from mlops_nb.monitoring.labels import join, reading
from mlops_nb.monitoring.labels.classes import AnswerKind, kind_of
from mlops_nb.monitoring.labels.kept import LabelFiles
from mlops_nb.serving.settings import LABEL_QUERY, LabelQuery, LabelSettings
from mlops_nb.storage import queries
from mlops_nb.storage.predictions import open_predictions

SEEN = "source.json"  # the files of the source that were taken, so that none is read twice


class SeenFile(Struct, frozen=True, kw_only=True):
    """A file of the source as it was when it was read; `error`: why it could not be used."""

    size: int
    changed: int
    error: str = ""
    fix: str = ""


def folder(ctx: Context, model: str) -> Path:
    """Return the folder with the labels of a model."""
    return ctx.settings.folder / "labels" / model


def settings_of(ctx: Context, model: str) -> LabelSettings:
    """Return `labels` of the live job.yaml of the job that makes a model, else the defaults."""
    job = predictions.job_of(ctx, model)
    return LabelSettings() if job is None else job.serving.labels


def answer_kind(ctx: Context, model: str) -> AnswerKind:
    """Return what a model answers, by the package of its newest version that has one."""
    known = read_models(ctx)[model]
    for version in sorted(known.versions, reverse=True):
        place = package.folder(ctx, model, version) / package.ABOUT
        if place.is_file():
            return kind_of(json.loads(place.read_bytes())["signature"]["answer"])
    return AnswerKind(is_number=False)


def take(ctx: Context, model: str, file: Path) -> LabelsTaken:
    """Take the labels of a file; the same content again changes nothing.

    Raises Refused for a file that cannot be used; nothing is kept of it then.
    """
    ctx.prepare_folder()
    table = reading.read(file, settings_of(ctx, model), answer_kind(ctx, model), ctx.now())
    return _kept(ctx, model, table, files.sha256(file), ctx.relative(file))


def _kept(ctx: Context, model: str, table: Any, digest: str, file: str) -> LabelsTaken:
    """Keep labels with the days of their answers, once for each digest, and record it."""
    place = folder(ctx, model)
    kept, log = LabelFiles(place), open_predictions(ctx.settings, model)
    with join.with_days(table, log, place) as placed:
        matched, unmatched = placed.counts()
        replaced = 0
        if not kept.has(digest):
            if kept.names():
                replaced = join.changed(kept.dataset(), placed.dataset(), place)
            kept.write(placed.batches(), digest)
    event = LabelsTaken(
        job=read_models(ctx)[model].job,
        model=model,
        file=file,
        digest=digest,
        matched=matched,
        unmatched=unmatched,
        replaced=replaced,
    )
    ctx.journal.append(event, once=f"labels:{model[:100]}:{digest}")
    return event


def take_source(ctx: Context, model: str) -> list[LabelsTaken]:
    """Take what is new at the source that job.yaml names, each content once.

    What cannot be used is a warning: a file is read again when it changes, a query at each look.
    """
    job = predictions.job_of(ctx, model)
    source = None if job is None else job.serving.labels.source
    if job is None or not source:
        return []
    if isinstance(source, LabelQuery):
        return _of_query(ctx, model, job, source)
    found, seen = [], _seen(ctx, model)
    now: dict[str, SeenFile] = {}
    for file in sorted(_matching(ctx.root / job.folder, source)):
        try:
            about = file.stat()
        except FileNotFoundError:  # it was removed meanwhile
            continue
        name = ctx.relative(file)
        was = seen.get(name)
        if was is None or (was.size, was.changed) != (about.st_size, about.st_mtime_ns):
            was = SeenFile(size=about.st_size, changed=about.st_mtime_ns)
            try:
                found.append(take(ctx, model, file))
            except Refused as error:
                was = replace(was, error=error.what, fix=error.fix)
        if was.error:
            ctx.warnings.append(Refused(was.error, fix=was.fix, where=name))
        now[name] = was
    if now != seen:
        files.write_bytes(folder(ctx, model) / SEEN, msgspec.json.encode(now))
    return found


def _of_query(ctx: Context, model: str, job: Job, source: LabelQuery) -> list[LabelsTaken]:
    """Take the labels of a query that are not kept yet; a warning if it cannot be used."""
    settings, now = job.serving.labels, ctx.now()
    try:
        url = source.url
        if not isinstance(url, str):
            url = secret_values.fetch({LABEL_QUERY: url}, ctx.environment)[LABEL_QUERY]
        kind = answer_kind(ctx, model)
        with closing(queries.read(url, source.sql, ctx.root / job.folder, LABEL_QUERY)) as parts:
            table = reading.of_query(parts, settings, kind, now)
    except MlopsError as error:
        ctx.warnings.append(error)
        return []
    ctx.prepare_folder()
    place = folder(ctx, model)
    timed = settings.time is not None
    fresh = join.unknown(table, LabelFiles(place).dataset(), place, timed=timed)
    if not len(fresh):
        return []
    return [_kept(ctx, model, fresh, join.digest(fresh), LABEL_QUERY)]


def _matching(place: Path, pattern: str) -> Iterator[Path]:
    base = Path(os.path.join(place, pattern))  # an absolute pattern stays one
    anchor = Path(base.anchor)
    return (path for path in anchor.glob(str(base.relative_to(anchor))) if path.is_file())


def _seen(ctx: Context, model: str) -> dict[str, SeenFile]:
    try:
        text = (folder(ctx, model) / SEEN).read_bytes()
        return msgspec.json.decode(text, type=dict[str, SeenFile])
    except (FileNotFoundError, msgspec.MsgspecError):  # a cache: every file is read again
        return {}


def with_labels(ctx: Context, model: str, frame: Any) -> Any:
    """Return a frame of answers with the column `label`, missing where none is known.

    A label is of the type of the model's classes, or a number.
    """
    import pandas as pd
    import pyarrow as pa

    kind = answer_kind(ctx, model)
    days = {f"{day}" for day in pd.to_datetime(frame["time"], utc=True).dt.date.unique()}
    ids = pa.array(frame["request_id"], pa.string())
    held = join.holding(LabelFiles(folder(ctx, model)).read(days), ids)
    values = dict(zip(kind.texts or (), kind.classes or (), strict=True))
    known = [float(t) if kind.is_number else values.get(t, t) for t in held.labels.to_pylist()]
    labels = pd.Series(known, index=frame.index[held.places])
    return frame.assign(label=labels.reindex(frame.index))


def answer(taken: LabelsTaken) -> Mapping[str, Any]:
    """Return what `labels --json` prints."""
    return {
        "version": 1,
        "model": taken.model,
        "matched": taken.matched,
        "unmatched": taken.unmatched,
        "replaced": taken.replaced,
    }
