"""How a job wants its model to be served: what is logged, and what a new version must keep to."""

from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from typing import Any

from msgspec import Struct, field

from mlops_nb import config

KEEP = "180d"


class PredictionSettings(Struct, frozen=True, kw_only=True):
    """What a prediction log keeps of each answer.

    keep:    how long the days of the log stay, such as 180d
    sample:  the share of the requests that is logged, in (0, 1]
    drop:    columns that are never written
    hash:    columns that are written as pseudonyms
    subject: the input column that names the person a row is about; it is written as a pseudonym
    entity:  the input column by which rows are compared with the training data
    """

    keep: str = KEEP
    sample: float = 1.0
    drop: tuple[str, ...] = ()
    hash: tuple[str, ...] = ()
    subject: str | None = None
    entity: str | None = None

    @property
    def kept(self) -> timedelta:
        """How long the days of the log stay. Raises Refused if `keep` is no length of time."""
        return config.span(self.keep, "predictions.keep")


class RolloutLimits(Struct, frozen=True, kw_only=True):
    """What a new version must keep to, compared with the version that answers; None: no limit.

    latency: its median latency, as a multiple
    changed: share of the replayed rows whose prediction is another one
    """

    latency: float | None = None
    changed: float | None = None


class ServingSettings(Struct, frozen=True, kw_only=True):
    """The settings of a job that concern serving."""

    predictions: PredictionSettings = field(default_factory=PredictionSettings)
    rollout: RolloutLimits = field(default_factory=RolloutLimits)


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
    )
    _ = made.kept
    return made


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
    }


def unknown_columns(settings: PredictionSettings, signature: Mapping[str, Any]) -> list[str]:
    """Return the settings that name a column which a model's signature does not have.

    `drop` and `hash` may name a computed feature as well as an input.

    >>> signature = {"columns": [{"name": "age"}], "features": ["old"]}
    >>> unknown_columns(PredictionSettings(drop=("old",), subject="old"), signature)
    ["subject: 'old'"]
    """
    inputs = {column["name"] for column in signature["columns"]}
    both = inputs | set(signature["features"])
    named: tuple[tuple[str, Collection[str | None], set[str]], ...] = (
        ("drop", settings.drop, both),
        ("hash", settings.hash, both),
        ("subject", (settings.subject,), inputs),
        ("entity", (settings.entity,), inputs),
    )
    return [
        f"{key}: {name!r}"
        for key, names, known in named
        for name in names
        if name is not None and name not in known
    ]
