"""Commands that read write nothing: a full disk and a read-only folder give the same answers."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from saved import Saved
from saved import project as new_project
from small import small
from small_disk import Disk, needs_root
from typing_in import MLOPS_NB, Terminal

from mlops_nb.context import Context, real_time
from mlops_nb.events import RunClaimed, RunQueued
from mlops_nb.runs import process

NOBODY = 65534
PROMOTE = (
    *("promote", "wine.ipynb", "--name", "wine", "--model", "model"),
    *("--schedule", "0 3 * * *", "--gate", "accuracy >= 0.3"),
)


def reading(terminal: Terminal) -> list[tuple[str, ...]]:
    """Return the commands that read, with two runs to name."""
    first, second = (p.name for p in sorted((terminal.folder / ".mlops" / "runs").iterdir())[:2])
    return [
        ("runs",),
        ("show", first),
        ("jobs",),
        ("job", "wine"),
        ("history", "wine"),
        ("models",),
        ("graph", "wine.ipynb"),
        ("why", "wine.ipynb", "train"),
        ("why", "wine", "--at", "2040-01-01"),
        ("diff", first, second),
        ("lineage", "model"),
        ("store", "--size"),
        ("store", "--verify"),
    ]


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Iterator[Saved]:
    """Promote a notebook, run it twice, and leave a run whose process was killed."""
    parent = Path(tempfile.mkdtemp(prefix="reading-"))  # which another user may enter
    parent.chmod(0o755)
    terminal = new_project(parent, "cellar")
    small(terminal.folder / "wine.ipynb")
    for words in (PROMOTE, ("run", "wine.ipynb"), ("run", "wine.ipynb", "-p", "depth", "3")):
        answer = terminal.type(*words, MLOPS_NB_MIRROR="wait")
        assert answer.status == 0, answer.stderr
    child = subprocess.Popen(["sleep", "600"])
    dead = (child.pid, process.mine()[1].rpartition(" ")[0] + " 1")
    child.kill()
    child.wait()
    ctx = Context(terminal.folder, {}, real_time)
    tick = "2026-01-02T03:00:00+00:00"
    ctx.journal.append(RunQueued(run="dead", job="wine", trigger="schedule", scheduled_at=tick))
    ctx.journal.append(RunClaimed(run="dead", job="wine", process=dead))
    ctx.journal.close()
    yield Saved(terminal)
    shutil.rmtree(parent)


def told(terminal: Terminal, **extra: str) -> dict[str, object]:
    """Return the answers of all commands that read."""
    found = {}
    for words in reading(terminal):
        answer = terminal.type(*words, **extra)
        assert answer.status == 0, (words, answer.stderr)
        found[" ".join(words)] = without_time(answer.json)
    return found


def without_time(answer: object) -> object:
    """Return an answer without the time at which the end of the dead run was noticed.

    Caches, and processes of other tests, come and go.
    """
    if isinstance(answer, dict):
        noticed = "was killed" in str(answer.get("because"))
        left_out = {"reuse", "sockets", "finished" if noticed else ""}
        return {k: without_time(v) for k, v in answer.items() if k not in left_out}
    return [without_time(one) for one in answer] if isinstance(answer, list) else answer


def files(folder: Path) -> dict[str, tuple[int, int]]:
    """Return the files below a folder with their sizes and times, but for locks."""
    found = sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix != ".lock")
    return {str(p.relative_to(folder)): (p.stat().st_size, p.stat().st_mtime_ns) for p in found}


@pytest.fixture
def cellar(saved) -> Terminal:
    return saved.put_back()


@pytest.fixture
def expected(saved) -> dict[str, object]:
    """Return what the commands tell where everything can be written."""
    return told(saved.put_back())


@pytest.fixture
def disk(expected, cellar) -> Iterator[Disk]:
    made = Disk(cellar)
    yield made
    made.close()


@needs_root
def test_on_a_full_disk_all_is_told_as_on_an_empty_one(expected, cellar, disk):
    disk.fill()
    before = files(disk.place)
    assert told(cellar) == expected
    assert "dead" in json.dumps(expected)
    left = files(disk.place)
    assert {k: v for k, v in left.items() if k in before} == before
    assert set(left) - set(before) <= {"journal.db-shm", "journal.db-wal"}  # SQLite tried


@needs_root
def test_on_a_read_only_disk_all_is_told_as_on_another(expected, cellar, disk):
    disk.lock()
    before = files(disk.place)
    assert told(cellar) == expected
    assert files(disk.place) == before


class Guest(Terminal):
    """A user without rights, who types in a folder that is their own."""

    def start(self, *words: str, **extra: str) -> "subprocess.Popen[str]":
        drop = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        return subprocess.Popen(
            [*drop, str(MLOPS_NB), *words],
            cwd=self.folder,
            env=self.environment(HOME="/nonexistent", **extra),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )


@pytest.fixture
def guest(cellar) -> Iterator[Guest]:
    """Give the project to another user, and let them type in it."""
    for path in (cellar.folder, *cellar.folder.rglob("*")):
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    yield Guest(cellar.folder)
    os.chown(cellar.folder, 0, 0)


@needs_root
def test_a_user_who_may_only_read_is_told_the_same(guest):
    private = guest.folder / ".mlops"
    for path in (private, *private.rglob("*")):
        path.chmod(path.stat().st_mode & ~0o222)
    before = files(guest.folder)
    found = told(guest)
    assert files(guest.folder) == before
    for path in (private, *private.rglob("*")):
        path.chmod(path.stat().st_mode | 0o200)
    assert told(guest) == found
    assert "was killed" in json.dumps(found)


@needs_root
@pytest.mark.parametrize("log", ["journal.db-wal", ""])
def test_a_log_that_a_killed_process_left_is_read_as_well(cellar, disk, log):
    code = (
        "import os, sys\nfrom pathlib import Path\n"
        "from mlops_nb.context import Context, real_time\nfrom mlops_nb.events import JobPaused\n"
        "Context(Path('.'), {}, real_time).journal.append(JobPaused(job='wine'))\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=cellar.folder, check=False)
    assert (disk.place / "journal.db-wal").stat().st_size
    if log:
        (disk.place / "journal.db-shm").unlink()
    for make in (disk.fill, disk.lock):
        make()
        (row,) = cellar.type("jobs").json["jobs"]
        assert row["status"] == "paused"


def test_reading_makes_no_folder(tmp_path):
    terminal = new_project(tmp_path, "new")
    small(terminal.folder / "wine.ipynb")
    elsewhere = {"MLOPS_NB_JOURNAL": f"sqlite:///{tmp_path}/other/journal.db"}
    for extra in ({}, elsewhere):
        for words in (
            ("runs",),
            ("show", "none"),
            ("jobs",),
            ("job", "none"),
            ("history", "none"),
            ("models",),
            ("graph", "wine.ipynb"),
            ("why", "wine.ipynb", "train"),
            ("why", "wine", "--at", "2040-01-01"),
            ("diff", "one", "two"),
            ("lineage", "model"),
            ("store", "--size"),
            ("store", "--verify"),
        ):
            terminal.type(*words, **extra)
            assert sorted(p.name for p in terminal.folder.iterdir()) == [".git", "wine.ipynb"]
            assert not (tmp_path / "other").exists(), words
