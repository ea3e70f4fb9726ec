"""Validates a value against a JSON schema; fast if it is valid, with a clear message if not."""

import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import fastjsonschema


def objection(schema: Mapping[str, Any], value: Any) -> tuple[str, str] | None:
    """Return the place, "" for the whole, and why a value is invalid there; None if it is valid.

    >>> objection({"properties": {"a": {"type": "integer"}}}, {"a": "x"})
    ('a', "'x' is not of type 'integer'")
    """
    try:
        _fitting(json.dumps(schema, sort_keys=True))(value)
    except fastjsonschema.JsonSchemaValueException as error:
        import jsonschema  # slow to import, with better messages

        found = jsonschema.Draft202012Validator(schema).iter_errors(value)
        problem = jsonschema.exceptions.best_match(found)
        if problem is None:  # the validators differ: the stricter one counts
            return ".".join(map(str, error.path[1:])), str(error.message)
        return ".".join(map(str, problem.absolute_path)), str(problem.message)
    return None


@cache
def _fitting(schema: str) -> Callable[[Any], Any]:
    made: Callable[[Any], Any] = fastjsonschema.compile(json.loads(schema))
    return made
