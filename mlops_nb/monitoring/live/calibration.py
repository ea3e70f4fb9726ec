"""Widens the thresholds of movement so that the reference's own days do not pass them.

Runs of whole days are left out of the reference, one after the other, and compared with the rest
of it, two weeks apart: as many days as are watched, at most a week, and from the same weekday on if
they are no whole week. The threshold is a distance that one more such run passes with a small
probability. It holds for the rows of these runs; the part that chance has in it is replaced by that
of the rows that are watched.
"""

import math
from collections.abc import Callable, Sequence
from datetime import date
from functools import cached_property
from typing import Any

from msgspec import Struct

from mlops_nb.monitoring.live.sums import ColumnCounts

LEAST_DAYS = 28  # of a reference, whose days are compared
LEAST_RUNS = 8  # that fit into the reference beside each other
LEAST_STARTS = 8  # of the same weekday
WEEK = 7  # days
APART = 14  # days beside a run that are left out as well: what is watched comes later, too
LEAST_APART = 6  # of a reference, the part that these days are at most
WINDOWS = 13  # of a week, in a quarter
FALSE_ALARMS = 0.1  # columns that pass by chance in a quarter, of all columns of a model

Distance = Callable[[Any, Any], Any]  # (runs, parts) counts that were left out, the rest → (runs,)


class OwnDays(Struct, frozen=True, kw_only=True, dict=True):
    """The days of a column at the evaluation, and what they are compared with.

    first:   the first day that is watched
    watched: days that are watched
    columns: columns that are watched together
    """

    days: Sequence[str]
    counts: Sequence[ColumnCounts]
    first: str
    watched: int
    columns: int

    @cached_property
    def length(self) -> int:
        """How many days a run has that is left out."""
        return max(1, min(self.watched, WEEK, len(self.days) // LEAST_RUNS))

    @cached_property
    def starts(self) -> Any:
        """The places at which runs start that are left out."""
        import numpy as np

        every = range(len(self.days) - self.length + 1)
        if self.length % WEEK == 0:
            return np.array(every)
        weekday = date.fromisoformat(self.first).weekday()
        same = [at for at in every if date.fromisoformat(self.days[at]).weekday() == weekday]
        return np.array(same if len(same) >= LEAST_STARTS else every)

    @property
    def apart(self) -> int:
        """How many days beside a run are no part of the rest."""
        return min(APART, len(self.days) // LEAST_APART)

    @property
    def independent(self) -> float:
        """How many of the runs do not overlap."""
        return min(len(self.starts), len(self.days) / self.length)

    def threshold(self, parts: Any, distance: Distance, *, by_chance: float, noise: float) -> float:
        """Return a threshold for the distance of the days that are watched.

        parts:     (days, parts) rows of each day; the distance is of shares of their sums
        by_chance: the threshold for independent rows, with the noise of what is watched
        noise:     1 / n + 1 / m of the n rows that are watched and the m of the reference
        """
        import numpy as np

        sums = np.concatenate([np.zeros((1, parts.shape[1])), np.cumsum(parts, axis=0)])
        left_out = sums[self.starts + self.length] - sums[self.starts]
        first = np.maximum(self.starts - self.apart, 0)
        last = np.minimum(self.starts + self.length + self.apart, len(self.days))
        rest = sums[-1] - (sums[last] - sums[first])
        rows, others = left_out.sum(axis=1), rest.sum(axis=1)
        known = (rows > 0) & (others > 0)
        if known.sum() < LEAST_STARTS:
            return by_chance
        rows, others = rows[known], others[known]
        found = distance(left_out[known], rest[known])
        bound = max(float(found.max()), self._bound(found, rows))
        own = float(np.mean(1 / rows + 1 / others))
        return math.sqrt(by_chance**2 * (1 + max(0.0, (bound / by_chance) ** 2 - own / noise)))

    def _bound(self, found: Any, rows: Any) -> float:
        """Return what one more distance passes with a small probability: a prediction bound.

        The logits of the distances are taken as normal.
        """
        import numpy as np
        from scipy.special import stdtrit

        share = (found * rows + 0.5) / (rows + 1)
        logits = np.log(share / (1 - share))
        number = max(2.0, self.independent)
        quantile = stdtrit(number - 1, 1 - FALSE_ALARMS / (WINDOWS * self.columns))
        spread = float(logits.std(ddof=1)) * math.sqrt(1 + 1 / number)
        return 1 / (1 + math.exp(-(float(logits.mean()) + float(quantile) * spread)))


def of_bins(counts: Sequence[ColumnCounts]) -> Any:
    """Return the rows of each bin on each day."""
    import numpy as np

    return np.array([day.bins for day in counts], float)


def of_categories(counts: Sequence[ColumnCounts], own: Sequence[str]) -> Any:
    """Return the rows of each category on each day, and of all others together."""
    import numpy as np

    found = np.array([[day.categories.get(name, 0) for name in own] for day in counts], float)
    known = np.array([day.rows - day.missing for day in counts], float)
    return np.column_stack([found, known - found.sum(axis=1)])


def of_missing(counts: Sequence[ColumnCounts]) -> Any:
    """Return the missing and the other values of each day."""
    import numpy as np

    return np.array([[day.missing, day.rows - day.missing] for day in counts], float)


def ks(left_out: Any, rest: Any) -> Any:
    """Return the largest difference of the shares of values up to a bin."""
    import numpy as np

    return np.abs(np.cumsum(_shares(left_out) - _shares(rest), axis=1)).max(axis=1)


def tv(left_out: Any, rest: Any) -> Any:
    """Return the total variation distance."""
    import numpy as np

    return np.abs(_shares(left_out) - _shares(rest)).sum(axis=1) / 2


def unseen(left_out: Any, rest: Any) -> Any:
    """Return the share of rows in parts that the rest does not have."""
    return (left_out * (rest == 0)).sum(axis=1) / left_out.sum(axis=1)


def _shares(rows: Any) -> Any:
    return rows / rows.sum(axis=1, keepdims=True)
