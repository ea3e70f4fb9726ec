"""How a job wants its model to be served: what is logged, and what a new version must keep to."""

from msgspec import Struct, field


class PredictionSettings(Struct, frozen=True, kw_only=True):
    """What is kept of the answers.

    entity: the column that names who or what a row is about; None: nothing does
    """

    entity: str | None = None


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
