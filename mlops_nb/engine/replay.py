"""Executes a notebook that is up to date as a whole: no kernel is started."""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from mlops_nb import files
from mlops_nb.engine import data_check
from mlops_nb.engine.task import CachedUnit, Reuse, Task
from mlops_nb.events import ChampionScored, Event, Measured, ModelKept, StepObserved, StepReused
from mlops_nb.notebook import document
from mlops_nb.notebook import parameters as params
from mlops_nb.notebook.cells import is_injected
from mlops_nb.notebook.model import Source


class Champion(Struct, frozen=True, kw_only=True):
    """The version of a model that is released: its digest, and its artifact in the store."""

    version: int
    digest: str
    artifact: str


class Replay:
    """Fills a notebook with cached outputs.

    champion: of the model that the run makes
    """

    def __init__(self, source: Source, reuse: Reuse, champion: Champion | None = None) -> None:
        self.source, self.reuse, self.champion = source, reuse, champion

    def reuses(self) -> bool:
        """Return whether every cell is up to date, but for set-up that holds no state."""
        self.found: dict[int, CachedUnit] = {}
        for cell in self.reuse.of_cell:
            cached = self.reuse.cached(cell, kernel=False)
            if cached is None:
                return False
            self.found[cell] = cached
        return bool(self.found)

    def suffices(self, task: Task) -> bool:
        """Return whether a run of a job needs no kernel.

        Its model must be the champion, which need not be stored or scored again; its data must
        have been checked under the same schema.
        """
        values: dict[str, dict[str, Mapping[str, Any]]] = {}
        for cached in self.found.values():
            values.setdefault(cached.step, {}).update(cached.values)
        digest = self.champion.digest if self.champion else ""
        for variable, (step, _) in task.keep.items():
            found = values.get(step, {}).get(variable, {}).get("digest")
            if found in {None, "unknown"} or found != digest:
                return False
        return not task.evaluation and data_check.passed(task.schema, values)

    def execute(self, task: Task, _: Reuse | None = None) -> Iterator[Event]:
        """Yield the events of the reused steps, and write the notebook."""
        cells: list[int] = []
        metrics = _constants(self.source)
        slices: dict[str, Any] = {}
        for index, cached in sorted(self.found.items()):
            cells.append(index)
            if not cached.last:
                continue
            for name, value in cached.values.items():
                metrics.pop(name, None)
                if "number" in value:
                    metrics[name] = value["number"]
                if "slices" in value:
                    slices[name] = value["slices"]
            if cached.step:
                yield StepReused(
                    run=task.run,
                    step=cached.step,
                    because=cached.because,
                    saved=cached.saved,
                    cells=tuple(cells),
                )
                yield StepObserved(run=task.run, step=cached.step, values=cached.values)
            cells = []
        self._write(task)
        named = {
            n: v
            for n, v in metrics.items()
            if (n in task.metrics if task.metrics else n not in task.not_metrics)
        }
        kept = {n: v for n, v in slices.items() if n.partition("_by_")[0] in named}
        yield from self._champion(task, named, kept)
        yield Measured(run=task.run, metrics=named, slices=kept)

    def _champion(
        self, task: Task, metrics: Mapping[str, float], slices: Mapping[str, Any]
    ) -> Iterator[Event]:
        """Yield that the model was made, and how the champion did: both are one model."""
        known = self.champion
        if known is None:
            return
        for variable, (step, _) in task.keep.items():
            units = [unit for unit in self.found.values() if unit.step == step]
            made = {name: value for unit in units for name, value in unit.values.items()}
            yield ModelKept(
                run=task.run,
                variable=variable,
                digest=known.digest,
                artifact=known.artifact,
                type=str(made[variable].get("type", "")),
            )
        if task.rescore is not None:
            yield ChampionScored(
                run=task.run, version=known.version, metrics=metrics, slices=slices
            )

    def _write(self, task: Task) -> None:
        made = document.ready(task.document)
        document.inject(made, task.parameters)
        paths = {"input_path": task.source, "output_path": str(task.output)}
        made["metadata"]["papermill"] |= {**paths, "exception": None}
        index = -1
        for cell in made["cells"]:
            if cell["cell_type"] != "code" or is_injected(cell):
                continue
            index += 1
            cached = self.found.get(index)
            cell["outputs"] = list(cached.outputs) if cached else []
            if cached:
                cell["metadata"]["mlops_nb"] = {"reused": cached.because}
        files.write_text(task.output, document.written(made))


def _constants(source: Source) -> dict[str, float]:
    """Return the numbers that set-up cells bind, which every run ends with."""
    found: dict[str, float] = {}
    for cell in source.pipeline.cells:
        if cell.kind == "setup":
            for known in params.parameters(source.notebook.cells[cell.index].source):
                if type(known.value) in (int, float) and not known.name.startswith("_"):
                    found[known.name] = float(known.value)
    return found
