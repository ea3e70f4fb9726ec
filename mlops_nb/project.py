"""Opens a folder as a project and wires adapters to verbs; one short method a verb."""

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_nb import files
from mlops_nb.context import Context, Notify, ignore, real_time
from mlops_nb.engine.task import Clock, Limits, Source
from mlops_nb.errors import NotFound
from mlops_nb.events import JobPaused, JobUnpaused
from mlops_nb.notebook import load, render
from mlops_nb.notebook.model import Value, Warned
from mlops_nb.reuse.ledger import Rules
from mlops_nb.runs import history
from mlops_nb.runs import run as run_run

if TYPE_CHECKING:
    from mlops_nb.jobs.promote.promote import PromoteOptions
    from mlops_nb.jobs.promote.request import Request
    from mlops_nb.lineage.graph import Graph
    from mlops_nb.runs.sweep_history import Sweep
    from mlops_nb.session import Session

__all__ = ["Limits", "Project", "PromoteOptions", "Request", "Rules", "open_project"]
Note = Callable[[str], None]
# what a verb needs is imported when it is typed: most are a matter of milliseconds
HOMES = {
    "Request": "mlops_nb.jobs.promote.request",
    "PromoteOptions": "mlops_nb.jobs.promote.promote",
}


def __getattr__(name: str) -> Any:
    """Import what only promoting needs when it is asked for."""
    import importlib

    if name in HOMES:
        return getattr(importlib.import_module(HOMES[name]), name)
    raise AttributeError(f"module 'mlops_nb.project' has no attribute {name!r}")


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
        self.context = Context(self.here, given, clock)

    # notebooks

    def capture(self, notebook: str | Path, content: Mapping[str, Any] | None = None) -> Source:
        """Read a notebook and its pipeline."""
        return load.capture(self.here / notebook, content)

    def graph(
        self, notebook: str | Path, content: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return a notebook's pipeline as `graph --json` prints it.

        content: the notebook as it stands in an editor, where it is not the saved one
        """
        return render.as_json(self.capture(notebook, content).pipeline)

    def observed(self, notebook: str | Path) -> Source:
        """Run every cell of a notebook in a fresh kernel, past errors too; return what it is."""
        from mlops_nb.runs import observe

        return observe.observed(self.context, self.capture(notebook))

    def run(  # noqa: PLR0913  what a person may ask of a run
        self,
        notebook: str | Path,
        parameters: Mapping[str, Value] | None = None,
        *,
        output: str | Path | None = None,
        limits: Limits | None = None,
        rules: Rules | None = None,
        resume: str = "",
        notify: Notify = ignore,
    ) -> history.Run:
        """Run a notebook, as far as it does not stand by earlier runs, and record it.

        limits: what it is executed by, and how much time and memory it may take
        rules:  what of it may stand
        resume: a run that did not finish, whose parameters are taken
        tell:   is told of every event, after it was written

        Raises NotebookError or ParameterError before anything ran.
        """
        ctx, source = self.context, self.capture(notebook)
        target = run_run.checked_output(self.here, output, source.path)
        return run_run.run(
            ctx,
            source,
            parameters or {},
            output=target,
            limits=limits or Limits(),
            rules=rules or Rules(),
            resume=resume,
            notify=notify,
        )

    def sweep(  # noqa: PLR0913  what a person may ask of a sweep
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

        Raises Refused before anything ran.
        """
        from mlops_nb.runs import sweep as run_sweep

        options = run_sweep.SweepOptions(
            workers=workers, on=on, best=best, resume=resume, fresh=fresh
        )
        source = self.capture(notebook)
        return run_sweep.sweep(
            self.context, source, grid, parameters or {}, options=options, watch=watch
        )

    def keep(self, run: str, name: str, text: str) -> Path:
        """Keep a text beside what a run or a sweep left; return its file."""
        file = self.context.run_folder(run) / name
        files.write_text(file, text)
        return file

    def stop(self, name: str) -> "history.Run | Sweep":
        """Stop a run or a sweep and return how it ended.

        Raises Refused for one that is over or of another machine.
        """
        from mlops_nb.runs import stop as run_stop

        return run_stop.stop(self.context, name)

    def check(self, notebook: str | Path) -> list[Warned]:
        """Return everything that would stop a promotion of a notebook, each with its mend."""
        from mlops_nb.runs import observe

        return observe.check(self.context, self.capture(notebook))

    def runs(self) -> list[history.Run]:
        """Return every run, oldest first."""
        from mlops_nb.runs import reap

        ctx = self.context
        reap.reap(ctx)
        return list(history.runs(ctx.journal.read()).values()) if ctx.knows_anything else []

    def show(self, run_id: str) -> history.Run:
        """Return one run. Raises NotFound where there is none."""
        found = [r for r in self.runs() if r.id == run_id]
        if not found:
            raise NotFound(f"there is no run {run_id!r}", fix="list them with: mlops-nb runs")
        return found[0]

    def session(self, shell: Any, path_of: Callable[[], str]) -> "Session":
        """Follow a live notebook's shell. `path_of` tells where the notebook is saved."""
        from mlops_nb.session import Session

        return Session(shell, self.context, path_of)

    def why(self, notebook: str | Path, step: str) -> dict[str, Any]:
        """Return what `why --json` prints: whether a step would run now, and why."""
        return run_run.why(self.context, self.capture(notebook), step)

    def why_model(self, model: str, at: datetime) -> dict[str, Any]:
        """Return what `why MODEL --at --json` prints: which version answered, and what made it."""
        from mlops_nb.lineage import queries

        return queries.why_model(self.context, model, at)

    def diff(self, before: str, after: str) -> dict[str, Any]:
        """Return what `diff --json` prints of two runs."""
        from mlops_nb.lineage import queries

        return queries.diff(self.context, before, after)

    def lineage(self, name: str, *, notebook: str = "", run: str = "") -> "tuple[str, str, Graph]":
        """Return a run, the node of a value that it left, and the graph of all behind it."""
        from mlops_nb.lineage import queries

        of = self.context.relative(self.here / notebook) if notebook else ""
        return queries.behind(self.context, name, notebook=of, run=run)

    # the store

    def store_size(self) -> dict[str, int]:
        """Return what `store --size --json` prints."""
        from mlops_nb.governance import prune

        return prune.size(self.context)

    def store_verify(self) -> dict[str, Any]:
        """Return what `store --verify --json` prints."""
        from mlops_nb.governance import prune

        return prune.verify(self.context)

    def store_prune(self, keep: timedelta) -> dict[str, int]:
        """Return what `store --prune --json` prints."""
        from mlops_nb.governance import prune

        return prune.prune(self.context, keep)

    # jobs

    def promote(
        self, notebook: str | Path, request: "Request", options: "PromoteOptions | None" = None
    ) -> dict[str, Any]:
        """Promote a notebook to a job; return what `promote --json` prints, with `passed`.

        Raises Refused before anything ran, NotProven where the bundle differs.
        """
        from mlops_nb.jobs.promote import promote as promote_promote
        from mlops_nb.jobs.promote.promote import PromoteOptions

        source = self.capture(notebook)
        return promote_promote.promote(self.context, source, request, options or PromoteOptions())

    def apply(self, job: str, note: Note = lambda _: None) -> dict[str, Any]:
        """Make a draft, or an edited job.yaml, the live one."""
        from mlops_nb.jobs import apply as job_apply

        return job_apply.apply(self.context, job, note)

    def trigger(
        self,
        job: str,
        parameters: Mapping[str, Value] | None = None,
        *,
        detach: bool = False,
        notify: Notify = ignore,
    ) -> dict[str, Any]:
        """Run a job now, judge it, and return its row of `history --json`.

        detach: let a process of its own do so, and return at once
        """
        from mlops_nb.jobs import execute, views
        from mlops_nb.jobs import trigger as job_trigger

        ctx = self.context
        done = job_trigger.trigger(ctx, job, parameters or {}, detach=detach, notify=notify)
        when = views.schedule_of(execute.state_of(ctx, job))
        return {"version": 1, **views.history_row(done, when)}

    def schedule_once(self, notify: Notify = ignore, note: Note = lambda _: None) -> dict[str, Any]:
        """Run what is due now; return {"version", "runs": rows of `history --json`}."""
        from mlops_nb.jobs import views
        from mlops_nb.scheduler import loop

        ctx = self.context
        if not ctx.knows_anything:
            return {"version": 1, "runs": []}
        known = ctx.jobs()
        rows = [
            views.history_row(run_, views.schedule_of(known[run_.job]))
            for run_ in loop.once(ctx, notify, note)
        ]
        return {"version": 1, "runs": rows}

    def schedule(self, notify: Notify, note: Note, *, workers: int | None = None) -> None:
        """Run what is due until stopped; `workers`: how many runs at once, else one a core."""
        from mlops_nb.scheduler import loop

        loop.serve(self.context, notify, note, workers or 0)

    def backfill(
        self,
        job: str,
        since: datetime,
        until: datetime,
        *,
        workers: int | None = None,
        note: Note = lambda _: None,
    ) -> dict[str, Any]:
        """Run a job for past ticks; return {"version", "job", "runs": rows of `history --json`}."""
        from mlops_nb.jobs import backfill, execute, views

        ctx = self.context
        when = views.schedule_of(execute.state_of(ctx, job))
        runs_ = backfill.backfill(ctx, job, since, until, workers=workers, watch=note)
        rows = [views.history_row(run_, when) for run_ in runs_]
        return {"version": 1, "job": job, "runs": rows}

    def install_scheduler(self, workers: int | None = None) -> dict[str, Any]:
        """Make the scheduler a service of the user's; return what is left to type."""
        from mlops_nb.scheduler import systemd

        return systemd.install(self.context, workers)

    @property
    def scheduler_runs(self) -> bool:
        """Whether a scheduler was seen within the last two minutes."""
        from mlops_nb.scheduler import loop

        return loop.is_running(self.context)

    def jobs(self) -> dict[str, Any]:
        """Return what `jobs --json` prints."""
        from mlops_nb.jobs import views
        from mlops_nb.runs import reap

        reap.reap(self.context)
        return views.all_jobs(self.context)

    def job(self, name: str) -> dict[str, Any]:
        """Return what `job --json` prints."""
        from mlops_nb.jobs import views

        return views.one_job(self.context, name)

    def history(self, job: str) -> dict[str, Any]:
        """Return what `history --json` prints."""
        from mlops_nb.jobs import views
        from mlops_nb.runs import reap

        reap.reap(self.context)
        return views.job_history(self.context, job)

    def pause(self, job: str) -> None:
        """Let the schedule of a job rest."""
        from mlops_nb.jobs import execute

        execute.state_of(self.context, job)
        self.context.record([JobPaused(job=job)])

    def unpause(self, job: str) -> None:
        """Let the schedule of a job go on; what was missed is caught up by its `missed` policy."""
        from mlops_nb.jobs import execute

        execute.state_of(self.context, job)
        self.context.record([JobUnpaused(job=job)])

    # models

    def models(self) -> dict[str, Any]:
        """Return what `models --json` prints."""
        from mlops_nb.jobs import views

        return views.all_models(self.context)

    def rollback(self, model: str, to: int | None = None) -> dict[str, Any]:
        """Put the version released before back, or the version `to`."""
        from mlops_nb.models import release

        return release.rollback(self.context, model, to)

    def rollback_job(self, job: str) -> dict[str, Any]:
        """Make the bundle of a job that was live before the present one live again."""
        from mlops_nb.models import release

        return release.rollback_job(self.context, job)

    def approve(self, model: str, version: int) -> dict[str, Any]:
        """Release a version that waits for a person."""
        from mlops_nb.models import release

        return release.approve(self.context, model, version)

    def alerts(self) -> dict[str, Any]:
        """Return the open alerts."""
        from mlops_nb.monitoring import watch as monitoring_watch

        return monitoring_watch.open_alerts(self.context)

    def ack(self, alert: str, seconds: float, by: str = "") -> dict[str, Any]:
        """Keep an alert silent for a time, s, as somebody looks after it."""
        from mlops_nb.monitoring import watch as monitoring_watch

        return monitoring_watch.ack(self.context, alert, seconds, by)

    def score(self, job: str, version: int, at: datetime | None = None) -> dict[str, float]:
        """Return what a version of a job's model scores on the data as of a time, untrained."""
        from mlops_nb.jobs import evaluate

        return evaluate.score(self.context, job, version, at)


def open_project(folder: str | Path = ".") -> Project:
    """Open the project that a folder belongs to."""
    return Project(Path(folder))
