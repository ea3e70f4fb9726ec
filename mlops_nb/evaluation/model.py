"""Gates and verdicts on them."""

from msgspec import Struct

CHAMPION, BEST, BASELINE = "champion", "best", "baseline"


class Gate(Struct, frozen=True, kw_only=True):
    """A sentence that a model must satisfy to be released.

    metric:  its left side
    op:      one of >=, >, <=, <, ==
    bound:   a number, or the distance to what it is relative to
    anchor:  what the bound is relative to: the champion's value of the metric, that of the best
             release so far, that of a naive answer (baseline), or nothing
    by, gap: the metric's worst slice, or its widest difference between slices
    """

    text: str
    metric: str
    op: str
    bound: float
    anchor: str = ""
    by: str = ""
    gap: bool = False

    @property
    def champion(self) -> bool:
        """Whether the bound is relative to the champion."""
        return self.anchor == CHAMPION


class Verdict(Struct, frozen=True, kw_only=True):
    """The verdict of a gate on a value. `low` and `high`: its 95 % interval, of `n` rows."""

    gate: str
    passed: bool
    value: float | None
    champion: float | None = None
    because: str = ""
    low: float | None = None
    high: float | None = None
    n: int | None = None
