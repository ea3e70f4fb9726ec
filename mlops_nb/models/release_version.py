"""Release by hand: approve a version that waits, or put one back that was released before."""

from mlops_nb.errors import JobError, NotFound
from mlops_nb.events import Released
from mlops_nb.models.registry import Model


def rollback(model: Model, to: int | None = None, *, by: str = "") -> Released:
    """Return the event that puts the version before the present one back, or the version `to`.

    Raises NotFound for a version that does not exist, JobError where there is nothing to go
    back to.
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
    if to == model.champion:
        raise JobError(
            f"version {to} of {model.name!r} is the champion already", fix="mlops-nb models"
        )
    return Released(
        job=model.job,
        model=model.name,
        version=to,
        previous=model.champion,
        because=f"rolled back from version {model.champion} by hand",
        rollback=True,
        by=by,
    )


def approve(model: Model, version: int, *, by: str = "") -> Released:
    """Return the event that releases a version that waits for a person.

    Raises NotFound for a version that does not wait, JobError where the champion that it was
    held against is another by now.
    """
    asked = model.waiting.get(version)
    if asked is None:
        waits = ", ".join(map(str, model.waiting)) or "none"
        if version in model.versions:
            raise JobError(
                f"version {version} of {model.name!r} does not wait for approval",
                fix=f"those that do: {waits}",
            )
        known = ", ".join(map(str, model.versions)) or "none"
        raise NotFound(f"{model.name!r} has no version {version}", fix=f"the versions are {known}")
    if asked.champion != model.champion:
        raise JobError(
            f"version {version} of {model.name!r} was held against version {asked.champion}, "
            f"and version {model.champion} answers by now",
            fix=f"judge it anew: mlops-nb trigger {model.job}",
        )
    return Released(
        run=asked.run,
        job=model.job,
        model=model.name,
        version=version,
        previous=model.champion,
        because=f"approved by {by or 'hand'}; {asked.because}",
        by=by,
    )
