"""Promotes a notebook: refuse, prove, judge, write the bundle, release, schedule."""

import dataclasses
import random
from collections.abc import Callable, Collection, Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from mlops_nb.context import Context, Notify
from mlops_nb.engine import run as engine_run
from mlops_nb.engine.task import Task
from mlops_nb.errors import JobError, NotProven
from mlops_nb.evaluation import gates
from mlops_nb.events import (
    ApprovalAsked,
    Event,
    JobDrafted,
    Judged,
    Registered,
    Released,
    RunFinished,
    RunQueued,
    StepRecorded,
)
from mlops_nb.jobs import (
    apply,
    changes,
    predictions,
    schedule,
    score_spec,
    secret_values,
    stored,
    views,
)
from mlops_nb.jobs.bundle import job_yaml, manifest, schema_json
from mlops_nb.jobs.model import Job
from mlops_nb.jobs.policy import policy_of
from mlops_nb.jobs.promote import bundle_files, draft, proof
from mlops_nb.jobs.promote import request as promote_request
from mlops_nb.jobs.promote.options import PromoteOptions
from mlops_nb.jobs.registry import read_jobs
from mlops_nb.models import judge, package, release, together
from mlops_nb.models.package import ModelEnvironment
from mlops_nb.models.registry import read_models
from mlops_nb.notebook import check
from mlops_nb.notebook.model import Source
from mlops_nb.reuse.ledger import Ledger
from mlops_nb.reuse.rules import Rules
from mlops_nb.runs import history, process, tracking
from mlops_nb.runs import run as run_run
from mlops_nb.runs.history import read_run


def promote(
    ctx: Context, source: Source, request: promote_request.Request, options: PromoteOptions
) -> dict[str, Any]:
    """Promote a notebook; return what `promote --json` prints, and `passed`.

    Raises Refused before anything runs, NotProven or RunFailed if the proof fails; nothing of the
    job is written then.
    """
    old = _existing(ctx, request.name, replace_=options.replace)
    job = promote_request.define(request, source=source, root=ctx.root, old=old)
    apply.refuse_triggers(ctx, job)
    apply.refuse_group(ctx, job)
    score_spec.refuse(job)
    interpreter = ctx.environments.interpreter(source.notebook.kernel)
    look = ctx.environments.look(interpreter)
    drafting = draft.Drafting(
        job=job, root=ctx.root, interpreter=interpreter, stdlib=look.stdlib, at=ctx.clock()
    )
    made = drafting.draft(source)
    installed = {*look.modules, *look.stdlib}
    refuse = partial(_refuse, root=ctx.root, installed=installed)
    refuse(made)
    values = secret_values.fetch(job.secrets, ctx.environment)
    bench = _bench(ctx, made, values, options)
    try:
        tracking.prepare(ctx, source.notebook, source.path.parent)
        proof_options = proof.ProofOptions(
            quick=request.quick, tolerance=request.tolerance, check=refuse
        )
        _start(ctx, job, bench.run, options.notify)
        proof.prove(made, drafting, bench, proof_options)
        _refuse_answers(ctx, bench.run, job)
        predictions.refuse_proven(ctx, job, bench.run)
        return _judged(ctx, made, bench, options, old)
    except BaseException as error:
        _mark_failed(ctx, bench.run, job.name, error)
        raise
    finally:
        ctx.drop(bench.scratch)


def _refuse(made: draft.Draft, *, root: Path, installed: Collection[str]) -> None:
    """Refuse a draft with a cell that no job can carry."""
    findings = check.check(
        made.source,
        root=root,
        kept=set(made.cut.kept),
        variable=made.job.model_variable,
        champion_gate=any(gates.gate(g).champion for g in made.job.gates),
        declared=set(made.job.secrets),
        installed=installed,
    )
    check.refuse(findings, made.source.path.name)


def _refuse_answers(ctx: Context, run: str, job: Job) -> None:
    """Refuse a model that would answer otherwise than it was judged, or that can score no files."""
    found = read_run(ctx.journal, run).package
    if found is not None and found.refused:
        raise NotProven(found.error, fix=found.fix, where="served answers")
    if job.score is not None and (found is None or not found.artifact):
        what = found.error if found is not None else "it has no package"
        raise NotProven(
            f"the model cannot score files: {what}",
            fix=(found.fix if found is not None else "") or "leave --score out",
            where="--score",
        )


def _existing(ctx: Context, name: str, *, replace_: bool) -> Mapping[str, Any] | None:
    state = read_jobs(ctx).get(name)
    folder = ctx.root / "jobs" / name
    if (state is not None and state.digest) or (folder / manifest.DEFINITION).exists():
        if not replace_:
            raise JobError(
                f"there is a job {name!r} already",
                fix="add --replace, or choose another --name; a bundle from git: "
                f"mlops-nb apply {name}",
            )
        if state is not None and state.digest:
            return state.definition
        text = (folder / manifest.DEFINITION).read_text(encoding="utf-8", errors="replace")
        return job_yaml.definition(job_yaml.read(text))
    return None


