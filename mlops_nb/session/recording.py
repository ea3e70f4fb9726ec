"""Records the results of a live notebook's steps, so that runs and other kernels can reuse them."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mlops_nb.notebook.model import Pipeline, Source, Value
from mlops_nb.probe.inspect.values import look
from mlops_nb.probe.values import random_state
from mlops_nb.reuse import live_state
from mlops_nb.reuse import units as un
from mlops_nb.reuse.ledger import Ledger
from mlops_nb.reuse.rules import Rules
from mlops_nb.reuse.texts import meaning
from mlops_nb.reuse.units import Unit
from mlops_nb.runs import run as run_run
from mlops_nb.session.cells import Ran
from mlops_nb.session.opened import OpenNotebook

STORING = 150e6  # bytes a second: about the speed of writing and syncing
WORTH = 0.5  # s: the values of faster steps are not stored


def record(session: OpenNotebook, key: str) -> None:
    """Record the unit that ends with a cell, if all of its cells ran in order as they stand."""
    source = session.source()
    found = [c.index for c in source.notebook.cells if key in {c.id, meaning(c.source)}]
    unit = next(
        (u for u in un.units(source.notebook, source.pipeline) if found and found[0] in u.cells),
        None,
    )
    if unit is None or not unit.step or found[0] != _last_step_cell(source.pipeline, unit):
        return
    ran = [session.live.ran(source, i) for i in unit.cells]
    done = [r for r in ran if r is not None]
    current = all(
        meaning(r.source) == meaning(source.notebook.cells[i].source)
        for i, r in zip(unit.cells, ran, strict=True)
        if r is not None
    )
    if (
        len(done) != len(ran)
        or not current
        or [r.order for r in done] != sorted(r.order for r in done)
    ):
        return
    _write(session, source, unit, done)


def _write(session: OpenNotebook, source: Source, unit: Unit, done: list[Ran]) -> None:
    scratch = session.ctx.scratch("session")
    try:
        ledger = ledger_of(session, source, scratch)
        for reader, ran in zip(unit.cells, done, strict=True):
            ledger.saw(reader, ran.seen)
        end = unit.cells[-1]
        made = {n for r in done for n in (*r.seen.get("writes", ()), *r.seen.get("changes", ()))}
        live_state.know(ledger, unit, ledger.touched(end)["names"], made)
        seen = json.loads(look(json.dumps({"names": list(ledger.made(end))})))
        seconds = sum(r.seconds for r in done)
        folder = str(scratch) if _is_worth(session, ledger.made(end), seconds) else ""
        event = ledger.record(
            end,
            {
                "values": seen,
                "groups": live_state.groups_of(ledger.touched(end), folder),
                "entries": [],
                "outputs": [[] for _ in unit.cells],
                "generators": json.loads(random_state.states()),
                "seconds": round(seconds, 3),
            },
        )
        session.recorded[unit.name] = event
        session.ctx.record([event])
    finally:
        session.ctx.drop(scratch)


def _is_worth(session: OpenNotebook, names: Iterable[str], seconds: float) -> bool:
    """Return whether values took longer to compute than they take to write."""
    space = session.shell.user_ns
    size = sum(_size(space[n]) for n in names if n in space)
    return seconds >= max(WORTH, size / STORING)


def ledger_of(session: OpenNotebook, source: Source, scratch: Path) -> Ledger:
    """Return the ledger of what a kernel holds now."""
    space = session.shell.user_ns
    now: dict[str, Value] = {p.name: space.get(p.name, p.value) for p in source.pipeline.parameters}
    python = session.ctx.environments.interpreter(source.notebook.kernel)
    return run_run.ledger_of(
        session.ctx, source, now, rules=Rules(live=True), scratch=scratch, python=python
    )


def _last_step_cell(pipeline: Pipeline, unit: Unit) -> int:
    return max(i for i in unit.cells if pipeline.cells[i].kind == "step")


def _size(value: Any) -> int:
    for ask in ("nbytes", "memory_usage"):
        found = getattr(value, ask, None)
        if isinstance(found, int):
            return found
        if callable(found):
            size = found(deep=False)
            return int(size.sum()) if hasattr(size, "sum") else int(size)
    return 0
