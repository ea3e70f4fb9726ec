"""Runs a notebook by hand: what stands, what runs, and what is recorded of it."""

import hashlib
import json
import os
import platform
import random
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlops_nb import files
from mlops_nb.errors import NotFound, Refused
from mlops_nb.events import RunFinished, StepObserved, StepRecorded
from mlops_nb.model import Value
from mlops_nb.notebook import parameters as params
from mlops_nb.notebook import render
from mlops_nb.ports import Executor, Source, Task
from mlops_nb.record import history
from mlops_nb.verbs import run as run_verb
from mlops_nb.wiring import provenance, storekeeping
from mlops_nb.wiring.ledger import MOST_RECORDS, Ledger, Rules
from mlops_nb.wiring.workshop import Tell, Workshop


def run(  # noqa: PLR0913  what a person may ask of a run
    shop: Workshop,
    source: Source,
    parameters: Mapping[str, Value],
    *,
    output: Path | None,
    timeout: float | None,
    rules: Rules,
    resume: str = "",
    tell: Tell,
) -> history.Run:
    """Run a notebook, as far as it does not stand by earlier runs, and record it.

    resume: a run that did not finish, whose parameters are taken
    """
    known = source.pipeline.parameters
    if resume:
        parameters = {**_parameters_of(shop, source, resume), **parameters}
    given = params.checked(parameters, known, source.path.name)
    python = shop.environments.interpreter(source.notebook.kernel)  # refuses one that is not there
    for step in (rules.only, rules.start):
        _refuse_unknown(source, step)
    name = shop.new_run()
    values = {p.name: p.value for p in known} | given
    shop.prepare_folder()
    scratch = shop.scratch("reuse")
    try:
        ledger = ledger_of(shop, source, values, rules=rules, scratch=scratch, python=python)
        provenance.note_packages(shop, name, python)
        task = run_verb.task_of(
            source, run=name, folder=source.path.parent,
            output=output or shop.run_folder(name) / source.path.name, parameters=given,
            environment=shop.kernel_environment(), timeout=timeout, reuse=ledger,
        )  # fmt: skip
        stands = _execute(shop, source, task, ledger, tell)
    finally:
        shop.drop(scratch)
    storekeeping.bounded(shop)
    if not stands or _mirror_is_behind(shop):  # a run of which all stands can wait
        shop.mirror_now()
    return shop.run_of(name)


def _execute(shop: Workshop, source: Source, task: Task, ledger: Ledger, tell: Tell) -> bool:
    """Execute a task and record it; return whether all of it stood."""
    executor, stands = _executor(shop, source, ledger)
    if not stands and any("mlflow" in cell.source for cell in source.notebook.cells):
        shop.mirror.prepare()
    graph, mermaid = render.as_json(source.pipeline), render.as_mermaid(source.pipeline)
    shop.write_graph(task.run, graph, mermaid)
    events = run_verb.run(
        task, executor=executor, notebook=shop.relative(source.path), values=ledger.parameters,
        process=shop.process(),
    )  # fmt: skip
    shop.record_until_stopped(events, task.run, tell)
    return stands


def _mirror_is_behind(shop: Workshop) -> bool:
    """Say whether MLflow has yet to learn of anything that really ran."""
    place = int(shop.journal.place("mlflow") or 0)
    ended = shop.journal.read(after=place, kind="RunFinished")
    return any(isinstance(e, RunFinished) and not e.stood for e in ended)


def _refuse_unknown(source: Source, step: str) -> None:
    known = [s.name for s in source.pipeline.steps]
    if step and step not in known:
        raise NotFound(
            f"there is no step {step!r} in {source.path.name!r}",
            fix=f"the steps are {', '.join(known) or 'none'}",
        )


def _executor(shop: Workshop, source: Source, ledger: Ledger) -> tuple[Executor, bool]:
    """Return what executes a run: a replay where everything stands, else a kernel."""
    from mlops_nb.executors.replay import Replay

    replay = Replay(source, ledger)
    if not (ledger.rules.fresh or ledger.rules.only or ledger.rules.start or ledger.rules.audit):
        try:
            if replay.stands():
                return replay, True
        except NotFound:  # outputs that are gone or damaged: they are made again
            ledger.reset()
    ledger.reset()
    return shop.executor, False


def ledger_of(  # noqa: PLR0913  what decides about reuse
    shop: Workshop,
    source: Source,
    values: Mapping[str, Value],
    *,
    rules: Rules,
    scratch: Path,
    python: str,
    notebook: str = "",
) -> Ledger:
    """Return what is known of a notebook's earlier runs, ready to decide about the next one."""
    return Ledger(
        source=source,
        notebook=notebook or shop.relative(source.path),
        records=records_of(shop, notebook or shop.relative(source.path)),
        store=shop.store,
        folder=scratch,
        environment=environment_digest(python),
        variables={**shop.environment, **shop.kernel_environment()},
        parameters=values,
        at=shop.now(),
        rules=rules,
        chance=random.random,
    )


