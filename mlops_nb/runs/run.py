"""Runs a notebook: prepares a task, executes it, and records every event."""

import contextlib
import hashlib
import json
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msgspec import Struct, ValidationError, convert

from mlops_nb import files
from mlops_nb.context import Context, Notify, ignore
from mlops_nb.engine import run as engine_run
from mlops_nb.engine.runner import PARENT_GONE
from mlops_nb.engine.task import Executor, Limits, Task
from mlops_nb.errors import NotFound, Refused
from mlops_nb.events import RunRetried, StepObserved, StepRecorded
from mlops_nb.notebook import parameters as params
from mlops_nb.notebook import render
from mlops_nb.notebook.model import Source, Value
from mlops_nb.reuse.ledger import MOST_RECORDS, Ledger
from mlops_nb.reuse.rules import Rules
from mlops_nb.runs import history, packages, process, tracking
from mlops_nb.runs.history import read_run


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The part that a run has in a sweep.

    sweep:       id of the sweep, "" for a run of its own
    shared:      the run executes the steps that all points share
    environment: variables that the kernel gets in addition
    """

    sweep: str = ""
    shared: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)


ALONE = Part()
UNLIMITED = Limits()
REUSE = Rules()
LONGEST_PAUSE = 60.0  # s between two tries


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """The options of a run.

    output: where the executed notebook goes; None: into the folder of the run
    rules:  what may be reused
    resume: the id of a run that did not finish, whose parameters are taken
    """

    output: Path | None = None
    limits: Limits = UNLIMITED
    rules: Rules = REUSE
    resume: str = ""
    part: Part = ALONE


def run(
    ctx: Context,
    source: Source,
    parameters: Mapping[str, Value],
    options: RunOptions,
    notify: Notify = ignore,
) -> history.Run:
    """Run a notebook, reuse what is up to date, record every event, and return the run.

    A failed run is tried again, as a run of its own, as often as the limits allow, and once more
    if its warm parent was killed, which no cell is to blame for. Steps that finished are reused.

    Raises NotFound or Refused before anything runs.
    """
    for step in (options.rules.only, options.rules.start):
        _refuse_unknown(source, step)
    if options.resume:
        parameters = {**_parameters_of(ctx, source, options.resume), **parameters}
    given = params.checked(parameters, source.pipeline.parameters, source.path.name)
    tries = options.limits.retries
    for attempt in range(tries + 1):
        done = _run_once(ctx, source, given, options, notify)
        if done.status == "failed" and PARENT_GONE in done.error:
            ctx.record([RunRetried(run=done.id, attempt=0, of=tries, seconds=0.0)], notify)
            done = _run_once(ctx, source, given, options, notify)  # with a new parent
        if done.status != "failed" or attempt == tries:
            break
        pause = min(LONGEST_PAUSE, 2.0**attempt)
        again = RunRetried(run=done.id, attempt=attempt + 1, of=tries, seconds=pause)
        ctx.record([again], notify)
        time.sleep(pause)
    return done


def _run_once(
    ctx: Context, source: Source, given: Mapping[str, Value], options: RunOptions, notify: Notify
) -> history.Run:
    """Prepare one run of a notebook, execute it, and record what happens."""
    python = ctx.environments.interpreter(source.notebook.kernel)  # raises before any write
    ctx.prepare_folder()
    scratch = ctx.scratch("reuse")
    try:
        ledger = _prepare_ledger(ctx, source, given, options, scratch)
        task = _prepare_task(ctx, source, given, options, scratch)
        packages.note(ctx, task.run, python)
        executor = _choose_executor(ctx, source, ledger)
        if executor is ctx.executor and not options.part.sweep:
            tracking.prepare(ctx, source.notebook, source.path.parent)
        info = engine_run.RunInfo(
            notebook=ctx.relative(source.path),
            values=ledger.parameters,
            process=process.mine(),
            sweep=options.part.sweep,
            shared=options.part.shared,
        )
        events = engine_run.run(task, info, executor=executor, reuse=ledger)
        ctx.record_until_stopped(events, task.run, notify)
    finally:
        ctx.drop(scratch)
    return read_run(ctx.journal, task.run)


def _prepare_ledger(
    ctx: Context, source: Source, given: Mapping[str, Value], options: RunOptions, scratch: Path
) -> Ledger:
    """Return the ledger that decides what this run reuses."""
    return ledger_of(
        ctx,
        source,
        {p.name: p.value for p in source.pipeline.parameters} | dict(given),
        rules=options.rules,
        scratch=scratch,
        python=ctx.environments.interpreter(source.notebook.kernel),
        environment=options.part.environment,
    )


def _prepare_task(
    ctx: Context, source: Source, given: Mapping[str, Value], options: RunOptions, scratch: Path
) -> Task:
    """Return the task of one run; write its graph to the folder of the run."""
    name = ctx.new_run()
    pipeline = source.pipeline
    ctx.write_graph(name, render.as_json(pipeline), render.as_mermaid(pipeline))
    return engine_run.task_of(
        source,
        run=name,
        folder=source.path.parent,
        output=options.output or ctx.run_folder(name) / source.path.name,
        parameters=given,
        environment={**kernel_environment(ctx, source), **options.part.environment},
        limits=options.limits,
        scratch=scratch,
    )


def kernel_environment(ctx: Context, source: Source) -> dict[str, str]:
    """Return the variables that the kernel of a notebook gets in addition."""
    path = source.path
    return tracking.environment(ctx, source.notebook, folder=path.parent, path=ctx.relative(path))


def _refuse_unknown(source: Source, step: str) -> None:
    known = [s.name for s in source.pipeline.steps]
    if step and step not in known:
        raise NotFound(
            f"there is no step {step!r} in {source.path.name!r}",
            fix=f"the steps are {', '.join(known) or 'none'}",
        )


def _choose_executor(ctx: Context, source: Source, ledger: Ledger) -> Executor:
    """Return what executes a run: a replay if everything is up to date, else an engine."""
    from mlops_nb.engine.replay import Replay

    replay = Replay(source, ledger)
    rules = ledger.rules
    if not (rules.fresh or rules.only or rules.steps or rules.start or rules.audit):
        try:
            if replay.reuses():
                return replay
        except NotFound:  # outputs that are gone or damaged: they are made again
            ledger.reset()
    ledger.reset()
    return ctx.executor


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
    """Return the ledger that decides what the next run of a notebook may reuse.

    environment: variables that the kernel gets in addition
    """
    return Ledger(
        source=source,
        notebook=notebook or ctx.relative(source.path),
        records=records_of(ctx, notebook or ctx.relative(source.path)),
        store=ctx.store,
        folder=scratch,
        environment=ctx.environments.digest(python),
        variables={**ctx.environment, **kernel_environment(ctx, source), **environment},
        parameters=values,
        at=ctx.now(),
        rules=rules,
        chance=random.random,
        warn=ctx.warnings.append,
    )


def why(ctx: Context, source: Source, step: str, parameters: Mapping[str, Value]) -> dict[str, Any]:
    """Return whether a step would run now with some parameters, and why: `why --json` prints it.

    Raises NotFound if there is no such step, ParameterError for a parameter that does not fit.
    """
    _refuse_unknown(source, step)
    python = ctx.environments.interpreter(source.notebook.kernel)
    given = params.checked(parameters, source.pipeline.parameters, source.path.name)
    values = {p.name: p.value for p in source.pipeline.parameters} | given
    ledger = ledger_of(ctx, source, values, rules=Rules(), scratch=Path(), python=python)
    runs_before: list[str] = []
    for unit in ledger.units:
        cached = ledger.cached(unit.cells[0], kernel=False)
        if unit.step == step:
            because = ledger.because(unit.cells[0])
            makers = {e.source for e in source.pipeline.edges if e.target == step}
            above = [s for s in runs_before if s in makers] or runs_before[-1:]
            if cached is None and above and "its input" in because:
                because = (
                    f"`{step}` may have to run: its input comes from `{above[0]}`, which must run"
                )
            return {
                "version": 1,
                "notebook": source.path.name,
                "step": step,
                "stands": cached is not None,
                "because": because,
            }
        if cached is None and unit.step:
            runs_before.append(unit.step)
    raise NotFound(f"step {step!r} computes nothing", fix="give one that does")


def records_of(ctx: Context, notebook: str) -> dict[str, list[Mapping[str, Any]]]:
    """Return the records of a notebook's units, newest first, from the journal.

    A cache file in the journal's folder stores the records read so far, so that a long journal is
    read once.
    """
    if not ctx.knows_anything:
        return {}
    cache = (
        ctx.settings.folder / "reuse" / f"{hashlib.sha256(notebook.encode()).hexdigest()[:24]}.json"
    )
    known = _read_records(cache)
    records, after = known.records, known.after
    for event in ctx.journal.read(after=known.after, kinds=(StepRecorded,)):
        after = max(after, event.id)
        if isinstance(event, StepRecorded) and event.record.get("notebook") == notebook:
            kept = [dict(event.record, run=event.run), *records.get(event.unit, [])]
            records[event.unit] = kept[:MOST_RECORDS]
    if after != known.after and ctx.settings.folder.is_dir():
        with contextlib.suppress(OSError):  # a full disk, or a read-only folder: no cache
            files.write_text(cache, json.dumps({"after": after, "records": records}))
    return records


class _Records(Struct):
    """What the cache file of a notebook's records stores, up to an event."""

    after: int = 0
    records: dict[str, list[Mapping[str, Any]]] = {}


def _read_records(cache: Path) -> _Records:
    """Return the records of a cache file; without one, or if it is damaged, none."""
    try:
        return convert(json.loads(cache.read_text(encoding="utf-8")), _Records)
    except FileNotFoundError:
        return _Records()
    except (ValueError, RecursionError, ValidationError):
        return _Records()  # it is built again


def records_behind(ctx: Context, done: history.Run) -> dict[str, Mapping[str, Any]]:
    """Return the record of each unit of a run: its own, or that of the run it reused."""
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
    """Return the path of an executed notebook. Raises Refused or NotFound if it is unusable."""
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
    done = read_run(ctx.journal, resume)
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
