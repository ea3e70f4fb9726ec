"""The scheduler: runs what is due, one leader whatever number is started."""

import fcntl
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import IO

from mlops_nb.bundle import jobfile
from mlops_nb.errors import MlopsError
from mlops_nb.events import RunSkipped
from mlops_nb.model import Job
from mlops_nb.record import cron, history
from mlops_nb.record.jobs import JobState
from mlops_nb.wiring import jobs
from mlops_nb.wiring.workshop import Tell, Workshop, real_time, silence

SEEN = "scheduler.seen"
LOOK_EVERY = 5.0  # s: how soon a new, paused or edited job is noticed
FRESH = timedelta(minutes=2)


def seen(shop: Workshop) -> str | None:
    """Return when a scheduler was last seen, None where none ever was."""
    return (shop.journal.place(SEEN) or None) if shop.knows_anything else None


def is_running(shop: Workshop) -> bool:
    """Say whether a scheduler was seen within the last two minutes."""
    last = seen(shop)
    return last is not None and real_time() - datetime.fromisoformat(last) < FRESH


def due_now(shop: Workshop) -> Iterator[tuple[str, datetime]]:
    """Yield (job, tick) for every tick that is due and was not taken."""
    events = list(shop.journal.read())
    now = shop.clock()
    for state in shop.jobs().values():
        if state.status != "active":
            continue
        job = jobfile.of_definition(dict(state.definition))
        if job.schedule is None:
            continue
        since = _cursor(state, [r for r in history.runs(events).values() if r.job == state.name])
        for tick in cron.due(job.schedule, since, now):
            yield state.name, tick


def _cursor(state: JobState, runs: list[history.Run]) -> datetime:
    """Return the time up to which a job's ticks were taken."""
    taken = [
        datetime.fromisoformat(r.scheduled_at)
        for r in runs
        if r.trigger in {"schedule", "skipped"} and r.scheduled_at
    ]
    return max([datetime.fromisoformat(state.applied), *taken])


def next_due(shop: Workshop, job: Job, state: JobState) -> datetime | None:
    """Return when a job runs next, in its own zone, None where it has no schedule or rests."""
    if job.schedule is None or state.status != "active":
        return None
    return next(cron.ticks(job.schedule, shop.clock()))


def once(
    shop: Workshop, tell: Tell = silence, note: Callable[[str], None] = lambda _: None
) -> list[history.Run]:
    """Run what is due now, one after the other, and return the runs.

    A job that cannot start is noted, with its mend, and does not keep the others from running.
    """
    shop.journal.place(SEEN, real_time().isoformat())
    shop.bury_dead_runs()
    done: list[history.Run] = []
    for name, tick in list(due_now(shop)):
        note(f"{name}: due at {tick.isoformat()}")
        if _overlaps(shop, name, tick):
            note(f"{name}: skipped, its last run still goes on")
            continue
        try:
            run = jobs.trigger(shop, name, {}, kind="schedule", at=tick, tell=tell)
        except MlopsError as error:
            note(f"{name}: {error}")
            run = _last(shop, name, tick)
        if run is not None:
            done.append(run)
        shop.journal.place(SEEN, real_time().isoformat())
    return done


def _last(shop: Workshop, name: str, tick: datetime) -> history.Run | None:
    """Return the run that was queued for a tick, None where it did not come to that."""
    runs = history.runs(shop.journal.read(job=name)).values()
    return next((r for r in reversed(runs) if r.scheduled_at == tick.isoformat()), None)


def _overlaps(shop: Workshop, name: str, tick: datetime) -> bool:
    running = [r for r in history.runs(shop.journal.read(job=name)).values()
               if r.status == "running"]  # fmt: skip
    if not running:
        return False
    because = f"run {running[-1].id} still went on"
    skipped = RunSkipped(
        run=shop.new_run(), job=name, scheduled_at=tick.isoformat(), because=because
    )
    shop.journal.append(skipped, once=f"{name}@{tick.isoformat()}")
    return True


def serve(shop: Workshop, tell: Tell, note: Callable[[str], None]) -> None:
    """Run what is due until stopped; wait as a stand-by while another scheduler leads."""
    shop.prepare_folder()
    with (shop.settings.folder / "scheduler.lock").open("w") as lock:
        _lead(lock, note)
        note("scheduler: leading; stop with Ctrl-C")
        while True:
            once(shop, tell, note)
            time.sleep(LOOK_EVERY)


def _lead(lock: IO[str], note: Callable[[str], None]) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        note("scheduler: another one leads; standing by")
        fcntl.flock(lock, fcntl.LOCK_EX)
