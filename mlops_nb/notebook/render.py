"""Renders a pipeline as JSON, as a Mermaid flowchart and as text."""

from typing import Any

from mlops_nb.notebook.model import Pipeline, Step


def as_json(pipeline: Pipeline) -> dict[str, Any]:
    """Return the object that `graph --json` prints."""
    return {
        "version": 1,
        "notebook": pipeline.notebook,
        "parameters": [
            {"name": p.name, "value": p.value, "type": p.type} for p in pipeline.parameters
        ],
        "steps": [_step(step) for step in pipeline.steps],
        "edges": [[e.source, e.target, list(e.names)] for e in pipeline.edges],
        "cells": [
            {
                "index": c.index,
                "position": c.position,
                "id": c.id,
                "kind": c.kind,
                "step": c.step,
                "reads": list(c.reads),
                "writes": list(c.writes),
                "changes": list(c.changes),
                "depends_on": list(c.depends_on),
                "assumed": c.assumed,
            }
            for c in pipeline.cells
        ],
        "warnings": [
            {"kind": w.kind, "what": w.what, "fix": w.fix, "cell": w.cell}
            for w in pipeline.warnings
        ],
    }


def _step(step: Step) -> dict[str, Any]:
    return {
        "name": step.name,
        "title": step.title,
        "cells": list(step.cells),
        "uses": list(step.uses),
        "makes": list(step.makes),
        "parameters": list(step.parameters),
        "after": list(step.after),
    }


def as_mermaid(pipeline: Pipeline) -> str:
    """Return the pipeline as a Mermaid flowchart.

    >>> print(as_mermaid(Pipeline(notebook="a", parameters=(), steps=(), edges=(), cells=())))
    flowchart LR
    """
    number = {step.name: f"s{i}" for i, step in enumerate(pipeline.steps)}
    lines = ["flowchart LR"]
    lines += [f'    {number[s.name]}["{_quoted(s.name)}"]' for s in pipeline.steps]
    for edge in pipeline.edges:
        label = _quoted(", ".join(edge.names[:4]) + (" …" if len(edge.names) > 4 else ""))  # noqa: PLR2004
        lines.append(f'    {number[edge.source]} -->|"{label}"| {number[edge.target]}')
    for step in pipeline.steps:
        lines += [f"    {number[a]} -.-> {number[step.name]}" for a in step.after]
    return "\n".join(lines)


def _quoted(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")


def as_text(pipeline: Pipeline) -> str:
    """Return the pipeline as text for a terminal: each step with its inputs and their sources."""
    if not pipeline.steps:
        return "no steps"
    width = max(len(s.name) for s in pipeline.steps)
    lines = []
    for step in pipeline.steps:
        taken = [
            f"{', '.join(e.names)} ← {e.source}" for e in pipeline.edges if e.target == step.name
        ]
        taken += [f"-p {name}" for name in step.parameters]
        lines.append(f"{step.name:<{width}}  {'; '.join(taken) or '·'}".rstrip())
    for kind in ("setup", "scratch"):
        cells = [str(c.position + 1) for c in pipeline.cells if c.kind == kind]
        if cells:
            lines.append(f"{'(' + kind + ')':<{width}}  cells {', '.join(cells)}")
    return "\n".join(lines)
