"""Makes a bundle the live one: stores it, and applies a draft or an edited job.yaml."""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from mlops_nb import files, git
from mlops_nb.context import Context
from mlops_nb.data import contract
from mlops_nb.errors import JobError, NotFound
from mlops_nb.events import Event, JobApplied, Judged
from mlops_nb.jobs import model, poll, predictions, proven, schedule, score_spec, stored
from mlops_nb.jobs.bundle import job_yaml, manifest, schema_json
from mlops_nb.jobs.cut import cut_out
from mlops_nb.jobs.model import Job
from mlops_nb.jobs.policy import policy_of
from mlops_nb.jobs.registry import JobState, read_jobs
from mlops_nb.jobs.triggers import data
from mlops_nb.models import judge, package, release, together
from mlops_nb.models.package import ModelEnvironment
from mlops_nb.models.registry import read_models
from mlops_nb.notebook import cells, parameters, slicing
from mlops_nb.notebook import pipeline as notebook_pipeline
from mlops_nb.notebook.model import Source
from mlops_nb.runs.history import read_run

NOTEBOOK = "pipeline.ipynb"


def publish(ctx: Context, name: str, contents_: Mapping[str, bytes]) -> None:
    """Write a bundle into jobs/NAME and store it by its digest; the old one stays stored."""
    stored.keep(ctx, manifest.digest(contents_), contents_)
    target = ctx.root / "jobs" / name
    fresh, stale = target.with_name(f".{name}.new"), target.with_name(f".{name}.old")
    for left in (fresh, stale):
        shutil.rmtree(left, ignore_errors=True)
    files.write_folder(fresh, contents_)
    if target.exists():
        target.rename(stale)
    fresh.rename(target)
    shutil.rmtree(stale, ignore_errors=True)


def applied(
    ctx: Context, job: Job, digest: str, *, before: Job | None = None, elsewhere: bool = False
) -> Iterator[Event]:
    """Yield the events that make a bundle the live one.

    before: the job as it was, if its model was not trained again: data that is new to its
            triggers stays new
    elsewhere: the bundle was not proven in this project
    """
    source = ctx.root / job.source
    yield JobApplied(
        job=job.name,
        digest=digest,
        bundle=f"jobs/{job.name}",
        definition=job_yaml.definition(job),
        source_digest=files.sha256(source) if source.is_file() else "",
        commit=git.of(ctx.root),
        elsewhere=elsewhere,
        by=release.person(),
    )
    seen = poll.note_files(ctx, job, before)
    if seen is not None:
        yield seen


def refuse_triggers(ctx: Context, job: Job) -> None:
    """Refuse a trigger that can never fire, or that fires for ever.

    Raises JobError for a trigger on an unknown job, on the job itself, or on a model that the job
    does not make, and for a glob that matches no file of the project.
    """
    known = read_jobs(ctx)
    for spec in job.triggers:
        kind = poll.kind_of(spec)
        poll.sensor(kind)
        if kind == "data":
            data.refuse(str(spec["data"]), job.folder)
        if kind == "job" and job.name in _behind(known, str(spec["job"])):
            raise JobError(
                f"job {job.name!r} would follow itself, by way of {spec['job']!r}",
                fix="leave that trigger out",
            )
        if kind == "job" and spec["job"] not in known:
            raise JobError(
                f"the trigger job:{spec['job']} names an unknown job",
                fix=f"the jobs are {', '.join(known) or 'none'}",
            )
        if kind in poll.EVALUATED and not job.model_variable:
            raise JobError(
                f"the trigger {kind} needs a model, and job {job.name!r} makes none",
                fix="name one: --model VAR",
            )


def refuse_group(ctx: Context, job: Job) -> None:
    """Refuse to release a model with that of a job that makes none, or that is not there."""
    known = read_jobs(ctx)
    for name in job.release_with:
        state = known.get(name)
        if name == job.name or state is None or not state.definition.get("model"):
            models = [n for n, s in known.items() if n != job.name and s.definition.get("model")]
            raise JobError(
                f"job {job.name!r} cannot release its model with that of {name!r}, which "
                + ("is the job itself" if name == job.name else "is no live job with a model"),
                fix=f"jobs that make one: {', '.join(models) or 'none; promote it first'}",
            )
    if job.release_with and not job.model_variable:
        raise JobError(
            f"job {job.name!r} makes no model that could be released with another",
            fix="name one: --model VAR",
        )


