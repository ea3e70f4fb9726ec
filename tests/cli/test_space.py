"""Space comes back: after kill -9, on a full disk first of all, and never at the price of data."""

import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from small import TRAIN, small
from small_disk import Disk, needs_root
from typing_in import Terminal

from mlops_nb.context import Context, real_time
from mlops_nb.events import JobPaused, ModelKept, Registered, Released
from mlops_nb.governance import prune

PATIENCE = 60.0  # s
BIG = 3_000_000  # bytes
HELD = TRAIN.replace(
    "%mlops step train\n",
    "%mlops step train\nimport os, time\nopen('begun', 'a').close()\n"
    "while os.path.exists('hold'):\n    time.sleep(0.05)\n",
)


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    (tmp_path / "project" / ".git").mkdir(parents=True)
    made = Terminal(tmp_path / "project")
    small(made.folder / "wine.ipynb", train=HELD)
    return made


@pytest.fixture
def disk(terminal) -> Iterator[Disk]:
    """Put the project's .mlops on a small disk."""
    ctx = Context(terminal.folder, {}, real_time)
    ctx.prepare_folder()
    ctx.journal.close()
    made = Disk(terminal)
    yield made
    made.close()


def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.05)


def scratch(terminal: Terminal) -> list[Path]:
    return list((terminal.folder / ".mlops" / "tmp").glob("*"))


def working(terminal: Terminal, engine: str):
    """Start a run that holds in a cell, with a big file in its scratch folder."""
    (terminal.folder / "hold").touch()
    process = terminal.start("run", "wine.ipynb", "--fresh", "--engine", engine)
    until((terminal.folder / "begun").exists)
    (folder,) = scratch(terminal)
    (folder / "big").write_bytes(b"x" * BIG)
    return process


@pytest.mark.parametrize("engine", ["warm", "cold"])
def test_a_working_run_keeps_its_scratch_and_a_killed_one_gives_it_back(terminal, engine):
    process = working(terminal, engine)
    assert terminal.type("store", "--size").json["housekeeping"]["tmp"]["bytes"] >= BIG
    assert terminal.type("store", "--prune").json["housekeeping"]["tmp"]["removed"] == 0
    (terminal.folder / "hold").unlink()
    assert process.wait(PATIENCE) == 0, process.stderr.read()
    assert scratch(terminal) == []
    process.communicate()
    (terminal.folder / "begun").unlink()
    process = working(terminal, engine)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    freed = terminal.type("store", "--prune").json["housekeeping"]["tmp"]
    assert freed["removed"] == 1
    assert freed["bytes"] >= BIG
    assert scratch(terminal) == []


def old_artifact(ctx: Context, size: int, text: str = "a") -> str:
    """Put an artifact into the store as if two hours ago."""
    file = ctx.root / "artifact"
    file.write_bytes(text.encode() * size)
    digest = ctx.store.put(file, move=True)
    then = time.time() - 7200
    os.utime(ctx.store.path(digest), (then, then))
    return digest


def leave(disk: Disk) -> Path:
    """Leave a scratch folder as a killed run does."""
    folder = disk.place / "tmp" / "reuse-0123456789ab"
    folder.mkdir(parents=True)
    (folder / "big").write_bytes(b"x" * BIG)
    return folder


@needs_root
def test_pruning_frees_a_full_disk(terminal, disk):
    folder = leave(disk)
    disk.fill()
    pruned = terminal.type("store", "--prune")
    assert pruned.status == 0, pruned.stderr
    assert pruned.json["housekeeping"]["tmp"] == {"removed": 1, "bytes": BIG}
    assert not folder.exists()


@needs_root
def test_pruning_frees_a_full_disk_on_which_only_artifacts_can_go(terminal, disk):
    ctx = Context(terminal.folder, {}, real_time)
    kept, gone = old_artifact(ctx, 10), old_artifact(ctx, BIG, "b")
    ctx.journal.append(ModelKept(run="r", variable="m", digest="d", artifact=kept))
    ctx.journal.append(Registered(run="r", model="m", version=1, artifact=kept, digest="d"))
    last = ctx.journal.append(Released(model="m", version=1, at="2026-01-01T00:00:00+00:00"))
    ctx.journal.place("mlflow", str(last.id))
    ctx.journal.close()
    disk.fill()
    pruned = terminal.type("store", "--prune")
    assert pruned.status == 0, pruned.stderr
    assert (pruned.json["removed"], pruned.json["bytes"]) == (1, BIG)
    assert (ctx.store.holds(kept), ctx.store.holds(gone)) == (True, False)


@needs_root
def test_a_scheduler_frees_a_full_disk_and_goes_on(terminal, disk):
    folder = leave(disk)
    disk.fill()
    with terminal.start("scheduler") as process:
        until(lambda: not folder.exists())
        until(lambda: terminal.type("jobs").json["scheduler"]["seen"])
        (disk.place / "filler").unlink()
        again = leave(disk)
        disk.fill()
        until(lambda: not again.exists())
        assert process.poll() is None
        process.kill()


def test_two_prunes_at_once_remove_everything_once(terminal):
    ctx = Context(terminal.folder, {}, real_time)
    kept = old_artifact(ctx, 10)
    ctx.journal.append(Registered(run="r", model="m", version=1, artifact=kept, digest="d"))
    last = ctx.journal.append(Released(model="m", version=1, at="2026-01-01T00:00:00+00:00"))
    ctx.journal.place("mlflow", str(last.id))
    ctx.journal.close()
    for number in range(100):
        old_artifact(ctx, 10, f"{number:03}")
        (ctx.settings.folder / "tmp" / f"reuse-{number:012x}").mkdir(parents=True)
    both = [terminal.start("store", "--prune", "--json") for _ in range(2)]
    answers = [json.loads(process.communicate()[0]) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sum(answer["removed"] for answer in answers) == 100
    assert sum(answer["housekeeping"]["tmp"]["removed"] for answer in answers) == 100
    assert [digest for digest, _, _ in ctx.store.contents()] == [kept]


def test_a_lost_journal_costs_no_artifact(terminal):
    ctx = Context(terminal.folder, {}, real_time)
    ctx.journal.append(JobPaused(job="j"))
    for number in range(36):
        old_artifact(ctx, 10, str(number))
    before = sorted(ctx.store.contents())
    ctx.journal.close()
    for file in (terminal.folder / ".mlops").glob("journal.db*"):
        file.unlink()
    refused = terminal.refused("store", "--prune")
    assert "the journal is empty" in refused
    assert not (terminal.folder / ".mlops" / "journal.db").exists()
    assert terminal.type("run", "wine.ipynb").status == 0  # the journal begins anew
    for keep in ("30d", "0m"):
        refused = terminal.refused("store", "--prune", "--keep", keep)
        assert "the journal before was lost" in refused
        assert "MLOPS_NB_JOURNAL" in refused
    assert set(before) <= set(ctx.store.contents())
    tight = Context(terminal.folder, {"MLOPS_NB_STORE_LIMIT": "0.0000001"}, real_time)
    assert prune.bounded(tight)["removed"] == 0
    shutil.rmtree(terminal.folder / ".mlops" / "store")
    assert terminal.type("store", "--prune").status == 0
