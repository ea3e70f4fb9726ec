"""Runs a notebook by hand: what stands, what runs, and what is recorded of it."""

import hashlib
import json
import random
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlops_nb import files
from mlops_nb.context import Context, Notify
from mlops_nb.engine import run as run_verb
from mlops_nb.engine.task import Executor, Limits, Source, Task
from mlops_nb.errors import NotFound, Refused
from mlops_nb.events import RunFinished, RunRetried, StepObserved, StepRecorded
from mlops_nb.integrations import catch_up
from mlops_nb.notebook import parameters as params
from mlops_nb.notebook import render
from mlops_nb.notebook.model import Value
from mlops_nb.reuse.ledger import MOST_RECORDS, Ledger, Rules
from mlops_nb.runs import history, packages, process


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What a run is to a sweep, which looks after the mirrors and the store itself.

    shared:      it is no point, but makes what the points share
    environment: what a kernel's environment has besides
    """

    sweep: str = ""
    shared: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)


ALONE = Part()
UNLIMITED = Limits()
ONLY_IMPORTS = re.compile(
    r"\s*import (?!.*mlflow as )[\w, ]+"
)  # and gives none of them another name
LONGEST_PAUSE = 60.0  # s between one try and the next


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What was asked of one run."""

    given: Mapping[str, Value]
    output: Path | None
    limits: Limits
    rules: Rules
    part: Part


def run(  # noqa: PLR0913  what a person may ask of a run
    ctx: Context,
    source: Source,
    parameters: Mapping[str, Value],
    *,
    output: Path | None,
    limits: Limits = UNLIMITED,
    rules: Rules,
    resume: str = "",
    part: Part = ALONE,
    notify: Notify,
) -> history.Run:
    """Run a notebook, as far as it does not stand by earlier runs, and record it.

    resume: a run that did not finish, whose parameters are taken

    Where it fails and `limits` say so, it is tried again from the step that failed on.
    """
    for step in (rules.only, rules.start):
        _refuse_unknown(source, step)
    if resume:
        parameters = {**_parameters_of(ctx, source, resume), **parameters}
    given = params.checked(parameters, source.pipeline.parameters, source.path.name)
    for attempt in range(limits.retries + 1):
        request = RunRequest(given, output, limits, rules, part)
        name, stands = _once(ctx, source, request, notify)
        done = ctx.run_of(name)
        if done.status != "failed" or attempt == limits.retries:
            break
        pause = min(LONGEST_PAUSE, 2.0**attempt)
        event = RunRetried(run=name, attempt=attempt + 1, of=limits.retries, seconds=pause)
        ctx.record([event], notify)
        time.sleep(pause)
    if part.sweep:
        return done
    if not stands or _mirror_is_behind(ctx):  # a run of which all stands can wait
        catch_up.behind(ctx)
    return ctx.run_of(name)


def _once(ctx: Context, source: Source, request: RunRequest, notify: Notify) -> tuple[str, bool]:
    """Run a notebook once; return the run's id, and whether all of it stood."""
    python = ctx.environments.interpreter(source.notebook.kernel)  # refuses one that is not there
    name = ctx.new_run()
    values = {p.name: p.value for p in source.pipeline.parameters} | dict(request.given)
    ctx.prepare_folder()
    scratch = ctx.scratch("reuse")
    try:
        ledger = ledger_of(
            ctx,
            source,
            values,
            rules=request.rules,
            scratch=scratch,
            python=python,
            environment=request.part.environment,
        )
        packages.note(ctx, name, python)
        task = run_verb.task_of(
            source,
            run=name,
            folder=source.path.parent,
            output=request.output or ctx.run_folder(name) / source.path.name,
            parameters=request.given,
            environment={**ctx.kernel_environment(), **request.part.environment},
            limits=request.limits,
            reuse=ledger,
        )
        return name, _execute(ctx, source, task, ledger, request.part, notify)
    finally:
        ctx.drop(scratch)


def _execute(
    ctx: Context, source: Source, task: Task, ledger: Ledger, part: Part, notify: Notify
) -> bool:
    """Execute a task and record it; return whether all of it stood."""
    executor, stands = _executor(ctx, source, ledger)
    if not (stands or part.sweep) and logs_to_mlflow(source):
        catch_up.prepare(ctx)
    graph, mermaid = render.as_json(source.pipeline), render.as_mermaid(source.pipeline)
    ctx.write_graph(task.run, graph, mermaid)
    events = run_verb.run(
        task,
        executor=executor,
        notebook=ctx.relative(source.path),
        values=ledger.parameters,
        process=process.mine(),
        sweep=part.sweep,
        shared=part.shared,
    )
    ctx.record_until_stopped(events, task.run, notify)
    return stands


def logs_to_mlflow(source: Source) -> bool:
    """Say whether a notebook's own cells may log to MLflow."""
    lines = (line for cell in source.notebook.cells for line in cell.source.splitlines())
    return any("mlflow" in line and not ONLY_IMPORTS.fullmatch(line) for line in lines)


def _mirror_is_behind(ctx: Context) -> bool:
    """Say whether MLflow has yet to learn of anything that really ran."""
    place = int(ctx.journal.place("mlflow") or 0)
    ended = ctx.journal.read(after=place, kinds=(RunFinished,))
    return any(isinstance(e, RunFinished) and not e.stood for e in ended)


