"""The JSON schema of `labels` and `watch` in job.yaml."""

from typing import Any

NAME = {"type": "string", "minLength": 1}
FROM: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "minProperties": 1,
    "maxProperties": 1,
    "properties": {"env": NAME, "file": NAME, "command": NAME},
    "description": "where the address of the database comes from, as of a secret",
}
QUERY: dict[str, Any] = {
    "type": "object",
    "required": ["sql", "url"],
    "additionalProperties": False,
    "properties": {
        "sql": {**NAME, "description": "a SELECT that returns the labels"},
        "url": {
            "anyOf": [NAME, FROM],
            "description": "sqlite:///PATH from the job's folder, or postgresql://USER@HOST/NAME",
        },
    },
}

LABELS: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "source": {
            "anyOf": [{"type": ["string", "null"]}, QUERY],
            "description": "a glob of Parquet or CSV files, from the job's folder, or a query",
        },
        "key": {**NAME, "description": "the column with the ids of the requests"},
        "column": {**NAME, "description": "the column with the labels"},
        "time": {
            "type": ["string", "null"],
            "description": "the column that says when each label became known",
        },
        "matures": {
            "type": "string",
            "pattern": r"^[0-9]{1,5}[dhm]$",
            "description": "how long after the end of a day its labels may come",
        },
        "absent": {
            "type": ["string", "number", "boolean", "null"],
            "description": "the label of a row that has none when its day has matured",
        },
    },
}

WATCH: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "cron": {"type": "string"},
        "rollback": {"enum": ["off", "auto", False]},  # YAML reads a bare `off` as false
    },
}
