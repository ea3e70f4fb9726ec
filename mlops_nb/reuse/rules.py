"""What a run may reuse."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a person asked of reuse.

    fresh:     nothing stands
    within:    the run whose records may stand in a fresh one all the same
    only:      the step that is to run; steps that it does not need are left out
    steps:     these, and what they need; the others are left out
    start:     the step from which on nothing stands
    audit:     share of the standing steps to run all the same and compare, 0 to 1
    snapshots: what was loaded from outside may stand for as long as its mark says
    live:      what a live notebook recorded may stand, whose outputs were not kept
    proof:     nothing stands but snapshots of what was loaded from outside
    """

    fresh: bool = False
    within: str = ""
    only: str = ""
    steps: tuple[str, ...] = ()
    start: str = ""
    audit: float = 0.0
    snapshots: bool = True
    live: bool = False
    proof: bool = False
