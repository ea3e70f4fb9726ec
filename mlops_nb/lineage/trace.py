"""Collects the inputs and outputs of a run's steps from its events and the records it reused."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlops_nb.events import (
    Event,
    RunFinished,
    RunStarted,
    StepFinished,
    StepObserved,
    StepRecorded,
    StepReused,
    StepStarted,
)
from mlops_nb.notebook.model import Notebook, Pipeline
from mlops_nb.notebook.static_names import names
from mlops_nb.reuse import units as un

Seen = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One unit of a run, with its inputs and outputs.

    step:     its step, "" for a cell without one
    cells:    indexes of code cells; empty if the notebook was removed
    reused:   its cached result was reused; `because` is the reason why it was reused or ran
    reads:    name → digest of the value that it read, "" if that was not recorded
    values:   name → description of the value that it made, as in `StepObserved`
    record:   its record; empty without one, as in runs of jobs
    """

    unit: str
    step: str
    cells: tuple[int, ...] = ()
    reused: bool = False
    because: str = ""
    reads: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    values: Seen = field(default_factory=dict)
    record: Mapping[str, Any] = field(default_factory=dict)

    @property
    def files(self) -> Mapping[str, Mapping[str, Any]]:
        """Files that it read: path, from the notebook's folder → {"stat", "sha256"} or absent."""
        return {p: t for p, t in self.record.get("files", {}).items() if not t.get("absent")}

    @property
    def written(self) -> Mapping[str, Mapping[str, Any]]:
        """Files that it wrote."""
        return {p: t for p, t in self.record.get("written", {}).items() if not t.get("absent")}

    @property
    def modules(self) -> Mapping[str, Mapping[str, Any]]:
        """Files of local modules that were imported when it ran."""
        return {p: t for p, t in self.record.get("modules", {}).items() if not t.get("absent")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One run as a sequence of units, in the order of the notebook.

    notebook, pipeline: the executed notebook; None if it was removed
    """

    run: str
    source: str
    parameters: Mapping[str, Any]
    works: tuple[Work, ...]
    notebook: Notebook | None = None
    pipeline: Pipeline | None = None

    def maker(self, name: str, digest: str, before: int) -> int | None:
        """Return which earlier unit made the value that a unit read."""
        makers = [i for i, w in enumerate(self.works[:before]) if name in w.values]
        same = [i for i in makers if self.works[i].values[name].get("digest") == digest]
        return max(same or makers, default=None)


@dataclass(slots=True, kw_only=True)
class _Summary:
    """The events of a run, by step."""

    started: int = 0
    ended: float = float("inf")
    source: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    steps: list[str] = field(default_factory=list)
    observed: dict[str, dict[str, Any]] = field(default_factory=dict)
    reused: dict[str, str] = field(default_factory=dict)
    ran: dict[str, str] = field(default_factory=dict)


def trace(
    run: str,
    events: Iterable[Event],
    *,
    notebook: Notebook | None = None,
    pipeline: Pipeline | None = None,
) -> Trace:
    """Return the inputs and outputs of a run's units.

    events: its own, and every StepRecorded up to it, in the order they were written
    """
    kept = list(events)
    summary = _summary(run, kept)
    records = [
        e
        for e in kept
        if isinstance(e, StepRecorded)
        and e.record.get("notebook") == summary.source
        and e.id <= summary.ended
    ]
    return Trace(
        run=run,
        source=summary.source,
        parameters=summary.parameters,
        works=tuple(_works(run, summary, records, notebook, pipeline)),
        notebook=notebook,
        pipeline=pipeline,
    )


def _works(
    run: str,
    summary: _Summary,
    records: Sequence[StepRecorded],
    notebook: Notebook | None,
    pipeline: Pipeline | None,
) -> list[Work]:
    """Return the units of a run that ran or were reused, in notebook order."""
    works: list[Work] = []
    units = _units(summary, records, notebook, pipeline)
    parts = Counter(step for _, step, _ in units)
    for unit, step, cells in units:
        if step and step not in {*summary.ran, *summary.reused}:
            continue
        found = _record(unit, step, summary, records, run)
        if not step and not found:
            continue
        works.append(
            _work(
                unit,
                step,
                cells,
                summary=summary,
                record=found,
                pipeline=pipeline,
                works=works,
                several=parts[step] > 1,
            )
        )
    return works


def _summary(run: str, events: Iterable[Event]) -> _Summary:
    summary = _Summary()
    for event in events:
        if event.run != run:
            continue
        match event:
            case RunStarted():
                summary.started, summary.source = event.id, event.notebook
                summary.parameters, summary.steps = event.parameters, list(event.steps)
            case StepReused():
                summary.reused[event.step] = event.because
            case StepStarted():
                summary.ran.setdefault(event.step, "")
            case StepFinished():
                summary.ran[event.step] = event.because
            case StepObserved() if event.step:
                summary.observed.setdefault(event.step, {}).update(event.values)
            case RunFinished():
                summary.ended = event.id
            case _:
                pass
    return summary


def _units(
    summary: _Summary,
    records: Sequence[StepRecorded],
    notebook: Notebook | None,
    pipeline: Pipeline | None,
) -> list[tuple[str, str, tuple[int, ...]]]:
    """Return (unit, step, cells) in notebook order; without the notebook, as recorded."""
    if notebook is not None and pipeline is not None:
        return [(u.name, u.step, u.cells) for u in un.units(notebook, pipeline)]
    recorded = dict.fromkeys((e.unit, e.step) for e in records if e.id > summary.started and e.step)
    named = {step for _, step in recorded}
    found = [*recorded, *((step, step) for step in summary.steps if step not in named)]
    found.sort(key=lambda pair: summary.steps.index(pair[1]) if pair[1] in summary.steps else 0)
    return [(unit, step, ()) for unit, step in found]


def _record(
    unit: str, step: str, summary: _Summary, records: Sequence[StepRecorded], run: str
) -> Mapping[str, Any]:
    """Return the record that a unit wrote or reused: the newest with these values."""
    candidates = [e for e in reversed(records) if e.unit == unit and e.step == step]
    own = [e for e in candidates if e.run == run or (not e.run and e.id > summary.started)]
    earlier = candidates if step in summary.reused or not step else []
    fitting = [e.record for e in (*own, *earlier) if _fits(e.record, step, summary)]
    return fitting[0] if fitting else {}


def _fits(record: Mapping[str, Any], step: str, summary: _Summary) -> bool:
    for name, value in record["parameters"].items():
        if name not in summary.parameters or summary.parameters[name] != value:
            return False
    seen = summary.observed.get(step, {})
    if any(n in seen and seen[n].get("digest") != v["digest"] for n, v in record["values"].items()):
        return False
    everything = {(n, v.get("digest")) for o in summary.observed.values() for n, v in o.items()}
    known = {name for name, _ in everything}
    return all(n not in known or (n, d) in everything for n, d in record["inputs"].items())


def _work(  # noqa: PLR0913  the fields of a unit
    unit: str,
    step: str,
    cells: tuple[int, ...],
    *,
    summary: _Summary,
    record: Mapping[str, Any],
    pipeline: Pipeline | None,
    works: Sequence[Work],
    several: bool,
) -> Work:
    seen = summary.observed.get(step, {}) if step else {}
    values = {**record.get("values", {}), **({} if several and record else seen)}
    if record:
        reads, parameters = dict(record["inputs"]), dict(record["parameters"])
    else:
        reads, parameters = _by_text(step, summary, pipeline, works)
    return Work(
        unit=unit,
        step=step,
        cells=cells,
        reused=step in summary.reused and step not in summary.ran,
        because=summary.ran.get(step) or summary.reused.get(step, ""),
        reads=reads,
        parameters=parameters,
        values=values,
        record=record,
    )


def _by_text(
    step: str, summary: _Summary, pipeline: Pipeline | None, works: Sequence[Work]
) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the names that a step reads by its text, with their latest digests."""
    known = next((s for s in pipeline.steps if s.name == step), None) if pipeline else None
    if known is None:
        return {}, {}
    made = {n: str(v.get("digest", "")) for w in works for n, v in w.values.items()}
    reads = {n: made[n] for n in known.uses if n in made}
    return reads, {n: summary.parameters[n] for n in known.parameters if n in summary.parameters}


def imports(notebook: Notebook) -> dict[str, str]:
    """Return every name that a notebook binds by an import → its dotted path."""
    found: dict[str, str] = {}
    for cell in notebook.cells:
        found |= names(cell.source).imports
    return found


def frames(works: Iterable[Work]) -> dict[tuple[str, str], Mapping[str, Any]]:
    """Return (name, digest) → description, for every frame that a unit made."""
    return {(n, str(v["digest"])): v for w in works for n, v in w.values.items() if "schema" in v}