def _behind(known: Mapping[str, JobState], job: str) -> set[str]:
    """Return a job and all jobs that it follows."""
    found, queue = set(), [job]
    while queue:
        name = queue.pop()
        if name not in found and name in known:
            found.add(name)
            queue += [t["job"] for t in known[name].definition.get("triggers", ()) if "job" in t]
        found.add(name)
    return found


def _definition(ctx: Context, name: str, found: Mapping[str, bytes]) -> Job:
    """Return the job of a bundle's job.yaml, checked against the bundle's pipeline."""
    where = f"jobs/{name}/job.yaml"
    text = found.get(manifest.DEFINITION, b"").decode("utf-8", "replace")
    job = job_yaml.read(text, where)
    if job.name != name:
        raise JobError(
            f"job.yaml in jobs/{name} names the job {job.name!r}", fix=f"set name: {name}"
        )
    folder = _folder(ctx, job, where)
    notebook = cells.read(json.loads(found[NOTEBOOK]), NOTEBOOK)
    pipeline = notebook_pipeline.pipeline(notebook)
    source = Source(path=folder, document={}, notebook=notebook, pipeline=pipeline)
    if job.model_variable and not slicing.model_cells(pipeline, job.model_variable):
        raise JobError(
            f"no step makes {job.model_variable!r}, which is to be the model",
            fix="correct model.variable",
            where=where,
        )
    cut_out(job, source)
    about = schedule.interval(job.schedule, ctx.clock())
    known = {p.name: p for p in pipeline.parameters}
    parameters.checked(schedule.filled(job.parameters, about, known), known.values(), where)
    return job


def _folder(ctx: Context, job: Job, where: str) -> Path:
    """Return a job's working folder. Raises JobError for paths outside the bundle or project."""
    if job.notebook != NOTEBOOK:
        raise JobError(
            f"{job.notebook!r} is not the notebook of the bundle",
            fix=f"set notebook: {NOTEBOOK}",
            where=where,
        )
    folder, source = _inside(ctx, job.folder), _inside(ctx, job.source)
    if folder is None or not folder.is_dir():
        raise JobError(
            f"the working folder {job.folder!r} is no folder of this project",
            fix="set folder to the notebook's own",
            where=where,
        )
    if source is None:
        raise JobError(
            f"the source {job.source!r} is no path in this project",
            fix="set source to the notebook that was promoted",
            where=where,
        )
    return folder


def _inside(ctx: Context, path: str) -> Path | None:
    """Return a path of the project, resolved; None if it leads out of it."""
    if "\0" in path or any(len(os.fsencode(p)) > data.LONGEST_NAME for p in Path(path).parts):
        return None
    found = (ctx.root / path).resolve()
    return found if found.is_relative_to(ctx.root) else None


def apply(ctx: Context, name: str, note: Callable[[str], None]) -> dict[str, Any]:
    """Make a draft, or an edited job.yaml, the live one.

    Raises JobError for a bundle whose code differs from the proven one.
    """
    folder = ctx.root / "jobs" / name
    if not model.JOB_NAME.match(name) or not folder.is_dir():
        raise NotFound(f"there is no bundle jobs/{name}", fix="list jobs with: mlops-nb jobs")
    found = files.read_folder(folder)
    elsewhere = not proven.was_proven_here(ctx, name, found, note)
    digest = manifest.digest(found)
    job = _definition(ctx, name, found)
    refuse_triggers(ctx, job)
    refuse_group(ctx, job)
    score_spec.refuse(job)
    state = read_jobs(ctx).get(name)
    predictions.refuse_applied(ctx, job, state)
    _refuse_without_package(ctx, job, state)
    before = dict(state.definition) if state is not None else {}
    changes = job_yaml.difference(before, job_yaml.definition(job)) if before else []
    changes += _contract_changes(ctx, name, state, found)
    note("building the job's environment, if this one does not equal its lock")
    lock = found["requirements.lock"].decode()
    python = ctx.environments.python_for(ctx.interpreter_of(found), lock, build=True)
    stored.keep(ctx, digest, found)
    with ctx.deciding():
        verdict = _judged(ctx, job, state, manifest.promoted(found))
        package.prepare(ctx, verdict, ModelEnvironment(python=python, lock=lock))
        if verdict and isinstance(verdict[0], Judged) and not verdict[0].passed:
            ctx.journal.append_all(verdict)
            return _answer(name, digest, changes, refused=verdict[0].because)
        known = job_yaml.of_definition(before) if before and not verdict else None
        live = applied(ctx, job, digest, before=known, elsewhere=elsewhere)
        ctx.journal.append_all([*verdict, *live])
    return _answer(name, digest, changes)


