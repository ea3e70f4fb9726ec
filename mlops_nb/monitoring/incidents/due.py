"""Decides when a live model is looked at: by `watch.cron` of job.yaml, closer after a release."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from mlops_nb.context import Context
from mlops_nb.errors import MlopsError
from mlops_nb.jobs import schedule
from mlops_nb.jobs.model import Job
from mlops_nb.models.registry import Model
from mlops_nb.serving import prediction_files
from mlops_nb.storage.ports import note_of
from mlops_nb.storage.predictions import open_predictions

CLOSER = timedelta(minutes=5)  # between two looks
FIRST_HOURS = timedelta(hours=24)  # after a release, in which a model is looked at closer
NOTE = "watched:{job}"


class WatchClock:
    """Knows when each model was looked at last, by any scheduler."""

    def __init__(self) -> None:
        self.last: dict[str, datetime] = {}
        self.ticks: dict[str, tuple[str, datetime]] = {}  # job → cron, and when it is due next

    def due(
        self, ctx: Context, jobs: Mapping[str, Job], models: Mapping[str, Model]
    ) -> Iterator[str]:
        """Yield the jobs whose live models must be looked at now; each is noted as looked at."""
        now = ctx.now()
        for model in models.values():
            job = jobs.get(model.job)
            if job is None or model.champion is None or not self._is_due(ctx, job, model, now):
                continue
            self.last[job.name] = now
            self.ticks.pop(job.name, None)
            ctx.journal.place(NOTE.format(job=job.name), f'"{now.isoformat()}"')
            try:
                log = open_predictions(ctx.settings, model.name)
                has_rows = bool(prediction_files.days(log, None, None))
            except (MlopsError, OSError):  # the look says what is wrong
                has_rows = True
            if has_rows:
                yield job.name

    def _is_due(self, ctx: Context, job: Job, model: Model, now: datetime) -> bool:
        last = self._last(ctx, job.name)
        if last is None or last > now:  # never, or the clock was set back
            return True
        if model.released and now - datetime.fromisoformat(model.released) < FIRST_HOURS:
            return now - last >= CLOSER
        return self._tick(job, last) <= now

    def _tick(self, job: Job, last: datetime) -> datetime:
        """Return when a job is due next, which is found out once after each look."""
        cron = job.serving.watch.cron
        known = self.ticks.get(job.name)
        if known is None or known[0] != cron:
            zone = job.schedule.timezone if job.schedule is not None else "UTC"
            tick = next(schedule.ticks(schedule.schedule(cron, zone), last))
            known = self.ticks[job.name] = (cron, tick)
        return known[1]

    def _last(self, ctx: Context, job: str) -> datetime | None:
        if job not in self.last:
            noted = note_of(ctx.journal.place(NOTE.format(job=job)), str)
            if noted is None:
                return None
            self.last[job] = datetime.fromisoformat(noted)
        return self.last[job]
