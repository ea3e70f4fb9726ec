"""Decides, unit by unit, what a run of a notebook reuses, and records what ran."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from mlops_nb.engine.task import CachedUnit, Restore
from mlops_nb.errors import MlopsError
from mlops_nb.events import StepRecorded
from mlops_nb.notebook.model import Source, Value
from mlops_nb.reuse import decide, texts
from mlops_nb.reuse import units as un
from mlops_nb.reuse.external_inputs import SECRET, UNTRACKED, Outside
from mlops_nb.reuse.inputs import Inputs
from mlops_nb.reuse.record import VERSION, groups_of, record_of, stored
from mlops_nb.reuse.rules import Rules
from mlops_nb.reuse.setup import given, plain
from mlops_nb.reuse.state import EVERY, PACKAGE_STATE, State
from mlops_nb.reuse.units import Unit
from mlops_nb.storage.ports import Store

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
        notebook, pipeline = self.source.notebook, self.source.pipeline
        self.units = un.units(notebook, pipeline)
        self.stateless = plain(notebook, pipeline)
        self.any_name = any(texts.ANY_NAME.search(cell.source) for cell in notebook.cells)
        self.of_cell = dict(sorted((i, unit) for unit in self.units for i in unit.cells))
        self.outside = Outside(self.source.path.parent, self.variables)
        self.banned: set[str] = set()  # artifacts that turned out to be damaged
        self.hidden = tuple(
            v for n, v in self.variables.items() if SECRET.search(n) and len(v) >= SHORTEST
        )
        self.needed = un.needed(pipeline, self.units, self.rules)
        self.reset()

    def reset(self) -> None:
        """Start over with a new kernel."""
        self.state = State()
        self.passed = 0  # cells whose set-up is part of the state
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
            self.pass_setup(unit)
            self.answers[unit.name] = self._decide(unit, kernel=kernel)
            if self.answers[unit.name].up_to_date and not (unit.setup and kernel):
                self._apply(unit, self.answers[unit.name].record, waiting=kernel)
        answer = self.answers[unit.name]
        if not answer.up_to_date or (unit.setup and kernel):
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

    def pass_setup(self, unit: Unit) -> None:
        """Take the parameters and the stateless set-up above the end of a unit into the state."""
        cells = self.source.pipeline.cells[self.passed : unit.cells[-1]]
        self.passed = max(self.passed, unit.cells[-1])
        for cell in cells:
            if cell.kind != "parameters" and cell.index not in self.stateless:
                continue
            found = given(self.source.notebook, self.source.pipeline, cell, self.parameters)
            self.state.put(found, (), waiting=False)

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
        if record.get("version") != VERSION:
            return False
        return self.banned.isdisjoint(a["sha256"] for a in record["artifacts"])

    def _now(self, unit: Unit) -> decide.Now:
        source = self.source
        return decide.Now(
            code=lambda names: un.code(
                source.notebook, source.pipeline, unit, names, self.stateless
            ),
            environment=self.environment,
            parameters=self.parameters,
            reads=self.state.digests,
            channels=self.state.channels,
            generators=self.state.generators,
            file=self.outside.file,
            folder=self.outside.folder,
            variable=self.outside.variable,
            at=self.at,
            snapshots=self.rules.snapshots,
        )

    # restoring

    def _apply(self, unit: Unit, record: decide.Record, *, waiting: bool) -> None:
        """Take what a unit left into the state; `waiting`: it is not in the kernel."""
        state = self.state
        self._note(record, waiting=waiting)
        if not waiting:
            return
        for cell in unit.cells:
            text, names = un.imports(self.source.notebook.cells[cell].source)
            state.imports |= dict.fromkeys(names, text)
        for artifact in record["artifacts"]:
            if artifact["names"][0].startswith("rng:"):
                state.rng[artifact["names"][0]] = artifact

    def _note(self, record: decide.Record, *, waiting: bool) -> None:
        state = self.state
        state.put(groups_of(record), record["deletes"], waiting=waiting)
        state.values |= {n: v["digest"] for n, v in record["values"].items()}
        self.state.set_channels(record["changed"], decide.token(record))
        state.generators |= record["drawn"]
        for name in record["deletes"]:
            state.values.pop(name, None)

    def restore(self, cell: int | None, *, names: Sequence[str] = ()) -> Restore:
        """Return what must be restored before a cell runs, or for some names; "*" means all.

        Before a cell, that is all that its text can reach.
        """
        state = self.state
        wanted: set[str] | None = None if "*" in names else state.reach(names)
        if cell is not None:
            if cell in self.stateless:
                wanted = set()
            else:
                text = self.source.notebook.cells[cell].source
                unsure = self.any_name or self.source.pipeline.cells[cell].assumed
                unsure = unsure or "%" in text.replace("%mlops", "")
                named = (*texts.WORD.findall(text), *self.source.pipeline.cells[cell].reads)
                wanted = None if unsure else state.reach(named)
        groups = list(state.take(wanted))
        entries = [self.entry(g.artifact) for g in groups if g.artifact is not None]
        lost = next((n for g in groups if g.artifact is None for n in g.names), "")
        imports = []
        if groups or (cell is not None and wanted != set()):
            imports = list(dict.fromkeys(state.imports.values()))
            state.imports = {}
        rng: list[Mapping[str, Any]] = []
        if cell is not None:
            rng, state.rng = list(state.rng.values()), {}
        return Restore(
            definitions=imports,
            entries=entries,
            generators=[self.entry(r) for r in rng],
            setup=state.given(),
            lost=lost,
        )

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
        if unit is not None:
            self.seen.setdefault(unit.name, []).append(seen)
        if unit is None:
            changed = [c for c in seen.get("channels_changed", ()) if not c.startswith(UNTRACKED)]
            changed += [PACKAGE_STATE] * bool(seen.get("sets_package"))
            self.state.set_channels(changed, _sha256(str(seen.get("source", ""))))

    def missed(self, seen: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the names that a cell read although they were not restored before it."""
        return tuple(sorted(self.state.waiting.intersection(seen.get("reads", ()))))

    def ends(self, cell: int) -> bool:
        """Return whether a unit that ran ends with this cell."""
        unit = self.of_cell.get(cell)
        if unit is None or unit.cells[-1] != cell:
            return False
        answer = self.answers.get(unit.name)
        if unit.setup and answer is not None and answer.up_to_date:  # it ran, as its record says
            self._note(answer.record, waiting=False)
            return False
        return not (self.rules.proof and unit.snapshot is None)

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

    def touched(self, cell: int) -> dict[str, Any]:
        """Return the names that the unit ending with this cell can have changed, for the probe.

        Return {"names", "groups", "setup", "known"}, as `probe.values.groups.make` takes them.
        """
        unit = self.of_cell[cell]
        roots = {
            n
            for s in self.seen.get(unit.name, [])
            for key in ("reads", "writes", "changes", "deletes")
            for n in s.get(key, ())
        }
        roots |= {n for i in unit.cells for n in self.source.pipeline.cells[i].reads}
        roots |= {EVERY} if any(s.get("reads_any") for s in self.seen.get(unit.name, [])) else set()
        return self.state.touched(roots, set(self.made(cell)))

    def record(self, cell: int, ended: Mapping[str, Any]) -> StepRecorded:
        """Return the event that records the unit ending with this cell.

        ended: values, entries, outputs, seconds, generators before and after
        """
        unit = self.of_cell[cell]
        seen = self.seen.get(unit.name, [])
        shown = self.folder / f"outputs-{unit.cells[0]}.json"
        shown.write_text(json.dumps(ended["outputs"], ensure_ascii=False), encoding="utf-8")
        ended = {**ended, "groups": self.state.changed(ended["groups"], self.made(cell))}
        made, failed = stored(record_of(self._inputs(), unit, seen, ended), shown, self.store)
        if failed is not None:
            self.warn(failed)
        if self.rules.live:  # the outputs are in the notebook itself
            made["live"] = True
        self._note(made, waiting=False)
        return StepRecorded(step=unit.step, unit=unit.name, record=made)

    def _inputs(self) -> Inputs:
        return Inputs(
            source=self.source,
            notebook=self.notebook,
            at=self.at,
            environment=self.environment,
            parameters=self.parameters,
            outside=self.outside,
            state=self.state,
            stateless=self.stateless,
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


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _cannot_come_back(record: decide.Record) -> str:
    if record["unstored"]:
        return f"`{record['unstored'][0]}` could not be kept"
    if record["changed"]:
        return f"it sets {record['changed'][0]}, which later cells may need"
    return ""
