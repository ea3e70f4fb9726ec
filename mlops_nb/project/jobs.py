"""Verbs on jobs: promote, apply, trigger, schedule."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_nb.context import Notify, ignore
from mlops_nb.events import Event, JobPaused, JobUnpaused, RunFinished, RunQueued
from mlops_nb.notebook import load
from mlops_nb.notebook.model import Value
from mlops_nb.project.base import OpenProject

if TYPE_CHECKING:
    from mlops_nb.jobs.promote.options import PromoteOptions
    from mlops_nb.jobs.promote.request import Request

Note = Callable[[str], None]


class Jobs(OpenProject):
    """Promotes notebooks to jobs and manages the jobs."""

    def promote(
        self, notebook: str | Path, request: "Request", options: "PromoteOptions | None" = None
    ) -> dict[str, Any]:
        """Promote a notebook to a job; return what `promote --json` prints, with `passed`.

        Raises Refused before anything runs, NotProven if the bundle differs.
        """
        from mlops_nb.jobs.promote import promote as promote_promote
        from mlops_nb.jobs.promote.options import PromoteOptions

        source = load.capture(self.here / notebook)
        options = options or PromoteOptions()
        options = replace(options, notify=self._syncing(options.notify))
        answer = promote_promote.promote(self.context, source, request, options)
        self._follow()
        return {**answer, "mlflow": self._mlflow_answer(answer["model"])}

    def _syncing(self, notify: Notify) -> Notify:
        """Return a `notify` that also starts to sync MLflow while a promotion works."""
        from mlops_nb.integrations import follow

        def noting(event: Event) -> None:
            notify(event)
            if isinstance(event, RunQueued | RunFinished):
                follow.begin(self.context, event.run)

        return noting

    def _mlflow_answer(self, model: Mapping[str, Any] | None) -> str | None:
        """Return whether MLflow has a released model; None if nothing was released."""
        from mlops_nb.integrations import catch_up

        if model is None or model["alias"] is None:
            return None
        return "agrees" if catch_up.agrees_on(self.context, model["name"]) else "behind"

    def apply(self, job: str, note: Note = lambda _: None) -> dict[str, Any]:
        """Make a draft, or an edited job.yaml, the live one."""
        from mlops_nb.jobs import apply as job_apply

        answer = job_apply.apply(self.context, job, note)
        if answer["applied"]:
            self._follow()
        return answer

    def trigger(
        self,
        job: str,
        parameters: Mapping[str, Value] | None = None,
        *,
        detach: bool = False,
        notify: Notify = ignore,
    ) -> dict[str, Any]:
        """Run a job now, judge it, and return its row of `history --json`.

        detach: run it in a process of its own, and return at once
        """
        from mlops_nb.jobs import execute, views
        from mlops_nb.jobs import trigger as job_trigger

        ctx = self.context
        try:
            done = job_trigger.trigger(ctx, job, parameters or {}, detach=detach, notify=notify)
        finally:
            if ctx.knows_anything and self._is_behind():
                self._follow()
        when = views.schedule_of(execute.state_of(ctx, job))
        return {"version": 1, **views.history_row(done, when)}

    def schedule_once(self, notify: Notify = ignore, note: Note = lambda _: None) -> dict[str, Any]:
        """Run what is due now; return {"version", "runs": rows of `history --json`}."""
        from mlops_nb.jobs import views
        from mlops_nb.jobs.registry import read_jobs
        from mlops_nb.scheduler import loop

        ctx = self.context
        if not ctx.knows_anything:
            return {"version": 1, "runs": []}
        known = read_jobs(ctx)
        rows = [
            views.history_row(run_, views.schedule_of(known[run_.job]))
            for run_ in loop.once(ctx, notify, note)
        ]
        return {"version": 1, "runs": rows}

    def schedule(self, notify: Notify, note: Note, *, workers: int | None = None) -> None:
        """Run what is due until stopped; `workers`: runs at once, by default one a core."""
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
        self._follow()
        rows = [views.history_row(run_, when) for run_ in runs_]
        return {"version": 1, "job": job, "runs": rows}

    def install_scheduler(self, workers: int | None = None) -> dict[str, Any]:
        """Install the scheduler as a service of the user; return the commands that remain."""
        from mlops_nb.scheduler import systemd

        return systemd.install(self.context, workers)

    def start_scheduler(self) -> dict[str, Any]:
        """Start the scheduler in a process of its own; return its process and its log.

        Raises Refused if one runs already, or if it ends at once.
        """
        from mlops_nb.scheduler import launch

        return launch.launch(self.context)

    @property
    def scheduler_runs(self) -> bool:
        """Whether a scheduler was seen within the last two minutes."""
        from mlops_nb.jobs import views

        return views.is_running(self.context)

    def jobs(self) -> dict[str, Any]:
        """Return what `jobs --json` prints."""
        from mlops_nb.jobs import views
        from mlops_nb.runs import reap

        return views.all_jobs(reap.reaped(self.context))

    def job(self, name: str) -> dict[str, Any]:
        """Return what `job --json` prints."""
        from mlops_nb.jobs import views
        from mlops_nb.runs import reap

        return views.one_job(reap.reaped(self.context), name)

    def history(self, job: str, count: int | None = None) -> dict[str, Any]:
        """Return what `history --json` prints, of all runs or the `count` that began last."""
        from mlops_nb.jobs import views
        from mlops_nb.runs import reap

        return views.job_history(reap.reaped(self.context), job, count)

    def pause(self, job: str) -> None:
        """Pause the schedule of a job."""
        from mlops_nb.jobs import execute

        execute.state_of(self.context, job)
        self.context.record([JobPaused(job=job)])

    def unpause(self, job: str) -> None:
        """Unpause the schedule of a job; its `missed` policy decides about missed runs."""
        from mlops_nb.jobs import execute

        execute.state_of(self.context, job)
        self.context.record([JobUnpaused(job=job)])

    def rollback_job(self, job: str) -> dict[str, Any]:
        """Make the bundle of a job that was live before the present one live again."""
        from mlops_nb.jobs import apply

        return apply.rollback_job(self.context, job)

    def work(self, run: str, late: float = 0.0) -> bool:
        """Execute a queued run and judge its model; return whether it ended well.

        late: how far the clock is set forward, s
        """
        from mlops_nb.jobs import execute, trigger, worker
        from mlops_nb.runs.reap import FINE

        self.context.set_late(late)
        try:
            done = worker.work(self.context, run)
            if done is not None and done.trigger == "hand":  # there may be no scheduler
                trigger.score_new(self.context, execute.live(self.context, done.job)[1].job)
        finally:
            self._follow()
        return done is None or done.status in FINE

    def evaluate(self, job: str, late: float = 0.0) -> bool:
        """Evaluate the champion of a job on current data; return whether that was possible."""
        from mlops_nb.jobs import evaluate

        self.context.set_late(late)
        return not evaluate.evaluate(self.context, job).error

    def score_files(self, job: str, late: float = 0.0) -> bool:
        """Score what is new for a job; return whether that could go on to its end."""
        from mlops_nb.jobs import score_files

        self.context.set_late(late)
        return score_files.score(self.context, job)

    def score(self, job: str, version: int, at: datetime | None = None) -> dict[str, float]:
        """Return the metrics of a version of a job's model on the data as of a time."""
        from mlops_nb.jobs import evaluate

        return evaluate.score(self.context, job, version, at)

    def alerts(self) -> dict[str, Any]:
        """Return the open alerts."""
        from mlops_nb.monitoring import watch as monitoring_watch

        return monitoring_watch.open_alerts(self.context)

    def ack(self, alert: str, seconds: float | None, by: str = "") -> dict[str, Any]:
        """Acknowledge an alert: repeat it only after a time, s."""
        from mlops_nb.monitoring import watch as monitoring_watch

        return monitoring_watch.ack(self.context, alert, seconds, by)
