"""Decides about models: judge and release, approve, roll back; one process at a time."""

import getpass
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlops_nb import git
from mlops_nb.context import Context, Notify, ignore
from mlops_nb.errors import JobError, NotFound
from mlops_nb.events import Event, Released
from mlops_nb.integrations import catch_up
from mlops_nb.jobs import agenda
from mlops_nb.jobs.bundle import job_yaml
from mlops_nb.models import judge, release_version
from mlops_nb.models.registry import Model
from mlops_nb.notebook.model import Job
from mlops_nb.runs import history

AGREE_WITHIN = 1.0  # s: what is not in place by then is said to be behind
LOOK_EVERY = 0.05  # s


def decide(ctx: Context, job: Job, run_id: str, notify: Notify = ignore) -> None:
    """Judge a finished run and release its model where it passes, all at once or not at all.

    A try that is no longer the current one decides nothing.
    """
    with ctx.deciding():
        run = ctx.run_of(run_id)
        kinds = history.COURSE
        others = history.runs(ctx.journal.read(job=job.name, kinds=kinds))
        if agenda.superseded(run, others):
            return
        model = ctx.models().get(job.model_name or "")
        for event in ctx.journal.append_all(judge.judge(job, run, model, run.champion_error)):
            notify(event)


def champion_file(ctx: Context, job: Job) -> tuple[int, Path] | None:
    """Return the champion's version and file, None where there is no champion yet."""
    model = ctx.models().get(job.model_name or "")
    if model is None or model.champion is None:
        return None
    try:
        return model.champion, ctx.store.path(model.versions[model.champion].artifact)
    except NotFound as error:
        raise JobError(
            f"the champion, version {model.champion}, cannot be judged: {error.what}",
            fix=f"mlops-nb rollback {model.name}, or bring the store back from a copy",
            where=error.where,
        ) from None


def model_of(ctx: Context, name: str) -> Model:
    """Return a model. Raises NotFound where there is none of that name."""
    known = ctx.models()
    if name not in known:
        hint = f"the models are {', '.join(known)}" if known else "promote a notebook first"
        raise NotFound(f"there is no model {name!r}", fix=hint)
    return known[name]


def rollback(ctx: Context, name: str, to: int | None = None) -> dict[str, Any]:
    """Put the version released before back, or the version `to`; return what `rollback` prints."""
    model_of(ctx, name)
    with ctx.deciding():
        now = model_of(ctx, name)
        released = release_version.rollback(now, to, by=person())
        _refuse_gone(ctx, now, released.version)
        (written,) = ctx.record([released])
    return _answer(ctx, name, released, written)


def approve(ctx: Context, name: str, version: int) -> dict[str, Any]:
    """Release a version that waits for a person; return what `approve` prints."""
    model_of(ctx, name)
    with ctx.deciding():
        now = model_of(ctx, name)
        released = release_version.approve(now, version, by=person())
        _refuse_gone(ctx, now, version)
        (written,) = ctx.record([released])
    return _answer(ctx, name, released, written)


def rollback_job(ctx: Context, name: str) -> dict[str, Any]:
    """Make the bundle that was live before the present one live again; return what is printed.

    Raises JobError where there was none, or where it is no longer kept.
    """
    with ctx.deciding():
        known = ctx.jobs()
        if name not in known:
            raise NotFound(
                f"there is no job {name!r}", fix=f"the jobs are {', '.join(known) or 'none'}"
            )
        state = known[name]
        if len(state.applications) < 2:  # noqa: PLR2004
            raise JobError(f"{name!r} has had no other bundle", fix="mlops-nb jobs")
        now, back = state.applications[-1], state.applications[-2]
        if not ctx.bundle_folder(back.digest).is_dir():
            raise JobError(
                f"the bundle before of {name!r} is no longer kept",
                fix=f"check it out from git, then: mlops-nb apply {name}",
            )
        ctx.journal.append(replace(back, id=0, at="", commit=git.of(ctx.root), rollback=True))
    changes = job_yaml.difference(dict(now.definition), dict(back.definition))
    if now.digest != back.digest:
        changes.append(f"bundle: {now.digest[:12]} → {back.digest[:12]}")
    return {"version": 1, "job": name, "digest": back.digest, "changes": changes}


def _answer(ctx: Context, name: str, released: Released, written: Event) -> dict[str, Any]:
    agrees = _agrees(ctx, written)
    return {
        "version": 1,
        "model": name,
        "champion": released.version,
        "previous": released.previous,
        "because": released.because,
        "by": released.by,
        "mlflow": "agrees" if agrees else "behind",
    }


def _agrees(ctx: Context, released: Event) -> bool:
    """Let MLflow follow, and say whether it has within a second."""
    catch_up.behind(ctx)
    until = time.monotonic() + AGREE_WITHIN
    while True:
        if int(ctx.journal.place("mlflow") or 0) >= released.id:
            return True
        if time.monotonic() >= until:
            return False
        time.sleep(LOOK_EVERY)


def person() -> str:
    """Return who is at the keyboard, "" where nobody can tell."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container whose user has no name
        return ""


def _refuse_gone(ctx: Context, model: Model, version: int) -> None:
    """Refuse to release a version whose model is no longer kept."""
    if not ctx.store.holds(model.versions[version].artifact):
        kept = [v.version for v in model.versions.values() if ctx.store.holds(v.artifact)]
        raise NotFound(
            f"version {version} of {model.name!r} is no longer in the store",
            fix=f"give one that is: --to {' or '.join(map(str, kept)) or 'none is'}",
        )
