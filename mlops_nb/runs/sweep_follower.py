"""Follows a sweep of another process, by the events that it writes to the journal."""

from itertools import islice

from mlops_nb.context import Context
from mlops_nb.runs import process
from mlops_nb.runs.sweep_history import Fold, Sweep


class SweepFollower:
    """Follows the sweep of one process; each look reads only what is new in the journal.

    resumed: the sweep resumes another one, whose points count
    """

    def __init__(self, ctx: Context, *, resumed: bool = False) -> None:
        self.ctx, self.fold = ctx, Fold()
        self.last = 0  # event
        if not resumed and ctx.knows_anything:
            self.last = next((e.id for e in islice(ctx.journal.read_back(), 1)), 0)

    def look(self, pid: int) -> Sweep | None:
        """Return the sweep that a process of this machine leads, None before it has begun."""
        if not self.ctx.knows_anything:
            return None
        for event in self.ctx.journal.read(after=self.last):
            self.fold.take(event)
            self.last = event.id
        led = (s for s in self.fold.sweeps.values() if s.process[0] == pid)
        return next((s for s in led if process.is_here(s.process)), None)
