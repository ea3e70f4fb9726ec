"""What the panel draws of a notebook: its pipeline and the state of each step, as JSON."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from mlops_nb.notebook import render
from mlops_nb.notebook.model import Source
from mlops_nb.session import staleness
from mlops_nb.session.cells import LiveCells
from mlops_nb.session.staleness import StepState


def pipeline_state(source: Source, live: LiveCells) -> dict[str, Any]:
    """Return the pipeline of a notebook, and how it stands in a kernel.

    graph:  the object of `graph --json`; digest: of that object
    onward: step → the steps that depend on it
    steps:  step → its state, the reason, and the ids of its cells
    stale:  ids of the cells that must run so that each step is up to date
    models: variables that hold models → registered names; metrics: names of metrics
    mends:  edits that mend a finding
    """
    from mlops_nb.notebook import mends  # with `check`: `%load_ext` need not wait for it

    graph = render.as_json(source.pipeline)
    text = json.dumps(graph, sort_keys=True, default=str)
    return {
        "version": 1,
        "digest": hashlib.sha256(text.encode()).hexdigest()[:16],
        "graph": graph,
        "onward": staleness.followers(source),
        "steps": _steps(staleness.step_states(source, live)),
        "stale": staleness.stale_ids(source, live),
        "models": dict(source.pipeline.model),
        "metrics": list(source.pipeline.metrics),
        "mends": [mends.as_json(one) for one in mends.mends(source)],
    }


def _steps(states: Sequence[StepState]) -> dict[str, Any]:
    return {
        one.step: {
            "state": one.state,
            "because": one.because,
            "seconds": one.seconds,
            "ids": list(one.ids),
        }
        for one in states
    }
