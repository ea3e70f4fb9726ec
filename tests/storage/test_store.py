"""One suite over every store: what went in comes out, and nothing else does."""

import hashlib
import os
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from small_disk import mounted

from mlops_nb.errors import NotFound, Unreachable
from mlops_nb.storage.artifacts_local import LocalStore
from mlops_nb.storage.memory import MemoryStore


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


def test_the_contents_tell_digest_bytes_and_time(store, tmp_path):
    assert list(store.contents()) == []
    put = {store.put(file(tmp_path, data, data.decode())): len(data) for data in (b"xx", b"yyy")}
    found = list(store.contents())
    assert {digest: size for digest, size, _ in found} == put
    assert all(at.tzinfo and abs(datetime.now(UTC) - at) < timedelta(minutes=5) for *_, at in found)


def test_what_is_removed_is_gone_and_may_be_removed_again(store, tmp_path):
    digest = store.put(file(tmp_path, b"x"))
    assert store.holds(digest)
    store.remove(digest)
    store.remove(digest)
    assert not store.holds(digest)
    assert list(store.contents()) == []
    with pytest.raises(NotFound):
        store.path(digest)


def test_a_file_may_be_handed_over(store, tmp_path):
    digest = store.put(file(tmp_path, b"x" * 1000), move=True)
    assert store.path(digest).read_bytes() == b"x" * 1000
    assert store.tidy() == 0


def test_a_file_handed_over_is_not_copied_where_both_lie_on_one_disk(tmp_path):
    source = file(tmp_path, b"x")
    inode = source.stat().st_ino
    place = LocalStore(tmp_path / "store").put(source, move=True)
    assert LocalStore(tmp_path / "store").path(place).stat().st_ino == inode
    assert not source.exists()


def test_a_file_handed_over_twice_is_taken_away_both_times(tmp_path):
    store = LocalStore(tmp_path / "store")
    digest = store.put(file(tmp_path, b"x"), move=True)
    assert store.put(file(tmp_path, b"x"), move=True) == digest
    assert not (tmp_path / "model.pkl").exists()
    assert store.put(store.path(digest), move=True) == digest
    assert store.holds(digest)


def test_a_file_that_has_another_name_is_copied(tmp_path):
    source = file(tmp_path, b"x")
    (tmp_path / "link").symlink_to(source)
    os.link(source, tmp_path / "name")
    store = LocalStore(tmp_path / "store")
    for name in ("link", "name"):
        digest = store.put(tmp_path / name, move=True)
        assert not (tmp_path / name).exists()
    source.write_bytes(b"y")
    assert store.path(digest).read_bytes() == b"x"


def test_what_is_put_again_is_young_again(tmp_path):
    store = LocalStore(tmp_path / "store")
    source = file(tmp_path, b"x")
    os.utime(source, (0, 0))
    digest = store.put(source)
    os.utime(store.path(digest), (0, 0))
    store.put(source)
    ((_, _, at),) = store.contents()
    assert at.year > 2000
    os.utime(source, (0, 0))
    store.remove(digest)
    store.put(source, move=True)
    ((_, _, at),) = store.contents()
    assert at.year > 2000


PUT = """
import sys, pathlib
from mlops_nb.storage.artifacts_local import LocalStore
store = LocalStore(pathlib.Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
for _ in range(30):
    digest = store.put(pathlib.Path(sys.argv[2]))
    assert store.path(digest)
    assert store.put(pathlib.Path(sys.argv[2])) == digest
"""


def test_processes_that_put_the_same_bytes_at_once_do_not_harm_each_other(tmp_path):
    source = file(tmp_path, b"\0\xff" * 300_000)
    words = [sys.executable, "-c", PUT, str(tmp_path / "store"), str(source)]
    started = [
        subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(3)
    ]
    for process in started:
        assert process.stdout.readline() == b"ready\n"
    ended = []
    for process in started:
        process.stdin.write(b"go\n")
        process.stdin.flush()
    for process in started:
        process.communicate()
        ended.append(process.returncode)
    assert ended == [0, 0, 0]
    names = [p.name for p in (tmp_path / "store").rglob("*") if p.is_file()]
    assert names == [hashlib.sha256(source.read_bytes()).hexdigest()]


@pytest.mark.parametrize("move", [False, True])
def test_a_full_disk_takes_nothing_and_keeps_nothing(move, tmp_path):
    with mounted(tmp_path / "small", "256k") as small:
        store, source = LocalStore(small / "store"), file(tmp_path, b"x" * 500_000)
        first = store.put(file(tmp_path, b"y", "y"), move=move)  # from another disk
        with pytest.raises(Unreachable, match="No space left"):
            store.put(source, move=move)
        assert [p.name for p in small.rglob("*") if p.is_file()] == [first]
        assert source.exists()


def left_over(folder, name):
    digest = "ab" + "0" * 62
    part = folder / "ab" / f".{digest}.{name}.part"
    part.parent.mkdir(parents=True, exist_ok=True)
    part.write_bytes(b"half")
    return part


def test_only_what_no_process_writes_any_more_is_tidied_away(tmp_path):
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    host = socket.gethostname().replace(".", "-")
    dead = [left_over(tmp_path, f"{host}.1a2b3c4d.{gone.pid}"), left_over(tmp_path, str(gone.pid))]
    alive = left_over(tmp_path, f"{host}.1a2b3c4d.{os.getpid()}")
    elsewhere = left_over(tmp_path, f"elsewhere.1a2b3c4d.{gone.pid}")
    long_gone = left_over(tmp_path, f"elsewhere.5a2b3c4d.{gone.pid}")
    os.utime(long_gone, (0, 0))
    other = tmp_path / "ab" / ".note.part"
    other.write_bytes(b"not ours")
    assert LocalStore(tmp_path).tidy() == 12
    assert [p.exists() for p in (*dead, long_gone)] == [False] * 3
    assert [p.exists() for p in (alive, elsewhere, other)] == [True] * 3
    assert list(LocalStore(tmp_path).contents()) == []
