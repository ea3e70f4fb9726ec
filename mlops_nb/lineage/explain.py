"""Explains why a version of a model served at some moment: its release, run and data."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mlops_nb.events import Event, JobApplied, Registered, Released
from mlops_nb.runs.history import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The events that led to the version that served at a moment.

    released: the event that released the version; None: it never was
    made:     the event that registered it
    applied:  the bundle that was live when its run began, None if unknown
    """

    released: Released | None
    made: Registered
    applied: JobApplied | None


def explain(
    events: Iterable[Event], model: str, at: datetime, version: int | None = None
) -> Explanation | None:
    """Return the events that led to the version serving at a moment, None if none served yet.

    version: the one to explain, whether it was the champion or answered beside it
    """
    made: dict[int, Registered] = {}
    applied: dict[str, list[JobApplied]] = {}
    last: Released | None = None
    for event in events:
        if datetime.fromisoformat(event.at) > at:
            break
        if isinstance(event, Registered) and event.model == model:
            made[event.version] = event
        elif isinstance(event, Released) and event.model == model:
            last = event if version in {None, event.version} else last
        elif isinstance(event, JobApplied):
            applied.setdefault(event.job, []).append(event)
    number = version if version is not None or last is None else last.version
    if number not in made:
        return None
    found = made[number]
    live = [a for a in applied.get(found.job, []) if a.id <= found.id]
    first = applied.get(found.job, [None])[0]  # its first promotion: made live once it passed
    return Explanation(released=last, made=found, applied=live[-1] if live else first)


def as_json(found: Explanation, model: str, run: Run, data: Mapping[str, str]) -> dict[str, Any]:
    """Return what `why MODEL --at --json` prints.

    data: what the run read from outside: path or name → digest
    """
    released, applied = found.released, found.applied
    return {
        "version": 1,
        "model": model,
        "model_version": found.made.version,
        "released": None if released is None else _release(released),
        "run": run.id,
        "job": run.job,
        "trigger": run.trigger,
        "fired": run.fired,
        "scheduled_at": run.scheduled_at,
        "parameters": dict(run.parameters),
        "metrics": dict(found.made.metrics),
        "gates": [dict(gate) for gate in run.gates],
        "data": dict(data),
        "model_digest": found.made.digest,
        "bundle": applied.digest if applied else "",
        "commit": run.commit or (applied.commit if applied else ""),
    }


def _release(released: Released) -> dict[str, Any]:
    return {
        "at": released.at,
        "because": released.because,
        "by": released.by or (f"job {released.job}" if not released.rollback else ""),
        "rollback": released.rollback,
        "previous": released.previous,
    }


def as_text(answer: Mapping[str, Any]) -> str:
    """Return the explanation as text."""
    released = answer["released"]
    lines = [
        f"{answer['model']}: version {answer['model_version']} answered",
        "released: never; it answered beside the champion"
        if released is None
        else f"released: {released['at'][:19]} UTC, by {released['by'] or 'hand'}: "
        f"{released['because']}",
        f"made by:  run {answer['run']} of job {answer['job']}, trigger: {answer['trigger']}"
        f" ({answer['fired'] or 'as asked'})",
    ]
    lines += [
        f"gate:     {g['gate']}: {'passed' if g['passed'] else 'NOT met'} ({g['because']})"
        for g in answer["gates"]
    ]
    lines += [f"data:     {name} {digest[:16]}" for name, digest in answer["data"].items()]
    lines += [f"bundle:   {answer['bundle'][:16]}", f"commit:   {answer['commit'] or 'none'}"]
    return "\n".join(lines)
