"""Follows a live notebook: records its cells, finds stale ones, and restores values."""

import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlops_nb.context import Context
from mlops_nb.errors import MlopsError, NotFound
from mlops_nb.events import StepRecorded
from mlops_nb.notebook import load
from mlops_nb.notebook.markers import frozen
from mlops_nb.notebook.model import Pipeline, Source, Value, Warned
from mlops_nb.probe.inspect.values import look
from mlops_nb.probe.observe.observer import Observer
from mlops_nb.probe.values import random_state, save_load
from mlops_nb.reuse import live_state
from mlops_nb.reuse import units as un
from mlops_nb.reuse.ledger import Ledger
from mlops_nb.reuse.rules import Rules
from mlops_nb.reuse.texts import meaning
from mlops_nb.reuse.units import Unit
from mlops_nb.runs import run as run_run
from mlops_nb.runs import tracking
from mlops_nb.runs.history import read_run

STORING = 150e6  # bytes a second: about the speed of writing and syncing
WORTH = 0.5  # s: the values of faster steps are not stored


@dataclass(slots=True)
class Ran:
    """One cell that ran. `read`: name → version that it read; `left`: the version afterwards."""

    order: int
    id: str
    source: str
    seen: Mapping[str, Any]
    seconds: float
    read: dict[str, int]
    left: dict[str, int]
    files: dict[str, int] = field(default_factory=dict)
    makers: dict[str, str] = field(default_factory=dict)  # name → the cell that made it