def _bench(
    ctx: Context, made: draft.Draft, values: Mapping[str, str], options: PromoteOptions
) -> draft.Bench:
    ctx.prepare_folder()
    name = ctx.new_run()
    champion = release.champion_file(ctx, made.job.model_name or "")
    scratch = ctx.scratch("promote")

    return draft.Bench(
        root=ctx.root,
        execute=_executing(ctx, made, name, options),
        environments=ctx.environments,
        run=name,
        output=ctx.run_folder(name) / "pipeline.ipynb",
        scratch=scratch,
        environment={**run_run.kernel_environment(ctx, made.source), **values},
        base_environment=ctx.environment,
        secrets=tuple(values.values()),
        note=options.note,
        seed=random.SystemRandom().getrandbits(32),
        champion=champion,
        snapshots=_snapshots(ctx, made, scratch / "snapshots"),
    )


def _executing(
    ctx: Context, made: draft.Draft, name: str, options: PromoteOptions
) -> Callable[..., list[Event]]:
    """Return the function that runs one side of a proof; the bundle's run is recorded."""
    values = {p.name: p.value for p in made.pipeline.parameters} | dict(made.parameters)

    def execute(task: Task, reuse: Ledger | None, *, recorded: bool) -> list[Event]:
        notebook = f"jobs/{made.job.name}/pipeline.ipynb" if recorded else made.job.source
        info = engine_run.RunInfo(
            notebook=notebook, values=values, process=process.mine(), job=made.job.name
        )
        named = task if recorded else replace(task, run=name)
        events = engine_run.run(named, info, executor=ctx.executor, reuse=reuse)
        if recorded:
            return ctx.record(events, options.notify)
        found = list(events)
        ctx.record(e for e in found if isinstance(e, StepRecorded))
        return found

    return execute


def _snapshots(ctx: Context, made: draft.Draft, folder: Path) -> Callable[[Source], Ledger | None]:
    """Return the function that makes the ledger of snapshots, for both sides of a proof."""

    def snapshots(source: Source) -> Ledger | None:
        if all(step.snapshot is None for step in source.pipeline.steps):
            return None
        values = {p.name: p.value for p in source.pipeline.parameters} | dict(made.parameters)
        return run_run.ledger_of(
            ctx,
            source,
            values,
            rules=Rules(proof=True),
            scratch=folder,
            python=made.interpreter,
            notebook=made.job.source,
        )

    return snapshots


def _start(ctx: Context, job: Job, run: str, notify: Notify) -> None:
    """Record the run of a promotion, before it starts."""
    about = schedule.interval(job.schedule, ctx.clock())
    ctx.record(
        [
            RunQueued(
                run=run,
                job=job.name,
                trigger="promote",
                scheduled_at=about.scheduled_at.isoformat(),
                data_start=about.start.isoformat(),
                data_end=about.end.isoformat(),
            )
        ],
        notify,
    )


