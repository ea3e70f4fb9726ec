"""One suite over every store: what went in comes out, and nothing else does."""

import hashlib

import pytest

from mlops_nb.errors import NotFound, Unreachable
from mlops_nb.stores.local import LocalStore
from mlops_nb.stores.memory import MemoryStore


@pytest.fixture(params=["memory", "local"])
def store(request, tmp_path):
    return MemoryStore() if request.param == "memory" else LocalStore(tmp_path / "store")


def file(folder, data, name="model.pkl"):
    made = folder / name
    made.write_bytes(data)
    return made


@pytest.mark.parametrize("data", [b"", b"x", b"\0\xff" * 700_000], ids=["empty", "small", "large"])
def test_what_is_put_is_found_by_its_sha256(store, tmp_path, data):
    digest = store.put(file(tmp_path, data))
    assert digest == hashlib.sha256(data).hexdigest()
    assert store.path(digest).read_bytes() == data


def test_the_same_bytes_are_one_artifact(store, tmp_path):
    one = store.put(file(tmp_path, b"x", "a"))
    assert store.put(file(tmp_path, b"x", "b")) == one
    assert store.put(file(tmp_path, b"y", "c")) != one


def test_what_was_never_put_is_not_found(store):
    with pytest.raises(NotFound) as missing:
        store.path("0" * 64)
    assert "000000000000" in missing.value.what
    assert missing.value.fix


def test_bytes_that_are_no_longer_what_they_were_are_refused(store, tmp_path):
    source = file(tmp_path, b"a model of some size")
    digest = store.put(source)
    place = store.path(digest)
    data = bytearray(place.read_bytes())
    data[3] ^= 1
    place.write_bytes(bytes(data))
    with pytest.raises(NotFound, match="is damaged"):
        store.path(digest)


def test_an_artifact_that_was_taken_away_is_not_found(store, tmp_path):
    digest = store.put(file(tmp_path, b"x"))
    store.path(digest).unlink()
    with pytest.raises(NotFound, match="not in the store"):
        store.path(digest)


def test_a_damaged_artifact_is_mended_by_putting_it_again(tmp_path):
    store = LocalStore(tmp_path / "store")
    source = file(tmp_path, b"a model")
    digest = store.put(source)
    store.path(digest).write_bytes(b"a muddle")
    assert store.put(source) == digest
    assert store.path(digest).read_bytes() == b"a model"


def test_a_store_on_disk_outlives_its_source_and_itself(tmp_path):
    source = file(tmp_path, b"x")
    digest = LocalStore(tmp_path / "store").put(source)
    source.unlink()
    assert LocalStore(tmp_path / "store").path(digest).read_bytes() == b"x"


def test_a_store_that_cannot_be_written_says_so_and_leaves_nothing(tmp_path):
    (tmp_path / "store").write_text("a file where the folder should be")
    with pytest.raises(Unreachable) as refused:
        LocalStore(tmp_path / "store").put(file(tmp_path, b"x"))
    assert "cannot be stored" in refused.value.what
    assert refused.value.where == str(tmp_path / "store")


def test_nothing_half_written_stays(tmp_path):
    store = LocalStore(tmp_path / "store")
    digest = store.put(file(tmp_path, b"x"))
    assert [p.name for p in (tmp_path / "store").rglob("*") if p.is_file()] == [digest]
