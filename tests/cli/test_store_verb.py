"""The store is measured, verified and pruned; a champion is never lost to any of it."""

import os
from datetime import UTC, datetime, timedelta

import pytest

from mlops_nb import events as ev
from mlops_nb.cli.store import span
from mlops_nb.context import Context
from mlops_nb.errors import Refused
from mlops_nb.governance import prune
from mlops_nb.storage.ports import MLFLOW_PLACE

NOW = datetime.now(UTC)
MONTH = timedelta(days=30)
EMPTY = {"version": 1, "removed": 0, "bytes": 0, "kept": 0}


@pytest.fixture
def ctx(tmp_path):
    (tmp_path / ".git").mkdir()
    return Context(tmp_path, {}, lambda: NOW)


def put(ctx, text, *, hours=2.0):
    """Put an artifact into the store, as if some hours ago."""
    source = ctx.root / "artifact"
    source.write_text(text)
    digest = ctx.store.put(source, move=True)
    then = (NOW - timedelta(hours=hours)).timestamp()
    os.utime(ctx.store.path(digest), (then, then))
    return digest


def tell(ctx, event, *, days=0.0):
    at = (NOW - timedelta(days=days)).isoformat(timespec="milliseconds")
    told = {f: getattr(event, f) for f in event.__struct_fields__} | {"at": at}
    return ctx.journal.append(type(event)(**told))


def model(ctx, version, *, days=100.0, release=True):
    """Train, register and perhaps release a version; return its artifact."""
    digest = put(ctx, f"model {version}")
    run = f"r{version}"
    tell(ctx, ev.ModelKept(run=run, variable="m", digest="d", artifact=digest), days=days)
    tell(
        ctx,
        ev.Registered(run=run, model="wine", version=version, artifact=digest, digest="d"),
        days=days,
    )
    if release:
        last = tell(ctx, ev.Released(model="wine", version=version), days=days)
        ctx.journal.place(MLFLOW_PLACE, str(last.id))
    return digest


def held(ctx):
    return {digest for digest, _, _ in ctx.store.contents()}


def test_a_project_that_did_nothing_holds_nothing_and_looking_writes_nothing(ctx):
    assert prune.size(ctx) == {
        "version": 1,
        "files": 0,
        "bytes": 0,
        "limit": 20 * 2**30,
    }
    assert prune.verify(ctx) == {"version": 1, "checked": 0, "damaged": []}
    assert prune.prune(ctx, MONTH) == EMPTY
    assert prune.bounded(ctx) == EMPTY
    assert not (ctx.root / ".mlops").exists()


def test_the_size_counts_what_is_there(ctx):
    put(ctx, "abc")
    put(ctx, "defgh")
    ctx.environment["MLOPS_NB_STORE_LIMIT"] = "0.5"
    assert prune.size(ctx) == {"version": 1, "files": 2, "bytes": 8, "limit": 2**29}


@pytest.mark.parametrize("limit", ["much", "0", "-1", "nan", "inf", "1e999"])
def test_a_limit_that_is_no_size_is_refused(ctx, limit):
    ctx.environment["MLOPS_NB_STORE_LIMIT"] = limit
    with pytest.raises(Refused, match="no size in GiB"):
        prune.size(ctx)


def test_a_flipped_bit_is_found(ctx):
    put(ctx, "whole")
    broken = put(ctx, "broken")
    ctx.store.path(broken).write_text("brokem")
    assert prune.verify(ctx) == {"version": 1, "checked": 2, "damaged": [broken]}


def test_pruning_keeps_champions_young_models_and_what_is_being_made(ctx):
    first, second = model(ctx, 1), model(ctx, 2)
    lost = model(ctx, 3, release=False)
    last = tell(ctx, ev.JobPaused(job="j"))
    ctx.journal.place(MLFLOW_PLACE, str(last.id))
    young = model(ctx, 4, days=10, release=False)
    orphan, fresh = put(ctx, "orphan"), put(ctx, "fresh", hours=0.5)
    assert prune.prune(ctx, MONTH) == {
        "version": 1,
        "removed": 2,
        "bytes": len("model 3" + "orphan"),
        "kept": 4,
    }
    assert held(ctx) == {first, second, young, fresh}
    assert {lost, orphan}.isdisjoint(held(ctx))
    assert prune.prune(ctx, MONTH)["removed"] == 0