def _refuse_without_package(ctx: Context, job: Job, state: JobState | None) -> None:
    """Refuse to score files with a model that cannot be served."""
    if job.score is None:
        return
    waits = state.draft if state is not None else None
    if waits is not None and waits.model_run:
        made = read_run(ctx.journal, waits.model_run).package
        served = made is not None and bool(made.artifact)
    else:
        known = read_models(ctx).get(job.model_name or "")
        version = known.champion if known is not None else None
        served = version is None or package.exists(ctx, job.model_name or "", version)
    if not served:
        raise JobError(
            f"the model of job {job.name!r} cannot be served, so it can score no files",
            fix="set score: null, or promote the notebook again",
        )


def _answer(job: str, digest: str, changes: list[str], refused: str = "") -> dict[str, Any]:
    """Return what `apply --json` prints. `refused`: why the job's model was, "" if it was not."""
    return {
        "version": 1,
        "job": job,
        "applied": not refused,
        "because": refused,
        "changes": changes,
        "digest": digest,
    }


def _contract_changes(
    ctx: Context, job: str, state: JobState | None, found: Mapping[str, bytes]
) -> list[str]:
    """Return how an edited schema.json differs from the one before."""
    digest = (state.digest or (state.draft.digest if state.draft else "")) if state else ""
    before = stored.live(ctx, job, digest).get(schema_json.NAME)
    if before is None:
        return []
    return contract.changes(schema_json.read(before), schema_json.read(found[schema_json.NAME]))


def _judged(ctx: Context, job: Job, state: JobState | None, promoted: str) -> list[Event]:
    """Judge the run of a draft whose code is the proven one; return nothing for a live job."""
    waits = state.draft if state is not None else None
    if waits is None or not waits.model_run or waits.digest != promoted:
        return []
    done = read_run(ctx.journal, waits.model_run)
    model = read_models(ctx).get(job.model_name or "")
    policy = policy_of(ctx, job)
    return together.settled(ctx, policy, done, list(judge.judge(policy, done, model)))


def rollback_job(ctx: Context, name: str) -> dict[str, Any]:
    """Make the bundle that was live before the present one live again; return what is printed.

    Raises JobError if there was none, or if it is no longer stored.
    """
    with ctx.deciding():
        known = read_jobs(ctx)
        if name not in known:
            raise NotFound(
                f"there is no job {name!r}", fix=f"the jobs are {', '.join(known) or 'none'}"
            )
        state = known[name]
        if len(state.applications) < 2:  # noqa: PLR2004
            raise JobError(f"{name!r} has no earlier bundle", fix="mlops-nb jobs")
        now, back = state.applications[-1], state.applications[-2]
        if not stored.bundle(ctx, back.digest):
            raise JobError(
                f"the earlier bundle of {name!r} is no longer stored as it was",
                fix=f"check it out from git, then: mlops-nb apply {name}",
            )
        ctx.journal.append(replace(back, id=0, at="", commit=git.of(ctx.root), rollback=True))
    changes = job_yaml.difference(dict(now.definition), dict(back.definition))
    if now.digest != back.digest:
        changes.append(f"bundle: {now.digest[:12]} → {back.digest[:12]}")
    return {"version": 1, "job": name, "digest": back.digest, "changes": changes}
