"""Releases models that belong together in one moment: all of them, or none.

A version that passed its gates waits until the other jobs of its group have passed as well, since
the group was released last; then all that waits is released in one write. A job whose model
equals its champion has passed with nothing to release. A model's first version does not wait.
"""

from collections.abc import Collection, Mapping
from itertools import chain

from msgspec.structs import replace

from mlops_nb.context import Context
from mlops_nb.events import ApprovalAsked, Event, Judged, Released
from mlops_nb.models import registry
from mlops_nb.models.judge import ReleasePolicy
from mlops_nb.models.registry import Model
from mlops_nb.runs.history import Run, read_run


def settled(ctx: Context, policy: ReleasePolicy, run: Run, verdict: list[Event]) -> list[Event]:
    """Return a verdict with the releases that follow from it in the group of its job."""
    judged = verdict[0]
    passed = isinstance(judged, Judged) and judged.passed and run.trigger != "backfill"
    if not policy.together or policy.approval or not passed:
        return verdict
    known = registry.models(chain(ctx.journal.read(kinds=registry.KINDS), verdict))
    group = (run.job, *policy.together)
    if unready(ctx, known, group, passed=run.job):
        return verdict
    return [*verdict, *named(releases(known, group))]


def unready(
    ctx: Context, known: Mapping[str, Model], jobs: Collection[str], *, passed: str = ""
) -> list[str]:
    """Return the jobs of a group without a version to release that have not passed either.

    passed: a job whose verdict is not written yet
    """
    members = {m.job: m for m in known.values() if m.job in jobs and m.champion is not None}
    since = max((model.released for model in members.values()), default="")
    return [
        job
        for job, model in members.items()
        if job != passed and waiting(model) is None and not _passed_since(ctx, job, since)
    ]


def releases(known: Mapping[str, Model], jobs: Collection[str], by: str = "") -> list[Released]:
    """Return the releases of all versions of a group that wait."""
    return [
        Released(
            run=asked.run,
            job=asked.job,
            model=asked.model,
            version=asked.version,
            previous=asked.champion,
            because=asked.because,
            by=by,
        )
        for model in known.values()
        if model.job in jobs and (asked := waiting(model)) is not None
    ]


def rolled_back_with(known: Mapping[str, Model], first: Released) -> list[Released]:
    """Return a rollback, and those of the models whose versions were released with it.

    A model of the group that has been released since, or was never released before, stays.
    """
    others = (known.get(name) for name in known[first.model].together)
    made = [
        Released(
            job=model.job,
            model=model.name,
            version=model.releases[-2],
            previous=model.champion,
            because=f"it was released together with version {first.previous} of {first.model}, "
            "which was rolled back",
            rollback=True,
            by=first.by,
        )
        for model in others
        if model is not None and _since(known, first, model) and len(model.releases) > 1
    ]
    return [first, *made]


def waiting(model: Model) -> ApprovalAsked | None:
    """Return the newest version of a model that waits for others, if what it beat still serves."""
    asked = [a for a in model.waiting.values() if a.awaits and a.champion == model.champion]
    return max(asked, key=lambda one: one.version, default=None)


def _since(known: Mapping[str, Model], first: Released, model: Model) -> bool:
    """Return whether a model still serves what was released with the version rolled back."""
    return known[first.model].together.get(model.name) == model.champion


def named(made: Collection[Released]) -> list[Released]:
    """Return the releases of one moment, each with the versions of the others."""
    versions = {one.model: one.version for one in made}
    return [
        replace(one, together={m: v for m, v in versions.items() if m != one.model}) for one in made
    ]


def _passed_since(ctx: Context, job: str, since: str) -> bool:
    """Return whether the newest run of a job that was judged passed, after a time."""
    for event in ctx.journal.read_back(job=job, kinds=(Judged,)):
        assert isinstance(event, Judged)
        if event.at <= since:
            return False
        if read_run(ctx.journal, event.run).trigger != "backfill":
            return event.passed
    return False
