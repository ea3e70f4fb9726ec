"""Polls the triggers of every job and queues the runs that they fire."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from msgspec.structs import replace

from mlops_nb import plugins
from mlops_nb.context import Context
from mlops_nb.errors import JobError, MlopsError, Unreachable
from mlops_nb.events import DataSeen, RunQueued
from mlops_nb.jobs import agenda, clock
from mlops_nb.jobs.model import Job
from mlops_nb.jobs.registry import JobState, read_jobs
from mlops_nb.jobs.triggers import data
from mlops_nb.jobs.triggers.base import Sensor, Signal, View
from mlops_nb.jobs.triggers.metric import DAY
from mlops_nb.models.registry import read_models
from mlops_nb.runs.board import Board, Fired
from mlops_nb.storage.ports import note_of

TRIGGERS = "mlops_nb.jobs.triggers"
SETTLE = data.SETTLE + 2.0  # s: how long `--once` waits for files that may still grow
EVALUATED = {"metric", "drift"}  # triggers that need an evaluation
OPTIONS = {"cooldown", "every", "fall"}  # keys of a trigger besides its kind
NOTES = "sensor:{job}:{number}"


@cache
def sensor(kind: str) -> Sensor:
    """Return the sensor of a kind of trigger: a file of `triggers/`, or an installed one.

    Raises JobError if there is none.
    """
    found: Sensor | None = plugins.find(TRIGGERS, kind, "SENSOR")
    if found is not None:
        return found
    raise JobError(
        f"there is no sensor for the trigger {kind!r}", fix="use data, job, metric or drift"
    )


def kind_of(spec: Mapping[str, Any]) -> str:
    """Return the kind of a trigger: the first of its keys that is no option.

    >>> kind_of({"fall": 0.05, "metric": "auc"})
    'metric'
    """
    return next((key for key in spec if key not in OPTIONS), "")


def signals(
    ctx: Context, jobs: Mapping[str, Job], states: Mapping[str, JobState], board: Board
) -> Iterator[tuple[RunQueued, str]]:
    """Yield a queued run for each job with a trigger that fires, and the unique key of the run.

    A job with an open run, a paused job, and a job within the cool-down of a trigger are not
    polled; their triggers fire later.
    """
    for name, job in jobs.items():
        if not job.triggers or states[name].status != "active":
            continue
        if board.busy(name) is not None:
            continue
        try:
            found = _first(ctx, job, states[name], board)
        except MlopsError as error:  # the other jobs are still polled
            ctx.warnings.append(error)
        except OSError as error:
            what = f"the triggers of job {name!r} cannot be polled: {error}"
            ctx.warnings.append(Unreachable(what, fix="check the folder of its data"))
        else:
            if found is not None:
                yield found


def _first(ctx: Context, job: Job, state: JobState, board: Board) -> tuple[RunQueued, str] | None:
    """Return the run of the first trigger of a job that fires: one run at a time."""
    for number, spec in enumerate(job.triggers):
        fired = board.fired.get(job.name, {}).get(kind_of(spec), Fired())
        if _rests(spec, fired.times, ctx.now()):
            continue
        found = _ask(ctx, job, number, board, datetime.fromisoformat(state.applied))
        if found is not None:
            return _queued(ctx, job, kind_of(spec), found, fired.count)
    return None


def _rests(spec: Mapping[str, Any], fired: Sequence[datetime], now: datetime) -> bool:
    pause = timedelta(seconds=float(spec.get("cooldown", sensor(kind_of(spec)).cooldown)))
    last = clock.latest(fired, now)
    return last is not None and now - last < pause


def _ask(ctx: Context, job: Job, number: int, board: Board, since: datetime) -> Signal | None:
    spec = job.triggers[number]
    place = NOTES.format(job=job.name, number=number)
    before = ctx.journal.place(place)
    champion = _champion(ctx, job) if kind_of(spec) in EVALUATED else None
    view = View(
        job=job,
        folder=ctx.root / job.folder,
        now=ctx.now(),
        since=since,
        done={name: board.runs[run] for name, run in board.done.items()},
        followed=board.followed.get(job.name, {}),
        known=board.known.get(job.name, {}),
        evaluated=board.evaluated.get(job.name, ()),
        watched=board.watched.get(job.name),
        champion=champion,
        notes=note_of(before, dict[str, Any]) or {},
    )
    found = sensor(kind_of(spec)).signal(spec, view)
    after = json.dumps(view.notes, sort_keys=True)
    if after != before and view.notes:
        ctx.journal.place(place, after)
    return found


def _queued(ctx: Context, job: Job, kind: str, found: Signal, count: int) -> tuple[RunQueued, str]:
    """Return the event of a run that a trigger fires, and its key.

    count: how often that kind has fired: the same files may be new again later
    """
    event = replace(agenda.queued(job, kind, ctx.now(), because=found.because), signal=found.seen)
    seen = hashlib.sha256(json.dumps(found.seen, sort_keys=True).encode()).hexdigest()[:32]
    return event, f"{job.name}!{kind}:{seen}:{count}"


def note_files(ctx: Context, job: Job, before: Job | None) -> DataSeen | None:
    """Return the event that marks the present files as known, for new data triggers."""
    had = {t["data"] for t in (before.triggers if before else ()) if "data" in t}
    new = [str(t["data"]) for t in job.triggers if "data" in t and t["data"] not in had]
    if not new:
        return None
    found: dict[str, str] = {}
    for pattern in new:
        found |= data.present(ctx.root / job.folder, pattern)
    return DataSeen(job=job.name, files=found)


def settling(ctx: Context) -> bool:
    """Return whether files of a data trigger may still be growing."""
    for name, job in read_jobs(ctx).items():
        for number, spec in enumerate(job.definition.get("triggers", ())):
            notes = ctx.journal.place(NOTES.format(job=name, number=number))
            if (
                job.status == "active"
                and "data" in spec
                and (note_of(notes, dict[str, Any]) or {}).get("settling")
            ):
                return True
    return False


def to_evaluate(
    ctx: Context, jobs: Mapping[str, Job], states: Mapping[str, JobState], board: Board
) -> Iterator[str]:
    """Yield the jobs whose champion must be evaluated now, for their triggers."""
    for name, job in jobs.items():
        every = [float(t.get("every", DAY)) for t in job.triggers if kind_of(t) in EVALUATED]
        if not every or states[name].status != "active" or _champion(ctx, job) is None:
            continue
        if board.busy(name) is not None:
            continue
        now = ctx.now()
        applied = clock.since(datetime.fromisoformat(states[name].applied), now)
        last = max(applied, clock.latest(board.looked.get(name, ()), now) or applied)
        if now - last >= timedelta(seconds=min(every)):
            yield name


def _champion(ctx: Context, job: Job) -> tuple[int, Mapping[str, float]] | None:
    model = read_models(ctx).get(job.model_name or "")
    if model is None or model.champion is None:
        return None
    return model.champion, model.versions[model.champion].metrics
