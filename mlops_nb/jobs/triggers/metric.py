"""The metric trigger: fires when the champion scores worse than at its release."""

from collections.abc import Mapping
from typing import Any

from mlops_nb.jobs.triggers.base import Signal, View

DAY = 86_400.0  # s
RANKS = {"auc": "brier"}  # metric of ranks → the loss whose rise is watched in its place


class Metric:
    """`{metric: auc, fall: 0.05}`: the fall below the value at release.

    Of the live model it is known when labels come; on current data, when the champion is evaluated.
    """

    cooldown = DAY

    def signal(self, spec: Mapping[str, Any], view: View) -> Signal | None:
        """Fire if the live metric does harm, or the latest evaluation is more than `fall` below."""
        if view.champion is None:
            return None
        return _live(spec, view, view.champion[0]) or _evaluated(spec, view)


def _live(spec: Mapping[str, Any], view: View, version: int) -> Signal | None:
    """Return the signal of a live model that does harm, unless another mend cures it."""
    watched = view.watched
    if watched is None or watched.version != version:
        return None
    if watched.mend.get("kind") not in {None, "retrain"}:
        return None
    name = spec["metric"]
    for one in watched.signals:
        if one["kind"] == "harm" and one["name"] in {name, RANKS.get(name)}:
            seen = {"watched": watched.id, "metric": one["name"], "value": one["value"]}
            return Signal(because=str(one["what"]), seen=seen)
    return None


def _evaluated(spec: Mapping[str, Any], view: View) -> Signal | None:
    if view.champion is None or not view.evaluated:
        return None
    version, released = view.champion
    latest = view.evaluated[-1]
    name, fall = spec["metric"], float(spec["fall"])
    then, now = released.get(name), latest.metrics.get(name)
    if latest.version != version or then is None or now is None or not now < then - fall:
        return None
    because = (
        f"{name} of version {version} fell to {now:.4g}, more than {fall:g} below "
        f"{then:.4g} at its release"
    )
    return Signal(because=because, seen={"evaluated": latest.id, "metric": name, "value": now})


SENSOR = Metric()
