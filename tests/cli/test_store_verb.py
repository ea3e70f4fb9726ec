"""The store is measured, verified and pruned; a champion is never lost to any of it."""

import os
from datetime import UTC, datetime, timedelta

import pytest

from mlops_nb import events as ev
from mlops_nb.cli.store import span
from mlops_nb.context import Workshop
from mlops_nb.errors import Refused
from mlops_nb.governance import prune
from mlops_nb.integrations.mlflow.mirror import PLACE

NOW = datetime.now(UTC)
MONTH = timedelta(days=30)
EMPTY = {"version": 1, "removed": 0, "bytes": 0, "kept": 0}


@pytest.fixture
def shop(tmp_path):
    (tmp_path / ".git").mkdir()
    return Workshop(tmp_path, {}, lambda: NOW)


def put(shop, text, *, hours=2.0):
    """Put an artifact into the store, as if some hours ago."""
    source = shop.root / "artifact"
    source.write_text(text)
    digest = shop.store.put(source, move=True)
    then = (NOW - timedelta(hours=hours)).timestamp()
    os.utime(shop.store.path(digest), (then, then))
    return digest


def tell(shop, event, *, days=0.0):
    at = (NOW - timedelta(days=days)).isoformat(timespec="milliseconds")
    told = {f: getattr(event, f) for f in event.__dataclass_fields__} | {"at": at}
    return shop.journal.append(type(event)(**told))


def model(shop, version, *, days=100.0, release=True):
    """Train, register and perhaps release a version; return its artifact."""
    digest = put(shop, f"model {version}")
    run = f"r{version}"
    tell(shop, ev.ModelKept(run=run, variable="m", digest="d", artifact=digest), days=days)
    tell(
        shop,
        ev.Registered(run=run, model="wine", version=version, artifact=digest, digest="d"),
        days=days,
    )
    if release:
        last = tell(shop, ev.Released(model="wine", version=version), days=days)
        shop.journal.place(PLACE, str(last.id))
    return digest


def held(shop):
    return {digest for digest, _, _ in shop.store.contents()}


def test_a_project_that_did_nothing_holds_nothing_and_looking_writes_nothing(shop):
    assert prune.size(shop) == {
        "version": 1,
        "files": 0,
        "bytes": 0,
        "limit": 20 * 2**30,
    }
    assert prune.verify(shop) == {"version": 1, "checked": 0, "damaged": []}
    assert prune.prune(shop, MONTH) == EMPTY
    assert prune.bounded(shop) == EMPTY
    assert not (shop.root / ".mlops").exists()


def test_the_size_counts_what_is_there(shop):
    put(shop, "abc")
    put(shop, "defgh")
    shop.environment["MLOPS_NB_STORE_LIMIT"] = "0.5"
    assert prune.size(shop) == {"version": 1, "files": 2, "bytes": 8, "limit": 2**29}


@pytest.mark.parametrize("limit", ["much", "0", "-1", "nan", "inf", "1e999"])
def test_a_limit_that_is_no_size_is_refused(shop, limit):
    shop.environment["MLOPS_NB_STORE_LIMIT"] = limit
    with pytest.raises(Refused, match="no size in GiB"):
        prune.size(shop)


def test_a_flipped_bit_is_found(shop):
    put(shop, "whole")
    broken = put(shop, "broken")
    shop.store.path(broken).write_text("brokem")
    assert prune.verify(shop) == {"version": 1, "checked": 2, "damaged": [broken]}


def test_pruning_keeps_champions_young_models_and_what_is_being_made(shop):
    first, second = model(shop, 1), model(shop, 2)
    lost = model(shop, 3, release=False)
    last = tell(shop, ev.JobPaused(job="j"))
    shop.journal.place(PLACE, str(last.id))
    young = model(shop, 4, days=10, release=False)
    orphan, fresh = put(shop, "orphan"), put(shop, "fresh", hours=0.5)
    assert prune.prune(shop, MONTH) == {
        "version": 1,
        "removed": 2,
        "bytes": len("model 3" + "orphan"),
        "kept": 4,
    }
    assert held(shop) == {first, second, young, fresh}
    assert {lost, orphan}.isdisjoint(held(shop))
    assert prune.prune(shop, MONTH)["removed"] == 0


