"""Explains one request: its answer, the version that gave it, what made that, and its label."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from mlops_nb.context import Context
from mlops_nb.errors import NotFound
from mlops_nb.lineage import explain, queries
from mlops_nb.markup import visible
from mlops_nb.monitoring.labels import join
from mlops_nb.monitoring.live.window import OpenedModel, open_model
from mlops_nb.serving import prediction_files, prediction_table
from mlops_nb.serving.prediction_files import INPUT

FEATURE = "f_"
OWN = ("request_id", "time", "source", "model_version", "prediction", "score", "seconds")
SHOWN = 20  # inputs that the text names


def why_request(ctx: Context, model: str, request: str) -> dict[str, Any]:
    """Return what `why MODEL --request ID --json` prints.

    A request that was answered several times is that of a caller's answer, else the first.

    Raises NotFound if there is no such model, or no such request on record.
    """
    opened = open_model(ctx, model)
    row, day = _found(opened, request)
    at = row["time"].astimezone(UTC)
    version = int(row["model_version"])
    behind = queries.why_version(ctx, model, version, at)
    return {**behind, "request": _as_json(row, at), "label": _label(opened, request, day)}


def _found(opened: OpenedModel, request: str) -> tuple[dict[str, Any], str]:
    import pyarrow.compute as pc

    for day in reversed(prediction_files.days(opened.look.log, None, None)):
        with prediction_files.opened_day(opened.look.log, day) as files:
            tables = []
            for file in files:
                ids = file.read(columns=["request_id"])["request_id"]
                if pc.index(ids, request).as_py() >= 0:
                    whole = file.read()
                    tables.append(whole.filter(pc.equal(whole["request_id"], request)))
            if tables:
                rows = prediction_table.combined(tables).sort_by("time").to_pylist()
                rows.sort(key=lambda row: row["source"] not in prediction_files.ANSWERS)
                return rows[0], day
    known = prediction_files.days(opened.look.log, None, None)
    span = f"the log has days from {known[0]} to {known[-1]}" if known else "the log is empty"
    raise NotFound(
        f"{opened.model.name!r} has no request {request!r} on record",
        fix=f"check the id, which each answer has in request_ids; {span}",
    )


def _as_json(row: Mapping[str, Any], at: datetime) -> dict[str, Any]:
    own = {name: row[name] for name in OWN} | {"time": at.isoformat()}
    for name, prefix in (("inputs", INPUT), ("features", FEATURE)):
        own[name] = {n.removeprefix(prefix): v for n, v in row.items() if n.startswith(prefix)}
    return own


def _label(opened: OpenedModel, request: str, day: str) -> dict[str, Any] | None:
    """Return the label that holds for a request, and when it was known first; None for none."""
    import pyarrow as pa

    held = join.holding(opened.look.labels.read([day]), pa.array([request]))
    if not len(held.places):
        return None
    since = held.since[0].as_py().astimezone(UTC)
    return {"label": held.labels[0].as_py(), "since": since.isoformat()}


def as_text(answer: Mapping[str, Any]) -> str:
    """Return the explanation as text."""
    request, label = answer["request"], answer["label"]
    score = "" if request["score"] is None else f", score {request['score']}"
    lines = [
        f"request:  {visible(request['request_id'])}, {request['time'][:19]} UTC, "
        f"source {request['source']}",
        f"answer:   {visible(str(request['prediction']))}{score}",
        f"label:    {visible(label['label'])}, known since {label['since'][:19]} UTC"
        if label is not None
        else f"label:    none yet: mlops-nb labels {answer['model']} FILE",
    ]
    for name in ("inputs", "features"):
        values = list(request[name].items())
        shown = ", ".join(f"{visible(n)}={visible(str(v))}" for n, v in values[:SHOWN])
        more = f", and {len(values) - SHOWN} more (--json)" if len(values) > SHOWN else ""
        if shown:
            lines.append(f"{name + ':':9} {shown}{more}")
    return "\n".join([*lines, explain.as_text(answer)])
