"""Draws answers for labelling: which rows tell most about the losses of all, for the money."""

import secrets
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec import Struct

from mlops_nb import files
from mlops_nb.context import Context
from mlops_nb.errors import NotFound, Refused
from mlops_nb.evaluation import sampling
from mlops_nb.events import SampleDrawn
from mlops_nb.monitoring.labels import join
from mlops_nb.monitoring.live import losses
from mlops_nb.monitoring.live.rows import BATCH, REQUESTS, DayRows
from mlops_nb.monitoring.live.window import USUAL, OpenedModel, open_model
from mlops_nb.serving import prediction_files
from mlops_nb.serving.offline import batch
from mlops_nb.serving.prediction_files import COLUMNS
from mlops_nb.serving.tables import KINDS, TableWriter

NATURAL = ("brier", "hit", "squared")  # the loss that a draw is for: the first that a model has


class DayFrame(Struct, frozen=True, kw_only=True):
    """The answers of a day without a label, and what its labelled ones teach.

    ids:      (n,) request ids, an Arrow array
    expected: (n,) the expected spread of the loss
    known, losses: (m,) expected spread and loss of labelled rows
    """

    day: str
    ids: Any
    expected: Any
    known: Any
    losses: Any


class SampleWindow(Struct, frozen=True, kw_only=True):
    """From when on, and until when answers are drawn."""

    since: datetime
    until: datetime


def window(ctx: Context, since: datetime | None, until: datetime | None) -> SampleWindow:
    """Return the window of a draw: by default the last 30 days."""
    ends = until or ctx.now()
    return SampleWindow(since=since or ends - USUAL, until=ends)


def draw(ctx: Context, model: str, size: int, out: Path, asked: SampleWindow) -> SampleDrawn:
    """Draw answers of a window, and write them to a file with their probabilities.

    A row that has a label, or was drawn before, is not drawn. If there are no more rows than asked
    for, all are drawn.

    Raises Refused for a size or a file that cannot be used, NotFound without rows to draw from.
    """
    import numpy as np

    _refuse(size, out)
    opened = open_model(ctx, model)
    frames = list(_frames(opened, asked))
    if not sum(len(frame.ids) for frame in frames):
        raise NotFound(
            f"{model!r} has no answers without a label in this window that were not drawn before",
            fix=f"choose another: --since TIME --until TIME; mlops-nb watch {model}",
        )
    expected, known, own = (
        np.concatenate([getattr(frame, name) for frame in frames])
        for name in ("expected", "known", "losses")
    )
    spread = sampling.learned_spread(expected, known, own)
    probabilities = sampling.inclusion(spread, min(size, len(expected)))
    places = np.sort(sampling.draw(probabilities, secrets.randbits(60)))
    chosen = _chosen(frames, places, probabilities)
    return _record(ctx, opened, chosen, out, asked, len(expected))


def _refuse(size: int, out: Path) -> None:
    if size < 1:
        raise Refused(f"--sample is {size}", fix="give how many rows to label: --sample 200")
    if out.suffix.lower() not in KINDS:
        raise Refused(f"{out.name} is neither CSV nor Parquet", fix="name it .csv or .parquet")
    if out.is_dir():
        raise Refused(f"{out} is a folder", fix="name a file in it: -o OUT")
    if not out.absolute().parent.is_dir():
        raise Refused(f"there is no folder {out.parent}", fix=f"mkdir -p {out.parent}")


def _frames(opened: OpenedModel, asked: SampleWindow) -> Iterator[DayFrame]:
    """Yield the rows of each day of a window."""
    drawn = opened.look.samples.ever_drawn()
    for day in prediction_files.days(opened.look.log, asked.since, asked.until):
        with prediction_files.opened_day(opened.look.log, day) as parts:
            if parts:
                yield _frame(opened, DayRows(parts, asked.since, asked.until), day, drawn)


