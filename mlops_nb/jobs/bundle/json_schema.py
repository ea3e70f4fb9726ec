"""Validates a value against a JSON schema; fast if it is valid, with a clear message if not."""

import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import fastjsonschema

_compiled: dict[int, tuple[Mapping[str, Any], Callable[[Any], Any]]] = {}


def objection(schema: Mapping[str, Any], value: Any) -> tuple[str, str] | None:
    """Return the place, "" for the whole, and why a value is invalid there; None if it is valid.

    >>> objection({"properties": {"a": {"type": "integer"}}}, {"a": "x"})
    ('a', "'x' is not of type 'integer'")
    """
    try:
        _fitting(schema)(value)
    except fastjsonschema.JsonSchemaValueException as error:
        import jsonschema  # slow to import, with better messages

        found = jsonschema.Draft202012Validator(schema).iter_errors(value)
        problem = jsonschema.exceptions.best_match(found)
        if problem is None:  # the validators differ: the stricter one counts
            return ".".join(map(str, error.path[1:])), str(error.message)
        return ".".join(map(str, problem.absolute_path)), str(problem.message)
    return None


def _fitting(schema: Mapping[str, Any]) -> Callable[[Any], Any]:
    """Return the compiled form of a schema, which is made once for each object."""
    if id(schema) not in _compiled:
        text = json.dumps(schema, sort_keys=True)
        _compiled[id(schema)] = (schema, _compiled_text(text))  # the schema stays, and its id
    return _compiled[id(schema)][1]


@cache
def _compiled_text(schema: str) -> Callable[[Any], Any]:
    made: Callable[[Any], Any] = fastjsonschema.compile(json.loads(schema))
    return made
