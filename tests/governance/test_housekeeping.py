"""Space comes back, and nothing that is needed, in use or not understood is removed."""

import fcntl
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from mlops_nb import events as ev
from mlops_nb.context import Context
from mlops_nb.engine.warm import client, leftovers
from mlops_nb.errors import Refused
from mlops_nb.governance import housekeeping
from mlops_nb.models import package
from mlops_nb.runs import history, process
from mlops_nb.storage.ports import MLFLOW_PLACE

NOW = datetime.now(UTC)
YEAR = 365.0
TICK = "2025-01-01T00:00:00+00:00"
HOLDER = """
import os, sys, time
from pathlib import Path
from mlops_nb.context import Context, real_time
folder = Context(Path(sys.argv[1]), {}, real_time).scratch("reuse")
(folder / "big").write_bytes(b"x" * 5_000_000)
print(folder, flush=True)
time.sleep(600)
"""


@pytest.fixture
def ctx(tmp_path, monkeypatch):
    runtime = tempfile.mkdtemp()  # a short path, as sockets need one
    monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
    monkeypatch.setattr(tempfile, "tempdir", runtime)
    (tmp_path / "project" / ".git").mkdir(parents=True)
    made = Context(tmp_path / "project", {}, lambda: NOW)
    made.prepare_folder()
    yield made
    made.journal.close()
    shutil.rmtree(runtime)


def age(path, days):
    """Let a file, or a folder and what is in it, be some days old."""
    then = time.time() - days * 86400
    for one in (path, *path.rglob("*")):
        os.utime(one, (then, then), follow_symlinks=False)
    return path


def tell(ctx, *events, days=YEAR):
    at = (NOW - timedelta(days=days)).isoformat(timespec="milliseconds")
    return [ctx.journal.append(replace(event, at=at)) for event in events][-1]


def run_folder(ctx, name, days=YEAR):
    folder = ctx.run_folder(name)
    (folder / "notebook.ipynb").write_text("executed")
    return age(folder, days)


def prune(ctx):
    return housekeeping.prune(ctx, history.KnownRuns(ctx.journal), logs={})


def holder(ctx):
    """Start a process that uses a scratch folder; return both."""
    words = [sys.executable, "-c", HOLDER, str(ctx.root)]
    child = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    return child, Path(child.stdout.readline().strip())


def test_scratch_of_a_killed_process_goes_and_that_of_a_living_one_stays(ctx):
    child, folder = holder(ctx)
    own = ctx.scratch("reuse")
    with child:
        assert housekeeping.tidy(ctx)["tmp"] == {"removed": 0, "bytes": 0}
        assert (folder / "big").exists()
        assert housekeeping.size(ctx)["tmp"] == {"files": 2, "bytes": 5_000_000}
        child.kill()
    assert housekeeping.tidy(ctx)["tmp"] == {"removed": 1, "bytes": 5_000_000}
    assert not folder.exists()
    assert own.exists()
    ctx.drop(own)
    assert housekeeping.size(ctx)["tmp"] == {"files": 0, "bytes": 0}


def test_scratch_without_a_lock_goes_after_a_day_without_a_change(ctx):
    tmp = ctx.settings.folder / "tmp"
    old, young, other = (tmp / name for name in ("reuse-0123abcd", "reuse-0123abce", "mine"))
    for folder in (old, young, other):
        folder.mkdir(parents=True)
        (folder / "x").write_text("x")
    age(old, 2)
    age(other, 100)
    assert housekeeping.tidy(ctx)["tmp"] == {"removed": 1, "bytes": 1}
    assert sorted(p.name for p in tmp.iterdir()) == ["mine", "reuse-0123abce"]


def test_links_and_strange_names_are_left_alone(ctx, tmp_path):
    outside = tmp_path / "outside"
    (outside / "reuse-0123456789ab").mkdir(parents=True)
    (outside / "precious").write_text("x")
    tmp = ctx.settings.folder / "tmp"
    tmp.mkdir()
    names = ["reuse-\n0123456789ab", "reuse-0123456789ab\n", "..reuse-0123456789ab", "-rf", "a b"]
    for name in names:
        (tmp / name).mkdir()
    (tmp / "reuse-aaaaaaaaaaaa").symlink_to(outside)
    (tmp / "reuse-bbbbbbbbbbbb").write_text("a file")
    dead = tmp / "reuse-cccccccccccc"
    dead.mkdir()
    (dead / "link").symlink_to(outside)
    (dead / "up").symlink_to("..")
    age(tmp, 400)
    assert housekeeping.tidy(ctx)["tmp"]["removed"] == 1
    left = {p.name for p in tmp.iterdir()}
    assert left == {*names, "reuse-aaaaaaaaaaaa", "reuse-bbbbbbbbbbbb"}
    assert (outside / "precious").exists()


