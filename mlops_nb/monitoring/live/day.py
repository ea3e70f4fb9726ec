"""Makes the sums of one day, from the rows of its answers and their labels."""

from collections.abc import Callable, Mapping
from datetime import UTC
from typing import Any

from msgspec import Struct

from mlops_nb.monitoring.labels import classes, join
from mlops_nb.monitoring.labels.classes import AnswerKind
from mlops_nb.monitoring.labels.join import Held
from mlops_nb.monitoring.live import losses
from mlops_nb.monitoring.live.count import as_numbers, counts
from mlops_nb.monitoring.live.reference import ReferenceColumn
from mlops_nb.monitoring.live.rows import BATCH, REQUESTS, DayRows
from mlops_nb.monitoring.live.sums import (
    ColumnCounts,
    DaySums,
    Moments,
    ScoreCounts,
    SourceSums,
    VersionSums,
)


class DayQuestion(Struct, frozen=True, kw_only=True):
    """What the sums of a day depend on, besides its rows and labels.

    absent:    the label of rows that have none on a mature day, as text; None: unknown
    reference: the columns that are compared
    timed:     labels say when they became known
    """

    kind: AnswerKind
    reference: Mapping[str, ReferenceColumn]
    absent: str | None = None
    timed: bool = False


def of_rows(
    day: str,
    rows: DayRows,
    read_labels: Callable[[], Any],
    asked: DayQuestion,
    *,
    mature: bool,
) -> DaySums:
    """Return the sums of a day.

    read_labels: reads the labels that may belong to it
    mature:      no more labels are to come
    """
    if rows.keys is None:
        return DaySums(day=day, mature=mature)
    made = {}
    for name, sources in (("requests", REQUESTS), ("batch", BATCH)):
        keys = rows.of(sources)
        if len(keys):
            held = join.holding(read_labels(), keys["request_id"].combine_chunks())
            made[name] = _of_source(rows, keys, held, asked, mature=mature)
    return DaySums(day=day, mature=mature, dropped=rows.dropped, **made)


def _of_source(
    rows: DayRows, keys: Any, held: Held, asked: DayQuestion, *, mature: bool
) -> SourceSums:
    import numpy as np
    import pyarrow.compute as pc

    answers = rows.columns(["prediction", "score", "seconds"], keys)
    ends = pc.min_max(keys["time"]).as_py()
    columns: dict[str, ColumnCounts] = {}
    compared = [one for one in asked.reference.values() if one.log in rows.names]
    for names in rows.groups([one.log for one in compared]):
        table = rows.columns(names, keys)
        columns |= {c.name: counts(table[c.log], c) for c in compared if c.log in names}
    return SourceSums(
        rows=len(keys),
        first=ends["min"].astimezone(UTC).isoformat(),
        last=ends["max"].astimezone(UTC).isoformat(),
        seconds=float(np.median(answers["seconds"].to_numpy())),
        versions=_versions(keys, answers, held, asked, mature=mature),
        columns=columns,
    )


def _versions(
    keys: Any, answers: Any, held: Held, asked: DayQuestion, *, mature: bool
) -> dict[int, VersionSums]:
    import numpy as np

    versions = keys["model_version"].to_numpy()
    rows, labels = held.places, held.labels
    hours = _hours(keys["time"].take(rows), held.since)
    if mature and asked.absent is not None:
        rows, labels = _with_absent(rows, labels, len(keys), asked.absent)
    found = {}
    for version in np.unique(versions).tolist():
        mine = np.flatnonzero(versions[rows] == version)
        moments, scores = _losses(labels.take(mine), answers.take(rows[mine]), asked.kind)
        lags = hours[versions[held.places] == version] if asked.timed else hours[:0]
        known, amounts = np.unique(lags, return_counts=True)
        found[int(version)] = VersionSums(
            rows=int(np.count_nonzero(versions == version)),
            labels=len(mine),
            moments=moments,
            scores=scores,
            lags=dict(zip(known.tolist(), amounts.tolist(), strict=True)),
        )
    return found


def _with_absent(rows: Any, labels: Any, count: int, absent: str) -> tuple[Any, Any]:
    """Return labelled rows and those without a label, which have the label `absent`."""
    import numpy as np
    import pyarrow as pa

    without = np.setdiff1d(np.arange(count), rows)
    assumed = pa.repeat(pa.scalar(absent, pa.string()), len(without))
    chunks = [*labels.chunks, assumed]
    return np.concatenate([rows, without]), pa.chunked_array(chunks)


def _hours(times: Any, known: Any) -> Any:
    """Return how long after its answer each row was labelled, in whole hours."""
    import numpy as np

    apart = known.to_numpy().astype("datetime64[us]") - times.to_numpy().astype("datetime64[us]")
    hours = np.floor(apart / np.timedelta64(1, "h")).astype(int)
    return np.maximum(hours, 0)


def _losses(labels: Any, answers: Any, kind: AnswerKind) -> tuple[dict[str, Moments], ScoreCounts]:
    import numpy as np
    import pyarrow.compute as pc

    if not len(labels):
        return {}, ScoreCounts()
    if kind.is_number:
        truth = as_numbers(labels)
        return losses.of_numbers(truth, as_numbers(answers["prediction"])), ScoreCounts()
    predicted = classes.class_texts(answers["prediction"], kind)
    hits = pc.fill_null(pc.equal(predicted, labels), False).to_numpy(zero_copy_only=False)
    found = {"hit": losses.moments(hits.astype(float))}
    scores = losses.array_of(answers["score"], kind)
    if scores is None or kind.texts is None:
        return found, ScoreCounts()
    import pyarrow as pa

    places = pc.index_in(labels, value_set=pa.array(kind.texts))
    is_class = pc.is_valid(places).to_numpy()
    truth = pc.fill_null(places, -1).to_numpy()[is_class].astype(np.int64)
    more, counted = losses.of_scores(truth, scores[is_class])
    return found | more, counted
