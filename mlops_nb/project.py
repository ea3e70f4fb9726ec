"""Opens a folder as a project and wires adapters to verbs; one short method a verb."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlops_nb.errors import NotFound
from mlops_nb.events import RunFinished
from mlops_nb.model import Value
from mlops_nb.notebook import parameters as params
from mlops_nb.notebook import render
from mlops_nb.ports import Clock, Source
from mlops_nb.record import history
from mlops_nb.verbs import capture, run
from mlops_nb.workshop import Tell, Workshop, real_time, silence


class Project:
    """A folder with notebooks, and what was recorded of them."""

    def __init__(
        self,
        folder: Path,
        *,
        environment: Mapping[str, str] | None = None,
        clock: Clock = real_time,
    ) -> None:
        given = os.environ if environment is None else environment
        self.here = folder.resolve()
        self.workshop = Workshop(self.here, given, clock)

    # notebooks

    def capture(self, notebook: str | Path, content: Mapping[str, Any] | None = None) -> Source:
        """Read a notebook and its pipeline."""
        return capture.capture(self.here / notebook, content)

    def graph(
        self, notebook: str | Path, content: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return a notebook's pipeline as `graph --json` prints it.

        content: the notebook as it stands in an editor, where it is not the saved one
        """
        return render.as_json(self.capture(notebook, content).pipeline)

    def run(
        self,
        notebook: str | Path,
        parameters: Mapping[str, Value] | None = None,
        *,
        output: str | Path | None = None,
        timeout: float | None = None,
        tell: Tell = silence,
    ) -> history.Run:
        """Run a notebook in a clean kernel and record it.

        tell: is told of every event, after it was written

        Raises NotebookError or ParameterError before anything ran.
        """
        shop = self.workshop
        source = self.capture(notebook)
        given = params.checked(parameters or {}, source.pipeline.parameters, source.path.name)
        values = {p.name: p.value for p in source.pipeline.parameters} | given
        name = shop.new_run()
        target = self._output(output, name, source.path.name)
        if _logs_to_mlflow(source):
            shop.mirror.prepare()
        shop.write_graph(name, render.as_json(source.pipeline), render.as_mermaid(source.pipeline))
        task = run.task_of(
            source,
            run=name,
            folder=source.path.parent,
            output=target,
            parameters=given,
            environment=shop.kernel_environment(),
            timeout=timeout,
        )
        shown = shop.relative(source.path)
        events = run.run(
            task, executor=shop.executor, notebook=shown, values=values, process=shop.process()
        )
        try:
            shop.record(events, tell)
        except KeyboardInterrupt:
            events.close()
            stop = RunFinished(run=name, status="stopped", seconds=0.0, error="stopped by hand")
            shop.record([stop], tell)
        shop.mirror_now()
        return shop.run_of(name)

    def _output(self, output: str | Path | None, run_id: str, name: str) -> Path:
        if output is None:
            return self.workshop.run_folder(run_id) / name
        target = self.here / output
        if target.is_dir() or not target.parent.is_dir():
            raise NotFound(
                f"the output {str(output)!r} cannot be written: "
                + ("it is a folder" if target.is_dir() else "its folder does not exist"),
                fix="give the path of a file in a folder that exists",
            )
        return target

    def runs(self) -> list[history.Run]:
        """Return every run, oldest first."""
        shop = self.workshop
        shop.bury_dead_runs()
        return list(history.runs(shop.journal.read()).values()) if shop.knows_anything else []

    def show(self, run_id: str) -> history.Run:
        """Return one run. Raises NotFound where there is none."""
        found = [r for r in self.runs() if r.id == run_id]
        if not found:
            raise NotFound(f"there is no run {run_id!r}", fix="list them with: mlops-nb runs")
        return found[0]


def _logs_to_mlflow(source: Source) -> bool:
    return any("mlflow" in cell.source for cell in source.notebook.cells)


def open_project(folder: str | Path = ".") -> Project:
    """Open the project that a folder belongs to."""
    return Project(Path(folder))
