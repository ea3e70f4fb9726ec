"""How a job wants its model to be served: what is logged, and what a new version must keep to."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from mlops_nb import config

KEEP = "180d"


class PredictionSettings(Struct, frozen=True, kw_only=True):
    """What a prediction log keeps of each answer.

    keep:    how long the days of the log stay, such as 180d
    sample:  the share of the requests that is logged, in (0, 1]
    drop:    columns that are never written
    hash:    columns that are written as pseudonyms
    subject: the column that names the person a row is about; it is written as a pseudonym
    entity:  the column by which rows are compared with the training data
    holdout: the share of the entities whose callers are asked to decide without the model
    """

    keep: str = KEEP
    sample: float = 1.0
    drop: tuple[str, ...] = ()
    hash: tuple[str, ...] = ()
    subject: str | None = None
    entity: str | None = None
    holdout: float = 0.0

    @property
    def beside(self) -> tuple[str, ...]:
        """The columns that callers may send although no model takes them."""
        return tuple(dict.fromkeys(n for n in (self.entity, self.subject) if n is not None))

    @property
    def kept(self) -> timedelta:
        """How long the days of the log stay. Raises Refused if `keep` is no length of time."""
        return config.span(self.keep, "predictions.keep")


class HoldOut(Struct, frozen=True, kw_only=True):
    """Entities whose callers are asked to decide without the model, chosen by chance.

    Labels that follow from the model's own answers cannot show where it is wrong; those of a random
    hold-out can.

    share:  of the entities; entity: the column that names one, None: each request by its id
    """

    model: str
    share: float = 0.0
    entity: str | None = None

    def of(self, names: Iterable[Any]) -> list[bool]:
        """Return which entities are held out: the same ones at every time and in every process.

        >>> sum(HoldOut(model="m", share=0.1).of(range(10_000))) // 100
        10
        """
        return [place(f"{self.model} hold-out", name) < self.share for name in names]

    def of_rows(self, columns: Mapping[str, Sequence[Any]], ids: Sequence[str]) -> list[bool]:
        """Return which rows are held out. columns: column → its values, as they are logged."""
        return self.of(ids if self.entity is None else columns.get(self.entity, [None] * len(ids)))


def place(salt: str, name: Any) -> float:
    """Return where a name lies from 0 to 1, the same at every time and in every process.

    >>> place("credit 3", "anna") == place("credit 3", "anna") != place("credit 4", "anna")
    True
    """
    digest = hashlib.blake2b(
        f"{salt} {name}".encode("utf-8", "surrogatepass"), digest_size=8
    ).digest()
    return int.from_bytes(digest) / 2**64


class RolloutLimits(Struct, frozen=True, kw_only=True):
    """What a new version must keep to, compared with the version that answers; None: no limit.

    latency: its median latency, as a multiple
    changed: share of the replayed rows whose prediction is another one
    """

    latency: float | None = None
    changed: float | None = None


Label = str | float | bool
LABEL_QUERY = "labels.source"


class LabelQuery(Struct, frozen=True, kw_only=True):
    """A query that returns labels, and the database that answers it.

    url: an address without a password, or where one comes from, as of a secret: env, file, command
    """

    sql: str
    url: str | dict[str, str]


class LabelSettings(Struct, frozen=True, kw_only=True):
    """Where the labels of a model come from, and when they are complete.

    source:  a glob of Parquet or CSV files, from the job's folder, or a query; None: by hand
    key:     the column with the ids of the requests
    column:  the column with the labels
    time:    the column that says when each label became known
    matures: how long after the end of a day its labels may come, such as 45d
    absent:  the label of a row that has none when its day has matured; None: unknown
    """

    source: str | LabelQuery | None = None
    key: str = "request_id"
    column: str = "label"
    time: str | None = None
    matures: str = "0d"
    absent: Label | None = None

    @property
    def wait(self) -> timedelta:
        """How long labels may come. Raises Refused if `matures` is no length of time."""
        return config.span(self.matures, "labels.matures")


class WatchSettings(Struct, frozen=True, kw_only=True):
    """When a model is watched, and whether a bad release is rolled back: off or auto."""

    cron: str = "0 * * * *"
    rollback: str = "off"


class ServingSettings(Struct, frozen=True, kw_only=True):
    """The settings of a job that concern serving."""

    predictions: PredictionSettings = field(default_factory=PredictionSettings)
    rollout: RolloutLimits = field(default_factory=RolloutLimits)
    labels: LabelSettings = field(default_factory=LabelSettings)
    watch: WatchSettings = field(default_factory=WatchSettings)


class ServingNotes(Struct, frozen=True, kw_only=True):
    """What to know of a model that is to be served, in words; "" of one that cannot be.

    callers: the columns that they must send, the first of many
    columns: all of them: kind → names
    log:     how large the prediction log becomes
    """

    callers: str = ""
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    log: str = ""


ReadSettings = Callable[[], PredictionSettings]


def of_definition(found: Mapping[str, Any]) -> PredictionSettings:
    """Return the settings that job.yaml's `predictions` gives, which its schema has checked.

    Raises Refused if `keep` is no length of time.

    >>> of_definition({"sample": 1, "drop": ["name"]}).drop
    ('name',)
    """
    made = PredictionSettings(
        keep=found.get("keep", KEEP),
        sample=float(found.get("sample", 1.0)),
        drop=tuple(found.get("drop") or ()),
        hash=tuple(found.get("hash") or ()),
        subject=found.get("subject"),
        entity=found.get("entity"),
        holdout=float(found.get("holdout") or 0.0),
    )
    _ = made.kept
    return made


def labels_of(found: Mapping[str, Any]) -> LabelSettings:
    """Return the settings that job.yaml's `labels` gives, which its schema has checked.

    Raises Refused if `matures` is no length of time, for a query that is no SELECT, and for an
    address with a password.

    >>> labels_of({"column": "paid", "matures": "45d"}).wait.days
    45
    """
    source = found.get("source")
    if isinstance(source, Mapping):
        source = _query_of(source)
    made = LabelSettings(**{**found, "source": source})
    _ = made.wait
    return made


def _query_of(found: Mapping[str, Any]) -> LabelQuery:
    from mlops_nb.storage import queries

    made = LabelQuery(**found)
    queries.refuse_writing(made.sql, LABEL_QUERY)
    if isinstance(made.url, str):
        queries.refuse_address(made.url, LABEL_QUERY)
    return made


def watch_of(found: Mapping[str, Any]) -> WatchSettings:
    """Return the settings that job.yaml's `watch` gives; YAML reads a bare `off` as false.

    >>> watch_of({"rollback": False}).rollback
    'off'
    """
    made = WatchSettings(**found)
    return replace(made, rollback=made.rollback or "off")


def definition(settings: PredictionSettings) -> dict[str, Any]:
    """Return settings as plain values, in the form of job.yaml.

    >>> of_definition(definition(PredictionSettings(sample=0.1))).sample
    0.1
    """
    return {
        "keep": settings.keep,
        "sample": settings.sample,
        "drop": list(settings.drop),
        "hash": list(settings.hash),
        "subject": settings.subject,
        "entity": settings.entity,
        "holdout": settings.holdout,
    }


def unknown_columns(settings: PredictionSettings, signature: Mapping[str, Any]) -> list[str]:
    """Return the names in `drop` and `hash` that are neither inputs nor computed features.

    The columns of `entity` and `subject` may be sent beside the inputs.

    >>> signature = {"columns": [{"name": "age"}], "features": ["old"]}
    >>> settings = PredictionSettings(drop=("old",), hash=("id", "x"), subject="id")
    >>> unknown_columns(settings, signature)
    ["hash: 'x'"]
    """
    known = {column["name"] for column in signature["columns"]}
    known |= {*signature["features"], *settings.beside}
    return [
        f"{key}: {name!r}"
        for key, names in (("drop", settings.drop), ("hash", settings.hash))
        for name in names
        if name not in known
    ]
