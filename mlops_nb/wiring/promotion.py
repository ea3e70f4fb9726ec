"""Promotion from end to end: refuse, prove, judge, write the bundle, release, schedule."""

import json
import random
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from mlops_nb import files
from mlops_nb import secrets as secret_values
from mlops_nb.bundle import jobfile, manifest
from mlops_nb.errors import JobError, NotFound
from mlops_nb.events import (
    Event,
    JobApplied,
    JobDrafted,
    Judged,
    Registered,
    RunFinished,
    RunQueued,
    StepRecorded,
)
from mlops_nb.model import Job
from mlops_nb.notebook import cells, graph, parameters, plan
from mlops_nb.ports import Source, Task
from mlops_nb.record import cron, gates, history
from mlops_nb.verbs import check, judge, run
from mlops_nb.verbs.promote import contents, define, draft, prove
from mlops_nb.wiring import jobs, runs
from mlops_nb.wiring.ledger import Ledger, Rules
from mlops_nb.wiring.workshop import Tell, Workshop, silence


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """How far a promotion goes, and who is told."""

    replace: bool = False
    draft: bool = False
    dry_run: bool = False
    tell: Tell = silence
    note: Callable[[str], None] = lambda _: None


def promote(shop: Workshop, source: Source, request: define.Request, ways: Ways) -> dict[str, Any]:
    """Promote a notebook; return what `promote --json` prints, with `passed` beside it.

    Raises Refused before anything ran, NotProven or RunFailed where the proof says no; then
    nothing of the job was written.
    """
    old = _existing(shop, request.name, replace_=ways.replace)
    job = define.define(request, source=source, root=shop.root, old=old)
    cut = draft.cut_out(job, source)
    interpreter = shop.environments.interpreter(source.notebook.kernel)
    look = shop.environments.look(interpreter)
    findings = check.check(
        source, root=shop.root, kept=set(cut.kept), variable=job.model_variable,
        champion_gate=any(gates.gate(g).champion for g in job.gates), declared=set(job.secrets),
        installed={*look.modules, *look.stdlib},
    )  # fmt: skip
    check.refuse(findings, source.path.name)
    made = draft.prepare(
        job, source, cut, root=shop.root, interpreter=interpreter, stdlib=look.stdlib,
        at=shop.clock(),
    )  # fmt: skip
    values = secret_values.fetch(job.secrets, shop.environment)
    bench = _bench(shop, made, values, ways)
    try:
        return _promoted(shop, made, bench, request, ways, old)
    except BaseException as error:
        _bury(shop, bench.run, job.name, error)
        raise
    finally:
        shop.drop(bench.scratch)


def _existing(shop: Workshop, name: str, *, replace_: bool) -> Mapping[str, Any] | None:
    state = shop.jobs().get(name)
    folder = shop.root / "jobs" / name
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
        return jobfile.definition(jobfile.read(text))
    return None


def _bench(shop: Workshop, made: draft.Draft, values: Mapping[str, str], ways: Ways) -> draft.Bench:
    shop.journal  # noqa: B018  made before anything is written beside it
    name = shop.new_run()
    champion = jobs.champion_file(shop, made.job)
    scratch = shop.scratch("promote")

    return draft.Bench(
        root=shop.root,
        execute=_executing(shop, made, name, ways),
        environments=shop.environments,
        run=name,
        output=shop.run_folder(name) / "pipeline.ipynb",
        scratch=scratch,
        environment={**shop.kernel_environment(), **values},
        base_environment=shop.environment,
        secrets=tuple(values.values()),
        note=ways.note,
        seed=random.SystemRandom().getrandbits(32),
        champion=champion,
        snapshots=_snapshots(shop, made, scratch / "snapshots"),
    )


def _executing(
    shop: Workshop, made: draft.Draft, name: str, ways: Ways
) -> Callable[..., list[Event]]:
    """Return what runs the sides of a proof: the bundle's is recorded as the run `name`."""

    def execute(task: Task, *, recorded: bool) -> list[Event]:
        notebook = f"jobs/{made.job.name}/pipeline.ipynb" if recorded else made.job.source
        events = run.run(
            task, executor=shop.executor, notebook=notebook, process=shop.process(),
            job=made.job.name,
        )  # fmt: skip
        if recorded:
            return shop.record(events, ways.tell)
        found = list(events)
        shop.record(replace(e, run=name) for e in found if isinstance(e, StepRecorded))
        return found

    return execute


def _snapshots(
    shop: Workshop, made: draft.Draft, folder: Path
) -> Callable[[Source], Ledger | None]:
    """Return what knows the snapshots that both sides of a proof use."""

    def snapshots(source: Source) -> Ledger | None:
        if all(step.snapshot is None for step in source.pipeline.steps):
            return None
        values = {p.name: p.value for p in source.pipeline.parameters} | dict(made.parameters)
        return runs.ledger_of(
            shop, source, values, rules=Rules(proof=True), scratch=folder,
            python=made.interpreter, notebook=made.job.source,
        )  # fmt: skip

    return snapshots


