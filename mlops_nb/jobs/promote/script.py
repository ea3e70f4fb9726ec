"""Runs the `pipeline.py` of a draft, for its proof."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlops_nb.errors import RunFailed
from mlops_nb.jobs.bundle import pipeline_script
from mlops_nb.jobs.promote.compare import Side
from mlops_nb.jobs.promote.draft import END, Bench, Draft
from mlops_nb.jobs.promote.program import PROGRAMS, Program

PROBE = PROGRAMS.parents[1] / "probe" / "__init__.py"


def start(
    draft: Draft, bench: Bench, folder: Path, snapshots: Mapping[str, list[dict[str, Any]]]
) -> Program:
    """Start `pipeline.py` in the job's interpreter, with the seed of the proof.

    snapshots: step → stored values to bind instead of running its function
    """
    dump = bench.scratch / "script"
    dump.mkdir(parents=True, exist_ok=True)
    names = pipeline_script.functions(draft.pipeline)
    made = dict.fromkeys(name for step in draft.pipeline.steps for name in step.makes)
    request = {
        "script": str(folder / "pipeline.py"),
        "arguments": [w for n, value in draft.parameters.items() for w in ("-p", n, str(value))],
        "seed": bench.seed,
        "dump": str(dump),
        "probe": str(PROBE),
        "steps": {END: list(made)},
        "snapshots": {names[step]: found for step, found in snapshots.items() if step in names},
        "metrics": list(draft.metrics),
        "not": sorted(p.name for p in draft.pipeline.parameters),
        "answer": str(dump / "answer.json"),
    }
    environment = {
        **bench.base_environment,
        **bench.environment,
        "PYTHONHASHSEED": str(bench.seed % 2**32),
        "MPLBACKEND": "Agg",
    }
    return Program(
        "run_script.py",
        request,
        python=draft.interpreter,
        folder=dump,
        environment=environment,
    )


def side(program: Program, bench: Bench) -> Side:
    """Wait for `pipeline.py` and return its values and metrics.

    Raises RunFailed if it fails.
    """
    found = program.answer()
    if "error" in found:
        raise RunFailed(
            f"pipeline.py does not run by itself: {found['error']}",
            fix="prove without it: --proof quick, or simplify the cell that it names",
            where="pipeline.py",
        )
    return Side(values=found["values"], metrics=found["metrics"], dump=bench.scratch / "script")
