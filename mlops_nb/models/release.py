"""Releases models: judges, approves and rolls back; one process at a time."""

import getpass
from collections.abc import Mapping
from pathlib import Path

from mlops_nb.context import Context, Notify, ignore
from mlops_nb.errors import JobError, NotFound
from mlops_nb.events import Released
from mlops_nb.models import package, together
from mlops_nb.models.judge import ReleasePolicy, judge
from mlops_nb.models.package import ModelEnvironment
from mlops_nb.models.registry import Model, read_models
from mlops_nb.runs import history
from mlops_nb.runs.history import read_run


def decide(
    ctx: Context,
    policy: ReleasePolicy,
    run_id: str,
    environment: ModelEnvironment,
    notify: Notify = ignore,
) -> None:
    """Judge a finished run and release its model if it passes, all at once or not at all.

    A run that a later try has superseded decides nothing.
    """
    with ctx.deciding():
        run = read_run(ctx.journal, run_id)
        if history.superseded(ctx.journal, run):
            return
        model = read_models(ctx).get(policy.model)
        events = together.settled(ctx, policy, run, list(judge(policy, run, model)))
        package.prepare(ctx, events, environment)
        for event in ctx.journal.append_all(events):
            notify(event)


def champion_file(ctx: Context, name: str) -> tuple[int, Path] | None:
    """Return the version and the file of a model's champion, None if it has no champion yet.

    Raises JobError if the store no longer has the file.
    """
    model = read_models(ctx).get(name)
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
    """Return a model. Raises NotFound if there is no such model."""
    known = read_models(ctx)
    if name not in known:
        hint = f"the models are {', '.join(known)}" if known else "promote a notebook first"
        raise NotFound(f"there is no model {name!r}", fix=hint)
    return known[name]


def rollback(ctx: Context, name: str, to: int | None = None) -> Released:
    """Make the version released before, or the version `to`, the champion; return the release.

    Without `to`, versions of other models that were released with it go back as well.
    Raises NotFound for an unknown version, JobError if there is no earlier release.
    """
    model_of(ctx, name)
    with ctx.deciding():
        known = read_models(ctx)
        first = rolled_back(model_of(ctx, name), to, by=person())
        made = together.rolled_back_with(known, first) if to is None else [first]
        return _written(ctx, known, made)


def approve(ctx: Context, name: str, version: int) -> Released:
    """Release a version that waits for approval; return the release.

    Raises NotFound for a version that does not wait, JobError if the champion has changed since.
    """
    model_of(ctx, name)
    with ctx.deciding():
        known = read_models(ctx)
        released = approved(model_of(ctx, name), version, by=person())
        others = _others(ctx, known, known[name], released)
        return _written(ctx, known, [released, *others])


def _others(
    ctx: Context, known: Mapping[str, Model], model: Model, released: Released
) -> list[Released]:
    """Return the releases that must come with one. Raises JobError if one of them cannot yet."""
    asked = model.waiting.get(released.version)
    if asked is None or not asked.awaits:
        return []
    group = (model.job, *asked.awaits)
    missing = together.unready(ctx, known, group)
    if missing:
        raise JobError(
            f"version {asked.version} of {model.name!r} is released together with the models of "
            f"{', '.join(asked.awaits)}, and {', '.join(missing)} has not passed since",
            fix=f"mlops-nb trigger {missing[0]}",
        )
    return [one for one in together.releases(known, group, released.by) if one.model != model.name]


def _written(ctx: Context, known: Mapping[str, Model], made: list[Released]) -> Released:
    """Write releases, all or none; return the first."""
    for one in made:
        _refuse_gone(ctx, known[one.model], one.version)
    written = ctx.journal.append_all(together.named(made))[0]
    assert isinstance(written, Released)
    return written


def rolled_back(model: Model, to: int | None = None, *, by: str = "") -> Released:
    """Return the release of the version before the present one, or of the version `to`.

    Raises NotFound for an unknown version, JobError if there is no earlier release.
    """
    if to is None:
        if len(model.releases) < 2:  # noqa: PLR2004
            raise JobError(
                f"{model.name!r} has no release before the present one",
                fix=f"name a version: mlops-nb rollback {model.name} --to VERSION",
            )
        to = model.releases[-2]
    if to not in model.versions:
        known = ", ".join(map(str, model.versions)) or "none"
        raise NotFound(f"{model.name!r} has no version {to}", fix=f"the versions are {known}")
    if to == model.champion and not model.unserved:
        raise JobError(
            f"version {to} of {model.name!r} is the champion already", fix="mlops-nb models"
        )
    return Released(
        job=model.job,
        model=model.name,
        version=to,
        previous=model.champion,
        because=f"rolled back from version {model.champion} by hand"
        if to != model.champion
        else "released again by hand, without limits, as a server refused it",
        rollback=True,
        by=by,
    )


def approved(model: Model, version: int, *, by: str = "") -> Released:
    """Return the release of a version that waits for approval, or that a server refused.

    Raises NotFound for a version that does not wait, JobError if the champion that it was
    compared with is no longer the champion.
    """
    if version == model.champion and model.unserved:
        return Released(
            job=model.job,
            model=model.name,
            version=version,
            previous=version,
            because="released again by hand, as a server refused it",
            by=by,
        )
    approval = model.waiting.get(version)
    if approval is None:
        waits = ", ".join(map(str, model.waiting)) or "none"
        if version in model.versions:
            raise JobError(
                f"version {version} of {model.name!r} does not wait for approval",
                fix=f"those that do: {waits}",
            )
        known = ", ".join(map(str, model.versions)) or "none"
        raise NotFound(f"{model.name!r} has no version {version}", fix=f"the versions are {known}")
    if approval.champion != model.champion:
        raise JobError(
            f"version {version} of {model.name!r} was compared with version {approval.champion}, "
            f"and version {model.champion} is the champion now",
            fix=f"judge it again: mlops-nb trigger {model.job}",
        )
    return Released(
        run=approval.run,
        job=model.job,
        model=model.name,
        version=version,
        previous=model.champion,
        because=f"approved by {by or 'hand'}; {approval.because}",
        by=by,
    )


def person() -> str:
    """Return the name of the user, "" if it is not known."""
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
