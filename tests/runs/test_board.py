"""The board of runs says what all events say, whatever it has forgotten and wherever it began."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_nb import events as ev
from mlops_nb.runs import board, history
from mlops_nb.runs.board import Board
from mlops_nb.storage import snapshots
from mlops_nb.storage.memory import MemoryJournal
from mlops_nb.storage.snapshots import Folded

NOWHERE = Path("/nowhere/board.msgpack")
START = datetime(2026, 1, 1, tzinfo=UTC)
WORDS = ("queue", "claim", "start", "end", "fail", "done", "lose", "retry", "skip", "plain", "data")


class Story:
    """Makes events of runs of two jobs, and of notebooks, from words and numbers."""

    def __init__(self) -> None:
        self.now = START
        self.journal = MemoryJournal(self.tick)
        self.queued = 0

    def tick(self) -> datetime:
        self.now += timedelta(minutes=1)
        return self.now

    def tell(self, word: str, number: int) -> None:
        every = list(history.runs(self.journal.read()).values())
        run = every[-1 - number % 4] if len(every) > number % 4 else None
        job = f"job{number % 2}"
        at = self.now.isoformat()
        if word == "queue":
            trigger = ("schedule", "hand", "data", "job")[number % 4]
            done = [r.id for r in every if r.exit_status == 0 and r.job != job]
            signal = {"files": {f"{number}.csv": "d"}} if trigger == "data" else {}
            signal = {"run": done[-1]} if trigger == "job" and done else signal
            self.begin(ev.RunQueued(job=job, trigger=trigger, scheduled_at=at, signal=signal))
        elif word == "skip":
            self.begin(ev.RunSkipped(job=job, scheduled_at=at, because="late"))
        elif word == "plain":
            self.begin(ev.RunStarted(notebook="n.ipynb", process=(1, "h 1")))
        elif word == "data":
            self.journal.append(ev.Evaluated(job=job, model="m", version=1))
            self.journal.append(ev.DataSeen(job=job, files={"a.csv": str(number)}))
        elif run is not None:
            self.of_run(word, run)

    def begin(self, event: ev.Event) -> None:
        self.queued += 1
        self.journal.append(msgspec.structs.replace(event, run=f"r{self.queued:04}"))

    def of_run(self, word: str, run: history.Run) -> None:
        of = {"run": run.id, "job": run.job}
        if word == "retry" and run.status == "failed" and run.job and not history.is_open(run):
            again = {"scheduled_at": run.scheduled_at, "trigger": run.trigger, "first": run.first}
            self.begin(ev.RunQueued(job=run.job, attempt=run.attempt + 1, **again))
        elif word == "claim" and run.status == "queued":
            self.journal.append(ev.RunClaimed(**of, process=(1, "h 1")))
        elif word == "start" and run.claimed:
            self.journal.append(ev.RunStarted(**of, notebook="n", steps=("a",)))
        elif word in {"end", "fail"} and run.status == "running":
            status = {"end": "finished", "fail": "failed"}[word]
            self.journal.append(ev.Measured(**of, metrics={"loss": float("nan")}))
            self.journal.append(ev.RunFinished(**of, status=status, seconds=1.0))
        elif word == "done" and run.claimed and run.status in {"finished", "failed"}:
            exit_status = int(run.status == "failed")
            self.journal.append(ev.RunDone(**of, exit_status=exit_status))
        elif word == "lose" and history.at_work(run):
            self.journal.append(ev.RunLost(**of, error="killed"))


def told(words) -> Story:
    story = Story()
    for word, number in words:
        story.tell(word, number)
    return story


def folded(story, file) -> Folded:
    return Folded(story.journal, file, Board, version=board.VERSION, kinds=board.KINDS)


stories = st.lists(st.tuples(st.sampled_from(WORDS), st.integers(0, 7)), max_size=60)


@settings(max_examples=100, deadline=None)
@given(words=stories)
def test_the_board_equals_the_fold_of_all_runs(words):
    story = told(words)
    every = history.runs(story.journal.read(kinds=history.COURSE))
    now = folded(story, NOWHERE).read()
    assert [r.id for r in now.open] == [r.id for r in every.values() if history.is_open(r)]
    assert all(now.runs[r.id] == r for r in now.runs.values())
    assert {name: every[name] for name in now.runs} == now.runs
    for job in ("job0", "job1"):
        of_job = [r for r in every.values() if r.job == job]
        good = [r for r in of_job if r.exit_status == 0 and not history.is_open(r)]
        assert now.latest.get(job) == (of_job[-1].id if of_job else None)
        last = max(good, key=lambda r: (r.finished, r.id), default=None)
        assert now.done.get(job) == (last.id if last else None)
    retried = {(r.first, r.attempt - 1) for r in every.values()}
    failed = [r for r in every.values() if r.job and r.status == "failed"]
    left = {r.id for r in failed if not history.is_open(r) and (r.first, r.attempt) not in retried}
    assert set(now.failed) == left


@settings(max_examples=100, deadline=None)
@given(words=stories, places=st.sets(st.integers(0, 60)))
def test_a_board_from_snapshots_equals_one_that_read_everything(words, places, tmp_path_factory):
    file = tmp_path_factory.mktemp("board") / "board.msgpack"
    story = Story()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(snapshots, "SAVE_AFTER", 1)
        for number, (word, value) in enumerate(words):
            story.tell(word, value)
            if number in places:
                folded(story, file).read()
    kept, whole = folded(story, file).read(), folded(story, file.with_name("none")).read()
    assert msgspec.msgpack.encode(kept) == msgspec.msgpack.encode(whole)  # NaN equals NaN there


def test_many_runs_leave_a_small_board():
    words = ("queue", "claim", "start", "fail", "done", "skip", "plain", "end")
    story = told([(word, 0) for _ in range(200) for word in words])
    assert len(story.journal.events) > 1500
    assert len(folded(story, NOWHERE).read().runs) <= board.FAILURES + 4


def test_a_snapshot_that_cannot_be_used_is_made_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(snapshots, "SAVE_AFTER", 1)
    story, other = told([("queue", 1), ("claim", 0)]), told([("plain", 0), ("queue", 1)])
    file = tmp_path / "board.msgpack"
    folded(story, file).read()
    kept = file.read_bytes()
    assert list(folded(other, file).read().runs) == ["r0001", "r0002"]  # of another journal
    for damage in (b"", kept[:-9], b"[]", b"\xc1" + kept):
        file.write_bytes(damage)
        assert list(folded(story, file).read().runs) == ["r0001"]
    file.write_bytes(kept)
    later = Folded(story.journal, file, Board, version=board.VERSION + 1, kinds=board.KINDS)
    monkeypatch.setattr(story.journal, "read", lambda **asked: reads.append(asked) or iter(()))
    reads = []
    later.read()
    assert reads[-1]["after"] == 0


def test_a_snapshot_that_cannot_be_written_costs_nothing_but_time(tmp_path, monkeypatch):
    monkeypatch.setattr(snapshots, "SAVE_AFTER", 1)
    (tmp_path / "file").write_text("")
    story = told([("queue", 1)])
    for _ in range(2):
        assert list(folded(story, tmp_path / "file" / "board.msgpack").read().runs) == ["r0001"]