def _refuse_unknown(source: Source, step: str) -> None:
    known = [s.name for s in source.pipeline.steps]
    if step and step not in known:
        raise NotFound(
            f"there is no step {step!r} in {source.path.name!r}",
            fix=f"the steps are {', '.join(known) or 'none'}",
        )


def _executor(ctx: Context, source: Source, ledger: Ledger) -> tuple[Executor, bool]:
    """Return what executes a run: a replay where everything stands, else a kernel."""
    from mlops_nb.engine.replay import Replay

    replay = Replay(source, ledger)
    rules = ledger.rules
    if not (rules.fresh or rules.only or rules.steps or rules.start or rules.audit):
        try:
            if replay.stands():
                return replay, True
        except NotFound:  # outputs that are gone or damaged: they are made again
            ledger.reset()
    ledger.reset()
    return ctx.executor, False


def ledger_of(  # noqa: PLR0913  what decides about reuse
    ctx: Context,
    source: Source,
    values: Mapping[str, Value],
    *,
    rules: Rules,
    scratch: Path,
    python: str,
    notebook: str = "",
    environment: Mapping[str, str] = ALONE.environment,
) -> Ledger:
    """Return what is known of a notebook's earlier runs, ready to decide about the next one.

    environment: what the kernel's environment has besides
    """
    return Ledger(
        source=source,
        notebook=notebook or ctx.relative(source.path),
        records=records_of(ctx, notebook or ctx.relative(source.path)),
        store=ctx.store,
        folder=scratch,
        environment=ctx.environments.digest(python),
        variables={**ctx.environment, **ctx.kernel_environment(), **environment},
        parameters=values,
        at=ctx.now(),
        rules=rules,
        chance=random.random,
    )


def why(ctx: Context, source: Source, step: str) -> dict[str, Any]:
    """Return whether a step would run now, and why, as `why --json` prints it.

    Raises NotFound where there is no such step.
    """
    _refuse_unknown(source, step)
    python = ctx.environments.interpreter(source.notebook.kernel)
    values = {p.name: p.value for p in source.pipeline.parameters}
    ledger = ledger_of(ctx, source, values, rules=Rules(), scratch=Path(), python=python)
    runs_before: list[str] = []
    for unit in ledger.units:
        standing = ledger.standing(unit.cells[0], kernel=False)
        if unit.step == step:
            because = ledger.because(unit.cells[0])
            makers = {e.source for e in source.pipeline.edges if e.target == step}
            above = [s for s in runs_before if s in makers]
            if standing is None and above and "its input" in because:
                because = f"`{step}` may run: its input comes from `{above[0]}`, which runs"
            return {
                "version": 1,
                "notebook": source.path.name,
                "step": step,
                "stands": standing is not None,
                "because": because,
            }
        if standing is None:
            runs_before.append(unit.step)
    raise NotFound(f"step {step!r} computes nothing", fix="give one that does")


def records_of(ctx: Context, notebook: str) -> dict[str, list[Mapping[str, Any]]]:
    """Return what is recorded of a notebook's units, newest first; the journal is the source.

    What was read of it before is kept beside it, so that a long journal is not read every time.
    """
    if not ctx.knows_anything:
        return {}
    cache = (
        ctx.settings.folder / "reuse" / f"{hashlib.sha256(notebook.encode()).hexdigest()[:24]}.json"
    )
    known: dict[str, Any] = {"after": 0, "records": {}}
    if cache.is_file():
        try:
            known = json.loads(cache.read_text(encoding="utf-8"))
        except ValueError:
            cache.unlink()  # half a file of an older version: it is made anew
    records, after = known["records"], known["after"]
    for event in ctx.journal.read(after=known["after"], kinds=(StepRecorded,)):
        after = max(after, event.id)
        if isinstance(event, StepRecorded) and event.record.get("notebook") == notebook:
            kept = [dict(event.record, run=event.run), *records.get(event.unit, [])]
            records[event.unit] = kept[:MOST_RECORDS]
    if after != known["after"]:
        files.write_text(cache, json.dumps({"after": after, "records": records}))
    found: dict[str, list[Mapping[str, Any]]] = records
    return found


def records_behind(ctx: Context, done: history.Run) -> dict[str, Mapping[str, Any]]:
    """Return what stands behind each unit of a run: recorded by it, or by the run it stood by."""
    events = list(ctx.journal.read(run=done.id))
    found = {e.unit: e.record for e in events if isinstance(e, StepRecorded)}
    left = {e.step: e.values for e in events if isinstance(e, StepObserved)}
    for unit, records in records_of(ctx, done.notebook).items():
        for record in records:
            values, known = record["values"], left.get(record["step"], {})
            same = all(values[n]["digest"] == v["digest"] for n, v in known.items() if n in values)
            if known and same:
                found.setdefault(unit, record)
    return found


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


def _parameters_of(ctx: Context, source: Source, resume: str) -> dict[str, Value]:
    """Return the parameters of a run that is to be resumed."""
    done = ctx.run_of(resume)
    if done.status == "finished":
        raise Refused(
            f"run {resume!r} finished: there is nothing to resume",
            fix=f"mlops-nb run {source.path.name}",
        )
    if done.notebook != ctx.relative(source.path):
        raise Refused(
            f"run {resume!r} is of {done.notebook!r}, not of {source.path.name!r}",
            fix=f"mlops-nb run {done.notebook} --resume {resume}",
        )
    names = {p.name for p in source.pipeline.parameters}
    return {n: v for n, v in done.parameters.items() if n in names}
