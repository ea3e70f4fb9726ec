"""Checks the request of a promotion and makes a Job of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops_nb.errors import JobError
from mlops_nb.evaluation import gates
from mlops_nb.jobs import schedule as job_schedule
from mlops_nb.jobs import score_spec
from mlops_nb.jobs.bundle import job_yaml, trigger_text
from mlops_nb.jobs.model import JOB_NAME, Job, Schedule
from mlops_nb.notebook import check, parameters
from mlops_nb.notebook.model import Source, Value
from mlops_nb.serving.settings import ServingSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The options of a promotion; None: not given."""

    name: str
    model: str | None = None
    schedule: str | None = None
    timezone: str | None = None
    gates: tuple[str, ...] | None = None
    parameters: Mapping[str, Value] | None = None
    secrets: tuple[str, ...] = ()
    triggers: tuple[str, ...] | None = None
    score: str | None = None
    score_output: str | None = None
    approval: str | None = None
    release_with: tuple[str, ...] | None = None
    notify: tuple[str, ...] | None = None
    quick: bool = False
    tolerance: float | None = None


def define(request: Request, *, source: Source, root: Path, old: Mapping[str, Any] | None) -> Job:
    """Return the job of a request; settings that it does not give are kept from `old`.

    Raises JobError for an invalid name, schedule, zone or gate, and if it is not known which model
    of the notebook is meant.
    """
    folder = _folder(request, source, root)
    before = None if old is None else job_yaml.of_definition(dict(old))
    marked = dict(source.pipeline.model)
    variable = request.model or _marked_model(source, before)
    texts = request.gates if request.gates is not None else (before.gates if before else ())
    for text in texts:
        gates.gate(text)
    secrets = dict(before.secrets if before else {})
    secrets |= {name: {"env": name} for name in request.secrets}
    given = {**(before.parameters if before else {}), **(request.parameters or {})}
    return Job(
        name=request.name,
        notebook="pipeline.ipynb",
        source=str(source.path.resolve().relative_to(root)),
        folder=str(folder.relative_to(root)),
        parameters=_fitting(given, source),
        schedule=_schedule(request, before.schedule if before else None),
        gates=tuple(texts),
        model_name=None if not variable else marked.get(variable, request.name),
        model_variable=variable or None,
        secrets=secrets,
        retries=before.retries if before else 0,
        serving=before.serving if before else ServingSettings(),
        timeout=before.timeout if before else None,
        triggers=_triggers(request, before),
        score=score_spec.read(request.score, request.score_output)
        or (before.score if before else None),
        approval=request.approval or (before.approval if before else "none"),
        release_with=request.release_with or (before.release_with if before else ()),
        notify=_notify(request, before),
    )


def _marked_model(source: Source, before: Job | None) -> str | None:
    """Return the model that the notebook marks; of several, the one of the job before."""
    marked, name = source.pipeline.model, source.path.name
    was = before.model_variable if before else None
    if was in marked or not marked:
        return was
    for finding in check.several_models(source.pipeline, name):
        raise JobError(finding.what, fix=finding.fix, where=name)
    return next(iter(marked))


def _triggers(request: Request, before: Job | None) -> tuple[Mapping[str, Value], ...]:
    if request.triggers is None:
        return before.triggers if before else ()
    return tuple(trigger_text.read(text) for text in request.triggers)


def _notify(request: Request, before: Job | None) -> tuple[Mapping[str, Value], ...]:
    """Return the channels of notifications: webhooks, variables that hold one, and commands."""
    if request.notify is None:
        return before.notify if before else ()
    found: list[Mapping[str, Value]] = []
    for text in request.notify:
        kind, _, rest = text.partition(":")
        if kind in {"http", "https"}:
            found.append({"webhook": text})
        elif kind == "env" and rest:
            found.append({"webhook": {"env": rest}})
        elif kind == "command" and rest:
            found.append({"command": rest})
        else:
            raise JobError(
                f"{text!r} is no channel for notifications",
                fix="give https://…, env:NAME or command:TEXT",
            )
    return tuple(found)


def _folder(request: Request, source: Source, root: Path) -> Path:
    """Return the notebook's folder; refuse an invalid name, and a notebook outside the project."""
    if not JOB_NAME.match(request.name):
        raise JobError(
            f"{request.name!r} is no name for a job",
            fix="use letters, digits, ., _ and -, such as flights-delay",
        )
    folder = source.path.parent.resolve()
    if not folder.is_relative_to(root):
        raise JobError(
            f"{source.path.name!r} lies outside the project {root.name!r}",
            fix="run promote from the notebook's own project",
            where=str(source.path),
        )
    return folder


def _schedule(request: Request, old: Schedule | None) -> Schedule | None:
    if request.schedule is not None:
        zone = request.timezone or (old.timezone if old else "UTC")
        return job_schedule.schedule(request.schedule, zone)
    if request.timezone is not None and old is not None:
        return job_schedule.schedule(
            old.cron, request.timezone, missed=old.missed, overlap=old.overlap
        )
    if request.timezone is not None:
        job_schedule.zone(request.timezone)
    return old


def _fitting(given: Mapping[str, Value], source: Source) -> dict[str, Value]:
    known = source.pipeline.parameters
    fixed = {n: v for n, v in given.items() if not job_schedule.uses_template(v)}
    named = {n: next((p.value for p in known if p.name == n), None) for n in given}
    parameters.checked(named, known, source.path.name)  # the names of templates are checked, too
    templates = {n: str(v) for n, v in given.items() if n not in fixed}
    return {**templates, **parameters.checked(fixed, known, source.path.name)}
