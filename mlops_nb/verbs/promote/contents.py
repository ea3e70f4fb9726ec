"""What a bundle holds: its files, from a draft that was proven and judged."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from mlops_nb.bundle import documents, jobfile, manifest, script
from mlops_nb.model import Proof, Verdict
from mlops_nb.notebook import hazards, render
from mlops_nb.verbs.promote import proof
from mlops_nb.verbs.promote.draft import END, Bench, Draft, possible_metrics


def code_files(draft: Draft) -> dict[str, bytes]:
    """Return the files of a bundle that hold its code."""
    text = script.render(
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
    bundle = draft.sides.get("bundle")
    if bundle is not None:
        return tuple(bundle.metrics)
    return tuple(dict.fromkeys(possible_metrics(draft.pipeline, draft.cut)))


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()


def schema_of(draft: Draft) -> dict[str, Any]:
    """Return what the data looked like: the frames that steps with no source of their own made."""
    fed = {e.target for e in draft.pipeline.edges}
    frames: dict[str, dict[str, Any]] = {}
    for step, values in draft.sides["bundle"].values.items():
        if step in fed or step == END:
            continue
        found = {n: v["schema"] for n, v in values.items() if "schema" in v}
        if found:
            frames[step] = found
    return {"version": 1, "frames": frames}


def finish(draft: Draft, bench: Bench, *, verdicts: Sequence[Verdict]) -> None:
    """Fill in the bundle's files, manifest last."""
    bundle = draft.sides["bundle"]
    lock = bench.environments.lock(draft.interpreter, bundle.modules)
    look = bench.environments.look(draft.interpreter)  # type: ignore[attr-defined]
    schema = schema_of(draft)
    kept = bundle.values.get(draft.cut.model_step, {}).get(draft.job.model_variable or "", {})
    facts = documents.Facts(
        job=draft.job,
        pipeline=draft.pipeline,
        proof=draft.proof,
        metrics=bundle.metrics,
        verdicts=verdicts,
        left_out=draft.cut.left_out,
        touches=_touches(draft),
        schema=schema,
        model_type=str(kept.get("type", "")),
        python=look.version,
        packages={p.split("==")[0]: p for p in lock.splitlines() if "==" in p},
        seconds=bundle.seconds,
    )
    found = code_files(draft)
    found |= {
        "job.yaml": jobfile.write(draft.job).encode(),
        "job.schema.json": _json(jobfile.SCHEMA),
        "requirements.lock": lock.encode(),
        "schema.json": _json(schema),
        "proof.json": _json(_proof_record(draft, bench)),
        "REVIEW.md": documents.review(facts).encode(),
        "MODEL_CARD.md": documents.card(facts).encode(),
        "Dockerfile": documents.dockerfile(draft.job, look.version).encode(),
    }
    found[manifest.NAME] = manifest.write(found)
    draft.files = found


def _proof_record(draft: Draft, bench: Bench) -> dict[str, Any]:
    return {
        "version": 1,
        **proof_json(draft.proof),
        "seed": bench.seed,
        "rtol": proof.RTOL,
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
        "steps": [{k: v for k, v in asdict(d).items() if k != "close"} for d in found.steps],
    }


def _touches(draft: Draft) -> dict[str, list[str]]:
    kinds = {"file": "files", "path": "files", "host": "hosts", "environment": "environment"}
    found: dict[str, dict[str, None]] = {}
    for cell in draft.notebook.cells:
        for hazard in hazards.hazards(cell.source):
            if hazard.kind in kinds:
                found.setdefault(kinds[hazard.kind], {})[hazard.what] = None
    return {kind: list(names) for kind, names in found.items()}
