"""Which artifacts stay: champions and what a rollback comes to for ever, the rest while young."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from mlops_nb import events as ev
from mlops_nb.governance import retention
from mlops_nb.models import registry

NOW = datetime(2026, 3, 1, tzinfo=UTC)
MONTH = timedelta(days=30)


def at(days):
    return (NOW - timedelta(days=days)).isoformat(timespec="milliseconds")


def kept(run, days, artifact):
    return ev.ModelKept(run=run, at=at(days), variable="m", digest="d", artifact=artifact)


def registered(version, days=100, model="wine"):
    return ev.Registered(
        run=f"r{version}",
        at=at(days),
        model=model,
        version=version,
        artifact=f"{model}{version}",
        digest="d",
    )


def released(version, *, model="wine", rollback=False):
    return ev.Released(at=at(90), model=model, version=version, rollback=rollback)


def recorded(days, record):
    return ev.StepRecorded(run="s", at=at(days), step="load", unit="u", record=record)


def step(days, *artifacts):
    return recorded(days, {"artifacts": [{"sha256": a} for a in artifacts]})


def reachable(*events, keep=MONTH):
    return retention.reachable(events, NOW, keep)


def test_nothing_happened_and_nothing_stays():
    assert reachable() == set()


def test_a_champion_and_all_that_a_rollback_comes_to_stay_however_old():
    versions = [registered(n) for n in (1, 2, 3, 4)]
    assert reachable(*versions, released(1), released(3), released(4)) == {
        "wine1",
        "wine3",
        "wine4",
    }


def test_what_was_rolled_back_from_stays_only_while_it_is_young():
    told = [registered(1), registered(2), released(1), released(2), released(1, rollback=True)]
    assert reachable(*told) == {"wine1"}


def test_every_model_has_a_champion():
    told = [registered(1), released(1), registered(1, model="iris"), released(1, model="iris")]
    assert reachable(*told) == {"wine1", "iris1"}


def test_a_champion_whose_version_nobody_told_of_is_no_error():
    assert reachable(released(7)) == set()


def test_models_of_young_runs_stay_and_those_of_old_ones_go():
    assert reachable(kept("old", 31, "a"), kept("edge", 30, "b"), kept("new", 0, "c")) == {"b", "c"}
    assert reachable(kept("old", 31, "a"), keep=timedelta(days=40)) == {"a"}


def test_a_run_is_as_young_as_its_last_event():
    assert reachable(
        kept("r", 31, "a"), ev.RunFinished(run="r", at=at(1), status="finished", seconds=1.0)
    ) == {"a"}


def test_what_young_steps_left_stays():
    assert reachable(step(31, "a", "b"), step(29, "b", "c")) == {"b", "c"}
    assert retention.steps([step(31, "a", "b"), step(29, "b")]) == {
        "a": NOW - timedelta(days=31),
        "b": NOW - timedelta(days=29),
    }


def test_a_record_of_another_form_holds_no_artifacts():
    odd = [{}, {"artifacts": None}, {"artifacts": ["a", {"names": ["x"]}]}, "text", None]
    assert reachable(*(recorded(0, record) for record in odd)) == set()


def test_an_artifact_that_is_a_steps_and_a_champions_stays():
    told = [step(90, "wine1"), registered(1), released(1)]
    assert reachable(*told) == {"wine1"}
    assert retention.champions(told) == {"wine1"}


@given(st.lists(st.tuples(st.integers(1, 5), st.booleans()), max_size=12), st.integers(0, 60))
def test_the_champion_and_the_one_before_it_always_stay(moves, days):
    told = [registered(n) for n in range(1, 6)]
    told += [released(version, rollback=rollback) for version, rollback in moves]
    stack = registry.models(told)["wine"].releases
    stays = reachable(*told, keep=timedelta(days=days))
    assert {f"wine{n}" for n in stack[-2:]} <= stays
