"""Proves a draft: runs the notebook, the bundle and its script, and compares them."""

import contextlib
import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from mlops_nb import files
from mlops_nb.engine.task import Limits, Task
from mlops_nb.errors import NotProven, RunFailed
from mlops_nb.evaluation import gates
from mlops_nb.events import CellFailed
from mlops_nb.jobs.bundle.task import bundle_task
from mlops_nb.jobs.cut import gate_name
from mlops_nb.jobs.model import Proof
from mlops_nb.jobs.promote import compare, script
from mlops_nb.jobs.promote.bundle_files import code_files, sources
from mlops_nb.jobs.promote.draft import END, Bench, Draft, Drafting
from mlops_nb.notebook.model import Source

Looks = Mapping[int, tuple[str, tuple[str, ...]]]  # cell → (step, names to compare after it)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofOptions:
    """The options of a proof.

    quick:     do not run pipeline.py
    tolerance: relative; smaller differences of metrics are accepted
    check:     refuses a draft with a cell that cannot be in a job
    """

    quick: bool = False
    tolerance: float | None = None
    check: Callable[[Draft], None] = lambda _: None


@dataclass(frozen=True, slots=True)
class _Ways:
    """How a bundle is compared: its folder, the relative tolerance, without pipeline.py."""

    folder: Path
    rtol: float
    quick: bool


def prove(draft: Draft, drafting: Drafting, bench: Bench, options: ProofOptions) -> None:
    """Run the notebook, the bundle and its script from one random state, and compare them.

    The run of the notebook shows what its text does not: the bundle is cut again with that.

    Raises RunFailed if one of them fails, NotProven if they differ, Refused if a cell that only
    the run showed to be needed cannot be in a job.
    """
    base = _base_task(draft, bench)
    bench.note("proof: running the notebook")
    looks = _looks(draft)
    source = _source_side(draft, replace(base, observe=True), bench, looks, "source")
    draft.sides["notebook"] = source
    drafting.redraft(draft, source.seen)
    options.check(draft)
    folder = bench.scratch / "bundle"
    files.write_folder(folder, code_files(draft))
    rtol = max(compare.RTOL, options.tolerance or 0.0)
    found = _compared(draft, base, bench, looks, _Ways(folder, rtol, options.quick))

    def again() -> compare.Comparison:
        bench.note("proof: something differs; running the notebook once more")
        other = replace(base, seed=bench.seed + 1)
        second = _source_side(draft, other, bench, looks, "again")
        return compare.compare(
            source,
            second,
            python=draft.interpreter,
            scratch=bench.scratch / "varying",
            rtol=rtol,
            model=draft.job.model_variable or "",
        )

    bundle = draft.sides["bundle"]
    measured = set(bundle.metrics) | {gate_name(gates.gate(t)) for t in draft.job.gates}
    matters = measured | ({draft.job.model_variable} if draft.job.model_variable else set())
    settled = compare.settle(found, again=again, matters=matters, tolerance=options.tolerance)
    skipped = ["pipeline.py was not run"] * options.quick
    draft.proof = replace(
        settled, because="; ".join([settled.because, *skipped, *bundle.snapshots])
    )
    if not draft.proof.equal:
        raise _not_proven(draft.proof)


def _compared(
    draft: Draft, base: Task, bench: Bench, looks: Looks, ways: _Ways
) -> compare.Comparison:
    """Run the bundle and its script and compare both with the notebook."""
    task, frozen = _bundle_task(draft, base, bench, looks, ways.folder)
    reuse = bench.snapshots(frozen)
    beside = not ways.quick and reuse is None and not _leaves_traces(draft)
    with contextlib.ExitStack() as running:
        running_script = None
        if beside:
            bench.note("proof: running the bundle, and pipeline.py beside it")
            running_script = running.enter_context(script.start(draft, bench, ways.folder, {}))
        else:
            bench.note("proof: running the bundle")
        done = bench.execute(task, reuse, recorded=True)
        bundle = compare.fold(done, task.dump, partial(_failed_in_bundle, draft))
        _refuse_loose_modules(bundle, bench.root, ways.folder)
        draft.sides["bundle"] = bundle
        found = compare.compare(
            _part_of_bundle(draft, task),
            bundle,
            python=draft.interpreter,
            scratch=bench.scratch / "compare",
            rtol=ways.rtol,
            model=draft.job.model_variable or "",
        )
        if ways.quick:
            return found
        if running_script is None:
            bench.note("proof: running pipeline.py")
            snapshots = {} if reuse is None else reuse.reused_values()
            start = script.start(draft, bench, ways.folder, snapshots)
            running_script = running.enter_context(start)
        side = draft.sides["script"] = script.side(running_script, bench)
        return _with_script(draft, bench, found, side, ways.rtol)


def _part_of_bundle(draft: Draft, task: Task) -> compare.Side:
    """Return what the bundle must equal: the notebook without the steps and numbers left out."""
    side, bundle = draft.sides["notebook"], draft.sides["bundle"]
    steps = {step for step, _ in task.looks.values()}
    wanted = {*bundle.metrics, *draft.metrics, *draft.pipeline.logged}
    return dataclasses.replace(
        side,
        values={step: made for step, made in side.values.items() if step in steps},
        metrics={name: value for name, value in side.metrics.items() if name in wanted},
    )