def test_pruning_keeps_what_mlflow_was_not_told_of(shop):
    model(shop, 1)
    waiting = model(shop, 2, release=False)
    assert prune.prune(shop, timedelta(0))["removed"] == 0
    assert waiting in held(shop)


def test_pruning_tidies_away_what_dead_processes_left(shop):
    digest = model(shop, 1)
    part = shop.store.path(digest).with_name(f".{digest}.{2**30}.part")
    part.write_bytes(b"half")
    assert prune.prune(shop, MONTH) == {"version": 1, "removed": 0, "bytes": 4, "kept": 1}
    assert not part.exists()


def test_a_store_is_not_pruned_by_a_journal_that_knows_of_nothing(shop):
    digest = put(shop, "another journal's model")
    with pytest.raises(Refused, match="the journal knows of nothing"):
        prune.prune(shop, MONTH)
    shop.environment["MLOPS_NB_STORE_LIMIT"] = "0.000000001"
    assert prune.bounded(shop)["removed"] == 0
    assert held(shop) == {digest}


def step(shop, digest, days):
    record = {"artifacts": [{"names": ["x"], "sha256": digest}]}
    tell(shop, ev.StepRecorded(run="s", step="load", unit="u", record=record), days=days)


def test_over_its_bound_the_oldest_step_artifacts_go_first_and_champions_never(shop):
    champion = model(shop, 1)
    steps = {put(shop, f"step {days:04}"): days for days in (3, 1, 2)}
    orphan, fresh = put(shop, "orphan 00"), put(shop, "step 0004", hours=0.1)
    for digest, days in {**steps, fresh: 9}.items():
        step(shop, digest, days)
    three, one, two = steps
    bytes_ = prune.size(shop)["bytes"]
    for over, gone in (
        (0, set()),
        (1, {three}),
        (9, {three}),
        (10, {three, two}),
        (28, {three, two, one, orphan}),
        (10**6, {three, two, one, orphan}),
    ):
        shop.environment["MLOPS_NB_STORE_LIMIT"] = repr(max(bytes_ - over, 1) / 2**30)
        prune.bounded(shop)
        assert held(shop) == {champion, orphan, fresh, *steps} - gone, over


@pytest.mark.parametrize("text", ["", "30", "d", "3w", "-1d", "1.5h", "३d", "100000d", "1d "])
def test_what_is_no_length_of_time_is_refused(text):
    with pytest.raises(Refused, match="no length of time"):
        span(text)


def test_lengths_of_time_are_days_hours_and_minutes():
    assert [span(t) for t in ("30d", "12h", "45m", "0d")] == [
        MONTH,
        timedelta(hours=12),
        timedelta(minutes=45),
        timedelta(0),
    ]


def test_the_verb_wants_one_of_three(terminal):
    for words in ((), ("--size", "--verify"), ("--size", "--keep", "3d")):
        assert "mlops-nb store" in terminal.refused("store", *words)
    assert "no length of time" in terminal.refused("store", "--prune", "--keep", "soon")


def test_a_model_that_a_run_kept_is_counted_verified_and_outlives_pruning(tmp_path, terminal):
    shop = Workshop(terminal.folder, {}, lambda: NOW)
    digest = model(shop, 1)
    orphan = put(shop, "orphan")
    size = terminal.type("store", "--size", MLOPS_NB_STORE_LIMIT="1")
    assert (size.status, size.json) == (
        0,
        {"version": 1, "files": 2, "bytes": 13, "limit": 2**30},
    )
    assert terminal.type("store", "--verify").json == {"version": 1, "checked": 2, "damaged": []}
    pruned = terminal.type("store", "--prune", "--keep", "12h")
    assert (pruned.status, pruned.json) == (
        0,
        {"version": 1, "removed": 1, "bytes": len("orphan"), "kept": 1},
    )
    assert not shop.store.holds(orphan)
    shop.store.path(digest).write_text("model ?")
    damaged = terminal.type("store", "--verify")
    assert (damaged.status, damaged.json["damaged"]) == (1, [digest])
    with terminal.start("store", "--size") as process:
        assert process.communicate()[0] == "1 artifact, 7 B of 20.0 GiB\n"
