"""Drift: the values of the data are not what they were when the job was promoted."""

from collections.abc import Mapping
from typing import Any

from mlops_nb.jobs.triggers.base import Signal, View
from mlops_nb.jobs.triggers.metric import DAY

SHOWN = 3  # columns that are named, of many


class Drift:
    """`{drift: 0.2}`: the share of columns whose values moved."""

    cooldown = DAY

    def signal(self, spec: Mapping[str, Any], view: View) -> Signal | None:
        """Fire where the latest look at the data found so large a share of columns to have moved.

        What a run that was made since has learned from is no news any more.
        """
        if not view.evaluated or not view.evaluated[-1].drift:
            return None
        latest = view.evaluated[-1]
        moved = [column for column in latest.drift if column["drifted"]]
        share = len(moved) / len(latest.drift)
        if share < float(spec["drift"]):
            return None
        worst = sorted(moved, key=lambda column: -float(column["value"]))[:SHOWN]
        told = ", ".join(f"{c['column']} ({c['statistic']} {c['value']:.3g})" for c in worst)
        because = f"the values of {len(moved)} of {len(latest.drift)} columns moved: {told}"
        return Signal(because=because, seen={"evaluated": latest.id, "share": round(share, 4)})


SENSOR = Drift()