def _leaves_traces(draft: Draft) -> bool:
    """Return whether two runs at a time could meet: in files, or in what the observer lost."""

    def leaves(seen: Mapping[str, Any]) -> bool:
        return "lost" in seen or bool(seen["files_written"] or seen["outside"] or seen["tops"])

    return any(leaves(seen) for seen in draft.seen.values())


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


def _looks(draft: Draft) -> Looks:
    """Return the places where both sides are compared: cell of the notebook → (step, names).

    A step is compared after the last of its cells that the bundle has, as its text shows; a step
    that the bundle lacks so far, after its last cell.
    """
    kept = draft.cut.kept
    found = {kept[s.cells[-1]]: (s.name, s.makes) for s in draft.pipeline.steps}
    in_bundle = {s.name for s in draft.pipeline.steps}
    left = [s for s in draft.source.pipeline.steps if s.name not in in_bundle]
    return {s.cells[-1]: (s.name, s.makes) for s in left} | found


def _final_makers(draft: Draft) -> dict[str, str]:
    """Return name → the step that makes it last."""
    return {name: s.name for s in draft.pipeline.steps for name in s.makes}


def _source_side(draft: Draft, base: Task, bench: Bench, looks: Looks, name: str) -> compare.Side:
    folder = bench.scratch / name
    folder.mkdir(parents=True)
    task = replace(
        base,
        output=folder / "executed.ipynb",
        steps={s.name: s.cells for s in draft.source.pipeline.steps},
        looks=looks,
        dump=folder,
        environment={**base.environment, "PYTHONHASHSEED": str((base.seed or 0) % 2**32)},
    )
    done = bench.execute(task, bench.snapshots(draft.source), recorded=False)
    return compare.fold(done, task.dump, partial(_failed_in_notebook, draft))


def _bundle_task(
    draft: Draft, base: Task, bench: Bench, looks: Looks, folder: Path
) -> tuple[Task, Source]:
    """Return the task that runs the bundle, and the frozen notebook that it runs."""
    dump = bench.scratch / "bundle-values"
    dump.mkdir()
    frozen = replace(
        draft.source, document=draft.document, notebook=draft.notebook, pipeline=draft.pipeline
    )
    task = bundle_task(
        draft.job,
        draft.pipeline,
        draft.document,
        base,
        champion=bench.champion,
        model_file=bench.scratch / "model.pickle",
    )
    places = {cell: index for index, cell in enumerate(draft.cut.kept)}
    asked = {places[cell]: look for cell, look in looks.items() if cell in places}
    at_end = {-1: (END, tuple(_final_makers(draft)))}  # what the script ends with
    task = replace(
        task,
        looks={**asked, **at_end},
        dump=dump,
        list_modules=True,
        modules=folder / "modules",
        profile=sources(draft.pipeline),
    )
    return task, frozen


def _with_script(
    draft: Draft, bench: Bench, found: compare.Comparison, side: compare.Side, rtol: float
) -> compare.Comparison:
    """Compare `pipeline.py` with the bundle, and add the result to a comparison."""
    bundle = draft.sides["bundle"]
    left = compare.Side(
        values={END: bundle.values.get(END, {})},
        metrics={} if _only_logged(draft) else bundle.metrics,
        dump=bundle.dump,
    )
    if _only_logged(draft):
        side.metrics = {}
    other = compare.compare(
        left,
        side,
        python=draft.interpreter,
        scratch=bench.scratch / "compare-script",
        rtol=rtol,
        model=draft.job.model_variable or "",
    )
    maker = _final_makers(draft)
    return compare.Comparison(
        differs=_by_maker(draft, found.differs, other.differs),
        close=_by_maker(draft, found.close, other.close),
        uncompared=_by_maker(draft, found.uncompared, other.uncompared),
        metrics=tuple(dict.fromkeys((*found.metrics, *other.metrics))),
        places={
            **{(maker[n], n): place for (_, n), place in other.places.items()},
            **found.places,
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
    varies = "varies from run to run" in found.because
    seed = (
        "seed what is random (random_state=…); `--proof-tolerance RTOL` lets metrics vary by RTOL"
    )
    carry = (
        "name what the step reads in its mark: `%mlops step NAME --in NAMES`, "
        "so that the bundle keeps the cells that make it"
    )
    return NotProven(what, fix=seed if varies else carry)


def _failed_in_notebook(draft: Draft, failed: CellFailed) -> RunFailed:
    cells = draft.source.notebook.cells
    at = cells[failed.cell].label if failed.cell >= 0 else "the cell of parameters"
    return RunFailed(
        f"the notebook failed in {at}: {failed.error}",
        fix=f"run the notebook until it finishes: mlops-nb run {draft.source.path.name}",
    )


def _failed_in_bundle(draft: Draft, failed: CellFailed) -> RunFailed:
    at = draft.label(failed.cell) if failed.cell >= 0 else "the cell of parameters"
    step = draft.pipeline.step_of(failed.cell) if failed.cell >= 0 else None
    return RunFailed(
        f"{at} ran in the notebook and failed in the bundle: {failed.error}",
        fix="name what the cell reads, so that the bundle keeps the cells that make it: "
        f"`%mlops step {step or 'NAME'} --in NAMES`",
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
