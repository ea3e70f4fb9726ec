"""Makes Arrow tables of answered rows: their schema, what is masked, and which rows are kept."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from mlops_nb.models.package import Package
from mlops_nb.serving.settings import HoldOut, PredictionSettings

LIVE, SHADOW, CANARY, DROPPED = "live", "shadow", "canary", "dropped"
SAMPLED = {LIVE, SHADOW, CANARY}  # the sources whose rows come from requests
TOLD = (LIVE, CANARY)  # the sources whose callers get the answer of this row
MOST_CLASSES = 2  # of a model whose score is one number
KEY = ("request_id", "source")  # a row with the key of an earlier one repeats it
WHOLE = 2**64

Asked = Mapping[str, Sequence[Any]]
Answered = tuple[Mapping[str, Any], Asked]
Pseudonym = Callable[[Any], str | None]


class Rows(Struct, frozen=True, kw_only=True):
    """Answered rows of one version.

    answers: for some rows each, the answer and the columns that were asked
    """

    version: int
    ids: Sequence[str]
    times: Sequence[float]
    seconds: Sequence[float]
    answers: Sequence[Answered]
    source: str = LIVE


class Mask(Struct, frozen=True, kw_only=True):
    """What of a row is not written as it came."""

    settings: PredictionSettings
    pseudonym: Pseudonym

    def column(self, name: str, values: Sequence[Any]) -> Sequence[Any] | None:
        """Return the values of a column as they are written; None: it is left out."""
        if name in self.settings.drop:
            return None
        if name in self.settings.hash:
            return [self.pseudonym(value) for value in values]
        return values

    def covers(self, name: str) -> bool:
        """Return whether a column is dropped or a pseudonym."""
        return name in self.settings.drop or name in self.settings.hash


def is_kept(request_id: str, share: float) -> bool:
    """Return whether the rows of a request are in the sample; an id always decides the same.

    >>> is_kept("a", 1.0), sum(is_kept(str(n), 0.1) for n in range(10_000)) // 100
    (True, 10)
    """
    if share >= 1.0:
        return True
    digest = hashlib.blake2b(request_id.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") < share * WHOLE


def table_of(package: Package, group: Sequence[Rows], mask: Mask | None = None) -> Any:
    """Return rows of one version as an Arrow table, whose schema the signature fixes.

    `drop` columns are left out; `hash` columns are pseudonyms. So are features of the same names;
    other features may derive from such an input, and are written as the notebook computes them.
    """
    import pyarrow as pa

    signature = package.signature
    parts = [part for rows in group for part in rows.answers]
    counts = [len(answer["predictions"]) for answer, _ in parts]
    times = [round(t * 1e6) for rows in group for t in rows.times]
    sources = [rows.source for rows in group for _ in rows.ids]
    columns: dict[str, Any] = {
        "request_id": pa.array([i for rows in group for i in rows.ids], pa.string()),
        "time": pa.array(times, pa.timestamp("us", tz="UTC")),
        "model_version": pa.array([package.version] * len(times), pa.int64()),
        "source": pa.array(sources, pa.string()),
        **_answers(package, parts, counts),
        "seconds": pa.array([s for rows in group for s in rows.seconds], pa.float64()),
    }
    if mask is not None and mask.settings.holdout:
        columns |= _held_out(package.model, mask.settings, columns, parts, counts)
    if mask is not None and mask.settings.subject is not None:
        people = _asked(parts, counts, mask.settings.subject)
        columns["subject"] = pa.array([mask.pseudonym(one) for one in people], pa.string())
    for column in [*signature["columns"], *_beside(package, mask)]:
        name = column["name"]
        hashed = mask is not None and name in mask.settings.hash
        kind = pa.string() if hashed else _input_type(column["kind"])
        values = _asked(parts, counts, name)
        written = values if mask is None else mask.column(name, values)
        if written is not None:
            columns[f"in_{name}"] = _array(written, kind)
    for name in signature["features"]:
        if mask is None or not mask.covers(name):
            columns[f"f_{name}"] = _array(_computed(parts, counts, name), pa.float64())
    return pa.table(columns)


def _held_out(
    model: str,
    settings: PredictionSettings,
    columns: Mapping[str, Any],
    parts: Sequence[Answered],
    counts: Sequence[int],
) -> dict[str, Any]:
    """Return which rows were held out, and how probable that was; null for rows of no request."""
    import pyarrow as pa
    import pyarrow.compute as pc

    share = settings.holdout
    holdout = HoldOut(model=model, share=share, entity=settings.entity)
    names = () if settings.entity is None else (settings.entity,)
    asked = {name: _asked(parts, counts, name) for name in names}
    held = pa.array(holdout.of_rows(asked, columns["request_id"].to_pylist()), pa.bool_())
    told = pc.is_in(columns["source"], pa.array(TOLD))
    return {
        "holdout": pc.if_else(told, held, None),
        "propensity": pc.if_else(told, pc.if_else(held, share, 1 - share), None),
    }


def _beside(package: Package, mask: Mask | None) -> list[dict[str, str]]:
    """Return the column of the entity, if it is no input of the model."""
    inputs = {column["name"] for column in package.signature["columns"]}
    entity = None if mask is None else mask.settings.entity
    return [] if entity is None or entity in inputs else [{"name": entity, "kind": "text"}]


def _answers(package: Package, parts: Sequence[Answered], counts: Sequence[int]) -> dict[str, Any]:
    import pyarrow as pa

    answer_type = _answer_type(package.signature["answer"])
    predictions = [p for answer, _ in parts for p in answer["predictions"]]
    scores = [
        s
        for (answer, _), n in zip(parts, counts, strict=True)
        for s in (answer["scores"] or [None] * n)
    ]
    judged = package.golden.get("scores") or ()
    lists = any(isinstance(score, list) for one in (scores, judged) for score in one)
    return {
        "prediction": _array(predictions, answer_type),
        "score": _array(scores, pa.list_(pa.float64()) if lists else pa.float64()),
    }


def _asked(parts: Sequence[Answered], counts: Sequence[int], name: str) -> list[Any]:
    return [
        v for (_, asked), n in zip(parts, counts, strict=True) for v in asked.get(name, [None] * n)
    ]


def _computed(parts: Sequence[Answered], counts: Sequence[int], name: str) -> list[Any]:
    return [
        v
        for (answer, _), n in zip(parts, counts, strict=True)
        for v in (answer["features"] or {}).get(name, [None] * n)
    ]


def _array(values: Sequence[Any], kind: Any) -> Any:
    """Return values as an array of a type, as texts where they do not fit."""
    import pyarrow as pa

    try:
        return pa.array(values, kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        pass  # a label of another kind, say: kept as text
    return pa.array([_text(value) for value in values], pa.string())


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, default=str)


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


def _input_type(kind: str) -> Any:
    import pyarrow as pa

    known = {"int": pa.int64(), "float": pa.float64(), "bool": pa.bool_()}
    return known.get(kind, pa.string())


def sampled(table: Any, share: float) -> Any:
    """Return the rows of a table that are in the sample; rows of files are all kept."""
    import pyarrow as pa

    if share >= 1.0:
        return table
    pairs = zip(table["request_id"].to_pylist(), table["source"].to_pylist(), strict=True)
    return table.filter(pa.array([s not in SAMPLED or is_kept(i, share) for i, s in pairs]))


def by_day(table: Any) -> Iterator[tuple[str, Any]]:
    """Yield the UTC days of a table's rows, each with its rows."""
    import pyarrow as pa
    import pyarrow.compute as pc

    days = table["time"].cast(pa.timestamp("us")).cast(pa.date32())
    found = sorted(days.unique().to_pylist())
    for day in found:
        rows = table if len(found) == 1 else table.filter(pc.equal(days, pa.scalar(day)))
        yield day.isoformat(), rows


