"""Executes a task and yields its events, those of its steps included."""

import time
from collections.abc import Generator, Iterable, Iterator, Mapping
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from mlops_nb.engine.runner import Died, Stopped, fix_of
from mlops_nb.engine.task import Executor, Limits, Reuse, Task
from mlops_nb.errors import MlopsError
from mlops_nb.events import (
    CellFailed,
    CellFinished,
    CellStarted,
    Event,
    RunFinished,
    RunStarted,
    StepFailed,
    StepFinished,
    StepReused,
    StepStarted,
)
from mlops_nb.notebook import cells
from mlops_nb.notebook.model import Pipeline, Source, Value

UNLIMITED = Limits()


class RunInfo(Struct, frozen=True, kw_only=True):
    """The identity of a run in its events.

    values: the value of every parameter, defaults included; None: those of the task
    sweep:  the sweep of which it is a point, or, if `shared`, whose shared steps it runs
    """

    notebook: str
    values: Mapping[str, Value] | None = None
    process: tuple[int, str] = (0, "")
    job: str = ""
    sweep: str = ""
    shared: bool = False


def run(
    task: Task, info: RunInfo, *, executor: Executor, reuse: Reuse | None = None
) -> Generator[Event, None, None]:
    """Execute a task and yield its events, from RunStarted to RunFinished.

    A failed cell, a dead kernel and an error of the executor all end in a RunFinished with the
    status `failed`. If the caller closes the generator, the executor is closed, too.
    """
    began = time.monotonic()
    yield _started(task, info)
    failure = fix = ""
    seen: set[type[Event]] = set()
    try:
        for event in with_step_events(executor.execute(task, reuse), task, reuse):
            seen.add(type(event))
            if isinstance(event, CellFailed):
                fix = fix or fix_of(event.error)
            if isinstance(event, StepFailed):
                failure = event.error
            elif isinstance(event, CellFailed) and not failure:  # a cell outside of all steps
                failure = f"{cell_name(task, event.cell)} failed: {event.error}"
            yield replace(event, job=info.job) if info.job else event
    except MlopsError as error:
        failure, fix = error.what, error.fix
    except Died as error:
        failure, fix = error.evalue, fix_of(error.message)
    except Stopped as error:
        failure = error.evalue
    except Exception as error:  # noqa: BLE001  any error ends the run
        failure = f"{type(error).__name__}: {error}"
    yield RunFinished(
        run=task.run,
        job=info.job,
        status="failed" if failure else "finished",
        seconds=round(time.monotonic() - began, 3),
        error=failure,
        fix=fix,
        stood=StepReused in seen and CellStarted not in seen,
    )


def cell_name(task: Task, cell: int) -> str:
    """Return how the user sees a cell of a task's notebook; -1 is the cell of parameters."""
    if cell < 0:
        return "the cell of parameters"
    return cells.read(task.document, task.source).cells[cell].label


def _started(task: Task, info: RunInfo) -> RunStarted:
    return RunStarted(
        run=task.run,
        job=info.job,
        notebook=info.notebook,
        output=str(task.output),
        process=info.process,
        parameters=dict(task.parameters if info.values is None else info.values),
        steps=tuple(task.steps),
        sweep=info.sweep,
        shared=info.shared,
    )


def with_step_events(
    events: Iterable[Event], task: Task, reuse: Reuse | None = None
) -> Iterator[Event]:
    """Yield cell events, and the step events that follow from them."""
    step_of = {cell: step for step, cells in task.steps.items() for cell in cells}
    left = {step: set(cells) for step, cells in task.steps.items()}
    spent = dict.fromkeys(task.steps, 0.0)
    started: set[str] = set()
    for event in events:
        if isinstance(event, StepReused):
            yield event
            left[event.step] -= set(event.cells)
            if event.step in started and not left[event.step]:  # its other cells have run
                yield _finished(task, event.step, spent, reuse)
            continue
        step = step_of.get(getattr(event, "cell", -1))
        if step is not None and isinstance(event, CellStarted) and step not in started:
            started.add(step)
            yield StepStarted(run=task.run, step=step)
        yield event
        if step is None or not isinstance(event, CellFinished | CellFailed):
            continue
        spent[step] += event.seconds
        if isinstance(event, CellFailed):
            yield StepFailed(
                run=task.run,
                step=step,
                seconds=round(spent[step], 3),
                error=f"step {step!r} failed in {cell_name(task, event.cell)}: {event.error}",
                cell=event.cell,
            )
        else:
            left[step].discard(event.cell)
            if not left[step]:
                yield _finished(task, step, spent, reuse)


def _finished(
    task: Task, step: str, spent: Mapping[str, float], reuse: Reuse | None
) -> StepFinished:
    because = "" if reuse is None else reuse.because(task.steps[step][0])
    return StepFinished(run=task.run, step=step, seconds=round(spent[step], 3), because=because)


def task_of(  # noqa: PLR0913  the fields of a task
    source: Source,
    *,
    run: str,
    folder: Path,
    output: Path,
    parameters: Mapping[str, Value],
    environment: Mapping[str, str],
    limits: Limits = UNLIMITED,
    scratch: Path | None = None,
) -> Task:
    """Return the task that runs a whole notebook and measures the values of each step."""
    pipeline = source.pipeline
    return Task(
        run=run,
        document=source.document,
        folder=folder,
        output=output,
        source=str(source.path),
        parameters=parameters,
        steps={step.name: step.cells for step in pipeline.steps},
        looks=looks(pipeline),
        metrics=pipeline.metrics,
        not_metrics=frozenset(p.name for p in pipeline.parameters),
        environment=environment,
        limits=limits,
        scratch=scratch,
    )


def looks(pipeline: Pipeline) -> dict[int, tuple[str, tuple[str, ...]]]:
    """Return the last cell of each step → the step, and the names that it makes."""
    return {step.cells[-1]: (step.name, step.makes) for step in pipeline.steps}
