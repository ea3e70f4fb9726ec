"""An executor in this process, without a kernel and without isolation, for tests."""

import time
import traceback
from collections.abc import Iterator
from typing import Any

from mlops_nb.engine.task import Reuse, Task
from mlops_nb.events import CellFailed, CellFinished, CellStarted, Event, Measured, StepObserved
from mlops_nb.notebook import cells
from mlops_nb.probe.fingerprint.digest import digest_or_unknown


class MemoryExecutor:
    """Executes cells with `exec`, one namespace a task; the last one stays readable."""

    def __init__(self) -> None:
        self.namespace: dict[str, Any] = {}

    def execute(self, task: Task, _: Reuse | None = None) -> Iterator[Event]:
        """Yield the events of a notebook while it runs."""
        self.namespace = space = {"__name__": "__main__"}
        notebook = cells.read(task.document, task.source)
        for cell in notebook.cells:
            yield CellStarted(run=task.run, cell=cell.index)
            began = time.perf_counter()
            try:
                exec(cells.python_of(cell.source), space)  # noqa: S102  what an executor is for
                if "parameters" in cell.tags:
                    space.update(task.parameters)
            except Exception as error:  # noqa: BLE001  the notebook's own code
                yield CellFailed(
                    run=task.run,
                    cell=cell.index,
                    seconds=time.perf_counter() - began,
                    error=f"{type(error).__name__}: {error}",
                    traceback=traceback.format_exc(),
                )
                return
            seconds = time.perf_counter() - began
            yield CellFinished(run=task.run, cell=cell.index, seconds=seconds)
            if cell.index in task.looks:
                step, names = task.looks[cell.index]
                seen = {n: {"digest": digest_or_unknown(space.get(n))} for n in names}
                yield StepObserved(run=task.run, step=step, values=seen)
        yield Measured(run=task.run, metrics=_numbers(space, task))


def _numbers(space: dict[str, Any], task: Task) -> dict[str, float]:
    names = task.metrics or [n for n in space if not n.startswith("_")]
    return {
        n: float(space[n])
        for n in names
        if n not in task.not_metrics and isinstance(space.get(n), int | float)
    }
