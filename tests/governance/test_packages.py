"""Packages go when their versions can no longer be released, and never while they are used."""

import hashlib
import json
from datetime import UTC, datetime, timedelta

import pytest

from mlops_nb import events as ev
from mlops_nb.context import Context
from mlops_nb.errors import NotFound
from mlops_nb.governance import housekeeping, packages
from mlops_nb.models import package, release
from mlops_nb.storage import scratch

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
NOTHING = {"removed": 0, "bytes": 0}


@pytest.fixture
def ctx(tmp_path):
    (tmp_path / ".git").mkdir()
    made = Context(tmp_path, {}, lambda: NOW)
    made.prepare_folder()
    yield made
    made.journal.close()


def version(ctx, number, *, model="wine"):
    """Register a version with a model in the store and a package; return its folder."""
    source = ctx.root / "artifact"
    source.write_text(f"{model} {number}")
    artifact = ctx.store.put(source, move=True)
    ctx.journal.append(
        ev.Registered(
            run=f"r{number}", model=model, version=number, artifact=artifact, digest=f"d{number}"
        )
    )
    folder = package.folder(ctx, model, number)
    folder.mkdir(parents=True)
    about = {
        "model": model,
        "model_version": number,
        "interpreter": "",
        "signature": {"answer": {"kind": "label", "classes": [0, 1]}},
        "independent": True,
    }
    contents = {
        package.MODEL: b"x" * 1000,
        package.ABOUT: json.dumps(about).encode(),
        package.GOLDEN: b"{}",
        package.REFERENCE: b"{}",
        package.LOCK: b"",
    }
    listed = {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
    contents[package.MANIFEST] = json.dumps({"version": 1, "files": listed}).encode()
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    return folder


def released(ctx, number, *, rollback=False):
    ctx.journal.append(ev.Released(model="wine", version=number, rollback=rollback))


def lose(ctx, number):
    ctx.store.remove(hashlib.sha256(f"wine {number}".encode()).hexdigest())


def kept(ctx):
    return [n for n in range(1, 9) if package.exists(ctx, "wine", n)]


def test_only_packages_of_versions_that_cannot_be_released_any_more_go(ctx):
    for number in range(1, 9):
        version(ctx, number)
    released(ctx, 1)
    released(ctx, 2)
    released(ctx, 3)
    released(ctx, 2, rollback=True)
    waits = ev.ApprovalAsked(run="r6", model="wine", version=6, champion=2, because="")
    ctx.journal.append(waits)
    for number in (1, 3, 4, 6, 8):  # 5 and 7 are in the store, though they were never released
        lose(ctx, number)
    size = packages.size(ctx)
    assert size["files"] == 8
    freed = packages.prune(ctx)
    assert freed["removed"] == 3
    assert kept(ctx) == [1, 2, 5, 6, 7]
    left = packages.size(ctx)
    assert left["files"] == 5
    assert left["bytes"] < size["bytes"] - 3000
    assert packages.prune(ctx) == NOTHING
    assert package.read(package.folder(ctx, "wine", 5)).version == 5
    assert release.rollback(ctx, "wine", 5).version == 5
    with pytest.raises(NotFound, match="version 3 of 'wine' is no longer in the store"):
        release.rollback(ctx, "wine", 3)
    with pytest.raises(NotFound, match="this version has no package"):
        package.read(package.folder(ctx, "wine", 3))


def test_what_describes_the_answers_of_a_version_stays(ctx):
    folder = version(ctx, 1)
    version(ctx, 2)
    released(ctx, 2)
    lose(ctx, 1)
    assert packages.prune(ctx)["removed"] == 1
    assert {f.name for f in folder.iterdir()} == {package.ABOUT, package.REFERENCE}


def test_a_package_that_is_in_use_stays_until_it_is_not(ctx):
    folder = version(ctx, 1)
    version(ctx, 2)
    released(ctx, 2)
    lose(ctx, 1)
    locks = [scratch.hold(folder), scratch.hold(folder)]
    for lock in locks:
        assert packages.prune(ctx) == NOTHING
        scratch.release(lock)
    assert packages.prune(ctx)["removed"] == 1


def test_a_removal_that_was_killed_goes_on(ctx):
    folder = version(ctx, 1)
    version(ctx, 2)
    released(ctx, 2)
    lose(ctx, 1)
    (folder / package.MANIFEST).unlink()
    assert packages.prune(ctx)["removed"] == 1
    assert not (folder / package.MODEL).exists()


def test_without_the_store_that_has_the_models_all_packages_stay(ctx):
    version(ctx, 1)
    version(ctx, 2)
    released(ctx, 2)
    lose(ctx, 1)
    lose(ctx, 2)
    assert packages.prune(ctx) == NOTHING
    assert kept(ctx) == [1, 2]


def test_a_package_that_the_journal_does_not_know_stays(ctx):
    version(ctx, 1)
    released(ctx, 1)
    for name in ("wine/7", "beer/1", "wine/notes"):
        folder = ctx.settings.folder / "packages" / name
        folder.mkdir(parents=True)
        (folder / package.MODEL).write_text("x")
    assert packages.prune(ctx) == NOTHING


def test_housekeeping_counts_and_removes_packages(ctx):
    version(ctx, 1)
    version(ctx, 2)
    released(ctx, 2)
    lose(ctx, 1)
    ctx.journal.place("born", (NOW - timedelta(days=500)).isoformat())
    assert housekeeping.size(ctx)["packages"]["files"] == 2
    assert housekeeping.prune(ctx, {}, logs={})["packages"]["removed"] == 1
    assert housekeeping.size(ctx)["packages"]["files"] == 1