def test_pruning_keeps_what_mlflow_was_not_told_of(ctx):
    model(ctx, 1)
    waiting = model(ctx, 2, release=False)
    assert prune.prune(ctx, timedelta(0))["removed"] == 0
    assert waiting in held(ctx)


def test_pruning_tidies_away_what_dead_processes_left(ctx):
    digest = model(ctx, 1)
    part = ctx.store.path(digest).with_name(f".{digest}.{2**30}.part")
    part.write_bytes(b"half")
    assert prune.prune(ctx, MONTH) == {"version": 1, "removed": 0, "bytes": 4, "kept": 1}
    assert not part.exists()


def test_a_store_is_not_pruned_by_a_journal_that_knows_of_nothing(ctx):
    digest = put(ctx, "another journal's model")
    with pytest.raises(Refused, match="the journal is empty"):
        prune.prune(ctx, MONTH)
    ctx.environment["MLOPS_NB_STORE_LIMIT"] = "0.000000001"
    assert prune.bounded(ctx)["removed"] == 0
    assert held(ctx) == {digest}


def step(ctx, digest, days):
    record = {"artifacts": [{"names": ["x"], "sha256": digest}]}
    tell(ctx, ev.StepRecorded(run="s", step="load", unit="u", record=record), days=days)


def test_over_its_bound_the_oldest_step_artifacts_go_first_and_champions_never(ctx):
    champion = model(ctx, 1)
    steps = {put(ctx, f"step {days:04}"): days for days in (3, 1, 2)}
    orphan, fresh = put(ctx, "orphan 00"), put(ctx, "step 0004", hours=0.1)
    for digest, days in {**steps, fresh: 9}.items():
        step(ctx, digest, days)
    three, one, two = steps
    bytes_ = prune.size(ctx)["bytes"]
    for over, gone in (
        (0, set()),
        (1, {three}),
        (9, {three}),
        (10, {three, two}),
        (28, {three, two, one, orphan}),
        (10**6, {three, two, one, orphan}),
    ):
        ctx.environment["MLOPS_NB_STORE_LIMIT"] = repr(max(bytes_ - over, 1) / 2**30)
        prune.bounded(ctx)
        assert held(ctx) == {champion, orphan, fresh, *steps} - gone, over


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
    ctx = Context(terminal.folder, {}, lambda: NOW)
    digest = model(ctx, 1)
    orphan = put(ctx, "orphan")
    alone = {"XDG_RUNTIME_DIR": str(tmp_path), "TMPDIR": str(tmp_path)}  # no other processes
    size = terminal.type("store", "--size", MLOPS_NB_STORE_LIMIT="1", **alone)
    assert size.status == 0
    assert {found["bytes"] for found in size.json.pop("housekeeping").values()} == {0}
    assert size.json == {"version": 1, "files": 2, "bytes": 13, "limit": 2**30}
    assert terminal.type("store", "--verify").json == {"version": 1, "checked": 2, "damaged": []}
    pruned = terminal.type("store", "--prune", "--keep", "12h", **alone)
    assert {found["removed"] for found in pruned.json.pop("housekeeping").values()} == {0}
    assert (pruned.status, pruned.json) == (
        0,
        {"version": 1, "removed": 1, "bytes": len("orphan"), "kept": 1},
    )
    assert not ctx.store.holds(orphan)
    ctx.store.path(digest).write_text("model ?")
    damaged = terminal.type("store", "--verify")
    assert (damaged.status, damaged.json["damaged"]) == (1, [digest])
    with terminal.start("store", "--size", **alone) as process:
        assert process.communicate()[0] == "1 artifact, 7 B of 20.0 GiB\n"
