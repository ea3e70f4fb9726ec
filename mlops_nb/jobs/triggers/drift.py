"""The drift trigger: fires when the values of the data differ from those at promotion."""

from collections.abc import Mapping
from typing import Any

from mlops_nb.jobs.triggers.base import Signal, View
from mlops_nb.jobs.triggers.metric import DAY

SHOWN = 3  # columns that a message names


class Drift:
    """`{drift: 0.2}`: the share of columns that drifted."""

    cooldown = DAY

    def signal(self, spec: Mapping[str, Any], view: View) -> Signal | None:
        """Fire if that share of columns has drifted in the latest evaluation.

        Data that a later run was trained on does not count.
        """
        if not view.evaluated or not view.evaluated[-1].drift:
            return None
        latest = view.evaluated[-1]
        moved = [column for column in latest.drift if column["drifted"]]
        share = len(moved) / len(latest.drift)
        if share < float(spec["drift"]):
            return None
        worst = sorted(moved, key=lambda column: -float(column["value"]))[:SHOWN]
        listed = ", ".join(f"{c['column']} ({c['statistic']} {c['value']:.3g})" for c in worst)
        because = f"the values of {len(moved)} of {len(latest.drift)} columns moved: {listed}"
        return Signal(because=because, seen={"evaluated": latest.id, "share": round(share, 4)})


SENSOR = Drift()
