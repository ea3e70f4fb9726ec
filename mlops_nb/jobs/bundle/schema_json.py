"""Reads and checks `schema.json`, the contract of a bundle's data, which people may edit."""

import json
from collections.abc import Mapping
from typing import Any

from mlops_nb.errors import JobError
from mlops_nb.jobs.bundle import json_schema

NAME = "schema.json"
KINDS = ("number", "text", "boolean", "time", "any")
ABOUT = [
    "frames: the contract of the data that the first steps load. Edit it, then: mlops-nb apply JOB",
    "kind: number, text, boolean, time or any; optional: true if the column may be missing",
    "missing: never or allowed; most_missing: the largest share of rows without a value",
    "min, max: of numbers; outside: the share of rows that may lie beyond them",
    "categories: of texts; new: whether an unlisted one is reported or refused",
    "profile: the reference of drift; thresholds: values above which drift is reported",
]
SHARE = {"type": "number", "minimum": 0, "maximum": 1}
COLUMN = {
    "type": "object",
    "required": ["kind"],
    "additionalProperties": False,
    "properties": {
        "kind": {"enum": list(KINDS)},
        "dtype": {"type": "string"},
        "optional": {"type": "boolean"},
        # older bundles noted the share as a number
        "missing": {"anyOf": [{"enum": ["never", "allowed"]}, SHARE]},
        "most_missing": SHARE,
        "min": {"type": "number"},
        "max": {"type": "number"},
        "outside": SHARE,
        "categories": {"type": "array", "items": {"type": "string"}},
        "new": {"enum": ["reported", "refused"]},
    },
    "if": {"required": ["new"]},
    "then": {"required": ["categories"]},
}
PROFILE = {
    "type": "object",
    "required": ["missing", "thresholds"],
    "properties": {
        "missing": SHARE,
        "thresholds": {"type": "object", "additionalProperties": {"type": "number"}},
        "edges": {"type": "array", "items": {"type": "number"}},
        "shares": {
            "oneOf": [
                {"type": "array", "items": SHARE},
                {"type": "object", "additionalProperties": SHARE},
            ]
        },
    },
}


def _by_frame(inner: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of step → frame → something."""
    frames = {"type": "object", "additionalProperties": inner}
    return {"type": "object", "additionalProperties": frames}


SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["version", "frames"],
    "properties": {
        "version": {"const": 1},
        "frames": _by_frame(
            {
                "type": "object",
                "required": ["columns"],
                "properties": {
                    "rows": {"type": "integer", "minimum": 0},
                    "columns": {"type": "object", "additionalProperties": COLUMN},
                },
            }
        ),
        "profile": _by_frame({"type": "object", "additionalProperties": PROFILE}),
    },
}


def read(data: bytes, where: str = NAME) -> dict[str, Any]:
    """Return the content of a schema.json. Raises JobError if it is invalid.

    >>> read(b'{"version": 1, "frames": {}}')["frames"]
    {}
    """
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise JobError(f"{NAME} is no JSON: {error}", fix=f"correct {where}", where=where) from None
    problem = json_schema.objection(SCHEMA, found)
    if problem is not None:
        place = problem[0] or NAME
        raise JobError(f"{place}: {problem[1]}", fix=f"correct {place} in {NAME}", where=where)
    _sane(found, where)
    return dict(found)


def _sane(found: Mapping[str, Any], where: str) -> None:
    """Raise JobError for limits that no data satisfies, and for bins without shares."""
    for step, frames in found["frames"].items():
        for name, frame in frames.items():
            for column, limits in frame["columns"].items():
                if limits.get("min", 0) > limits.get("max", limits.get("min", 0)):
                    place = f"{step}.{name}.{column}"
                    raise JobError(
                        f"{place}: min {limits['min']} is above max {limits['max']}",
                        fix=f"correct {place} in {NAME}",
                        where=where,
                    )
    for step, frames in found.get("profile", {}).items():
        for name, columns in frames.items():
            for column, profile in columns.items():
                edges, shares = profile.get("edges"), profile.get("shares", ())
                if edges is not None and (
                    isinstance(shares, Mapping) or len(shares) != len(edges) + 1
                ):
                    place = f"profile.{step}.{name}.{column}"
                    raise JobError(
                        f"{place}: {len(edges)} edges need {len(edges) + 1} shares",
                        fix=f"correct {place} in {NAME}",
                        where=where,
                    )
