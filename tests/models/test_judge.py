"""Judging and rolling back: pure decisions on what the journal tells."""

import pytest

from mlops_nb.errors import JobError, NotFound
from mlops_nb.evaluation import gates
from mlops_nb.events import Judged, ModelKept, ModelPackaged, Registered, Released
from mlops_nb.models import registry
from mlops_nb.models.judge import ReleasePolicy, judge
from mlops_nb.models.registry import Model, Version
from mlops_nb.models.release import rolled_back
from mlops_nb.runs.history import Run


def policy(*sentences: str) -> ReleasePolicy:
    wanted = tuple(gates.gate(sentence) for sentence in sentences)
    return ReleasePolicy(model="wine", makes_model=True, gates=wanted)


def done(digest: str = "new", **metrics: float) -> Run:
    kept = ModelKept(run="r", variable="model", digest=digest, artifact="f" * 64)
    return Run(id="r", job="wine", status="finished", metrics=metrics, model=kept)


def known(*releases: int) -> Model:
    versions = {
        n: Version(version=n, run=f"r{n}", created="", artifact="", digest=f"d{n}", metrics={})
        for n in range(1, max(releases) + 1)
    }
    return Model(name="wine", versions=versions, releases=list(releases), job="wine")


def test_the_first_model_becomes_version_1_and_champion():
    judged, registered, released = judge(
        policy("auc >= 0.5", "auc >= champion"), done(auc=0.6), None
    )
    assert isinstance(judged, Judged)
    assert judged.passed
    assert isinstance(registered, Registered)
    assert registered.version == 1
    assert isinstance(released, Released)
    assert released.previous is None


def test_a_refused_model_changes_nothing_and_says_which_gate_and_by_how_much():
    (judged,) = judge(policy("auc >= 0.7"), done(auc=0.6), known(1))
    assert not judged.passed
    assert judged.because == ("gate 'auc >= 0.7': auc 0.6 is not >= 0.7; version 1 stays champion")


def test_the_champion_is_what_a_challenger_must_beat():
    run = done(auc=0.60)
    run.champion[1] = {"auc": 0.65}
    (judged,) = judge(policy("auc >= champion - 0.01"), run, known(1))
    assert not judged.passed
    run.champion[1] = {"auc": 0.605}
    assert [type(e) for e in judge(policy("auc >= champion - 0.01"), run, known(1))] == [
        Judged,
        Registered,
        Released,
    ]


def test_a_champion_that_could_not_be_scored_refuses_and_is_never_taken_for_none():
    run = done(auc=0.9)
    run.champion_error = "its class has gone"
    (judged,) = judge(policy("auc >= champion"), run, known(1))
    assert "its class has gone" in judged.because
    (judged,) = judge(policy("auc >= champion"), done(auc=0.9), known(1))
    assert "could not be scored" in judged.because


def test_a_model_that_equals_the_champion_is_not_registered_again():
    (judged,) = judge(policy(), done(digest="d2", auc=0.6), known(1, 2))
    assert judged.passed
    assert "equals the champion, version 2" in judged.because


def test_a_model_whose_content_cannot_be_told_is_never_taken_for_the_champion():
    model = known(1)
    model.versions[1].digest = "unknown"
    assert len(list(judge(policy(), done(digest="unknown", auc=0.6), model))) == 3


@pytest.mark.parametrize(
    ("before", "now", "count"),
    [("a", "a", 1), ("a", "b", 3), ("", "b", 1), ("unknown", "unknown", 3)],
)
def test_what_answers_beside_the_model_makes_a_version_as_the_model_does(before, now, count):
    model, run = known(1), done(digest="d1", auc=0.6)
    model.versions[1].answers = before
    run.package = ModelPackaged(run="r", artifact="a", answers=now)
    events = list(judge(policy(), run, model))
    assert len(events) == count
    if count > 1:
        assert events[1].answers == now


def test_versions_go_on_after_a_rollback():
    events = list(
        judge(
            policy(),
            done(auc=0.6),
            Model(name="wine", versions=known(1, 2, 3).versions, releases=[1]),
        )
    )
    assert events[1].version == 4
    assert events[2].previous == 1


def test_a_rollback_goes_to_the_release_before_and_the_fold_takes_it_in():
    model = known(1, 2, 3)
    first = rolled_back(model)
    assert (first.version, first.previous) == (2, 3)
    released = [Released(model="wine", version=n) for n in (1, 2, 3)]
    folded = registry.models([*released, first])["wine"]
    assert folded.champion == 2
    assert registry.models([*released, first, rolled_back(known(1, 2))])["wine"].champion == 1


def test_a_rollback_without_anything_before_or_to_a_strange_version_is_refused():
    with pytest.raises(JobError, match="no release before"):
        rolled_back(known(1))
    with pytest.raises(NotFound, match="no version 9"):
        rolled_back(known(1, 2), to=9)
    with pytest.raises(JobError, match="is the champion already"):
        rolled_back(known(1, 2), to=2)