def day_of(time: float) -> str:
    """Return the UTC day of a time, s since 1970.

    >>> day_of(0.0), day_of(86399.9)
    ('1970-01-01', '1970-01-01')
    """
    return datetime.fromtimestamp(time, UTC).date().isoformat()


def combined(tables: Sequence[Any]) -> Any:
    """Return tables as one; a column whose types do not fit together becomes text."""
    import pyarrow as pa

    for some in (tables, [_without_empty_types(table) for table in tables]):
        try:
            return pa.concat_tables(some, promote_options="permissive")
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            continue
    clashing = {name for name in _names(tables) if not _fit(tables, name)}
    texts = [_as_texts(table, clashing) for table in tables]
    return pa.concat_tables(texts, promote_options="permissive")


def _names(tables: Iterable[Any]) -> list[str]:
    return list(dict.fromkeys(name for table in tables for name in table.column_names))


def _without_empty_types(table: Any) -> Any:
    """Return a table whose columns without a value have no type, so that any other fits."""
    import pyarrow as pa

    for place, name in enumerate(table.column_names):
        if len(table) and table[name].null_count == len(table):
            table = table.set_column(place, name, pa.nulls(len(table)))
    return table


def _fit(tables: Sequence[Any], name: str) -> bool:
    import pyarrow as pa

    schemas = [pa.schema([t.schema.field(name)]) for t in tables if name in t.column_names]
    try:
        pa.unify_schemas(schemas, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return False
    return True


def _as_texts(table: Any, names: Iterable[str]) -> Any:
    import pyarrow as pa

    for name in names:
        if name in table.column_names and not pa.types.is_null(table[name].type):
            texts = pa.array([_text(value) for value in table[name].to_pylist()], pa.string())
            table = table.set_column(table.column_names.index(name), name, texts)
    return table


def without_repeats(table: Any) -> Any:
    """Return a table in the order of time, with the first row of each request id and source."""
    import numpy as np

    ordered = table.sort_by([("time", "ascending")])
    keys = zip(*(ordered[name].to_pylist() for name in KEY), strict=True)
    first: dict[tuple[str, ...], int] = {}
    for place, key in enumerate(keys):
        first.setdefault(key, place)
    if len(first) == len(ordered):
        return ordered
    return ordered.take(np.fromiter(first.values(), dtype=np.int64))
