"""Restores the values of steps in a kernel: up-to-date ones, or those of a recorded run."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlops_nb.errors import NotFound
from mlops_nb.notebook import load
from mlops_nb.notebook.markers import frozen
from mlops_nb.notebook.model import Source
from mlops_nb.probe.values import random_state, save_load
from mlops_nb.reuse import live_state
from mlops_nb.reuse import units as un
from mlops_nb.reuse.ledger import Ledger
from mlops_nb.reuse.units import Unit
from mlops_nb.runs import run as run_run
from mlops_nb.runs.history import read_run
from mlops_nb.session import recording
from mlops_nb.session.opened import OpenNotebook


def restore(session: OpenNotebook, step: str = "") -> list[dict[str, Any]]:
    """Restore up-to-date values in a new kernel; return a row for each step."""
    source = session.source()
    known = [s.name for s in source.pipeline.steps]
    if step and step not in known:
        raise NotFound(f"there is no step {step!r}", fix=f"the steps are {', '.join(known)}")
    ledger = recording.ledger_of(session, source, Path())  # it only reads
    ledger.parameters = {p.name: p.value for p in source.pipeline.parameters}
    _run_set_up(session, source)
    return [
        _back(session, ledger, source, unit)
        for unit in ledger.units
        if unit.step and (not step or unit.step == step)
    ]


def restore_run(session: OpenNotebook, run: str) -> list[dict[str, Any]]:
    """Restore the values of a recorded run, even if the notebook has changed since.

    Raises NotFound if there is no such run, or if its notebook was removed.
    """
    done = read_run(session.ctx.journal, run)
    source = load.capture(Path(done.output))
    _run_set_up(session, source, all_of_it=True)
    session.shell.user_ns.update(done.parameters)
    records = run_run.records_behind(session.ctx, done)
    return [
        _bring(session, source, unit, records.get(unit.name), f"as run {run} left it")
        for unit in un.units(source.notebook, source.pipeline)
        if unit.step
    ]


def _run_set_up(session: OpenNotebook, source: Source, *, all_of_it: bool = False) -> None:
    for cell in source.pipeline.cells:
        wanted = cell.kind in {"setup", "parameters"}
        if wanted and (all_of_it or session.live.ran(source, cell.index) is None):
            _run(session, source, cell.index)


def _run(session: OpenNotebook, source: Source, index: int) -> None:
    cell = source.notebook.cells[index]
    session.shell.run_cell(frozen(cell.source), store_history=False, cell_id=cell.id)
    session.live.restored.add(cell.id)
    session.live.brought |= dict.fromkeys(source.pipeline.cells[index].writes, cell.id)


def _back(session: OpenNotebook, ledger: Ledger, source: Source, unit: Unit) -> dict[str, Any]:
    records = ledger.records.get(unit.name, ())
    live_state.know(ledger, unit, {n for r in records for n in r.get("reads", ())})
    cached = ledger.cached(unit.cells[0], kernel=False)
    if cached is None:
        return _bring(session, source, unit, None, ledger.because(unit.cells[0]))
    return _bring(session, source, unit, ledger.answers[unit.name].record, cached.because)


def _bring(
    session: OpenNotebook,
    source: Source,
    unit: Unit,
    record: Mapping[str, Any] | None,
    because: str,
) -> dict[str, Any]:
    row: dict[str, Any] = {"step": unit.name, "restored": False, "saved": 0.0}
    if record is None:
        return row | {"because": because}
    texts, bound = _imports(source, unit)
    kept = bound.union(*(artifact["names"] for artifact in record["artifacts"]))
    if record["values"].keys() - kept:
        for cell in unit.cells:
            _run(session, source, cell)
        return row | {"restored": True, "because": "it ran again, which took no longer"}
    failed = json.loads(random_state.define(json.dumps({"texts": texts})))
    entries = [{**a, "file": str(session.ctx.store.path(a["sha256"]))} for a in record["artifacts"]]
    plain = [e for e in entries if not e["names"][0].startswith("rng:")]
    states = [e for e in entries if e["names"][0].startswith("rng:")]
    damaged = save_load.read(plain, session.shell.user_ns)["damaged"]
    random_state.load(json.dumps({"entries": states}))
    if failed["error"] or damaged:
        return row | {"because": failed["error"] or damaged[0]["why"]}
    for cell in unit.cells:
        session.live.restored.add(source.notebook.cells[cell].id)
        facts = source.pipeline.cells[cell]
        made = dict.fromkeys((*facts.writes, *facts.changes), source.notebook.cells[cell].id)
        session.live.brought |= made
    return row | {"restored": True, "saved": record["seconds"], "because": because}


def _imports(source: Source, unit: Unit) -> tuple[list[str], frozenset[str]]:
    found = [un.imports(source.notebook.cells[i].source) for i in unit.cells]
    return [text for text, _ in found if text], frozenset().union(*(names for _, names in found))
