"""What the evaluation of a version promised, as its package has it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlops_nb.evaluation.detector import Promise
from mlops_nb.models import package
from mlops_nb.monitoring.incidents.harm import LOSSES, as_loss


def promised(folder: Path, rows_a_day: float) -> dict[str, Promise]:
    """Return loss → what the evaluation of a package promised, nothing without an evaluation.

    rows_a_day: answers of the live model, by which an evaluation is worth so many days
    """
    try:
        about = json.loads((folder / package.ABOUT).read_bytes())
    except (OSError, ValueError):  # versions of before have no package
        return {}
    whole: Mapping[str, Any] = (about.get("evaluation") or {}).get("whole", {})
    found = {}
    rows = max((score["n"] or 0 for score in whole.values()), default=0)
    days = max(1.0, rows / rows_a_day) if rows_a_day else 1.0
    for metric, loss in LOSSES.items():
        score = whole.get(metric)
        if score and score["value"] is not None and score["n"]:
            value = as_loss(metric, score["value"])
            found[loss] = Promise(loss=value, rows=score["n"], days=days)
    return found