def _promoted(
    shop: Workshop,
    made: draft.Draft,
    bench: draft.Bench,
    request: define.Request,
    ways: Ways,
    old: Mapping[str, Any] | None,
) -> dict[str, Any]:
    job = made.job
    about = cron.interval(job.schedule, shop.clock())
    shop.record([RunQueued(
        run=bench.run, job=job.name, trigger="promote", scheduled_at=about.scheduled_at.isoformat(),
        data_start=about.start.isoformat(), data_end=about.end.isoformat(),
    )])  # fmt: skip
    prove.prove(made, bench, quick=request.quick, tolerance=request.tolerance)
    with shop.deciding():
        _existing(shop, job.name, replace_=ways.replace)  # somebody may have been quicker
        verdict = _released(shop, made, bench, ways)
    passed = isinstance(verdict[0], Judged) and verdict[0].passed
    shop.mirror_now()
    return _answer(shop, made, verdict, passed=passed, ways=ways, old=old)


def _released(shop: Workshop, made: draft.Draft, bench: draft.Bench, ways: Ways) -> list[Event]:
    """Judge what was proven and, where it passes, write the bundle and make it live."""
    job, done = made.job, shop.run_of(bench.run)
    model = shop.models().get(job.model_name or "")
    verdict = list(judge.judge(job, done, model, done.champion_error))
    passed = isinstance(verdict[0], Judged) and verdict[0].passed
    if passed and not ways.dry_run:
        ways.note("locking the environment and writing the bundle")
        said = judge.verdicts(job, done, model.champion if model else None, done.champion_error)
        contents.finish(made, bench, verdicts=said)
        digest = publish(shop, job.name, made.files)
        lock = made.files["requirements.lock"].decode()
        shop.environments.python_for(made.interpreter, lock, build=True)
        if ways.draft:
            drafted = JobDrafted(job=job.name, run=bench.run, digest=digest, model_run=bench.run)
            shop.record([drafted])
        else:
            shop.record([*verdict, applied(shop, job, digest)])
    elif not ways.dry_run:
        shop.record(verdict)
    return verdict


def publish(shop: Workshop, name: str, contents_: Mapping[str, bytes]) -> str:
    """Write a bundle into jobs/NAME and keep it by its digest; the old one stays kept."""
    digest = manifest.digest(contents_)
    keep(shop, digest, contents_)
    target = shop.root / "jobs" / name
    fresh, stale = target.with_name(f".{name}.new"), target.with_name(f".{name}.old")
    for left in (fresh, stale):
        shutil.rmtree(left, ignore_errors=True)
    files.write_folder(fresh, contents_)
    if target.exists():
        target.rename(stale)
    fresh.rename(target)
    shutil.rmtree(stale, ignore_errors=True)
    return digest


def keep(shop: Workshop, digest: str, contents_: Mapping[str, bytes]) -> None:
    """Keep a bundle by its digest: jobs run from there, never from the working tree."""
    folder = shop.bundle_folder(digest)
    if not (folder / manifest.NAME).exists():
        part = folder.with_name(f".{folder.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        files.write_folder(part, contents_)
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)


def applied(shop: Workshop, job: Job, digest: str) -> JobApplied:
    """Return the event that makes a bundle the live one."""
    return JobApplied(
        job=job.name,
        digest=digest,
        bundle=f"jobs/{job.name}",
        definition=jobfile.definition(job),
        source_digest=files.sha256(shop.root / job.source)
        if (shop.root / job.source).is_file()
        else "",
    )


def _bury(shop: Workshop, name: str, job: str, error: BaseException) -> None:
    """A promotion that ended early leaves no run that seems to go on, or to have been released."""
    found = history.runs(shop.journal.read(run=name)).get(name)
    said = str(getattr(error, "what", None) or f"{type(error).__name__}: {error}")
    if found is not None and found.status in history.OPEN:
        status = "stopped" if isinstance(error, KeyboardInterrupt) else "failed"
        shop.record([RunFinished(run=name, job=job, status=status, seconds=0.0, error=said)])
    elif found is not None and found.status == "finished" and not found.gates:
        shop.record([Judged(run=name, job=job, verdicts=(), passed=False, because=said)])