def _frame(opened: OpenedModel, rows: DayRows, day: str, drawn: Any) -> DayFrame:
    import numpy as np
    import pyarrow.compute as pc

    kind = opened.look.asked.kind
    keys = rows.of(REQUESTS) if rows.count(REQUESTS) else rows.of(BATCH)
    ids = keys["request_id"].combine_chunks()
    answers = rows.columns(["prediction", "score"], keys)
    held = join.holding(opened.look.labels.read([day]), ids)
    free = np.ones(len(ids), bool)
    free[held.places] = False
    free &= ~pc.is_in(ids, value_set=drawn).to_numpy(zero_copy_only=False)
    forecasts = losses.expected(answers, kind)
    values = losses.of_rows(held.labels, answers.take(held.places), kind)
    loss = next(name for name in NATURAL if name in values)
    spread = _spread(forecasts, loss, len(ids))
    known = np.isfinite(values[loss])
    return DayFrame(
        day=day,
        ids=ids.filter(free),
        expected=spread[free],
        known=spread[held.places][known],
        losses=values[loss][known],
    )


def _spread(forecasts: Any, loss: str, count: int) -> Any:
    """Return the expected spread of a loss of each row, by the scores: (n,)."""
    import numpy as np

    if loss == "brier" and "brier" in forecasts:
        chance = np.clip(forecasts["brier"], 0, 0.25)  # p (1 - p)
        return np.sqrt(chance) * np.sqrt(np.maximum(0.0, 1 - 4 * chance))
    if "hit" in forecasts:
        right = forecasts["hit"]
        return np.sqrt(np.maximum(0.0, right * (1 - right)))
    return np.ones(count)


def _chosen(frames: Sequence[DayFrame], places: Any, probabilities: Any) -> dict[str, Any]:
    """Return day → the drawn rows, as a table of request_id, day and probability."""
    import numpy as np
    import pyarrow as pa

    found, at = {}, 0
    for frame in frames:
        mine = places[(places >= at) & (places < at + len(frame.ids))]
        if len(mine):
            found[frame.day] = pa.table(
                {
                    "request_id": frame.ids.take(pa.array(mine - at)).cast(pa.string()),
                    "day": [frame.day] * len(mine),
                    "probability": np.asarray(probabilities[mine], float),
                }
            )
        at += len(frame.ids)
    return found


def _record(
    ctx: Context,
    opened: OpenedModel,
    chosen: dict[str, Any],
    out: Path,
    asked: SampleWindow,
    of: int,
) -> SampleDrawn:
    """Write the file, then record the draw, then put the file in place."""
    import pyarrow as pa

    name = opened.look.samples.new_name()
    days = prediction_files.days(opened.look.log, asked.since, asked.until)
    every = pa.concat_tables(chosen.values())
    part = batch.part_of(out, name)
    try:
        _write(opened, chosen, part, out.suffix)
        opened.look.samples.write(every, days, name)
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
    event = SampleDrawn(
        job=opened.model.job,
        model=opened.model.name,
        rows=len(every),
        of=of,
        since=asked.since.astimezone(UTC).isoformat(),
        until=asked.until.astimezone(UTC).isoformat(),
        name=name,
    )
    ctx.journal.append(event)
    return event


def _write(opened: OpenedModel, chosen: dict[str, Any], part: Path, suffix: str) -> None:
    """Write the drawn rows of the log, in random order, with an empty column for their labels."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    tables = []
    for day, table in chosen.items():
        with prediction_files.opened_day(opened.look.log, day) as parts:
            rows = DayRows(parts)
            keys = rows.of(REQUESTS) if rows.count(REQUESTS) else rows.of(BATCH)
            mine = keys.filter(pc.is_in(keys["request_id"], table["request_id"].combine_chunks()))
            names = [n for n in sorted(rows.names) if n not in COLUMNS]
            found = rows.columns([*COLUMNS, *names], mine)
        at = pc.index_in(found["request_id"], table["request_id"].combine_chunks())
        found = found.add_column(1, "probability", table["probability"].take(at))
        tables.append(found)
    whole = pa.concat_tables(tables, promote_options="permissive")
    label = opened.settings.labels.column
    whole = whole.add_column(2, label, pa.nulls(len(whole), pa.string()))
    if opened.settings.labels.key != "request_id":
        whole = whole.add_column(0, opened.settings.labels.key, whole["request_id"])
    writer = TableWriter(part, suffix)
    try:
        writer.write(whole.take(np.random.default_rng().permutation(len(whole))))
    finally:
        writer.close()
    part.chmod(files.mode_of(part))