class Session:
    """Follows a shell from `%load_ext mlops_nb` on."""

    def __init__(self, shell: Any, ctx: Context, path_of: Callable[[], str]) -> None:
        self.shell, self.ctx, self.path_of = shell, ctx, path_of
        self.observer = Observer(shell)
        self.observer.on_cell = self.saw
        self.cells: dict[str, Ran] = {}  # id, or text without one → the last run
        self.versions: dict[str, int] = {}
        self.maker: dict[str, str] = {}  # name → the cell that made it last
        self.prints: dict[str, bytes | None] = {}
        self.restored: set[str] = set()
        self.brought: dict[str, str] = {}  # name → the cell whose result a restore just bound
        self.began = 0.0
        self.order = 0
        self.storing: threading.Thread | None = None
        self.problems: list[str] = []
        self.recorded: dict[str, StepRecorded] = {}  # unit → its latest record of this kernel

    def install(self) -> None:
        """Start to follow the shell."""
        self.shell.events.register("pre_run_cell", self._begins)
        self.observer.install()

    def _begins(self, info: Any) -> None:
        try:
            tracking.before_cell(self.ctx, str(info.raw_cell or ""), Path.cwd(), os.environ)
        except MlopsError as error:
            self.problems.append(error.what)
        if self.storing is not None:
            self.storing.join()  # values may not change while they are written
            self.storing = None
        self.began = time.monotonic()

    def saw(self, seen: Mapping[str, Any]) -> None:
        """Add the observed reads and changes of a cell that ran."""
        seconds = time.monotonic() - self.began
        self.order += 1
        key = str(seen.get("id") or meaning(str(seen.get("source", ""))))
        read = {n: self.versions.get(n, 0) for n in seen.get("reads", ())}
        makers = {n: self.maker[n] for n in read if n in self.maker}
        for name in (*seen.get("writes", ()), *seen.get("changes", ())):
            self.maker[name] = self.brought.get(name, key)
            now = self.observer.memory.prints.get(name)
            if now is None or now != self.prints.get(name):  # the same value again is no change
                self.versions[name] = self.order
            self.prints[name] = now
        for name in seen.get("deletes", ()):
            self.prints.pop(name, None)  # it may keep a list alive
        self.brought.clear()
        left = {n: self.versions.get(n, 0) for n in read}
        files = {p: _stamp(p) for p in seen.get("files_read", ())}
        self.cells[key] = Ran(
            self.order, key, str(seen.get("source", "")), seen, seconds, read, left, files, makers
        )
        self.restored.discard(key)
        if not seen.get("failed") and "lost" not in seen:
            self.storing = threading.Thread(target=self._record, args=(key,), daemon=True)
            self.storing.start()

    # status

    def source(self) -> Source:
        """Read the saved notebook. Raises Refused if its path is not known."""
        return load.capture(Path(self.path_of()))

    def ran(self, source: Source, index: int) -> Ran | None:
        """Return the last run of a cell of the notebook in this kernel."""
        cell = source.notebook.cells[index]
        return self.cells.get(cell.id) or self.cells.get(meaning(cell.source))

    def status(self) -> list[dict[str, str]]:
        """Return each step with fresh, stale or never run, and why."""
        source = self.source()
        stale: dict[int, str] = {}
        for cell in source.pipeline.cells:
            if why := self._stale(source, cell.index, stale):
                stale[cell.index] = why
        rows = []
        for step in source.pipeline.steps:
            reasons = [stale[index] for index in step.cells if index in stale]
            never = [why for why in reasons if why.startswith("never")]
            state = (
                "never run" if len(never) == len(step.cells) else "stale" if reasons else "fresh"
            )
            because = reasons[0] if reasons else ""
            rows.append({"step": step.name, "status": state, "because": because})
        return rows

    def _stale(self, source: Source, index: int, stale: Mapping[int, str]) -> str:
        cell = source.notebook.cells[index]
        if source.pipeline.cells[index].kind in {"empty", "scratch"}:
            return ""
        if cell.id in self.restored:
            return ""
        ran = self.ran(source, index)
        if ran is None:
            return f"never run: {cell.label} has not run in this kernel"
        if meaning(ran.source) != meaning(cell.source):
            return f"{self.label(source, index)} was edited since it ran"
        if why := self._inputs(ran, self.label(source, index)):
            return why
        for upstream in source.pipeline.cells[index].depends_on:
            if upstream in stale:
                step = source.pipeline.cells[upstream].step
                name = f"`{step}`" if step else self.label(source, upstream)
                return f"{name} is not fresh"
        return ""

    def label(self, source: Source, index: int) -> str:
        """Return the name of a cell to the user: by its last run in this kernel, if it ran."""
        ran = self.ran(source, index)
        count = None if ran is None else ran.seen.get("typed")
        return source.notebook.cells[index].label if count is None else f"In [{count}]"

    def _inputs(self, ran: Ran, cell: str) -> str:
        for name, version in ran.read.items():
            if self.versions.get(name, 0) not in {version, ran.left.get(name)}:
                return f"`{name}` was set again since {cell} read it"
        for path, stamp in ran.files.items():
            if _stamp(path) != stamp:
                return f"file {os.path.basename(path)!r} changed since {cell} read it"
        return ""

    def hazards(self) -> list[Warned]:
        """Return warnings for results that depend on the order in which cells were run."""
        source = self.source()
        place = {c.id: c.index for c in source.notebook.cells}
        place |= {meaning(c.source): c.index for c in source.notebook.cells}
        found = []
        for cell in source.notebook.cells:
            ran, here = self.ran(source, cell.index), self.label(source, cell.index)
            for name in () if ran is None else ran.read:
                maker = self.maker.get(name, "")
                if maker and maker not in place:
                    what = f"{here} reads `{name}`, whose cell is no longer there"
                    fix = f"put a cell that makes `{name}` above {here}"
                    found.append(
                        Warned(kind="deleted-cell", what=what, fix=fix, cell=cell.index, stops=True)
                    )
                elif maker and place[maker] > cell.index:
                    below = self.label(source, place[maker])
                    what = f"{here} read `{name}` of {below}, which is below it"
                    fix = f"move {below} above {here}, and run both again"
                    found.append(Warned(kind="out-of-order", what=what, fix=fix, cell=cell.index))
        return found

    # storing

    def records(self) -> list[StepRecorded]:
        """Return the latest record of each unit that ran in this kernel."""
        if self.storing is not None:
            self.storing.join()
        return list(self.recorded.values())

    def _record(self, key: str) -> None:
        """Record the unit that ends with a cell, in the background."""
        try:
            self._record_unit(key)
        except (MlopsError, OSError) as error:
            self.problems.append(str(error))

    def _record_unit(self, key: str) -> None:
        source = self.source()
        found = [c.index for c in source.notebook.cells if key in {c.id, meaning(c.source)}]
        unit = next(
            (
                u
                for u in un.units(source.notebook, source.pipeline)
                if found and found[0] in u.cells
            ),
            None,
        )
        if unit is None or not unit.step or found[0] != _last_step_cell(source.pipeline, unit):
            return
        ran = [self.ran(source, i) for i in unit.cells]
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
        self._write(source, unit, done)

    def _write(self, source: Source, unit: Unit, done: list[Ran]) -> None:
        scratch = self.ctx.scratch("session")
        try:
            ledger = self._ledger(source, scratch)
            for reader, ran in zip(unit.cells, done, strict=True):
                ledger.saw(reader, ran.seen)
            end = unit.cells[-1]
            made = {
                n for r in done for n in (*r.seen.get("writes", ()), *r.seen.get("changes", ()))
            }
            live_state.know(ledger, unit, ledger.touched(end)["names"], made)
            seen = json.loads(look(json.dumps({"names": list(ledger.made(end))})))
            seconds = sum(r.seconds for r in done)
            folder = str(scratch) if self._is_worth(ledger.made(end), seconds) else ""
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
            self.recorded[unit.name] = event
            self.ctx.record([event])
        finally:
            self.ctx.drop(scratch)

    def _is_worth(self, names: Iterable[str], seconds: float) -> bool:
        """Return whether values took longer to compute than they take to write."""
        space = self.shell.user_ns
        size = sum(_size(space[n]) for n in names if n in space)
        return seconds >= max(WORTH, size / STORING)

    def _ledger(self, source: Source, scratch: Path) -> Ledger:
        space = self.shell.user_ns
        now: dict[str, Value] = {
            p.name: space.get(p.name, p.value) for p in source.pipeline.parameters
        }
        python = self.ctx.environments.interpreter(source.notebook.kernel)
        return run_run.ledger_of(
            self.ctx, source, now, rules=Rules(live=True), scratch=scratch, python=python
        )

    # restoring

    def restore(self, step: str = "") -> list[dict[str, Any]]:
        """Restore up-to-date values in a new kernel; return a row for each step."""
        source = self.source()
        known = [s.name for s in source.pipeline.steps]
        if step and step not in known:
            raise NotFound(f"there is no step {step!r}", fix=f"the steps are {', '.join(known)}")
        ledger = self._ledger(source, Path())  # it only reads
        ledger.parameters = {p.name: p.value for p in source.pipeline.parameters}
        self._run_set_up(source)
        return [
            self._back(ledger, source, unit)
            for unit in ledger.units
            if unit.step and (not step or unit.step == step)
        ]

    def restore_run(self, run: str) -> list[dict[str, Any]]:
        """Restore the values of a recorded run, even if the notebook has changed since.

        Raises NotFound if there is no such run, or if its notebook was removed.
        """
        done = read_run(self.ctx.journal, run)
        source = load.capture(Path(done.output))
        self._run_set_up(source, all_of_it=True)
        self.shell.user_ns.update(done.parameters)
        records = run_run.records_behind(self.ctx, done)
        return [
            self._bring(source, unit, records.get(unit.name), f"as run {run} left it")
            for unit in un.units(source.notebook, source.pipeline)
            if unit.step
        ]

    def _run_set_up(self, source: Source, *, all_of_it: bool = False) -> None:
        for cell in source.pipeline.cells:
            wanted = cell.kind in {"setup", "parameters"}
            if wanted and (all_of_it or self.ran(source, cell.index) is None):
                self._run(source, cell.index)

    def _run(self, source: Source, index: int) -> None:
        cell = source.notebook.cells[index]
        self.shell.run_cell(frozen(cell.source), store_history=False, cell_id=cell.id)
        self.restored.add(cell.id)
        self.brought |= dict.fromkeys(source.pipeline.cells[index].writes, cell.id)

    def _back(self, ledger: Ledger, source: Source, unit: Unit) -> dict[str, Any]:
        records = ledger.records.get(unit.name, ())
        live_state.know(ledger, unit, {n for r in records for n in r.get("reads", ())})
        cached = ledger.cached(unit.cells[0], kernel=False)
        if cached is None:
            return self._bring(source, unit, None, ledger.because(unit.cells[0]))
        return self._bring(source, unit, ledger.answers[unit.name].record, cached.because)

    def _bring(
        self, source: Source, unit: Unit, record: Mapping[str, Any] | None, because: str
    ) -> dict[str, Any]:
        row: dict[str, Any] = {"step": unit.name, "restored": False, "saved": 0.0}
        if record is None:
            return row | {"because": because}
        texts, bound = _imports(source, unit)
        kept = bound.union(*(artifact["names"] for artifact in record["artifacts"]))
        if record["values"].keys() - kept:
            for cell in unit.cells:
                self._run(source, cell)
            return row | {"restored": True, "because": "it ran again, which took no longer"}
        failed = json.loads(random_state.define(json.dumps({"texts": texts})))
        entries = [
            {**a, "file": str(self.ctx.store.path(a["sha256"]))} for a in record["artifacts"]
        ]
        plain = [e for e in entries if not e["names"][0].startswith("rng:")]
        states = [e for e in entries if e["names"][0].startswith("rng:")]
        damaged = save_load.read(plain, self.shell.user_ns)["damaged"]
        random_state.load(json.dumps({"entries": states}))
        if failed["error"] or damaged:
            return row | {"because": failed["error"] or damaged[0]["why"]}
        for cell in unit.cells:
            self.restored.add(source.notebook.cells[cell].id)
            facts = source.pipeline.cells[cell]
            made = dict.fromkeys((*facts.writes, *facts.changes), source.notebook.cells[cell].id)
            self.brought |= made
        return row | {"restored": True, "saved": record["seconds"], "because": because}


def _imports(source: Source, unit: Unit) -> tuple[list[str], frozenset[str]]:
    found = [un.imports(source.notebook.cells[i].source) for i in unit.cells]
    return [text for text, _ in found if text], frozenset().union(*(names for _, names in found))


def _last_step_cell(pipeline: Pipeline, unit: Unit) -> int:
    return max(i for i in unit.cells if pipeline.cells[i].kind == "step")


def _stamp(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0


def _size(value: Any) -> int:
    for ask in ("nbytes", "memory_usage"):
        found = getattr(value, ask, None)
        if isinstance(found, int):
            return found
        if callable(found):
            size = found(deep=False)
            return int(size.sum()) if hasattr(size, "sum") else int(size)
    return 0