def _answer(
    shop: Workshop,
    made: draft.Draft,
    verdict: list[Event],
    *,
    passed: bool,
    ways: Ways,
    old: Mapping[str, Any] | None,
) -> dict[str, Any]:
    job = made.job
    judged = verdict[0]
    assert isinstance(judged, Judged)
    written = passed and not ways.dry_run
    return {
        "version": 1,
        "job": job.name,
        "bundle": f"jobs/{job.name}" if written else None,
        "digest": manifest.digest(made.files) if written else None,
        "proof": contents.proof_json(made.proof),
        "gates": [{k: v[k] for k in ("gate", "passed", "value", "champion", "because")}
                  for v in judged.verdicts],
        "model": _model_answer(shop, job, verdict, live=written and not ways.draft),
        "schedule": _schedule_answer(shop, job),
        "left_out": [{"cell": index, "why": why} for index, why in made.cut.left_out],
        "targets": [],
        "metrics": dict(made.sides["bundle"].metrics),
        "passed": passed,
        "because": judged.because,
        "changes": [] if old is None else jobfile.difference(old, jobfile.definition(job)),
    }  # fmt: skip


def _model_answer(
    shop: Workshop, job: Job, verdict: list[Event], *, live: bool
) -> dict[str, Any] | None:
    if not job.model_name:
        return None
    version = next((e.version for e in verdict if isinstance(e, Registered)), None)
    if version is None and live:
        model = shop.models().get(job.model_name)
        version = model.champion if model else None
    released = live and version is not None
    return {
        "name": job.model_name,
        "version": version if live else None,
        "alias": "champion" if released else None,
    }


def _schedule_answer(shop: Workshop, job: Job) -> dict[str, Any] | None:
    when = job.schedule
    if when is None:
        return None
    ticks = islice(cron.ticks(when, shop.clock()), 3)
    return {
        "cron": when.cron,
        "timezone": when.timezone,
        "next": [tick.isoformat() for tick in ticks],
    }


def _definition(shop: Workshop, name: str, found: Mapping[str, bytes]) -> Job:
    """Return what a bundle's job.yaml says, held against the bundle's own pipeline."""
    where = f"jobs/{name}/job.yaml"
    text = found.get(manifest.DEFINITION, b"").decode("utf-8", "replace")
    job = jobfile.read(text, where)
    if job.name != name:
        raise JobError(
            f"job.yaml in jobs/{name} names the job {job.name!r}", fix=f"set name: {name}"
        )
    folder = (shop.root / job.folder).resolve()
    if not folder.is_dir() or not folder.is_relative_to(shop.root):
        raise JobError(
            f"the working folder {job.folder!r} is no folder of this project",
            fix="set folder to the notebook's own", where=where,
        )  # fmt: skip
    notebook = cells.read(json.loads(found["pipeline.ipynb"]), "pipeline.ipynb")
    pipeline = graph.pipeline(notebook)
    source = Source(path=folder, document={}, notebook=notebook, pipeline=pipeline)
    if job.model_variable and not plan.model_cells(pipeline, job.model_variable):
        raise JobError(
            f"no step makes {job.model_variable!r}, which is to be the model",
            fix="correct model.variable", where=where,
        )  # fmt: skip
    draft.cut_out(job, source)
    about = cron.interval(job.schedule, shop.clock())
    known = {p.name: p for p in pipeline.parameters}
    parameters.checked(cron.filled(job.parameters, about, known), known.values(), where)
    return job


def apply(shop: Workshop, name: str, note: Callable[[str], None]) -> dict[str, Any]:
    """Make a draft, or an edited job.yaml, the live one.

    Raises JobError for a bundle whose code is not what was proven.
    """
    folder = shop.root / "jobs" / name
    if not define.JOB_NAME.match(name) or not folder.is_dir():
        raise NotFound(f"there is no bundle jobs/{name}", fix="list jobs with: mlops-nb jobs")
    found = files.read_folder(folder)
    digest = manifest.verify(found, name)
    job = _definition(shop, name, found)
    state = shop.jobs().get(name)
    before = dict(state.definition) if state is not None else {}
    changes = jobfile.difference(before, jobfile.definition(job)) if before else []
    note("building the job's environment, if this one does not equal its lock")
    lock = found["requirements.lock"].decode()
    shop.environments.python_for(shop.interpreter_of(found), lock, build=True)
    keep(shop, digest, found)
    pending = state.draft.model_run if state is not None and state.draft is not None else ""
    events: list[Event] = []
    if pending and state is not None and state.draft is not None and state.draft.digest == digest:
        done = shop.run_of(pending)
        model = shop.models().get(job.model_name or "")
        events = list(judge.judge(job, done, model, done.champion_error))
        if isinstance(events[0], Judged) and not events[0].passed:
            shop.record(events)
            return {"version": 1, "job": name, "applied": False, "because": events[0].because,
                    "changes": changes, "digest": digest}  # fmt: skip
    shop.record([*events, applied(shop, job, digest)])
    shop.mirror_now()
    return {"version": 1, "job": name, "applied": True, "because": "", "changes": changes,
            "digest": digest}  # fmt: skip
