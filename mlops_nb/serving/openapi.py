"""Describes the routes of a server as OpenAPI 3.1."""

from typing import Any

from mlops_nb.models.package import Package

ROUTES = ("/predict", "/invocations", "/health", "/ready", "/model", "/metrics", "/openapi.json")
TYPES = {"int": "integer", "float": "number", "bool": "boolean", "other": "object"}


def description(package: Package) -> dict[str, Any]:
    """Return the OpenAPI document of a server."""
    columns = package.signature["columns"]
    row = {
        "type": "object",
        "properties": {c["name"]: _schema(c) for c in columns},
        "required": [c["name"] for c in columns],
    }
    ids = {"type": "array", "items": {"type": "string"}}
    body = {
        "type": "object",
        "properties": {"rows": {"type": "array", "items": row}, "request_ids": ids},
        "required": ["rows"],
    }
    answer = {
        "type": "object",
        "properties": {
            "predictions": {"type": "array"},
            "scores": {"type": ["array", "null"]},
            "request_ids": ids,
            "model_version": {"type": "integer"},
            "holdout": {"type": "array", "items": {"type": "boolean"}},
        },
    }
    paths: dict[str, Any] = {
        route: {"get": {"responses": {"200": {"description": "OK"}}}} for route in ROUTES[2:]
    }
    paths["/predict"] = {"post": _post(body, answer, "Answer rows.")}
    paths["/invocations"] = {"post": _post({"type": "object"}, answer, "MLflow's protocol.")}
    return {
        "openapi": "3.1.0",
        "info": {"title": package.model, "version": str(package.version)},
        "paths": paths,
    }


def _schema(column: dict[str, Any]) -> dict[str, Any]:
    kind = column["kind"]
    if kind == "other":
        return {}
    made: dict[str, Any] = {"type": TYPES.get(kind, "string")}
    if kind == "category":
        made = {"enum": column["categories"]}
    if kind == "time":
        made["format"] = "date-time"
    if column["missing"] and "type" in made:
        made["type"] = [made["type"], "null"]
    return made


def _post(body: dict[str, Any], answer: dict[str, Any], summary: str) -> dict[str, Any]:
    def content(schema: dict[str, Any]) -> dict[str, Any]:
        return {"content": {"application/json": {"schema": schema}}}

    wrong = {"400": "no JSON", "413": "too large", "422": "rows that do not fit", "503": "busy"}
    return {
        "summary": summary,
        "requestBody": {"required": True, **content(body)},
        "responses": {
            "200": {"description": "Answers", **content(answer)},
            **{status: {"description": what} for status, what in wrong.items()},
        },
    }
