"""A challenger: a version that waits for approval, and answers some requests, or beside all."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from mlops_nb.serving.batches import ServingVersion
from mlops_nb.serving.rows import RowReader
from mlops_nb.serving.settings import place

POWER, CONFIDENCE = 0.8416, 1.96  # quantiles of the normal distribution: 80 % and 95 %, two-sided
DIFFERENCES = (0.05, 0.02, 0.01)  # of accuracy; `outlook` says when each shows


class Traffic(Struct, frozen=True, kw_only=True):
    """What a challenger gets.

    share:  of the entities, 0 to 1, whose requests it answers: a canary
    shadow: it answers the others as well, and the answers are logged and not returned
    entity: the column that names the entity; None: each request by its id
    """

    share: float = 0.0
    shadow: bool = False
    entity: str | None = None


class Challenger(Struct, frozen=True, kw_only=True):
    """A version that answers beside the champion, and what it gets."""

    version: ServingVersion
    reader: RowReader
    traffic: Traffic

    def takes(self, rows: Sequence[Mapping[str, Any]], ids: Sequence[str]) -> bool:
        """Return whether the challenger answers a request: all of its entities are in its share."""
        if not self.traffic.share or not rows:
            return False
        entity = self.traffic.entity
        names = ids if entity is None else [row.get(entity) for row in rows]
        salt = f"{self.version.package.model} {self.version.package.version}"
        return all(place(salt, name) < self.traffic.share for name in names)


def days_to_see(difference: float, rows_a_day: float, share: float, base: float) -> float:
    """Return the days after which a difference of accuracy is seen, with 80 % power at 95 %.

    share: of the rows that the challenger answers
    base:  the accuracy of the champion

    Source: the sample size for two independent shares.

    >>> round(days_to_see(0.02, 1000, 0.05, 0.8), 1), days_to_see(0.02, 0, 0.05, 0.8)
    (66.1, inf)
    """
    if not rows_a_day or not 0 < share < 1:
        return math.inf
    spread = base * (1 - base) * (1 / share + 1 / (1 - share))
    return ((CONFIDENCE + POWER) / difference) ** 2 * spread / rows_a_day


def outlook(traffic: Traffic, rows_a_day: float, accuracy: float | None) -> str:
    """Return in words what a challenger gets, and after how many days a canary shows what.

    rows_a_day: that are answered in all
    accuracy:   of the champion at its release; None: the one with the widest spread
    """
    if not traffic.share:
        return "it answers beside the champion, for the log alone"
    head = f"it answers {traffic.share:.3g} of the requests"
    if not rows_a_day:
        return f"{head}; how soon a difference shows is not known, as the log has no rows yet"
    base = 0.5 if accuracy is None else accuracy
    days = [
        f"{difference:g} after {days_to_see(difference, rows_a_day, traffic.share, base):,.1f} days"
        for difference in DIFFERENCES
    ]
    told = ", ".join(days)
    return (
        f"{head}; at {rows_a_day:,.0f} rows a day, and with a label for each, a difference of "
        f"accuracy shows: {told} (80 % power)"
    )
