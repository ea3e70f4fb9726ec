"""Makes the files of a bundle from a draft that was proven and judged."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlops_nb.data import contract
from mlops_nb.evaluation.model import Verdict
from mlops_nb.jobs.bundle import documents, job_yaml, manifest, pipeline_script, schema_json
from mlops_nb.jobs.cut import possible_metrics
from mlops_nb.jobs.model import Proof
from mlops_nb.jobs.promote import compare
from mlops_nb.jobs.promote.draft import END, Bench, Draft
from mlops_nb.notebook import check, render
from mlops_nb.notebook.model import Pipeline
from mlops_nb.serving.settings import ServingNotes


def code_files(draft: Draft) -> dict[str, bytes]:
    """Return the files of a bundle that hold its code."""
    text = pipeline_script.render(
        draft.notebook,
        draft.pipeline,
        job=draft.job.name,
        origin=draft.job.source,
        folder=draft.job.folder,
        metrics=_printed_metrics(draft),
    )
    found = {
        "pipeline.ipynb": _json(draft.document),
        "pipeline.py": text.encode(),
        "graph.json": _json(render.as_json(draft.pipeline)),
    }
    return found | {f"modules/{name}": text.encode() for name, text in draft.carried.items()}


def _printed_metrics(draft: Draft) -> tuple[str, ...]:
    """Return the metrics that `pipeline.py` prints: those of the notebook that the cells make."""
    notebook = draft.sides.get("notebook")
    if notebook is None:
        return tuple(dict.fromkeys(possible_metrics(draft.pipeline, draft.cut)))
    made = {name for cell in draft.pipeline.cells for name in cell.writes}
    return tuple(name for name in notebook.metrics if name in made)


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()


def schema_of(draft: Draft) -> dict[str, Any]:
    """Return the contract of the data: the frames of the steps that no other step feeds."""
    frames: dict[str, dict[str, Any]] = {}
    profile: dict[str, dict[str, Any]] = {}
    for step, values in draft.sides["bundle"].values.items():
        found = {n: v for n, v in values.items() if "schema" in v}
        if step in sources(draft.pipeline) and found:
            frames[step] = {n: _asked(v) for n, v in found.items()}
            profile[step] = {n: v.get("profile", {}) for n, v in found.items()}
    return {"version": 1, "about": schema_json.ABOUT, "frames": frames, "profile": profile}


def sources(pipeline: Pipeline) -> frozenset[str]:
    """Return the steps that no other step feeds: their frames are the data."""
    return frozenset(s.name for s in pipeline.steps) - {e.target for e in pipeline.edges}


def _asked(seen: Mapping[str, Any]) -> dict[str, Any]:
    asks = seen.get("asks", {})
    columns = {c: asks.get(c, spec) for c, spec in seen["schema"]["columns"].items()}
    return {"rows": seen["schema"]["rows"], "columns": columns}


def finish(
    draft: Draft,
    bench: Bench,
    *,
    verdicts: Sequence[Verdict],
    edits: tuple[Mapping[str, Any], Mapping[str, Any]] = ({}, {}),
    notes: ServingNotes,
) -> None:
    """Fill in the bundle's files, manifest last.

    edits: schema.json of the bundle before, as promoted and as applied; they differ by manual edits
           are kept
    notes: what to know of the model that is to be served
    """
    lock = bench.environments.lock(draft.interpreter, draft.sides["bundle"].modules)
    look = bench.environments.look(draft.interpreter)
    asks = contract.carried(*edits, schema_of(draft))
    facts = replace(_facts(draft, bench, asks, verdicts, lock), notes=notes)
    found = code_files(draft) | {"requirements.lock": lock.encode()}
    found |= {
        "job.yaml": job_yaml.write(draft.job).encode(),
        "job.schema.json": _json(job_yaml.SCHEMA),
        "schema.json": _json(asks),
        "proof.json": _json(_proof_record(draft, bench, manifest.code(found))),
        "REVIEW.md": documents.review(facts).encode(),
        "MODEL_CARD.md": documents.card(facts).encode(),
        "Dockerfile": documents.dockerfile(draft.job, look.version).encode(),
    }
    found[manifest.NAME] = manifest.write(found)
    draft.files = found


def _facts(
    draft: Draft, bench: Bench, asks: Mapping[str, Any], verdicts: Sequence[Verdict], lock: str
) -> documents.BundleFacts:
    bundle = draft.sides["bundle"]
    kept = bundle.values.get(draft.cut.model_step, {}).get(draft.job.model_variable or "", {})
    return documents.BundleFacts(
        job=draft.job,
        pipeline=draft.pipeline,
        proof=draft.proof,
        metrics=bundle.metrics,
        evaluation=bundle.evaluation,
        verdicts=verdicts,
        left_out=[(draft.source.notebook.cells[i].label, why) for i, why in draft.cut.left_out],
        touches=_touches(draft, bench.root),
        schema=asks,
        model_type=str(kept.get("type", "")),
        python=bench.environments.look(draft.interpreter).version,
        packages={p.split("==")[0]: p for p in lock.splitlines() if "==" in p},
        seconds=bundle.seconds,
    )


def _proof_record(draft: Draft, bench: Bench, proven: Mapping[str, str]) -> dict[str, Any]:
    """Return the content of proof.json; proven: file → sha256."""
    return {
        "version": 1,
        **proof_json(draft.proof),
        "files": dict(proven),
        "seed": bench.seed,
        "rtol": compare.RTOL,
        "parameters": dict(draft.parameters),
        "metrics": {side: dict(seen.metrics) for side, seen in draft.sides.items()},
        "digests": {
            step: {name: seen["digest"] for name, seen in values.items()}
            for step, values in draft.sides["bundle"].values.items()
            if step != END
        },
    }


def proof_json(found: Proof) -> dict[str, Any]:
    """Return a proof as `promote --json` prints it."""
    return {
        "equal": found.equal,
        "because": found.because,
        "steps": [
            {
                "name": step.step,
                "equal": step.equal,
                "differs": step.differs,
                "varying": step.varying,
                "uncompared": step.uncompared,
            }
            for step in found.steps
        ],
    }


def _touches(draft: Draft, root: Path) -> dict[str, list[str]]:
    """Return the files, hosts and variables that the cells name, or used when they were proven."""
    kinds = {"file": "files", "path": "files", "host": "hosts", "environment": "environment"}
    found: dict[str, dict[str, None]] = {"files": {}, "written": {}}
    for kind, key in (("files", "files_read"), ("written", "files_written")):
        used = (path for cell in draft.cut.kept for path in draft.seen.get(cell, {}).get(key, ()))
        found[kind] |= dict.fromkeys(_shown_path(path, draft, root) for path in used)
    for cell in draft.notebook.cells:
        for hazard in check.hazards(cell.source):
            named = {**found["files"], **found["written"]}
            if hazard.kind in kinds and hazard.what not in named:
                found.setdefault(kinds[hazard.kind], {})[hazard.what] = None
    return {kind: list(names) for kind, names in found.items()}


def _shown_path(text: str, draft: Draft, root: Path) -> str:
    """Return a path as a cell would write it: relative to the notebook's folder, if inside."""
    folder = draft.source.path.parent.resolve()
    path = folder / text
    for base in (folder, root):
        if path.is_relative_to(base):
            return str(path.relative_to(base))
    return str(path)
