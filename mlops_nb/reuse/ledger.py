"""Decides, unit by unit, what a run of a notebook reuses, and records what ran."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from mlops_nb.engine.task import CachedUnit, Restore
from mlops_nb.errors import MlopsError
from mlops_nb.events import StepRecorded
from mlops_nb.notebook.model import Source, Value
from mlops_nb.reuse import decide
from mlops_nb.reuse import units as un
from mlops_nb.reuse.external_inputs import SECRET, UNTRACKED, Outside
from mlops_nb.reuse.inputs import Inputs
from mlops_nb.reuse.record import record_of, stored
from mlops_nb.reuse.rules import Rules
from mlops_nb.reuse.state import State
from mlops_nb.reuse.units import Unit
from mlops_nb.storage.ports import Store

WORD = re.compile(r"[A-Za-z_]\w*")
SHORTEST = 6  # characters: a shorter secret would match too much
MOST_RECORDS = 12  # records of one unit that are checked


@dataclass(kw_only=True)
class Ledger:
    """The records that one run may reuse, and makes; it implements `engine.task.Reuse`.

    notebook:    the name that the records are stored under
    records:     unit → its records, newest first
    folder:      where an executor writes values before they are stored
    environment: digest of the interpreter and its packages
    variables:   the environment variables that cells see
    parameters:  every parameter's value
    chance:      draws a number of [0, 1)
    warn:        takes the error if a unit could not be stored
    """

    source: Source
    notebook: str
    records: Mapping[str, Sequence[decide.Record]]
    store: Store
    folder: Path
    environment: str
    variables: Mapping[str, str]
    parameters: Mapping[str, Value]
    at: datetime
    rules: Rules
    chance: Callable[[], float]
    warn: Callable[[MlopsError], None]

    def __post_init__(self) -> None:
        self.units = un.units(self.source.pipeline)
        self.of_cell = {i: unit for unit in self.units for i in unit.cells}
        self.outside = Outside(self.source.path.parent, self.variables)
        self.banned: set[str] = set()  # artifacts that turned out to be damaged
        self.hidden = tuple(
            v for n, v in self.variables.items() if SECRET.search(n) and len(v) >= SHORTEST
        )
        self.needed = self._needed()
        self.reset()

    def _needed(self) -> set[int]:
        """Return the first cell of each unit that the run needs: all, or those of some steps."""
        steps = self.rules.steps or (self.rules.only,)
        if steps == ("",):
            return {unit.cells[0] for unit in self.units}
        pipeline = self.source.pipeline
        queue = [cell for step in steps for cell in pipeline.step(step).cells]
        found: set[int] = set()
        while queue:
            cell = queue.pop()
            unit = self.of_cell.get(cell)
            members = unit.cells if unit else (cell,)
            if found.isdisjoint(members):
                found |= set(members)
                queue += [d for m in members for d in pipeline.cells[m].depends_on]
        return {unit.cells[0] for unit in self.units if unit.cells[0] in found}

    def reset(self) -> None:
        """Start over with a new kernel."""
        self.state = State()
        self.answers: dict[str, decide.Answer] = {}
        self.seen: dict[str, list[Mapping[str, Any]]] = {}
        self.audited: dict[str, decide.Record] = {}
        self.modules: set[str] = set()  # local files that were imported so far

    # deciding

    def cached(self, cell: int, *, kernel: bool = True) -> CachedUnit | None:
        """Return the cached result of a cell's unit, None if the cell must run.

        kernel: other cells run in a kernel, so that values must be restored into it
        """
        unit = self.of_cell.get(cell)
        if unit is None:
            return None
        if unit.cells[0] not in self.needed:
            return CachedUnit(
                unit=unit.name,
                step=unit.step,
                because="",
                last=False,
                saved=0.0,
                values={},
                outputs=[],
                left_out=True,
            )
        if unit.name not in self.answers:
            self.answers[unit.name] = self._decide(unit, kernel=kernel)
            if self.answers[unit.name].up_to_date:
                self._apply(unit, self.answers[unit.name].record, restored=kernel)
        answer = self.answers[unit.name]
        if not answer.up_to_date:
            return None
        return CachedUnit(
            unit=unit.name,
            step=unit.step,
            because=answer.because,
            last=cell == unit.cells[-1],
            saved=float(answer.record["seconds"]),
            values=answer.record["values"],
            outputs=self._outputs(answer.record, unit.cells.index(cell)),
        )

    def because(self, cell: int) -> str:
        """Return why the unit of a cell must run."""
        unit = self.of_cell.get(cell)
        return self.answers[unit.name].because if unit and unit.name in self.answers else ""

    def _decide(self, unit: Unit, *, kernel: bool) -> decide.Answer:
        records = [r for r in self.records.get(unit.name, ()) if self._whole(r)]
        forced = self._forced(unit, known=bool(records))
        if forced:
            return decide.Answer(up_to_date=False, because=f"`{unit.name}` must run: {forced}")
        answer = decide.judge(unit.name, records[:MOST_RECORDS], self._now(unit))
        if not answer.up_to_date:
            return answer
        if self.rules.proof and not answer.record["external"]:
            because = f"`{unit.name}` must run: it loads nothing from outside"
            return decide.Answer(up_to_date=False, because=because)
        if kernel and (why := _cannot_come_back(answer.record)):
            return decide.Answer(up_to_date=False, because=f"`{unit.name}` must run: {why}")
        if unit.step and self.rules.audit and self.chance() < self.rules.audit:
            self.audited[unit.name] = answer.record
            because = f"`{unit.name}` runs to check its reuse: it is up to date"
            return decide.Answer(up_to_date=False, because=because)
        return answer

    def _forced(self, unit: Unit, *, known: bool) -> str:
        if self.rules.fresh and not (self.rules.within and known):
            return "a fresh run was asked for"
        if self.rules.proof and unit.snapshot is None:
            return "a proof runs every step"
        if not unit.reuse:
            return "it is marked `--no-reuse`"
        if self.rules.only and unit.step == self.rules.only:
            return "it was asked for"
        if self.rules.start:
            first = self.source.pipeline.step(self.rules.start).cells[0]
            if unit.cells[0] >= first:
                return f"everything from `{self.rules.start}` on was asked for"
        return ""

    def _whole(self, record: decide.Record) -> bool:
        if record.get("live") and not self.rules.live:
            return False
        if self.rules.within and record.get("run") != self.rules.within:
            return False
        return self.banned.isdisjoint(a["sha256"] for a in record["artifacts"])

    def _now(self, unit: Unit) -> decide.Now:
        source = self.source
        return decide.Now(
            code=lambda names: un.code(source.notebook, source.pipeline, unit, names),
            environment=self.environment,
            parameters=self.parameters,
            values=self.state.values,
            channels=self.state.channels,
            generators=self.state.generators,
            file=self.outside.file,
            folder=self.outside.folder,
            variable=self.outside.variable,
            at=self.at,
            snapshots=self.rules.snapshots,
        )

    # restoring

    def _apply(self, unit: Unit, record: decide.Record, *, restored: bool) -> None:
        state = self.state
        state.values |= {n: v["digest"] for n, v in record["values"].items()}
        state.channels |= dict.fromkeys(record["changed"], decide.token(record))
        state.generators |= record["drawn"]
        for name in record["deletes"]:
            state.values.pop(name, None)
            state.pending.pop(name, None)
        if not restored:
            return
        for cell in unit.cells:
            text, names = un.definitions(self.source.notebook.cells[cell].source)
            for name in names:
                state.pending.pop(name, None)
            state.defined |= dict.fromkeys(names, text)
        for artifact in record["artifacts"]:
            for name in artifact["names"]:
                if name.startswith("rng:"):
                    state.rng[name] = artifact
                else:
                    state.pending[name] = (record, artifact)
                    state.defined.pop(name, None)

    def restore(self, cell: int | None, *, names: Sequence[str] = ()) -> Restore:
        """Return what must be restored before a cell runs, or for some names.

        Only values that its text, or that of a set-up cell, can name are restored.
        """
        state = self.state
        wanted = {*state.pending, *state.defined} if "*" in names else set(names)
        if cell is not None and (state.pending or state.defined):
            facts = self.source.pipeline.cells[cell]
            texts = [self.source.notebook.cells[cell].source]
            texts += [
                self.source.notebook.cells[c.index].source
                for c in self.source.pipeline.cells
                if c.kind == "setup"
            ]
            unsure = facts.assumed or "%" in texts[0].replace("%mlops", "")
            named = {w for t in (*texts, *state.defined.values()) for w in _words(t)}
            wanted |= {*state.pending, *state.defined} if unsure else named
        defined = list(dict.fromkeys(t for n, t in state.defined.items() if n in wanted))
        groups: dict[str, dict[str, Any]] = {}
        for name in [n for n in state.pending if n in wanted]:
            _, artifact = state.pending.pop(name)
            entry = groups.setdefault(artifact["sha256"], {**artifact, "pick": []})
            entry["pick"].append(name)
        if groups:  # values may need classes that the notebook defines
            defined = list(dict.fromkeys(state.defined.values()))
        for name in [n for n, t in state.defined.items() if t in defined]:
            state.defined.pop(name)
        rng = list(state.rng.values()) if cell is not None else []
        if cell is not None:
            state.rng = {}
        found = [self.entry(e) for e in groups.values()]
        return Restore(definitions=defined, entries=found, generators=[self.entry(r) for r in rng])

    def entry(self, artifact: Mapping[str, Any]) -> dict[str, Any]:
        """Return an artifact with the file that holds it, verified. Raises NotFound."""
        return {**artifact, "file": str(self.store.path(artifact["sha256"]))}

    def reused_values(self) -> dict[str, list[dict[str, Any]]]:
        """Return step → the stored values of each step that was reused as a whole."""
        found: dict[str, list[dict[str, Any]]] = {}
        for unit in self.units:
            answer = self.answers.get(unit.name)
            if unit.step and answer is not None and answer.up_to_date:
                found.setdefault(unit.step, []).extend(
                    self.entry(a) for a in answer.record["artifacts"]
                )
        ran = {
            u.step
            for u in self.units
            if u.name not in self.answers or not self.answers[u.name].up_to_date
        }
        return {step: entries for step, entries in found.items() if step not in ran}

    def damaged(self, artifact: str) -> None:
        """Never use an artifact again; without one, reuse nothing."""
        self.banned.add(artifact)
        if not artifact:
            self.rules = replace(self.rules, fresh=True, within="")

    def _outputs(self, record: decide.Record, place: int) -> list[dict[str, Any]]:
        if not record["shown"]:
            return []
        shown = json.loads(self.store.path(record["shown"]).read_text(encoding="utf-8"))
        found: list[dict[str, Any]] = shown[place] if place < len(shown) else []
        return found

    # recording what ran

    def saw(self, cell: int, seen: Mapping[str, Any]) -> None:
        """Add the observed reads and changes of a cell that ran."""
        unit = self.of_cell.get(cell)
        self.modules |= set(seen.get("modules", ()))
        for name in (*seen.get("writes", ()), *seen.get("deletes", ())):
            self.state.pending.pop(name, None)
            self.state.defined.pop(name, None)
        if unit is not None:
            self.seen.setdefault(unit.name, []).append(seen)
        for channel in seen.get("channels_changed", ()):
            if not channel.startswith(UNTRACKED) and unit is None:
                self.state.channels[channel] = hashlib.sha256(seen["source"].encode()).hexdigest()

    def ends(self, cell: int) -> bool:
        """Return whether a unit that ran ends with this cell."""
        unit = self.of_cell.get(cell)
        passed_over = self.rules.proof and unit is not None and unit.snapshot is None
        return unit is not None and unit.cells[-1] == cell and not passed_over

    def cells(self, cell: int) -> tuple[int, ...]:
        """Return the cells of a cell's unit."""
        return self.of_cell[cell].cells

    def made(self, cell: int) -> tuple[str, ...]:
        """Return the names that the unit ending with this cell left behind."""
        unit = self.of_cell[cell]
        seen = self.seen.get(unit.name, [])
        gone = {n for s in seen for n in s.get("deletes", ())}
        return tuple(
            sorted({n for s in seen for n in (*s.get("writes", ()), *s.get("changes", ()))} - gone)
        )

    def kept(self, cell: int) -> tuple[str, ...]:
        """Return those that must be stored: not what imports and definitions bind again."""
        unit = self.of_cell[cell]
        bound: set[str] = set()
        for index in unit.cells:
            bound |= un.definitions(self.source.notebook.cells[index].source)[1]
        return tuple(n for n in self.made(cell) if n not in bound)

    def record(self, cell: int, ended: Mapping[str, Any]) -> StepRecorded:
        """Return the event that records the unit ending with this cell.

        ended: values, entries, outputs, seconds, generators before and after
        """
        unit = self.of_cell[cell]
        seen = self.seen.get(unit.name, [])
        shown = self.folder / f"outputs-{unit.cells[0]}.json"
        shown.write_text(json.dumps(ended["outputs"], ensure_ascii=False), encoding="utf-8")
        made, failed = stored(record_of(self._inputs(), unit, seen, ended), shown, self.store)
        if failed is not None:
            self.warn(failed)
        if self.rules.live:  # the outputs are in the notebook itself
            made["live"] = True
        self.state.values |= {n: v["digest"] for n, v in made["values"].items()}
        self.state.channels |= dict.fromkeys(made["changed"], decide.token(made))
        self.state.generators |= made["drawn"]
        for name in made["deletes"]:
            self.state.values.pop(name, None)
        return StepRecorded(step=unit.step, unit=unit.name, record=made)

    def _inputs(self) -> Inputs:
        return Inputs(
            source=self.source,
            notebook=self.notebook,
            at=self.at,
            environment=self.environment,
            parameters=self.parameters,
            outside=self.outside,
            values=self.state.values,
            channels=self.state.channels,
            generators=self.state.generators,
            modules=self.modules,
        )

    def differs(self, cell: int, values: Mapping[str, Any]) -> tuple[str, ...] | None:
        """Return the names with other values than recorded, None if the unit is not audited."""
        record = self.audited.get(self.of_cell[cell].name)
        if record is None:
            return None
        return tuple(
            n
            for n, v in record["values"].items()
            if n in values and values[n]["digest"] != v["digest"]
        )


@lru_cache(maxsize=4096)
def _words(text: str) -> frozenset[str]:
    return frozenset(WORD.findall(text))


def _cannot_come_back(record: decide.Record) -> str:
    if record["unstored"]:
        return f"`{record['unstored'][0]}` could not be kept"
    if record["changed"]:
        return f"it sets {record['changed'][0]}, which later cells may need"
    return ""
