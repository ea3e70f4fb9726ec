"""OpenLineage facets of jobs, runs and data, each with its schema."""

import re
from collections.abc import Iterable, Mapping
from importlib import metadata
from typing import Any

from mlops_nb.lineage.trace import Trace, Work
from mlops_nb.reuse import decide

Facet = dict[str, Any]
SPEC = "https://openlineage.io/spec"
EVENT = f"{SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent"
VERSION = metadata.version("mlops-nb")
PRODUCER = f"https://pypi.org/project/mlops-nb/{VERSION}/"
OWN = "urn:mlops-nb:schema:1-0-0:StepRunFacet"  # integrations/openlineage/schemas/StepRunFacet.json
VERSIONS = {
    "ColumnLineageDatasetFacet": "1-2-0",
    "DataQualityAssertionsDatasetFacet": "1-1-0",
    "DatasetVersionDatasetFacet": "1-0-1",
    "ErrorMessageRunFacet": "1-0-1",
    "ExecutionParametersRunFacet": "1-0-0",
    "InputStatisticsInputDatasetFacet": "1-0-0",
    "JobTypeJobFacet": "2-0-4",
    "NominalTimeRunFacet": "1-0-1",
    "OutputStatisticsOutputDatasetFacet": "1-0-2",
    "OwnershipJobFacet": "1-0-1",
    "ParentRunFacet": "1-2-0",
    "ProcessingEngineRunFacet": "1-1-1",
    "SchemaDatasetFacet": "1-2-0",
    "SourceCodeJobFacet": "1-0-1",
    "SourceCodeLocationJobFacet": "1-1-0",
    "TagsRunFacet": "1-0-0",
    "TestRunFacet": "1-0-1",
}
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def facet(kind: str, **fields: Any) -> Facet:
    """Return a facet of the standard with the address of its schema.

    >>> facet("DatasetVersionDatasetFacet", datasetVersion="abc")["datasetVersion"]
    'abc'
    """
    schema = f"{SPEC}/facets/{VERSIONS[kind]}/{kind}.json#/$defs/{kind}"
    return {"_producer": PRODUCER, "_schemaURL": schema, **_known(fields)}


def _known(fields: Mapping[str, Any]) -> Facet:
    return {k: v for k, v in fields.items() if v is not None}


# jobs


def job_type(kind: str) -> Facet:
    """Return the type of a job: NOTEBOOK, JOB or STEP."""
    return facet("JobTypeJobFacet", processingType="BATCH", integration="MLOPS_NB", jobType=kind)


def ownership(owner: str) -> Facet:
    """Return the owner of a job."""
    return facet("OwnershipJobFacet", owners=[{"name": owner, "type": "MAINTAINER"}])


def location(url: str, path: str) -> Facet:
    """Return the location of the notebook."""
    return facet("SourceCodeLocationJobFacet", type="file", url=url, path=path)


def source_code(text: str) -> Facet:
    """Return the text of a step's cells."""
    return facet("SourceCodeJobFacet", language="python", sourceCode=text)


# runs


def parent(run: str, namespace: str, name: str) -> Facet:
    """Return the parent run of a step's run, which is its root as well."""
    of = {"run": {"runId": run}, "job": {"namespace": namespace, "name": name}}
    return facet("ParentRunFacet", **of, root=of)


def parameters(values: Mapping[str, Any]) -> Facet:
    """Return the parameters of a run."""
    entries = [{"key": name, "name": name, "value": str(value)} for name, value in values.items()]
    return facet("ExecutionParametersRunFacet", parameters=entries)


def tags(labels: Mapping[str, Any]) -> Facet:
    """Return the known labels of a run."""
    known = {key: str(value) for key, value in labels.items() if value}
    source = {"source": "MLOPS_NB"}
    return facet("TagsRunFacet", tags=[{"key": k, "value": v, **source} for k, v in known.items()])


def engine() -> Facet:
    """Return the processing engine."""
    return facet(
        "ProcessingEngineRunFacet",
        name="mlops-nb",
        version=VERSION,
        openlineageAdapterVersion=VERSION,
    )


def error(message: str, traceback: str) -> Facet:
    """Return why a run failed."""
    return facet(
        "ErrorMessageRunFacet",
        message=message,
        programmingLanguage="PYTHON",
        stackTrace=COLOURS.sub("", traceback) or None,
    )


