"""Verbs on notebooks and their runs."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_nb import files
from mlops_nb.context import Notify, ignore
from mlops_nb.engine.task import Limits
from mlops_nb.notebook import load, render
from mlops_nb.notebook.model import Source, Value, Warned
from mlops_nb.project.base import OpenProject
from mlops_nb.reuse.rules import Rules
from mlops_nb.runs import history
from mlops_nb.runs import run as run_run
from mlops_nb.runs.history import read_run

if TYPE_CHECKING:
    from mlops_nb.events import StepRecorded
    from mlops_nb.lineage.graph import Graph
    from mlops_nb.runs.sweep_follower import SweepFollower
    from mlops_nb.runs.sweep_history import Sweep
    from mlops_nb.session.live import Session


class Notebooks(OpenProject):
    """Captures, runs and compares notebooks."""

    def capture(self, notebook: str | Path, content: Mapping[str, Any] | None = None) -> Source:
        """Read a notebook and its pipeline."""
        return load.capture(self.here / notebook, content)

    def graph(
        self, notebook: str | Path, content: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return a notebook's pipeline as `graph --json` prints it.

        content: the unsaved content of an editor
        """
        return render.as_json(self.capture(notebook, content).pipeline)

    def observed(self, notebook: str | Path) -> Source:
        """Run every cell of a notebook in a fresh kernel, past errors; return what was observed."""
        from mlops_nb.runs import observe

        return observe.observed(self.context, self.capture(notebook))

    def run(  # noqa: PLR0913  one parameter for each option
        self,
        notebook: str | Path,
        parameters: Mapping[str, Value] | None = None,
        *,
        output: str | Path | None = None,
        limits: Limits | None = None,
        rules: Rules | None = None,
        resume: str = "",
        kernel: str = "",
        notify: Notify = ignore,
    ) -> history.Run:
        """Run a notebook, reuse what is up to date, and return the run.

        limits: the engine, and how much time and memory the run may take
        rules:  what may be reused
        resume: the id of a run that did not finish, whose parameters are taken
        kernel: the kernel that runs it instead of the one that it names
        notify: called with every event after it was written to the journal

        Raises NotebookError or ParameterError before anything runs.
        """
        source = self.capture(notebook)
        if kernel:
            source = load.with_kernel(source, kernel)
        target = run_run.checked_output(self.here, output, source.path)
        options = run_run.RunOptions(
            output=target, limits=limits or Limits(), rules=rules or Rules(), resume=resume
        )
        done = run_run.run(self.context, source, parameters or {}, options, notify)
        if self._is_behind() and self._follow():
            return read_run(self.context.journal, done.id)
        return done

    def sweep(  # noqa: PLR0913  one parameter for each option
        self,
        notebook: str | Path,
        grid: Mapping[str, Sequence[Value]],
        parameters: Mapping[str, Value] | None = None,
        *,
        workers: int | None = None,
        on: str = "processes",
        best: str = "",
        resume: str = "",
        fresh: bool = False,
        watch: "Callable[[Sweep], None]" = lambda _: None,
    ) -> "Sweep":
        """Run a notebook at every point of a grid; return the sweep. See `runs.sweep.SweepOptions`.

        Raises Refused before anything runs.
        """
        from mlops_nb.runs import stop, sweep

        options = sweep.SweepOptions(workers=workers, on=on, best=best, resume=resume, fresh=fresh)
        source = self.capture(notebook)
        done = sweep.sweep(
            self.context, source, grid, parameters or {}, options=options, watch=watch
        )
        if self._follow():
            done.latest = stop.sweeps(self.context)[done.id].latest
        return done

    def follow_sweep(self, *, resumed: bool = False) -> "SweepFollower":
        """Follow a sweep that another process is about to begin. See `runs.sweep_follower`."""
        from mlops_nb.runs.sweep_follower import SweepFollower

        return SweepFollower(self.context, resumed=resumed)

    def keep(self, run: str, name: str, text: str) -> Path:
        """Write a text into the folder of a run or a sweep; return its file."""
        file = self.context.run_folder(run) / name
        files.write_text(file, text)
        return file

    def stop(self, name: str) -> "history.Run | Sweep":
        """Stop a run or a sweep and return how it ended.

        Raises Refused for one that has ended or runs on another machine.
        """
        from mlops_nb.runs import stop as run_stop

        return run_stop.stop(self.context, name)

    def check(self, notebook: str | Path, model: str | None = None) -> list[Warned]:
        """Return everything that would stop a promotion of a notebook, each with its fix.

        model: the variable to promote; None for the one that the notebook marks
        """
        from mlops_nb.runs import observe

        return observe.check(self.context, self.capture(notebook), model)

    def runs(self, count: int | None = None) -> list[history.Run]:
        """Return every run, oldest first, or only the `count` runs that began last."""
        from mlops_nb.runs import reap

        ctx = reap.reaped(self.context)
        if not ctx.knows_anything:
            return []
        if count is not None:
            return history.latest_runs(ctx.journal, count)[::-1]
        return list(history.runs(ctx.journal.read()).values())

    def show(self, run_id: str) -> history.Run:
        """Return one run. Raises NotFound if there is none."""
        from mlops_nb.lineage import queries
        from mlops_nb.runs import reap

        return queries.run_of(reap.reaped(self.context), run_id)

    def session(self, shell: Any, path_of: Callable[[], str]) -> "Session":
        """Follow a live notebook's shell. `path_of` returns the path of the saved notebook."""
        from mlops_nb.session.live import Session

        return Session(shell, self.context, path_of)

    def why(
        self, notebook: str | Path, step: str, parameters: Mapping[str, Value] | None = None
    ) -> dict[str, Any]:
        """Return what `why --json` prints: whether a step would run with parameters, and why."""
        return run_run.why(self.context, self.capture(notebook), step, parameters or {})

    def diff(self, before: str, after: str) -> dict[str, Any]:
        """Return what `diff --json` prints of two runs."""
        from mlops_nb.lineage import queries

        return queries.diff(self.context, before, after)

    def lineage(self, name: str, *, notebook: str = "", run: str = "") -> "tuple[str, str, Graph]":
        """Return a run, the node of a value that it made, and the graph of its ancestors."""
        from mlops_nb.lineage import queries

        of = self.context.relative(self.here / notebook) if notebook else ""
        return queries.behind(self.context, name, notebook=of, run=run)

    def live_lineage(
        self, source: Source, recorded: "Iterable[StepRecorded]", name: str
    ) -> "Graph":
        """Return the graph of the ancestors of a value of a live notebook."""
        from mlops_nb.lineage import queries

        return queries.in_session(self.context, source, recorded, name)
