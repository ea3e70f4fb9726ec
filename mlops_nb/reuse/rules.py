"""The options that limit what a run may reuse."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The options that limit reuse in a run.

    fresh:     reuse nothing
    within:    id of the run whose records may be reused although `fresh` is set
    only:      run this step; leave out steps that it does not need
    steps:     run these steps and the ones that they need; leave out the others
    start:     reuse nothing from this step on
    audit:     share of the reusable steps to run as well and compare, 0 to 1
    snapshots: reuse data loaded from outside for as long as the step's mark allows
    live:      reuse records of a live notebook, whose outputs were not stored
    proof:     reuse only snapshots of data loaded from outside
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