@pytest.mark.parametrize("name", ["tmp", "runs", "reuse", "envs"])
def test_a_folder_behind_a_link_is_not_tidied(ctx, tmp_path, name):
    outside = tmp_path / "outside"
    for made in ("reuse-0123456789ab", "20200101-010000-0123ab", "0" * 24):
        (outside / made).mkdir(parents=True)
        (outside / made / "x").write_text("x")
    (outside / f"{'0' * 23}1.json").write_text("x")
    (outside / ".x.part").write_text("x")
    (ctx.settings.folder / name).symlink_to(outside)
    before = sorted(outside.rglob("*"))
    age(outside, 400)
    tell(ctx, ev.JobPaused(job="j"), days=500)
    housekeeping.tidy(ctx)
    prune(ctx)
    assert sorted(outside.rglob("*")) == before


def test_a_link_in_place_of_mlops_itself_is_the_choice_of_its_owner(ctx, tmp_path):
    ctx.settings.folder.rename(tmp_path / "big-disk")
    ctx.settings.folder.symlink_to(tmp_path / "big-disk")
    (ctx.settings.folder / "tmp" / "reuse-0123456789ab").mkdir(parents=True)
    assert housekeeping.tidy(ctx)["tmp"]["removed"] == 1


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root")
def test_read_only_folders_in_scratch_go_for_a_user_as_well():
    root = Path(tempfile.mkdtemp())
    locked = root / ".mlops" / "tmp" / "reuse-0123456789ab" / "cache" / "locked"
    locked.mkdir(parents=True)
    (locked / "x").write_text("x")
    (locked / "out").symlink_to("/")
    for path in (root, *root.rglob("*")):
        os.chown(path, 65534, 65534, follow_symlinks=False)
    locked.chmod(0)
    locked.parent.chmod(0o500)
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from mlops_nb.context import Context, real_time\n"
        "from mlops_nb.governance import housekeeping\n"
        "print(housekeeping.tidy(Context(Path(sys.argv[1]), {}, real_time))['tmp'])\n"
    )
    drop = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    words = [*drop, sys.executable, "-c", code, str(root)]
    told = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    assert "'removed': 1" in told
    assert not locked.parent.parent.exists()
    shutil.rmtree(root)


