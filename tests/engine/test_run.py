"""The run verb on an executor in memory: events become steps, failures stay failures."""

from collections.abc import Iterator
from pathlib import Path

from mlops_nb.engine.in_process import MemoryExecutor
from mlops_nb.engine.run import RunInfo, run, task_of
from mlops_nb.engine.task import Task
from mlops_nb.errors import Unreachable
from mlops_nb.events import (
    CellStarted,
    Event,
    Measured,
    RunFinished,
    RunStarted,
    StepFailed,
    StepFinished,
    StepObserved,
    StepStarted,
)
from mlops_nb.notebook import cells, pipeline
from mlops_nb.notebook.model import Source


def source(*texts: str, **tags: list[str]) -> Source:
    raw = [{"cell_type": "code", "source": t, "metadata": {}} for t in texts]
    document = {"cells": raw, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    notebook = cells.read(document, "a.ipynb")
    return Source(
        path=Path("a.ipynb"),
        document=document,
        notebook=notebook,
        pipeline=pipeline.pipeline(notebook),
    )


def task(*texts: str) -> Task:
    return task_of(
        source(*texts),
        run="r1",
        folder=Path(),
        output=Path("out.ipynb"),
        parameters={},
        environment={},
    )


INFO = RunInfo(notebook="a.ipynb")


def events(*texts: str) -> list[Event]:
    return list(run(task(*texts), INFO, executor=MemoryExecutor()))


def kinds(found: list[Event], *wanted: type[Event]) -> list[tuple[str, str]]:
    return [(type(e).__name__, e.step) for e in found if isinstance(e, wanted)]


STEPS = (StepStarted, StepFinished, StepFailed)


def test_a_run_starts_first_and_finishes_last():
    found = events("# mlops: step a\nx = 1", "# mlops: step b\ny = x + 1")
    assert isinstance(found[0], RunStarted)
    assert found[0].steps == ("a", "b")
    assert isinstance(found[-1], RunFinished)
    assert found[-1].status == "finished"


def test_steps_start_and_finish_in_order_with_their_cells_between():
    found = events("# mlops: step a\nx = 1", "z = x", "# mlops: step b\ny = z")
    assert kinds(found, *STEPS) == [
        ("StepStarted", "a"),
        ("StepFinished", "a"),
        ("StepStarted", "b"),
        ("StepFinished", "b"),
    ]
    assert [e.cell for e in found if isinstance(e, CellStarted)] == [0, 1, 2]


def test_what_a_step_made_is_observed_and_numbers_are_measured():
    found = events("# mlops: step a\nx = 1.5")
    assert [list(e.values) for e in found if isinstance(e, StepObserved)] == [["x"]]
    assert next(e for e in found if isinstance(e, Measured)).metrics == {"x": 1.5}


def test_a_cell_that_raises_fails_its_step_and_the_run_and_nothing_after_it_runs():
    found = events("# mlops: step a\nx = 1", "# mlops: step b\n1 / 0", "# mlops: step c\ny = x")
    assert kinds(found, *STEPS)[-1] == ("StepFailed", "b")
    end = found[-1]
    assert isinstance(end, RunFinished)
    assert end.status == "failed"
    assert (
        end.error
        == "step 'b' failed in cell 2 (`# mlops: step b`): ZeroDivisionError: division by zero"
    )
    assert not any(isinstance(e, Measured) for e in found)


def test_a_failing_cell_of_no_step_fails_the_run_too():
    found = events("# mlops: step a\nx = 1", "print(nothing_like_it)")
    assert isinstance(found[-1], RunFinished)
    assert found[-1].status == "failed"
    assert "nothing_like_it" in found[-1].error


def test_an_executor_that_gives_up_is_a_failed_run():
    class GivesUp:
        def execute(self, task: Task, _: object = None) -> Iterator[Event]:
            yield CellStarted(run=task.run, cell=0)
            raise Unreachable("no kernel today", fix="come back tomorrow")

    found = list(run(task("# mlops: step a\nx = 1"), INFO, executor=GivesUp()))
    assert isinstance(found[-1], RunFinished)
    assert (found[-1].status, found[-1].error) == ("failed", "no kernel today")


def test_every_event_of_a_jobs_run_carries_the_job():
    info = RunInfo(notebook="a.ipynb", job="wine")
    found = list(run(task("# mlops: step a\nx = 1"), info, executor=MemoryExecutor()))
    assert {e.job for e in found} == {"wine"}
