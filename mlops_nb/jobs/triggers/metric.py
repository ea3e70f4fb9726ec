"""The metric trigger: fires when the champion scores worse than at its release."""

from collections.abc import Mapping
from typing import Any

from mlops_nb.jobs.triggers.base import Signal, View

DAY = 86_400.0  # s


class Metric:
    """`{metric: auc, fall: 0.05}`: the fall below the value at release, on current data."""

    cooldown = DAY

    def signal(self, spec: Mapping[str, Any], view: View) -> Signal | None:
        """Fire if the latest evaluation is more than `fall` below the value at release."""
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
