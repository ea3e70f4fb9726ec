"""Asks the sensors of every job whether it is to run, and notes what they know."""

import hashlib
import importlib
import json
import pkgutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from importlib.metadata import entry_points
from typing import Any

import mlops_nb.jobs.triggers
from mlops_nb.context import Workshop
from mlops_nb.errors import JobError, MlopsError, Unreachable
from mlops_nb.events import DataSeen, RunQueued
from mlops_nb.jobs import agenda
from mlops_nb.jobs.registry import JobState
from mlops_nb.jobs.triggers import data
from mlops_nb.jobs.triggers.base import Sensor, Signal, View
from mlops_nb.jobs.triggers.metric import DAY
from mlops_nb.notebook.model import Job

GROUP = "mlops_nb.jobs.triggers"
SETTLE = data.SETTLE + 2.0  # s: how long `--once` waits for files that may still grow
EVALUATED = {"metric", "drift"}  # triggers that look at an evaluation
NOTES = "sensor:{job}:{number}"


@cache
def sensor(kind: str) -> Sensor:
    """Return the sensor of a kind of trigger: a file of `triggers/`, or an installed one.

    Raises JobError where there is none.
    """
    if kind in {found.name for found in pkgutil.iter_modules(mlops_nb.jobs.triggers.__path__)}:
        own: Sensor = importlib.import_module(f"{GROUP}.{kind}").SENSOR
        return own
    for found in entry_points(group=GROUP):
        if found.name == kind:
            foreign: Sensor = found.load()
            return foreign
    raise JobError(
        f"there is no sensor for the trigger {kind!r}", fix="use data, job, metric or drift"
    )


def kind_of(wish: Mapping[str, Any]) -> str:
    """Return what a trigger waits for: the first of its keys."""
    return next(iter(wish))


def signals(
    shop: Workshop, jobs: Mapping[str, Job], states: Mapping[str, JobState], board: agenda.Board
) -> Iterator[tuple[RunQueued, str]]:
    """Yield a queued run for each job that a trigger wants to run, and the key that it has once.

    A job that has a run open, or rests, or ran for the same kind of trigger less than its
    cool-down ago, is not asked; what its sensors would have said is not lost.
    """
    for name, job in jobs.items():
        if not job.triggers or states[name].status != "active":
            continue
        if board.busy(name) is not None:
            continue
        try:
            found = _first(shop, job, states[name], board)
        except MlopsError as error:  # the other jobs are asked all the same
            shop.warnings.append(error)
        except OSError as error:
            what = f"the triggers of job {name!r} cannot look: {error}"
            shop.warnings.append(Unreachable(what, fix="check the folder of its data"))
        else:
            if found is not None:
                yield found


def _first(
    shop: Workshop, job: Job, state: JobState, board: agenda.Board
) -> tuple[RunQueued, str] | None:
    """Return what the first of a job's triggers that fires asks for: one run at a time."""
    for number, wish in enumerate(job.triggers):
        fired = board.fired.get((job.name, kind_of(wish)), [])
        if _rests(wish, fired, shop.now()):
            continue
        found = _ask(shop, job, number, board, datetime.fromisoformat(state.applied))
        if found is not None:
            return _queued(shop, job, kind_of(wish), found, len(fired))
    return None


def _rests(wish: Mapping[str, Any], fired: Sequence[datetime], now: datetime) -> bool:
    pause = timedelta(seconds=float(wish.get("cooldown", sensor(kind_of(wish)).cooldown)))
    return bool(fired) and now - max(fired) < pause


def _ask(
    shop: Workshop, job: Job, number: int, board: agenda.Board, since: datetime
) -> Signal | None:
    wish = job.triggers[number]
    place = NOTES.format(job=job.name, number=number)
    before = shop.journal.place(place)
    champion = _champion(shop, job) if kind_of(wish) in EVALUATED else None
    view = View(
        job=job,
        folder=shop.root / job.folder,
        now=shop.now(),
        since=since,
        runs=board.runs,
        known=board.known.get(job.name, {}),
        evaluated=board.evaluated.get(job.name, ()),
        champion=champion,
        notes=json.loads(before or "{}"),
    )
    found = sensor(kind_of(wish)).signal(wish, view)
    after = json.dumps(view.notes, sort_keys=True)
    if after != before and view.notes:
        shop.journal.place(place, after)
    return found


def _queued(
    shop: Workshop, job: Job, kind: str, found: Signal, count: int
) -> tuple[RunQueued, str]:
    """Return the event of a run that a trigger wants, and its key.

    count: how often that kind has fired: the same files may be new again later
    """
    event = replace(agenda.queued(job, kind, shop.now(), because=found.because), signal=found.seen)
    seen = hashlib.sha256(json.dumps(found.seen, sort_keys=True).encode()).hexdigest()[:32]
    return event, f"{job.name}!{kind}:{seen}:{count}"


def note_files(shop: Workshop, job: Job, before: Job | None) -> DataSeen | None:
    """Return the event that what is there now is known, for triggers that are new."""
    had = {t["data"] for t in (before.triggers if before else ()) if "data" in t}
    new = [str(t["data"]) for t in job.triggers if "data" in t and t["data"] not in had]
    if not new:
        return None
    found: dict[str, str] = {}
    for pattern in new:
        found |= data.present(shop.root / job.folder, pattern)
    return DataSeen(job=job.name, files=found)


def settling(shop: Workshop) -> bool:
    """Say whether files may still grow that a trigger waits for."""
    for name, job in shop.jobs().items():
        for number, wish in enumerate(job.definition.get("triggers", ())):
            notes = shop.journal.place(NOTES.format(job=name, number=number))
            if (
                job.status == "active"
                and "data" in wish
                and json.loads(notes or "{}").get("settling")
            ):
                return True
    return False


def to_evaluate(
    shop: Workshop, jobs: Mapping[str, Job], states: Mapping[str, JobState], board: agenda.Board
) -> Iterator[str]:
    """Yield the jobs whose champion is to be held against the data now, for their triggers."""
    for name, job in jobs.items():
        every = [float(t.get("every", DAY)) for t in job.triggers if kind_of(t) in EVALUATED]
        if not every or states[name].status != "active" or _champion(shop, job) is None:
            continue
        if board.busy(name) is not None:
            continue
        applied = datetime.fromisoformat(states[name].applied)
        last = max(applied, board.looked.get(name, applied))
        if shop.now() - last >= timedelta(seconds=min(every)):
            yield name


def _champion(shop: Workshop, job: Job) -> tuple[int, Mapping[str, float]] | None:
    model = shop.models().get(job.model_name or "")
    if model is None or model.champion is None:
        return None
    return model.champion, model.versions[model.champion].metrics