def test_two_at_once_remove_everything_once_and_neither_breaks(ctx):
    for number in range(200):
        folder = ctx.settings.folder / "tmp" / f"reuse-{number:012x}"
        folder.mkdir(parents=True)
        (folder / "x").write_text("x")
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from mlops_nb.context import Context, real_time\n"
        "from mlops_nb.governance import housekeeping\n"
        "ctx = Context(Path(sys.argv[1]), {}, real_time)\n"
        "sys.stdin.readline()\nprint(housekeeping.tidy(ctx)['tmp']['removed'])\n"
    )
    words = [sys.executable, "-c", code, str(ctx.root)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    both = [subprocess.Popen(words, **pipes) for _ in range(2)]
    for child in both:
        child.stdin.write("\n")
        child.stdin.flush()
    removed = [int(child.communicate()[0]) for child in both]
    assert [child.returncode for child in both] == [0, 0]
    assert sum(removed) == 200
    assert not list((ctx.settings.folder / "tmp").iterdir())


def test_only_old_runs_that_nothing_needs_lose_their_folders(ctx):
    names = [f"20250101-0000{n:02}-0123ab" for n in range(9)]
    old, young, proof, version, open_, touched, unsynced, killed, mine = names
    for name in names:
        run_folder(ctx, name)
    age(ctx.run_folder(touched), 1)
    done = ev.RunFinished(run="", status="finished", seconds=1.0)
    started = ev.RunStarted(run="", notebook="n", steps=())
    for name in (old, touched, version):
        tell(ctx, replace(started, run=name), replace(done, run=name))
    tell(ctx, ev.Registered(run=version, model="m", version=1, artifact="a", digest="d"))
    tell(
        ctx,
        ev.RunQueued(run=proof, job="j", trigger="promote", scheduled_at=TICK),
        replace(done, run=proof),
    )
    tell(ctx, replace(started, run=young))
    tell(ctx, replace(done, run=young), days=10)
    tell(ctx, ev.RunQueued(run=open_, job="j", trigger="hand", scheduled_at=TICK))
    tell(ctx, ev.RunClaimed(run=open_, job="j", process=process.mine()))
    tell(ctx, replace(started, run=mine, process=process.mine()))
    last = tell(ctx, replace(done, run=old))
    ctx.journal.place(MLFLOW_PLACE, str(last.id))
    tell(ctx, replace(done, run=unsynced))
    ctx.journal.place("born", (NOW - timedelta(days=500)).isoformat())
    (ctx.run_folder(killed) / "notebook.ipynb").rename(ctx.run_folder(killed) / "graph.json")
    age(ctx.run_folder(killed), YEAR)
    assert prune(ctx)["runs"] == {"removed": 2, "bytes": 16}
    left = {p.name for p in (ctx.settings.folder / "runs").iterdir()}
    assert set(names) - left == {old, killed}  # the journal is older than the killed one
    assert prune(ctx)["runs"] == {"removed": 0, "bytes": 0}


def test_how_long_runs_stay_is_a_setting(ctx):
    name = "20250101-000000-0123ab"
    run_folder(ctx, name, days=3)
    last = tell(ctx, ev.RunFinished(run=name, status="finished", seconds=1.0), days=3)
    ctx.journal.place(MLFLOW_PLACE, str(last.id))
    assert prune(ctx)["runs"]["removed"] == 0
    (ctx.root / "mlops-nb.toml").write_text('retention = "2d"')
    assert prune(Context(ctx.root, {}, lambda: NOW))["runs"]["removed"] == 1
    (ctx.root / "mlops-nb.toml").write_text('retention = "two days"')
    with pytest.raises(Refused, match="retention is 'two days'"):
        prune(Context(ctx.root, {}, lambda: NOW))


def test_runs_that_a_new_journal_does_not_know_are_never_removed(ctx):
    folder = run_folder(ctx, "20250101-000000-0123ab", days=300)
    with pytest.raises(Refused, match="does not know 20250101-000000-0123ab") as refused:
        prune(ctx)
    assert "MLOPS_NB_JOURNAL" in refused.value.fix
    assert folder.is_dir()


def test_runs_that_an_older_copy_of_the_journal_does_not_know_are_never_removed(ctx):
    tell(ctx, ev.JobPaused(job="j"), days=500)
    ctx.journal.place("born", (NOW - timedelta(days=500)).isoformat())
    folder = run_folder(ctx, "20250101-000000-0123ab", days=300)
    with pytest.raises(Refused, match="does not know 20250101-000000-0123ab"):
        prune(ctx)
    (folder / "notebook.ipynb").unlink()  # a run that was killed before its first event
    age(folder, 300)
    assert prune(ctx)["runs"]["removed"] == 1


def test_incomplete_files_and_unused_caches_go(ctx):
    home = ctx.settings.folder
    gone = [
        home / ".gitignore.a.part",
        home / "reuse" / ".x.part",
        home / "reuse" / f"{1:024}.json",
    ]
    kept = [home / "reuse" / f"{2:024}.json", home / "reuse" / "mine.json", home / "x.part"]
    for path in (*gone, *kept):
        path.parent.mkdir(exist_ok=True)
        age_of = 1 if path == kept[0] else 40
        path.write_text("x")
        age(path, age_of)
    assert housekeeping.tidy(ctx)["parts"] == {"removed": 2, "bytes": 2}
    assert prune(ctx)["reuse"] == {"removed": 1, "bytes": 1}
    assert not any(p.exists() for p in gone)
    assert all(p.exists() for p in kept)


def test_a_long_log_replaces_the_one_before(ctx):
    log = ctx.settings.folder / "evaluations.log"
    log.write_text("short")
    assert housekeeping.tidy(ctx)["logs"] == {"removed": 0, "bytes": 0}
    for text in "ab":
        log.write_text(text * (housekeeping.LONGEST_LOG + 1))
        freed = housekeeping.tidy(ctx)["logs"]
        assert not log.exists()
    assert freed == {"removed": 1, "bytes": housekeeping.LONGEST_LOG + 1}
    assert log.with_name("evaluations.log.1").read_text()[0] == "b"


def test_environments_go_where_their_build_was_killed_or_no_bundle_has_their_lock(ctx):
    used, unused, killed, building = (ctx.environments.home(lock) for lock in "abcd")
    for home in (used, unused, killed, building):
        home.mkdir(parents=True)
        if home in {used, unused}:
            (home / ".complete").touch()
        age(home, 0 if home == building else 60)
    lock = ctx.root / "jobs" / "wine" / "requirements.lock"
    lock.parent.mkdir(parents=True)
    lock.write_text("a")
    assert prune(ctx)["envs"]["removed"] == 2
    assert {h.exists() for h in (used, building)} == {True}
    lock.write_bytes(b"\xff")  # nobody knows which environment that is
    assert prune(ctx)["envs"]["removed"] == 0


def test_files_of_dead_parents_go_and_those_of_living_ones_stay(ctx):
    place = client.folder()
    dead, living, young, starting = (f"{n:020x}" for n in range(4))
    suffixes = ("lock", "log", "editable", "loud", "refused", "123")
    for key in (dead, living, young, starting):
        for suffix in suffixes:
            (place / f"{key}.{suffix}").write_text("x")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(place / f"{living}.sock"))
    listener.listen()
    gone = socket.socket(socket.AF_UNIX)
    gone.bind(str(place / f"{dead}.sock"))
    gone.close()
    for name in ("notes.txt", f"{dead}.py", "a\nb.sock", f"{dead}.sock.bak"):
        (place / name).write_text("x")
    (place / f"{5:020x}.log").symlink_to(ctx.root)
    age(place, 1)
    (place / f"{young}.lock").touch()
    with (place / f"{starting}.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert housekeeping.tidy(ctx)["sockets"] == {"removed": 7, "bytes": 6}
    left = {p.name for p in place.iterdir()}
    assert not {f"{dead}.{s}" for s in (*suffixes, "sock")} & left
    assert {f"{living}.sock", "notes.txt", f"{dead}.py", f"{5:020x}.log"} <= left
    assert len(list(leftovers.files())) == 19
    listener.close()


def test_sockets_may_go_while_they_are_looked_at(ctx):
    place = client.folder()
    ended = threading.Event()

    def come_and_go():
        while not ended.is_set():
            for number in range(20):
                (place / f"{number:020x}.log").touch()
            for number in range(20):
                (place / f"{number:020x}.log").unlink()

    other = threading.Thread(target=come_and_go)
    other.start()
    try:
        for _ in range(1000):
            housekeeping.size(ctx)
            housekeeping.tidy(ctx)
    finally:
        ended.set()
        other.join()


def test_folders_of_killed_kernels_go_and_those_of_living_ones_stay(ctx):
    base = Path(tempfile.gettempdir())
    dead, living, young, mine = (base / f"mlops-nb-{letter * 8}" for letter in "dlym")
    sockets = [socket.socket(socket.AF_UNIX) for _ in range(4)]
    for folder, sock in zip((dead, living, young, mine), sockets, strict=True):
        folder.mkdir()
        (folder / "kernel.json").write_text("{}")
        sock.bind(str(folder / "kernel-ipc-1"))
    (mine / "thesis.txt").write_text("x")
    sockets[1].listen()
    for folder in (dead, living, mine):
        age(folder, 1)
    assert housekeeping.tidy(ctx)["sockets"] == {"removed": 2, "bytes": 2}
    assert [f.exists() for f in (dead, living, young, mine)] == [False, True, True, True]
    for sock in sockets:
        sock.close()


def test_counting_makes_no_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "none"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / ".git").mkdir()
    found = housekeeping.size(Context(tmp_path, {}, lambda: NOW))
    assert {tuple(one.values()) for one in found.values()} == {(0, 0)}
    assert [p.name for p in tmp_path.iterdir()] == [".git"]


# packages


def test_packages_of_versions_that_cannot_be_released_again_are_removed(ctx):
    """Of four versions, 1 and 2 have no model any more; 2 may be rolled back to."""
    artifacts = {}
    for number in range(1, 5):
        file = ctx.settings.folder / f"model{number}"
        file.write_bytes(b"model %d" % number)
        kept = number > 2
        artifacts[number] = ctx.store.put(file, move=True) if kept else f"{number}" * 64
        ctx.journal.append(
            ev.Registered(
                run="r", job="j", model="M", version=number, artifact=artifacts[number], digest="d"
            )
        )
    for number in (2, 3):
        ctx.journal.append(ev.Released(job="j", model="M", version=number))
    places = {n: package.folder(ctx, "M", n) for n in artifacts}
    for place in places.values():
        place.mkdir(parents=True)
        (place / package.MANIFEST).write_text("{}")
        age(place, 40)
    assert housekeeping.size(ctx)["packages"]["files"] == 4
    freed = housekeeping.prune(ctx, history.KnownRuns(ctx.journal), logs={})
    assert freed["packages"]["removed"] == 1
    assert [n for n, place in places.items() if place.exists()] == [2, 3, 4]
