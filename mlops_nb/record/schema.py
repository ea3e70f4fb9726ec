"""What the data looked like, and whether new data still does."""

from collections.abc import Mapping
from typing import Any


def objection(schema: Mapping[str, Any], step: str, values: Mapping[str, Any]) -> str:
    """Return why a step's frames do not fit the schema of the bundle, "" where they do.

    A column that is gone or of another kind does not fit, nor does a frame without rows; a new
    column does, and so do whole numbers where there were fractions.

    >>> columns = {"x": {"kind": "number"}}
    >>> schema = {"frames": {"load": {"df": {"rows": 9, "columns": columns}}}}
    >>> objection(schema, "load", {"df": {"schema": {"rows": 3, "columns": {}}}})
    "the data does not fit schema.json: 'df' of step 'load' has no column 'x'"
    """
    for name, expected in schema.get("frames", {}).get(step, {}).items():
        found = values.get(name, {}).get("schema")
        said = _frame(name, step, expected, found)
        if said:
            return f"the data does not fit schema.json: {said}"
    return ""


def _frame(
    name: str, step: str, expected: Mapping[str, Any], found: Mapping[str, Any] | None
) -> str:
    if found is None:
        return f"{name!r} of step {step!r} is no data frame any more"
    if not found["rows"] and expected["rows"]:
        return f"{name!r} of step {step!r} has no rows"
    for column, was in expected["columns"].items():
        now = found["columns"].get(column)
        if now is None:
            return f"{name!r} of step {step!r} has no column {column!r}"
        if now["kind"] != was["kind"] and "any" not in {now["kind"], was["kind"]}:
            return f"column {column!r} of {name!r} is {now['kind']}, it was {was['kind']}"
    return ""
