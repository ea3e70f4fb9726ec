"""Judges the model of a run by its gates, and releases it if they pass."""

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import asdict

from mlops_nb.evaluation import gates
from mlops_nb.evaluation.model import Gate, Verdict
from mlops_nb.events import ApprovalAsked, Event, Judged, Registered, Released
from mlops_nb.models.registry import Model
from mlops_nb.runs.history import Run


class ReleasePolicy(Struct, frozen=True, kw_only=True):
    """The requirements of a job for the release of a model.

    model:    the model's name
    makes_model: the job names a variable that holds a model
    approval: a person must approve each release
    together: the jobs whose models are released with it
    """

    model: str
    makes_model: bool
    gates: tuple[Gate, ...] = ()
    approval: bool = False
    together: tuple[str, ...] = ()


def verdicts(wanted: tuple[Gate, ...], run: Run, model: Model | None) -> tuple[Verdict, ...]:
    """Return the verdicts of gates on a finished run.

    model: as it is before the run's model is released; None if there is none yet
    """
    champion = None if model is None else model.champion
    champion_error = run.champion_error
    against = None if champion is None else _scored(run, champion)
    if champion is not None and champion not in run.champion and not champion_error:
        champion_error = (
            f"version {champion} became champion while this run went on"
            if run.champion
            else "no step below the model's own judges it"
        )
    own = gates.Scored(metrics=run.metrics, slices=run.slices, evaluation=run.evaluation)
    return gates.judge(
        wanted,
        own,
        champion=against,
        champion_error=champion_error,
        released=_releases(model),
    )


def _releases(model: Model | None) -> dict[int, Mapping[str, float]]:
    """Return version → its metrics at release, of those that did no harm."""
    if model is None:
        return {}
    good = model.ever - model.quarantined
    return {number: model.versions[number].metrics for number in sorted(good & {*model.versions})}


def _scored(run: Run, version: int) -> gates.Scored:
    """Return how a champion did on the run's own data."""
    evaluated = run.scored.get(version)
    return gates.Scored(
        metrics=run.champion.get(version, {}),
        slices=evaluated.slices if evaluated else {},
        evaluation=evaluated.evaluation if evaluated else {},
    )


def judge(policy: ReleasePolicy, run: Run, model: Model | None) -> Iterator[Event]:
    """Yield the verdict on a finished run, and what follows from it.

    A model that equals the champion is not registered again. If a gate refuses a model, the
    champion stays. Any other model is registered as a version and becomes the champion.
    """
    champion = None if model is None else model.champion
    results = verdicts(policy.gates, run, model)
    rows = tuple(asdict(v) for v in results)
    refused = _refused(results, run, champion) or _quarantined(model, run)
    ended = refused or _nothing_to_release(policy, run, model)
    if ended:
        passed = not refused
        yield Judged(run=run.id, job=run.job, verdicts=rows, passed=passed, because=ended)
        return
    assert run.model is not None
    number = max(model.versions, default=0) + 1 if model is not None else 1
    name = policy.model
    because = _released_because(results, champion)
    yield Judged(run=run.id, job=run.job, verdicts=rows, passed=True, because=because)
    yield Registered(
        run=run.id,
        job=run.job,
        model=name,
        version=number,
        artifact=run.model.artifact,
        digest=run.model.digest,
        metrics=run.metrics,
        answers=run.package.answers if run.package is not None else "",
        lookups=run.package.lookups if run.package is not None else {},
    )
    if policy.approval or (policy.together and champion is not None):
        yield _asked(policy, run, number, champion, because)
        return
    yield Released(
        run=run.id, job=run.job, model=name, version=number, previous=champion, because=because
    )


def _asked(
    policy: ReleasePolicy, run: Run, number: int, champion: int | None, because: str
) -> ApprovalAsked:
    """Return what a version waits for that passed its gates."""
    awaits = policy.together if champion is not None else ()
    approve = f"mlops-nb approve {policy.model} {number}"
    return ApprovalAsked(
        run=run.id,
        job=run.job,
        model=policy.model,
        version=number,
        champion=champion,
        because=because,
        waits_for=approve if policy.approval else _jobs(awaits),
        awaits=awaits,
    )


def _jobs(names: Sequence[str]) -> str:
    return f"the job{'s' * (len(names) > 1)} {', '.join(names)}"


def _refused(results: Sequence[Verdict], run: Run, champion: int | None) -> str:
    """Return which gates refuse a model and why, "" if none does."""
    refused = [f"gate {v.gate!r}: {v.because}" for v in results if not v.passed]
    if _unservable(run):
        refused.append(f"it cannot be served as it was judged: {_unservable(run)}")
    kept = f"; version {champion} stays champion" if champion is not None else ""
    return "; ".join(refused) + kept if refused else ""


def _quarantined(model: Model | None, run: Run) -> str:
    """Return why a model must not be released again, "" if it may be."""
    for version in model.quarantined if model is not None else ():
        if model is not None and _same(model, version, run):
            return (
                f"the model equals version {version}, which was taken out, as it did harm; to "
                f"release it all the same: mlops-nb rollback {model.name} --to {version}"
            )
    return ""


def _unservable(run: Run) -> str:
    """Return why the model would answer otherwise than it was judged, "" if it does not."""
    return run.package.error if run.package is not None and run.package.refused else ""


def _nothing_to_release(policy: ReleasePolicy, run: Run, model: Model | None) -> str:
    """Return why a run whose gates passed releases nothing, "" if it releases its model."""
    if run.trigger == "backfill":
        return "gates passed; a run over the past releases nothing"
    if not policy.makes_model or run.model is None:
        return "gates passed"
    champion = None if model is None else model.champion
    if model is not None and champion is not None and _same(model, champion, run):
        return f"the model equals the champion, version {champion}: nothing to register"
    return ""


def _same(model: Model, champion: int, run: Run) -> bool:
    """Return whether a run's model, and what answers beside it, are those of the champion."""
    version = model.versions.get(champion)
    digest = run.model.digest if run.model else ""
    if version is None or digest == "unknown" or version.digest != digest:
        return False
    answers = run.package.answers if run.package is not None else ""
    return not (answers and version.answers) or answers == version.answers != "unknown"


def _released_because(results: Sequence[Verdict], champion: int | None) -> str:
    if not results:
        return "it has no gates"
    against = f", champion was version {champion}" if champion is not None else ""
    return f"{len(results)} of {len(results)} gates passed{against}"