def why(shop: Workshop, source: Source, step: str) -> dict[str, Any]:
    """Return whether a step would run now, and why, as `why --json` prints it.

    Raises NotFound where there is no such step.
    """
    _refuse_unknown(source, step)
    python = shop.environments.interpreter(source.notebook.kernel)
    values = {p.name: p.value for p in source.pipeline.parameters}
    ledger = ledger_of(shop, source, values, rules=Rules(), scratch=Path(), python=python)
    runs_before: list[str] = []
    for unit in ledger.units:
        standing = ledger.standing(unit.cells[0], kernel=False)
        if unit.step == step:
            because = ledger.because(unit.cells[0])
            makers = {e.source for e in source.pipeline.edges if e.target == step}
            above = [s for s in runs_before if s in makers]
            if standing is None and above and "its input" in because:
                because = f"`{step}` may run: its input comes from `{above[0]}`, which runs"
            return {"version": 1, "notebook": source.path.name, "step": step,
                    "stands": standing is not None, "because": because}  # fmt: skip
        if standing is None:
            runs_before.append(unit.step)
    raise NotFound(f"step {step!r} computes nothing", fix="give one that does")


def records_of(shop: Workshop, notebook: str) -> dict[str, list[Mapping[str, Any]]]:
    """Return what is recorded of a notebook's units, newest first; the journal is the source.

    What was read of it before is kept beside it, so that a long journal is not read every time.
    """
    if not shop.knows_anything:
        return {}
    cache = (
        shop.settings.folder
        / "reuse"
        / f"{hashlib.sha256(notebook.encode()).hexdigest()[:24]}.json"
    )
    known: dict[str, Any] = {"after": 0, "records": {}}
    if cache.is_file():
        try:
            known = json.loads(cache.read_text(encoding="utf-8"))
        except ValueError:
            cache.unlink()  # half a file of an older version: it is made anew
    records, after = known["records"], known["after"]
    for event in shop.journal.read(after=known["after"], kind="StepRecorded"):
        after = max(after, event.id)
        if isinstance(event, StepRecorded) and event.record.get("notebook") == notebook:
            kept = [dict(event.record, run=event.run), *records.get(event.unit, [])]
            records[event.unit] = kept[:MOST_RECORDS]
    if after != known["after"]:
        files.write_text(cache, json.dumps({"after": after, "records": records}))
    found: dict[str, list[Mapping[str, Any]]] = records
    return found


def records_behind(shop: Workshop, done: history.Run) -> dict[str, Mapping[str, Any]]:
    """Return what stands behind each unit of a run: recorded by it, or by the run it stood by."""
    events = list(shop.journal.read(run=done.id))
    found = {e.unit: e.record for e in events if isinstance(e, StepRecorded)}
    left = {e.step: e.values for e in events if isinstance(e, StepObserved)}
    for unit, records in records_of(shop, done.notebook).items():
        for record in records:
            values, known = record["values"], left.get(record["step"], {})
            same = all(values[n]["digest"] == v["digest"] for n, v in known.items() if n in values)
            if known and same:
                found.setdefault(unit, record)
    return found


def environment_digest(python: str) -> str:
    """Return a digest of an interpreter's version, platform and installed packages."""
    places = sorted({p for p in sys.path if p.endswith("-packages")})
    if (
        os.path.realpath(python) != os.path.realpath(sys.executable)
        or _prefix(python) != sys.prefix
    ):
        root = Path(_prefix(python))
        places = sorted(str(p) for p in root.glob("lib/python*/site-packages"))
    packages = sorted(n for p in places if os.path.isdir(p) for n in os.listdir(p)
                      if n.endswith((".dist-info", ".egg-info", ".egg-link")))  # fmt: skip
    parts = [os.path.realpath(python), sys.version if python == sys.executable else "",
             platform.machine(), sys.platform, *packages]  # fmt: skip
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _prefix(python: str) -> str:
    return str(Path(python).parent.parent)


def checked_output(here: Path, output: str | Path | None, source: Path) -> Path | None:
    """Return where an executed notebook is to go. Raises where it cannot be written there."""
    if output is None:
        return None
    target = here / output
    if target.exists() and target.samefile(source):
        raise Refused(
            f"the output {str(output)!r} is the notebook itself, which is never changed",
            fix="give another path: -o executed.ipynb",
        )
    if target.is_dir() or not target.parent.is_dir():
        raise NotFound(
            f"the output {str(output)!r} cannot be written: "
            + ("it is a folder" if target.is_dir() else "its folder does not exist"),
            fix="give the path of a file in a folder that exists",
        )
    return target


def _parameters_of(shop: Workshop, source: Source, resume: str) -> dict[str, Value]:
    """Return the parameters of a run that is to be resumed."""
    done = shop.run_of(resume)
    if done.status == "finished":
        raise Refused(f"run {resume!r} finished: there is nothing to resume",
                      fix=f"mlops-nb run {source.path.name}")  # fmt: skip
    if done.notebook != shop.relative(source.path):
        raise Refused(f"run {resume!r} is of {done.notebook!r}, not of {source.path.name!r}",
                      fix=f"mlops-nb run {done.notebook} --resume {resume}")  # fmt: skip
    names = {p.name for p in source.pipeline.parameters}
    return {n: v for n, v in done.parameters.items() if n in names}
