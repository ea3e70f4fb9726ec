"""Logs the lineage of a run to MLflow: inputs by digest, models, and lineage.json."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mlops_nb.integrations.mlflow.limits import CUT_TAG
from mlops_nb.lineage import graph
from mlops_nb.lineage.trace import Trace, Work
from mlops_nb.runs.history import Run

CONTEXT = "mlflow.data.context"
DIGEST_TAG = "mlops-nb.digest"
MOST = 1000  # inputs that MLflow accepts in one call
SHORT = 36  # characters of a digest that MLflow stores; a tag and the source contain the full one
LONGEST = {"name": 500, "schema": 1_048_575}
TYPES = {"number": "double", "boolean": "boolean", "text": "string", "time": "datetime"}
Input = dict[str, Any]


def log_run(client: Any, mlflow_run: str, run: Run, trace: Trace, root: Path) -> None:
    """Log the new inputs of a run, and replace its lineage.json.

    root: the project's folder; file names are relative to it
    """
    _log_inputs(client, mlflow_run, inputs(run, trace, root))
    document = {"version": 1, "run": run.id, "notebook": run.notebook, **graph.graph(trace).json()}
    client.log_dict(mlflow_run, document, "lineage.json")


def inputs(run: Run, trace: Trace, root: Path) -> list[Input]:
    """Return the files that a run read, and the frames that one step made and another read."""
    found: dict[tuple[str, str], Input] = {}
    for place, work in enumerate(trace.works):
        context = "training" if _trains(work, run) else "input"
        for dataset in (*_files(run, work, root), *_frames(run, trace, work, place)):
            key = dataset["name"], dataset["digest"]
            if key not in found or context == "training":
                found[key] = {**dataset, "context": context}
    return list(found.values())


def _trains(work: Work, run: Run) -> bool:
    """Return whether a unit makes the run's model, or a value with the name of a model."""
    return (run.model.variable if run.model else "model") in work.values


def _files(run: Run, work: Work, root: Path) -> Iterator[Input]:
    for path, stamp in work.files.items():
        where = Path(os.path.normpath((root / run.notebook).parent / path))
        size = stamp["stat"][0] if stamp.get("stat") else None
        yield {
            "name": str(where.relative_to(root) if where.is_relative_to(root) else where),
            "digest": stamp["sha256"],
            "source_type": "local",
            "source": {"uri": str(where)},
            "profile": {"bytes": size},
        }


def _frames(run: Run, trace: Trace, work: Work, place: int) -> Iterator[Input]:
    of = run.job or run.notebook.removesuffix(".ipynb")
    for name, digest in work.reads.items():
        maker = trace.maker(name, digest, place)
        seen = trace.works[maker].values[name] if maker is not None else {}
        if maker is None or "schema" not in seen or seen.get("digest") in {None, "unknown"}:
            continue
        rows, columns = seen["schema"]["rows"], seen["schema"]["columns"]
        yield {
            "name": f"{of}.{name}",
            "digest": str(seen["digest"]),
            "source_type": "code",
            "source": {
                "tags": {
                    "mlflow.source.name": run.notebook,
                    "mlops-nb.step": trace.works[maker].unit,
                }
            },
            "schema": {"mlflow_colspec": [_column(c, spec) for c, spec in columns.items()]},
            "profile": {"num_rows": rows, "num_elements": rows * len(columns)},
        }


def _column(name: str, spec: Mapping[str, Any]) -> Input:
    dtype = str(spec.get("dtype", ""))
    kind = "long" if dtype.lower().startswith(("int", "uint")) else TYPES.get(spec.get("kind", ""))
    return {"type": kind or "string", "name": str(name), "required": not spec.get("missing")}


def _log_inputs(client: Any, mlflow_run: str, wanted: Iterable[Input]) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    known = client.get_run(mlflow_run).inputs
    there = {(i.dataset.name, i.dataset.digest) for i in (known.dataset_inputs if known else ())}
    fresh = []
    for one in wanted:
        schema = json.dumps(one["schema"]) if "schema" in one else ""
        long = {"name": len(one["name"]), "schema": len(schema)}
        cut = ", ".join(part for part, most in LONGEST.items() if long[part] > most)
        dataset = Dataset(
            name=one["name"][-LONGEST["name"] :],
            digest=one["digest"][:SHORT],
            source_type=one["source_type"],
            source=json.dumps({**one["source"], DIGEST_TAG: one["digest"]}),
            schema=schema if schema and "schema" not in cut else None,
            profile=json.dumps(one["profile"]),
        )
        tags = [InputTag(CONTEXT, one["context"]), InputTag(DIGEST_TAG, one["digest"])]
        tags += [InputTag(CUT_TAG, cut)] if cut else []
        if (dataset.name, dataset.digest) not in there:
            fresh.append(DatasetInput(dataset, tags))
    for start in range(0, len(fresh), MOST):
        client.log_inputs(mlflow_run, fresh[start : start + MOST])


def log_model(client: Any, mlflow_run: str, model_id: str, run: Run, trace: Trace) -> None:
    """Set a logged model as an output of its run, and link the metrics to model and data.

    MLflow copies the metrics of a run to its models, but not their data. It stores one row of a
    metric for each moment, so each metric is logged again, 1 ms later, with its data.
    """
    from mlflow.entities import LoggedModelOutput, Metric

    known = client.get_run(mlflow_run).outputs
    if model_id not in {m.model_id for m in (known.model_outputs if known else ())}:
        client.log_outputs(mlflow_run, [LoggedModelOutput(model_id, step=0)])
    metrics = []
    for name, value in run.metrics.items():
        data = _of_data(run, trace, name)
        before = client.get_metric_history(mlflow_run, name) if data else ()
        if before:
            metrics.append(
                Metric(
                    name,
                    float(value),
                    min(m.timestamp for m in before) + 1,
                    0,
                    model_id=model_id,
                    run_id=mlflow_run,
                    **data,
                )
            )
    if metrics:
        client.log_batch(mlflow_run, metrics=metrics)


def _of_data(run: Run, trace: Trace, metric: str) -> dict[str, str]:
    for place, work in enumerate(trace.works):
        if metric in work.values:
            for frame in _frames(run, trace, work, place):
                return {"dataset_name": frame["name"], "dataset_digest": frame["digest"][:SHORT]}
    return {}