def _judged(
    ctx: Context,
    made: draft.Draft,
    bench: draft.Bench,
    options: PromoteOptions,
    old: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Judge a proven draft, release it if it passes, and return the answer."""
    if options.confirm is not None:
        asked = dataclasses.replace(options, confirm=None)
        shown = _judged(ctx, made, bench, dataclasses.replace(asked, dry_run=True), old)
        if not shown["passed"] or not options.confirm(shown):
            return shown
        options = asked
    with ctx.deciding():
        _existing(ctx, made.job.name, replace_=options.replace)  # it may have been made meanwhile
        made.changes = _changes(ctx, made, old)
        verdict = _released(ctx, made, bench, options, old)
    passed = isinstance(verdict[0], Judged) and verdict[0].passed
    return _answer(ctx, made, verdict, passed=passed, options=options)


def _changes(ctx: Context, made: draft.Draft, old: Mapping[str, Any] | None) -> list[str]:
    """Return what a promotion changes in an existing job."""
    if old is None:
        return []
    state = read_jobs(ctx).get(made.job.name)
    before = stored.live(ctx, state.name, state.digest) if state is not None else {}
    job_changes = job_yaml.difference(old, job_yaml.definition(made.job))
    after = made.files or bundle_files.code_files(made)
    return [*job_changes, *(changes.between(before, after) if before else [])]


def _edited_contract(ctx: Context, job: Job) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return schema.json of the bundle before, as promoted and as applied."""
    state = read_jobs(ctx).get(job.name)
    after = stored.live(ctx, state.name, state.digest) if state is not None else {}
    before = stored.bundle(ctx, manifest.promoted(after))
    if not before.get(schema_json.NAME) or not after.get(schema_json.NAME):
        return {}, {}
    promoted, applied = (schema_json.read(one[schema_json.NAME]) for one in (before, after))
    return promoted, applied


def _released(
    ctx: Context,
    made: draft.Draft,
    bench: draft.Bench,
    options: PromoteOptions,
    old: Mapping[str, Any] | None,
) -> list[Event]:
    """Judge the proven bundle and, if it passes, write it and make it live."""
    job, done = made.job, read_run(ctx.journal, bench.run)
    model = read_models(ctx).get(job.model_name or "")
    policy = policy_of(ctx, job)
    verdict = together.settled(ctx, policy, done, list(judge.judge(policy, done, model)))
    passed = isinstance(verdict[0], Judged) and verdict[0].passed
    if passed and not options.dry_run:
        options.note("locking the environment and writing the bundle")
        verdicts = judge.verdicts(policy.gates, done, model)
        bundle_files.finish(
            made,
            bench,
            verdicts=verdicts,
            edits=_edited_contract(ctx, job),
            notes=predictions.notes(ctx, job, bench.run),
        )
        made.changes = _changes(ctx, made, old)
        digest = manifest.digest(made.files)
        live = [] if options.draft else list(apply.applied(ctx, job, digest))
        apply.publish(ctx, job.name, made.files)
        lock = made.files["requirements.lock"].decode()
        python = ctx.environments.python_for(made.interpreter, lock, build=True)
        package.prepare(ctx, verdict, ModelEnvironment(python=python, lock=lock))
        if options.draft:
            drafted = JobDrafted(job=job.name, run=bench.run, digest=digest, model_run=bench.run)
            ctx.record([drafted])
        else:
            verdict = ctx.journal.append_all([*verdict, *live])
    elif not options.dry_run:
        ctx.record(verdict)
    return verdict


def _mark_failed(ctx: Context, name: str, job: str, error: BaseException) -> None:
    """Mark the run of an aborted promotion as failed, or as judged without a release."""
    found = history.runs(ctx.journal.read(run=name)).get(name)
    message = str(getattr(error, "what", None) or f"{type(error).__name__}: {error}")
    if found is not None and found.status in history.OPEN:
        status = "stopped" if isinstance(error, KeyboardInterrupt) else "failed"
        ctx.record([RunFinished(run=name, job=job, status=status, seconds=0.0, error=message)])
    elif found is not None and found.status == "finished" and not found.gates:
        ctx.record([Judged(run=name, job=job, verdicts=(), passed=False, because=message)])


def _answer(
    ctx: Context,
    made: draft.Draft,
    verdict: list[Event],
    *,
    passed: bool,
    options: PromoteOptions,
) -> dict[str, Any]:
    job = made.job
    judged = verdict[0]
    assert isinstance(judged, Judged)
    written = passed and not options.dry_run
    return {
        "version": 1,
        "job": job.name,
        "bundle": f"jobs/{job.name}" if written else None,
        "digest": manifest.digest(made.files) if written else None,
        "proof": bundle_files.proof_json(made.proof),
        "gates": [{k: v[k] for k in views.GATE} for v in judged.verdicts],
        "model": _model_answer(ctx, job, verdict, live=written and not options.draft),
        "schedule": _schedule_answer(ctx, job),
        "left_out": [
            {"cell": index, "label": made.source.notebook.cells[index].label, "why": why}
            for index, why in made.cut.left_out
        ],
        "targets": [],
        "notify": [dict(channel) for channel in job.notify],
        "metrics": dict(made.sides["bundle"].metrics),
        "passed": passed,
        "because": judged.because,
        "changes": made.changes,
    }


def _model_answer(
    ctx: Context, job: Job, verdict: list[Event], *, live: bool
) -> dict[str, Any] | None:
    if not job.model_name:
        return None
    version = next((e.version for e in verdict if isinstance(e, Registered)), None)
    if version is None and live:
        model = read_models(ctx).get(job.model_name)
        version = model.champion if model else None
    asked = next((e for e in verdict if isinstance(e, ApprovalAsked)), None)
    made = any(isinstance(e, Released) and e.model == job.model_name for e in verdict)
    waits = asked is not None and not made
    released = live and version is not None and not waits
    return {
        "name": job.model_name,
        "version": version if live else None,
        "alias": "champion" if released else None,
        **({"awaits": list(asked.awaits)} if asked is not None and waits and asked.awaits else {}),
    }


def _schedule_answer(ctx: Context, job: Job) -> dict[str, Any] | None:
    when = job.schedule
    if when is None:
        return None
    state = read_jobs(ctx).get(job.name)
    count = 0 if state is not None and state.paused else 3
    ticks = islice(schedule.ticks(when, ctx.clock()), count)
    return {
        **schedule.as_json(when),
        "next": [tick.isoformat() for tick in ticks],
    }
