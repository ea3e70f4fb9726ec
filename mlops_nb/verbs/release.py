"""Roll back: put a version that was released before back in the champion's place."""

from mlops_nb.errors import JobError, NotFound
from mlops_nb.events import Released
from mlops_nb.record.models import Model


def rollback(model: Model, to: int | None = None) -> Released:
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
    )
