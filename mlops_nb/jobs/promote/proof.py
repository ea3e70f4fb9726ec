"""Proves a draft: runs the notebook, the bundle and its script, and compares them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from mlops_nb import files
from mlops_nb.engine.task import Limits, Task
from mlops_nb.errors import NotProven, RunFailed
from mlops_nb.evaluation import gates
from mlops_nb.jobs.bundle import pipeline_script
from mlops_nb.jobs.bundle.task import bundle_task
from mlops_nb.jobs.cut import gate_name
from mlops_nb.jobs.model import Proof
from mlops_nb.jobs.promote import compare
from mlops_nb.jobs.promote.bundle_files import code_files, sources
from mlops_nb.jobs.promote.draft import END, Bench, Draft
from mlops_nb.notebook.model import Source


def prove(draft: Draft, bench: Bench, *, quick: bool, tolerance: float | None) -> None:
    """Run the notebook, the bundle and its script from one random state, and compare them.

    Raises RunFailed if one of them fails, NotProven if they differ.
    """
    folder = bench.scratch / "bundle"
    files.write_folder(folder, code_files(draft))
    base = _base_task(draft, bench)
    bench.note("proof: running the notebook")
    source = _source_side(draft, base, bench, "source")
    bench.note("proof: running the bundle")
    task, frozen = _bundle_task(draft, base, bench, folder)
    reuse = bench.snapshots(frozen)
    bundle = compare.fold(bench.execute(task, reuse, recorded=True), task.dump)
    _refuse_loose_modules(bundle, bench.root, folder)
    draft.sides = {"notebook": source, "bundle": bundle}
    rtol = max(compare.RTOL, tolerance or 0.0)
    found = compare.compare(
        source, bundle, python=draft.interpreter, scratch=bench.scratch / "compare", rtol=rtol
    )
    if not quick:
        bench.note("proof: running pipeline.py")
        files.write_folder(folder, code_files(draft))  # the metrics that it prints are known now
        snapshots = {} if reuse is None else reuse.reused_values()
        found = _with_script(draft, bench, folder, found, rtol, snapshots)

    def again() -> compare.Comparison:
        bench.note("proof: something differs; running the notebook once more")
        other = replace(base, seed=bench.seed + 1)
        second = _source_side(draft, other, bench, "again")
        return compare.compare(
            source, second, python=draft.interpreter, scratch=bench.scratch / "varying", rtol=rtol
        )

    measured = set(bundle.metrics) | {gate_name(gates.gate(t)) for t in draft.job.gates}
    matters = measured | ({draft.job.model_variable} if draft.job.model_variable else set())
    settled = compare.settle(found, again=again, matters=matters, tolerance=tolerance)
    because = "; ".join([settled.because, *["pipeline.py was not run"] * quick, *bundle.snapshots])
    draft.proof = replace(settled, because=because)
    if not draft.proof.equal:
        raise _not_proven(draft.proof)


def _base_task(draft: Draft, bench: Bench) -> Task:
    return Task(
        run=bench.run,
        document=draft.source.document,
        folder=draft.source.path.parent.resolve(),
        output=bench.output,
        source=str(draft.source.path),
        parameters=draft.parameters,
        metrics=draft.metrics,
        not_metrics=frozenset(p.name for p in draft.source.pipeline.parameters),
        seed=bench.seed,
        interpreter=draft.interpreter,
        environment={**bench.environment, "PYTHONHASHSEED": str(bench.seed % 2**32)},
        secrets=bench.secrets,
        limits=Limits(timeout=draft.job.timeout, engine="cold"),  # independent of other runs
    )


def _looks(draft: Draft, numbers: Sequence[int]) -> dict[int, tuple[str, tuple[str, ...]]]:
    """Return cell → (step, names) to digest; `numbers`: index in the bundle → index in the side."""
    return {numbers[s.cells[-1]]: (s.name, s.makes) for s in draft.pipeline.steps}


def _final_makers(draft: Draft) -> dict[str, str]:
    """Return name → the step that makes it last."""
    return {name: s.name for s in draft.pipeline.steps for name in s.makes}


def _source_side(draft: Draft, base: Task, bench: Bench, name: str) -> compare.Side:
    task = _source_task(draft, base, bench.scratch / name)
    reuse = bench.snapshots(draft.source)
    return compare.fold(bench.execute(task, reuse, recorded=False), task.dump)


def _source_task(draft: Draft, base: Task, folder: Path) -> Task:
    folder.mkdir(parents=True)
    pipeline = draft.source.pipeline
    return replace(
        base,
        output=folder / "executed.ipynb",
        steps={s.name: s.cells for s in pipeline.steps},
        looks=_looks(draft, draft.cut.kept),
        dump=folder,
        environment={**base.environment, "PYTHONHASHSEED": str((base.seed or 0) % 2**32)},
    )


def _bundle_task(draft: Draft, base: Task, bench: Bench, folder: Path) -> tuple[Task, Source]:
    """Return the task that runs the bundle, and the frozen notebook that it runs."""
    dump = bench.scratch / "bundle-values"
    dump.mkdir()
    frozen = replace(
        draft.source, document=draft.document, notebook=draft.notebook, pipeline=draft.pipeline
    )
    task = replace(
        bundle_task(
            draft.job,
            draft.pipeline,
            draft.document,
            base,
            champion=bench.champion,
            model_file=bench.scratch / "model.pickle",
        ),
        looks={
            **_looks(draft, range(len(draft.notebook.cells))),
            -1: (
                END,
                tuple(_final_makers(draft)),
            ),  # what the script ends with
        },
        dump=dump,
        list_modules=True,
        modules=folder / "modules",
        profile=sources(draft.pipeline),
    )
    return task, frozen


def _with_script(
    draft: Draft,
    bench: Bench,
    folder: Path,
    found: compare.Comparison,
    rtol: float,
    snapshots: Mapping[str, list[dict[str, Any]]],
) -> compare.Comparison:
    """Run `pipeline.py`, compare it with the bundle, and add the result to a comparison."""
    bundle = draft.sides["bundle"]
    side = draft.sides["script"] = _script_side(draft, bench, folder, snapshots)
    left = compare.Side(
        values={END: bundle.values.get(END, {})},
        metrics={} if _only_logged(draft) else bundle.metrics,
        dump=bundle.dump,
    )
    if _only_logged(draft):
        side.metrics = {}
    other = compare.compare(
        left, side, python=draft.interpreter, scratch=bench.scratch / "compare-script", rtol=rtol
    )
    return compare.Comparison(
        differs=_by_maker(draft, found.differs, other.differs),
        close=_by_maker(draft, found.close, other.close),
        metrics=tuple(dict.fromkeys((*found.metrics, *other.metrics))),
    )


def _script_side(
    draft: Draft, bench: Bench, folder: Path, snapshots: Mapping[str, list[dict[str, Any]]]
) -> compare.Side:
    names = pipeline_script.functions(draft.pipeline)
    return compare.script_side(
        folder / "pipeline.py",
        python=draft.interpreter,
        parameters=draft.parameters,
        steps={END: tuple(_final_makers(draft))},
        metrics=draft.metrics,
        excluded={p.name for p in draft.pipeline.parameters},
        seed=bench.seed,
        dump=bench.scratch / "script",
        snapshots={names[step]: found for step, found in snapshots.items() if step in names},
        environment={
            **bench.base_environment,
            **bench.environment,
            "PYTHONHASHSEED": str(bench.seed % 2**32),
            "MPLBACKEND": "Agg",
        },
    )


def _by_maker(
    draft: Draft, steps: Mapping[str, tuple[str, ...]], end: Mapping[str, tuple[str, ...]]
) -> dict[str, tuple[str, ...]]:
    """Assign the values at the end to the steps that made them last."""
    maker = _final_makers(draft)
    return {
        step: (*names, *(n for n in end.get(END, ()) if maker[n] == step and n not in names))
        for step, names in steps.items()
    }


def _only_logged(draft: Draft) -> bool:
    return bool(draft.pipeline.logged) and not draft.metrics


def _not_proven(found: Proof) -> NotProven:
    first = next((d for d in found.steps if not d.equal), None)
    what = f"the bundle does not equal the notebook: {found.because}"
    if first is not None and first.differs:
        what = (
            f"the bundle does not equal the notebook: step {first.step!r} first, "
            f"name {first.differs[0]!r}; {found.because}"
        )
    return NotProven(
        what,
        fix="seed what is random (random_state=…), and put what the step needs into its own cells; "
        "`--proof-tolerance RTOL` lets metrics vary by RTOL",
    )


def _refuse_loose_modules(side: compare.Side, root: Path, folder: Path) -> None:
    """Refuse a module that was loaded from the working tree and is not in the bundle."""
    for name in side.files:
        path = Path(name)
        inside = path.is_relative_to(root) and not path.is_relative_to(root / ".mlops")
        if inside and not path.is_relative_to(folder) and ".venv" not in path.parts:
            raise RunFailed(
                f"the bundle loaded {path.name!r} from the working tree, not from the bundle",
                fix=f"import it by name in a cell, from the notebook's folder: import {path.stem}",
                where=str(path.relative_to(root)),
            )
