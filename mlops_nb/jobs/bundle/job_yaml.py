"""Reads, checks and writes `job.yaml`."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import msgspec
import yaml
from msgspec import structs

from mlops_nb.errors import JobError
from mlops_nb.evaluation import gates
from mlops_nb.jobs import schedule
from mlops_nb.jobs.bundle import json_schema, watching_schema
from mlops_nb.jobs.model import Job
from mlops_nb.serving import settings
from mlops_nb.serving.settings import RolloutLimits, ServingSettings

TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
MOST_LEVELS, MOST_VALUES = 40, 100_000
SECONDS = {"type": "number", "minimum": 0, "description": "s"}
SHARE = {"type": "number", "exclusiveMinimum": 0, "maximum": 1}
COLUMN = {"type": ["string", "null"], "description": "an input column"}
COLUMNS = {"type": "array", "items": {"type": "string"}, "uniqueItems": True}
FROM = {
    "type": "object",
    "required": ["env"],
    "additionalProperties": False,
    "properties": {"env": {"type": "string"}},
}


def _trigger(
    kind: str, schema: Mapping[str, Any], *, required: tuple[str, ...] = (), **more: Any
) -> dict[str, Any]:
    """Return the schema of one kind of trigger; `cooldown` is s from one run to the next."""
    return {
        "type": "object",
        "required": [kind, *required],
        "additionalProperties": False,
        "properties": {kind: schema, "cooldown": SECONDS, **more},
    }


SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "job.yaml",
    "description": "A notebook promoted to a job by mlops-nb.",
    "type": "object",
    "required": ["version", "name", "notebook"],
    "additionalProperties": False,
    "properties": {
        "version": {"const": 1},
        "name": {"type": "string", "pattern": r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$"},
        "notebook": {"type": "string"},
        "source": {"type": "string", "description": "the notebook that it was frozen from"},
        "folder": {"type": "string", "description": "the working folder, from the project's"},
        "parameters": {"type": "object"},
        "schedule": {
            "type": ["object", "null"],
            "required": ["cron"],
            "additionalProperties": False,
            "properties": {
                "cron": {"type": "string"},
                "timezone": {"type": "string"},
                "missed": {"enum": ["last", "all", "none"]},
                "overlap": {"enum": ["skip", "queue"]},
            },
        },
        "triggers": {
            "type": "array",
            "items": {
                "oneOf": [
                    _trigger(
                        "data", {"type": "string", "description": "a glob, from the job's folder"}
                    ),
                    _trigger(
                        "job",
                        {"type": "string", "description": "a job whose runs this one follows"},
                    ),
                    _trigger(
                        "drift",
                        {**SHARE, "description": "share of columns whose values moved"},
                        every=SECONDS,
                    ),
                    _trigger(
                        "metric",
                        {"type": "string"},
                        required=("fall",),
                        every=SECONDS,
                        fall={
                            "type": "number",
                            "exclusiveMinimum": 0,
                            "description": "how far it may be below its value at release",
                        },
                    ),
                ]
            },
        },
        "gates": {"type": "array", "items": {"type": "string"}},
        "model": {
            "type": ["object", "null"],
            "required": ["name", "variable"],
            "additionalProperties": False,
            "properties": {"name": {"type": "string"}, "variable": {"type": "string"}},
        },
        "secrets": {"type": "object", "additionalProperties": TEXTS},
        "reuse": {"type": "boolean"},
        "retries": {"type": "integer", "minimum": 0},
        "timeout": {"type": ["number", "null"], "exclusiveMinimum": 0},
        "predictions": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "keep": {"type": "string", "pattern": r"^[0-9]{1,5}[dhm]$"},
                "sample": {**SHARE, "description": "share of the requests that is logged"},
                "drop": {**COLUMNS, "description": "columns that are never written"},
                "hash": {**COLUMNS, "description": "columns that are written as pseudonyms"},
                "subject": {**COLUMN, "description": "names the person a row is about"},
                "entity": {**COLUMN, "description": "names what training knows a row by"},
                "holdout": {
                    "type": "number",
                    "minimum": 0,
                    "maximum": 0.5,
                    "description": "share of the entities that are decided without the model",
                },
            },
        },
        "labels": watching_schema.LABELS,
        "watch": watching_schema.WATCH,
        "rollout": {
            "type": "object",
            "additionalProperties": False,
            "description": "what a new version must keep to when it answers the last requests",
            "properties": {
                "latency": {
                    "type": ["number", "null"],
                    "exclusiveMinimum": 0,
                    "description": "its median, as a multiple of that of the version that answers",
                },
                "changed": {
                    "type": ["number", "null"],
                    "minimum": 0,
                    "maximum": 1,
                    "description": "share of the rows with another prediction",
                },
            },
        },
        "score": {
            "type": ["object", "null"],
            "required": ["files", "output"],
            "additionalProperties": False,
            "description": "files that the champion answers as they come",
            "properties": {
                "files": {"type": "string", "description": "a glob, from the job's folder"},
                "output": {"type": "string", "description": "with {name} or {stem} of the file"},
            },
        },
        "approval": {"enum": ["none", "required"]},
        "release_with": {**COLUMNS, "description": "jobs whose models are released together"},
        "notify": {
            "type": "array",
            "items": {
                "oneOf": [
                    {
                        "type": "object",
                        "required": [kind],
                        "additionalProperties": False,
                        "properties": {kind: {"oneOf": [{"type": "string"}, FROM]}},
                    }
                    for kind in ("webhook", "command")
                ]
            },
        },
    },
}


def read(text: str, where: str = "job.yaml") -> Job:
    """Return the job that a job.yaml defines.

    Raises JobError for content that the schema forbids, and for an invalid gate, cron line or
    zone.
    """
    try:
        found = yaml.safe_load(text)
        excessive = _is_excessive(found)
    except RecursionError:
        excessive = True
    except yaml.YAMLError as error:
        raise JobError(
            f"job.yaml is no YAML: {str(error).splitlines()[0]}", fix="correct it", where=where
        ) from None
    if excessive:
        raise JobError(
            f"job.yaml has more than {MOST_LEVELS} levels, or more than {MOST_VALUES} values",
            fix="correct it",
            where=where,
        )
    return of_definition(found, where)


def _is_excessive(found: Any) -> bool:
    """Return whether values nest too deeply or, by aliases, are too many to be written."""
    level = [found]
    for _ in range(MOST_LEVELS):
        level = list(islice(_values(level), MOST_VALUES + 1))
        if not level or len(level) > MOST_VALUES:
            return bool(level)
    return True


def _values(containers: Iterable[Any]) -> Iterator[Any]:
    for value in containers:
        if isinstance(value, dict):
            yield from value.values()
        elif isinstance(value, list | tuple | set):
            yield from value


def of_definition(found: Any, where: str = "job.yaml") -> Job:
    """Return the job of a definition: job.yaml as plain values."""
    problem = json_schema.objection(SCHEMA, found)
    if problem is not None:
        place, what = problem[0] or "job.yaml", problem[1]
        raise JobError(f"{place}: {what}", fix=f"correct {place} in job.yaml", where=where)
    when = found.get("schedule")
    for text in found.get("gates", []):
        gates.gate(text)
    model = found.get("model") or {}
    return Job(
        name=found["name"],
        notebook=found["notebook"],
        source=found.get("source", found["notebook"]),
        folder=found.get("folder", "."),
        parameters=found.get("parameters") or {},
        schedule=None
        if not when
        else schedule.schedule(
            when["cron"],
            when.get("timezone", "UTC"),
            missed=when.get("missed", "last"),
            overlap=when.get("overlap", "skip"),
        ),
        gates=tuple(found.get("gates") or ()),
        model_name=model.get("name"),
        model_variable=model.get("variable"),
        secrets=found.get("secrets") or {},
        reuse=found.get("reuse", False),
        retries=found.get("retries", 0),
        timeout=found.get("timeout"),
        triggers=tuple(found.get("triggers") or ()),
        score=found.get("score"),
        approval=found.get("approval", "none"),
        release_with=tuple(found.get("release_with") or ()),
        notify=tuple(found.get("notify") or ()),
        serving=_serving_of(found),
    )


def _serving_of(found: Mapping[str, Any]) -> ServingSettings:
    watch = settings.watch_of(found.get("watch") or {})
    schedule.schedule(watch.cron, "UTC")
    return ServingSettings(
        predictions=settings.of_definition(found.get("predictions") or {}),
        rollout=RolloutLimits(**found.get("rollout", {})),
        labels=settings.labels_of(found.get("labels") or {}),
        watch=watch,
    )


def definition(job: Job) -> dict[str, Any]:
    """Return a job as plain values, in the form of job.yaml."""
    when = job.schedule
    model = None
    if job.model_variable:
        model = {"name": job.model_name or job.name, "variable": job.model_variable}
    return {
        "version": 1,
        "name": job.name,
        "notebook": job.notebook,
        "source": job.source,
        "folder": job.folder,
        "parameters": dict(job.parameters),
        "schedule": None
        if when is None
        else {
            "cron": when.cron,
            "timezone": when.timezone,
            "missed": when.missed,
            "overlap": when.overlap,
        },
        "triggers": [dict(t) for t in job.triggers],
        "gates": list(job.gates),
        "model": model,
        "secrets": {name: dict(source) for name, source in job.secrets.items()},
        "reuse": job.reuse,
        "retries": job.retries,
        "timeout": job.timeout,
        "predictions": settings.definition(job.serving.predictions),
        "labels": msgspec.to_builtins(job.serving.labels),
        "watch": structs.asdict(job.serving.watch),
        "rollout": structs.asdict(job.serving.rollout),
        "score": None if job.score is None else dict(job.score),
        "approval": job.approval,
        "release_with": list(job.release_with),
        "notify": [dict(n) for n in job.notify],
    }


def write(job: Job) -> str:
    """Return the text of job.yaml.

    >>> read(write(Job(name="a", notebook="n.ipynb", folder=".", source="a.ipynb"))).name
    'a'
    """
    body = yaml.safe_dump(definition(job), sort_keys=False, allow_unicode=True, width=100)
    return f"# Edit, then: mlops-nb apply {job.name}\n{body}"


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return the changes of a new definition, one line each.

    A setting of the log, the labels or the rollout that a definition does not name has its default.

    >>> difference({"retries": 0}, {"retries": 2})
    ['retries: 0 → 2']
    >>> difference({}, {"predictions": {"keep": "180d", "sample": 0.1}})
    ['predictions.sample: 1.0 → 0.1']
    """
    before, after = _flat(old), _flat(new)
    return [
        f"{key}: {before.get(key)!r} → {after.get(key)!r}"
        for key in dict.fromkeys([*before, *after])
        if before.get(key) != after.get(key)
    ]


def _flat(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return a definition with each setting of the log and the labels by a name of its own."""
    flat = dict(found)
    defaults = ServingSettings()
    whole = (("rollout", defaults.rollout), ("watch", defaults.watch))
    for key, default in whole:
        flat.setdefault(key, structs.asdict(default))
    parts = {
        "predictions": settings.definition(defaults.predictions),
        "labels": msgspec.to_builtins(defaults.labels),
    }
    for key, default_values in parts.items():
        given = {**default_values, **flat.pop(key, {})}
        flat |= {f"{key}.{name}": value for name, value in given.items()}
    return flat
