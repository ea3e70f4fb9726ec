"""The conditions of models: what waits, moved, is not served, is old, or does harm."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from mlops_nb.events import ModelWatched
from mlops_nb.jobs.model import Job
from mlops_nb.models.registry import Model
from mlops_nb.monitoring.condition import Condition, long, minute, with_answer
from mlops_nb.monitoring.health import HealthState, answering

SHOWN = 4  # signals that a message names
HARM, FAULT, LABELS, MOVEMENT, DIGEST = "harm", "data-fault", "labels", "movement", "digest"
SETTLED = "settled"  # of columns that moved, and moved back
TAKEN_OUT = "rolled-back"
Signals = list[Mapping[str, Any]]


def of_model(facts: HealthState, job: Job, model: Model, now: datetime) -> Iterator[Condition]:
    """Yield the condition of a model in each respect."""
    for find in (_waiting, _moved, _unserved, _taken_out):
        yield find(facts, job, model)
    yield _old_lookup(facts, job, model, now)
    yield from _watched(facts, job, model, now)


def _watched(facts: HealthState, job: Job, model: Model, now: datetime) -> Iterator[Condition]:
    """Yield what the last look at the live model found: one incident a cause.

    Faults of the data that go with harm are its cause. Drift is part of the harm's alert; without
    harm it is in the daily digest.
    """
    event = facts.watched.get(model.name)
    current = event if event is not None and event.version == model.champion else None
    signals: dict[str, Signals] = {HARM: [], FAULT: [], LABELS: [], MOVEMENT: [], SETTLED: []}
    for one in current.signals if current is not None else ():
        signals.setdefault(one["kind"], []).append(one)
    harm = [one for one in signals[HARM] if one.get("primary")]
    yield _harm(facts, job, model, [] if signals[FAULT] else harm, signals, current)
    yield _faults(facts, job, model, signals[FAULT], harm)
    yield _labels(facts, job, model, signals[LABELS])
    informing = [*signals[MOVEMENT], *(one for one in signals[HARM] if not one.get("primary"))]
    yield _informing(job, model, [] if harm else informing or signals[SETTLED])
    yield _digest(_informing(job, model, [] if harm else informing), now)


def _harm(
    facts: HealthState,
    job: Job,
    model: Model,
    harm: Signals,
    signals: Mapping[str, Signals],
    event: ModelWatched | None,
) -> Condition:
    answers, _ = answering(facts, job, "answers now")
    none = Condition(job=job.name, kind=HARM, because=f"it does no harm any more; {answers}")
    if not harm or event is None:
        return none
    words = [str(harm[0]["what"])]
    if moved := signals[MOVEMENT]:
        words.append(f"besides, {_listed(moved)}")
    because = event.mend.get("because", "")
    if because:
        words.append(str(because))
    owner = facts.owner(job.name)
    words.append(f"version {event.version} still answers; users are hurt{owner}")
    return replace(
        none,
        cause=f"{model.name} {event.version} {harm[0]['since']}",
        urgent=True,
        what="; ".join(words),
        fix=str(event.mend.get("fix") or harm[0]["fix"]),
    )


def _faults(
    facts: HealthState, job: Job, model: Model, faults: Signals, harm: Signals
) -> Condition:
    none = Condition(job=job.name, kind=FAULT, because="the data are as they were")
    if not faults:
        return none
    words = [_listed(faults)]
    if harm:
        words += [str(harm[0]["what"]), "users are hurt"]
    else:
        words.append(f"version {model.champion} of {model.name!r} answers with them")
    owner = facts.owner(job.name)
    return replace(
        none,
        cause=f"{model.name} faults {min(str(one['since']) for one in faults)}",
        urgent=bool(harm),
        what="; ".join(words) + owner,
        fix=str(faults[0]["fix"]),
    )


def _labels(facts: HealthState, job: Job, model: Model, signals: Signals) -> Condition:
    none = Condition(job=job.name, kind=LABELS, because="labels come again")
    if not signals:
        return none
    return replace(
        none,
        cause=f"{model.name} {signals[0]['since']}",
        what=f"{_listed(signals)}; until they come, harm by {model.name!r} cannot be seen"
        + facts.owner(job.name),
        fix=str(signals[0]["fix"]),
    )


def _informing(job: Job, model: Model, signals: Signals) -> Condition:
    none = Condition(job=job.name, kind=MOVEMENT, because="nothing is beyond its threshold")
    if not signals:
        return none
    return replace(
        none,
        cause=f"{model.name} moved {_incident(signals)}",
        what=_listed(signals),
        fix=f"mlops-nb watch {model.name} --report report.html",
    )


def _incident(signals: Signals) -> str:
    """Return the day on which an incident of movement began, else that of the first signal."""
    moved = [str(one["incident"]) for one in signals if "incident" in one]
    return min(moved or [str(one["since"]) for one in signals])


def _digest(moved: Condition, now: datetime) -> Condition:
    """Return the daily digest: drift and secondary metrics, which are not urgent."""
    none = Condition(job=moved.job, kind=DIGEST)
    if not moved.what:
        return none
    what = f"the day of job {moved.job!r}: {moved.what}"
    return replace(none, cause=f"{now:%Y-%m-%d}", what=what, fix=moved.fix)


def _taken_out(facts: HealthState, job: Job, model: Model) -> Condition:
    """Return whether a version was rolled back by itself, until a person or a run releases one."""
    answers, _ = answering(facts, job, "answers now")
    none = Condition(job=job.name, kind=TAKEN_OUT, because=f"another version is out; {answers}")
    event = facts.taken_out.get(model.name)
    if event is None:
        return none
    return replace(
        none,
        cause=f"{model.name} {event.id}",
        what=f"version {event.previous} of {model.name!r} was taken out: {event.because}; "
        f"version {event.version} answers{facts.owner(job.name)}",
        fix=f"mlops-nb history {job.name}, mend the notebook or its data, then: "
        f"mlops-nb trigger {job.name}",
    )


def _listed(signals: Signals) -> str:
    shown = [str(one["what"]) for one in signals[:SHOWN]]
    more = len(signals) - len(shown)
    return "; ".join(shown) + (f"; and {more} more" if more else "")


def _waiting(facts: HealthState, job: Job, model: Model) -> Condition:
    answers, _ = answering(facts, job, "answers now")
    none = Condition(job=job.name, kind="waiting", because=f"it waits no longer; {answers}")
    if not model.waiting:
        return none
    version, approval = next(iter(model.waiting.items()))
    others = ", ".join(approval.awaits)
    whom = f"job {others}, which it is released with" if others else "approval"
    what = f"version {version} of {model.name!r} passed its gates and waits for {whom}"
    answers, hurt = answering(facts, job)
    return replace(
        none,
        cause=f"{model.name} {version}",
        run=approval.run,
        urgent=hurt,
        what=f"{what}; {answers}",
        fix=f"mlops-nb trigger {approval.awaits[0]}"
        if others
        else f"mlops-nb approve {model.name} {version}",
    )


def _moved(facts: HealthState, job: Job, model: Model) -> Condition:
    answers, _ = answering(facts, job, "answers now")
    none = Condition(job=job.name, kind="moved", because=f"MLflow agrees again; {answers}")
    event = facts.moved.get(model.name)
    if event is None:
        return none
    what = (
        f"in MLflow, the alias champion of {model.name!r} was moved to version {event.found}; "
        f"in the journal, the champion is version {event.expected}"
    )
    return with_answer(
        facts, job, replace(none, cause=f"{model.name} {event.id}"), what, "mlops-nb models"
    )


def _unserved(facts: HealthState, job: Job, model: Model) -> Condition:
    """Return whether a server refused the champion, and still answers with another version."""
    answers, _ = answering(facts, job, "answers now")
    none = Condition(job=job.name, kind="unserved", because=f"it serves, or is replaced; {answers}")
    event = next(iter(model.unserved.values()), None)
    if event is None:
        return none
    goes_on = f"version {event.serving} goes on" if event.serving else "nothing answers there"
    return replace(
        none,
        cause=f"{model.name} {event.id}",
        urgent=not event.serving,
        what=f"{event.server} refused version {event.version} of {model.name!r}: {event.because}; "
        f"{goes_on}",
        fix=f"mlops-nb approve {model.name} {event.version}, which tries again, or "
        f"mlops-nb rollback {model.name}",
    )


def _old_lookup(facts: HealthState, job: Job, model: Model, now: datetime) -> Condition:
    """Return whether the champion's features join a table that is older than it may be."""
    answers, _ = answering(facts, job, "answers now")
    none = Condition(job=job.name, kind="old-lookup", because=f"a newer one serves; {answers}")
    version = model.versions.get(model.champion or 0)
    if version is None or not version.lookups:
        return none
    table, most = min(version.lookups.items(), key=lambda item: item[1])
    made = datetime.fromisoformat(version.created)
    if (now - made).total_seconds() <= most:
        return none
    return replace(
        none,
        cause=f"{model.name} {version.version} {table}",
        what=f"version {version.version} of {model.name!r} joins the table {table!r} of "
        f"{minute(made)}, which may be {long(timedelta(seconds=most))} old",
        fix=f"mlops-nb trigger {job.name}, which makes it anew, or a schedule that does",
    )
