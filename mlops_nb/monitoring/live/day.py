"""Makes the sums of one day, from the rows of its answers and their labels."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC
from typing import Any

from msgspec import Struct

from mlops_nb.monitoring.labels import classes, join
from mlops_nb.monitoring.labels.classes import AnswerKind
from mlops_nb.monitoring.labels.join import Held
from mlops_nb.monitoring.live import judged, losses, sliced
from mlops_nb.monitoring.live.count import counts
from mlops_nb.monitoring.live.reference import ReferenceColumn
from mlops_nb.monitoring.live.rows import BATCH, REQUESTS, DayRows
from mlops_nb.monitoring.live.sliced import SliceColumn
from mlops_nb.monitoring.live.sums import (
    ColumnCounts,
    DaySums,
    SourceSums,
    VersionSums,
)


class DayQuestion(Struct, frozen=True, kw_only=True):
    """What the sums of a day depend on, besides its rows and labels.

    absent:    the label of rows that have none on a mature day, as text; None: unknown
    reference: the columns that are compared
    timed:     labels say when they became known
    sampled:   some rows were drawn for labelling: labels have weights
    slices:    how the evaluation cut its rows
    quantile:  which one predicted numbers are; None if the evaluation names none
    query:     the column of the log that says which query a row is of, "" without ranking
    """

    kind: AnswerKind
    reference: Mapping[str, ReferenceColumn]
    absent: str | None = None
    timed: bool = False
    sampled: bool = False
    slices: tuple[SliceColumn, ...] = ()
    quantile: float | None = None
    query: str = ""


def of_rows(
    day: str,
    rows: DayRows,
    read_labels: Callable[[], Any],
    asked: DayQuestion,
    drawn: Iterable[Any] = (),
    *,
    mature: bool,
) -> DaySums:
    """Return the sums of a day.

    read_labels: reads the labels that may belong to it
    drawn:       request_id and probability of each sample of the day, the newest first
    mature:      no more labels are to come
    """
    if rows.keys is None:
        return DaySums(day=day, mature=mature)
    made, samples = {}, list(drawn)
    for name, sources in (("requests", REQUESTS), ("batch", BATCH)):
        keys = rows.of(sources)
        if len(keys):
            held = join.holding(read_labels(), keys["request_id"].combine_chunks())
            made[name] = _of_source(rows, keys, held, asked, samples, mature=mature)
    return DaySums(day=day, mature=mature, dropped=rows.dropped, **made)


def _of_source(
    rows: DayRows, keys: Any, held: Held, asked: DayQuestion, drawn: Sequence[Any], *, mature: bool
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
        versions=_versions(
            _Answered(
                keys=keys,
                answers=answers,
                slices=_slices(rows, keys, asked.slices),
                queries=queries_of(rows, keys, asked.query),
            ),
            held,
            asked,
            drawn,
            mature=mature,
        ),
        columns=columns,
    )


class _Answered(Struct, frozen=True, kw_only=True):
    """The answers of one kind of source on a day.

    slices:  slicing → (rows,) places of slices
    queries: (rows,) numbers of the queries, -1 for none; None if nothing is ranked
    """

    keys: Any
    answers: Any
    slices: Mapping[str, Any]
    queries: Any | None


def queries_of(rows: DayRows, keys: Any, column: str) -> Any | None:
    """Return the number of the query of each row, -1 where it is missing."""
    if column not in rows.names:
        return None
    values = rows.columns([column], keys)[column].combine_chunks().dictionary_encode()
    return values.indices.fill_null(-1).to_numpy(zero_copy_only=False)


def _slices(rows: DayRows, keys: Any, slicings: Sequence[SliceColumn]) -> dict[str, Any]:
    """Return slicing → place of the slice of each row, for the columns that the day has."""
    there = [one for one in slicings if one.log in rows.names]
    found: dict[str, Any] = {}
    for names in rows.groups(list(dict.fromkeys(one.log for one in there))):
        table = rows.columns(names, keys)
        found |= {c.name: sliced.codes(table[c.log], c) for c in there if c.log in names}
    return found


def _versions(
    answered: _Answered,
    held: Held,
    asked: DayQuestion,
    drawn: Sequence[Any],
    *,
    mature: bool,
) -> dict[int, VersionSums]:
    import numpy as np

    keys = answered.keys
    versions = keys["model_version"].to_numpy()
    rows, labels = held.places, held.labels
    hours = _hours(keys["time"].take(rows), held.since)
    if mature and asked.absent is not None:
        rows, labels = with_absent(rows, labels, len(keys), asked.absent)
    weights = _weights(keys["request_id"], held.places, drawn)
    found = {}
    for version in np.unique(versions).tolist():
        mine = np.flatnonzero(versions[rows] == version)
        lags = hours[versions[held.places] == version] if asked.timed else hours[:0]
        known, amounts = np.unique(lags, return_counts=True)
        whole = np.flatnonzero(versions == version)
        found[int(version)] = VersionSums(
            rows=len(whole),
            labels=len(mine),
            lags=dict(zip(known.tolist(), amounts.tolist(), strict=True)),
            answers=_answers(answered, whole, held.places, asked),
            **_judged(labels.take(mine), (rows[mine], whole), answered, weights, asked),
        )
    return found


def _answers(
    answered: _Answered, whole: Any, labelled: Any, asked: DayQuestion
) -> dict[str, tuple[int, int]]:
    """Return predicted class → its rows and its labels; nothing of numbers.

    Nor where a missing label has a meaning, or rows were drawn for labelling.
    """
    import numpy as np

    kind = asked.kind
    if kind.is_number or not kind.texts or asked.sampled or asked.absent is not None:
        return {}
    places = losses.places_of(
        classes.class_texts(answered.answers["prediction"].take(whole), kind), kind
    )
    is_labelled = np.isin(whole, labelled)
    size = len(kind.texts) + 1
    rows, labels = (np.bincount(p + 1, minlength=size) for p in (places, places[is_labelled]))
    return {
        text: (int(rows[place]), int(labels[place]))
        for place, text in enumerate(kind.texts, start=1)
        if rows[place]
    }


def _judged(
    labels: Any,
    places: tuple[Any, Any],
    answered: _Answered,
    weights: Any | None,
    asked: DayQuestion,
) -> dict[str, Any]:
    """Return moments, weighted sums and score counts of one version, and those of its slices.

    places: of the labelled rows, and of all rows; weights: (all rows,), None without a sample
    """
    rows, whole = places
    found: dict[str, Any] = {}
    known = None
    if len(labels):
        mine = answered.answers.take(rows)
        every = answered.answers.take(whole) if asked.sampled else None
        own = None if weights is None else weights[rows]
        known = judged.rows_of(labels, mine, every, own, asked.kind, asked.quantile)
        found = judged.whole(known, len(whole))
        if answered.queries is not None and weights is None:
            ranked = judged.of_queries(labels, mine, answered.queries, places, asked.kind)
            found["moments"] |= ranked
    names = {one.name: one.slices for one in asked.slices}
    found["slices"] = {
        name: judged.by_slice(known, codes[rows], codes[whole], names[name])
        for name, codes in answered.slices.items()
    }
    return found


def _weights(ids: Any, labelled: Any, samples: Sequence[Any]) -> Any | None:
    """Return how many rows each row stands for: 1, or the inverse of its probability if drawn.

    labelled: places of the rows with a label; samples: the newest first

    The newest sample with a label counts: rows that were drawn or labelled before it were not drawn
    from, and stand for themselves. None without such a sample.
    """
    import numpy as np
    import pyarrow.compute as pc

    for drawn in samples:
        places = pc.index_in(ids, value_set=drawn["request_id"].combine_chunks())
        place = pc.fill_null(places, -1).to_numpy()
        if (place[labelled] >= 0).any():
            found = np.ones(len(ids))
            found[place >= 0] = 1 / drawn["probability"].to_numpy()[place[place >= 0]]
            return found
    return None


def with_absent(rows: Any, labels: Any, count: int, absent: str) -> tuple[Any, Any]:
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