def tests(gates: Iterable[Mapping[str, Any]]) -> Facet:
    """Return the verdicts on a run's model."""
    return facet(
        "TestRunFacet",
        tests=[
            _known(
                {
                    "name": str(gate["gate"]),
                    "status": "pass" if gate["passed"] else "fail",
                    "severity": "error",
                    "type": "gate",
                    "description": gate.get("because") or None,
                    "actual": _number(gate.get("value")),
                    "expected": str(gate["gate"]),
                }
            )
            for gate in gates
        ],
    )


def _name(trace: Trace, cell: int) -> str:
    return trace.notebook.cells[cell].label if trace.notebook else f"cell {cell}"


def step(work: Work, trace: Trace) -> Facet:
    """Return the facet of this package: cells, digests, warnings and reuse of a step."""
    facts = [trace.pipeline.cells[i] for i in work.cells] if trace.pipeline else []
    uncertain = [
        f"{_name(trace, c.index)}: some of what it reads or changes is assumed"
        for c in facts
        if c.assumed
    ]
    uncertain += [str(work.record["never"])] if work.record.get("never") else []
    uncertain += [
        f"the content of {n!r} is not known"
        for n, v in work.values.items()
        if v.get("digest") == "unknown"
    ]
    return {
        "_producer": PRODUCER,
        "_schemaURL": OWN,
        "unit": work.unit,
        "cells": [{"index": c.index, "id": c.id} for c in facts],
        "reads": dict(work.reads),
        "writes": {n: str(v.get("digest", "unknown")) for n, v in work.values.items()},
        "uncertain": uncertain,
        "reuse": {"reused": work.reused, "because": work.because},
        "key": decide.token(work.record) if work.record else "",
        "code": str(work.record.get("code", "")),
        "environment": str(work.record.get("environment", "")),
    }


# data


def version(digest: Any) -> dict[str, Facet]:
    """Return the version of a dataset, its digest; nothing if that is unknown."""
    if not digest or digest == "unknown":
        return {}
    return {"version": facet("DatasetVersionDatasetFacet", datasetVersion=str(digest))}


def schema(seen: Mapping[str, Any]) -> dict[str, Facet]:
    """Return the columns of a frame; nothing for other values."""
    if "schema" not in seen:
        return {}
    columns = [
        {"name": str(name), "type": str(spec.get("dtype", spec.get("kind")))}
        for name, spec in seen["schema"]["columns"].items()
    ]
    return {"schema": facet("SchemaDatasetFacet", fields=columns)}


def columns(seen: Mapping[str, Any], of: Mapping[str, tuple[str, str]]) -> dict[str, Facet]:
    """Return which columns of a frame equal columns of frames that were read.

    of: name of a value that was read → namespace and name of its dataset
    """
    same = {
        "type": "DIRECT",
        "subtype": "IDENTITY",
        "masking": False,
        "description": "every value is the same",
    }
    fields = {}
    for column, sources in seen.get("from", {}).items():
        inputs = [
            {
                "namespace": of[frame][0],
                "name": of[frame][1],
                "field": field,
                "transformations": [same],
            }
            for frame, field in sources
            if frame in of
        ]
        if inputs:
            fields[str(column)] = {"inputFields": inputs}
    return {"columnLineage": facet("ColumnLineageDatasetFacet", fields=fields)} if fields else {}


def statistics(
    *, made: bool, rows: int | None = None, size: int | None = None, count: int | None = None
) -> dict[str, Facet]:
    """Return rows, bytes and files of a dataset; nothing if none is known."""
    counts = {"rowCount": rows, "size": size, "fileCount": count}
    if not _known(counts):
        return {}
    kind = "OutputStatisticsOutputDatasetFacet" if made else "InputStatisticsInputDatasetFacet"
    return {"outputStatistics" if made else "inputStatistics": facet(kind, **counts)}


def assertions(gates: Iterable[Mapping[str, Any]]) -> dict[str, Facet]:
    """Return the verdicts on one metric."""
    verdicts = [
        _known(
            {
                "assertion": str(gate["gate"]),
                "success": bool(gate["passed"]),
                "severity": "error",
                "description": gate.get("because") or None,
                "actual": _number(gate.get("value")),
            }
        )
        for gate in gates
    ]
    return {
        "dataQualityAssertions": facet("DataQualityAssertionsDatasetFacet", assertions=verdicts)
    }


def _number(value: Any) -> str | None:
    return None if value is None else f"{value:.12g}" if type(value) is float else str(value)
