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
        """Fire if that share of columns moved in the live model, or in the latest evaluation.

        Data that a later run was trained on does not count.
        """
        return _live(spec, view) or _evaluated(spec, view)


def _live(spec: Mapping[str, Any], view: View) -> Signal | None:
    """Return the signal of a live model whose columns moved, by its prediction log."""
    watched = view.watched
    if watched is None or view.champion is None or watched.version != view.champion[0]:
        return None
    moved = [str(one["what"]) for one in watched.signals if one["kind"] == "movement"]
    share = watched.moved / watched.compared if watched.compared else 0.0
    if not moved or share < float(spec["drift"]):
        return None
    because = (
        f"{watched.moved} of {watched.compared} columns of the live model moved: "
        f"{'; '.join(moved[:SHOWN])}"
    )
    return Signal(because=because, seen={"watched": watched.id, "share": round(share, 4)})


def _evaluated(spec: Mapping[str, Any], view: View) -> Signal | None:
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
