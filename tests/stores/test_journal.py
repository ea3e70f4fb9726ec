"""One suite over every journal: order, once, filters, places, locks; and processes that die."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest

from mlops_nb import events as ev
from mlops_nb.errors import Refused, Unreachable
from mlops_nb.stores.journal import open_journal

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def noon():
    return NOON


def cell(run, number, job=""):
    return ev.CellStarted(run=run, job=job, cell=number)


def as_json(event):
    return json.loads(json.dumps(dataclasses.asdict(event)))


SAMPLES = (
    ev.RunQueued(run="r", job="j", trigger="schedule", scheduled_at="T", data_start="s", attempt=2),
    ev.RunQueued(run="r", job="j", trigger="data", scheduled_at="T", not_before="U", first="q",
                 given={"a": 1}, signal={"files": {"a.csv": "d"}}, commit="c"),
    ev.RunClaimed(run="r", job="j", process=(7, "host 12.5")),
    ev.RunLost(run="r", job="j", error="killed"),
    ev.RunDone(run="r", job="j", exit_status=1),
    ev.RunStarted(run="r", notebook="n.ipynb", parameters={"a": [1, None, {"b": 0.5}], "ü": "한글"},
                  process=(7, "12.5"), steps=("load", "train"), sweep="s", shared=True),
    ev.EngineChosen(run="r", engine="kernel", because="it uses widgets"),
    ev.RunRetried(run="r", attempt=1, of=2, seconds=1.0),
    ev.SweepStarted(sweep="s", notebook="n.ipynb", grid={"a": [1, None, "x"]}, parameters={"b": 2},
                    shared=("load",), workers=2, by="auc", digest="d", process=(7, "12.5")),
    ev.SweepFinished(sweep="s", status="stopped", seconds=1.5, best="r", error="no"),
    ev.CellStarted(run="r", cell=0),
    ev.CellFinished(run="r", cell=0, seconds=0.1),
    ev.CellFailed(run="r", cell=1, seconds=0.2, error="ZeroDivisionError", traceback="a\n  b\n"),
    ev.StepStarted(run="r", step="load"),
    ev.StepFinished(run="r", step="load", seconds=0.3, because="x"),
    ev.StepFailed(run="r", step="train", seconds=0.0, error="no", cell=3),
    ev.StepObserved(run="r", step="load", values={"df": {"digest": "d", "schema": {"rows": 3}}}),
    ev.CellObserved(run="r", cell=0, seen={"reads": ["x"], "assumed": []}),
    ev.StepReused(run="r", step="load", because="`load` stands: code", saved=1.5, cells=(1, 2)),
    ev.StepRecorded(run="r", step="load", unit="load", record={"code": "c", "artifacts": []}),
    ev.ArtifactDamaged(run="r", artifact="a", what="its bytes"),
    ev.ReuseAudited(run="r", step="load", differs=("df",)),
    ev.Measured(run="r", metrics={"auc": 0.1 + 0.2}, slices={"auc_by_o": {"x": 1e-300}},
                evaluation={"least": 30, "whole": {"auc": {"value": 0.5, "low": None, "n": 9}}}),
    ev.Imported(run="r", modules=("numpy",), files=("a.py",)),
    ev.ModelKept(run="r", variable="m", digest="d", artifact="a", type="Tree"),
    ev.ChampionScored(run="r", version=3, metrics={"auc": 0.5}, error="",
                      slices={"auc_by_o": {"x": 0.5}}, evaluation={"rows": {"o": {"x": 9}}}),
    ev.RunFinished(run="r", status="failed", seconds=9.0, error="'quoted' \"twice\" \\ % {}"),
    ev.Judged(run="r", job="j", verdicts=({"gate": "auc > 0", "passed": True},), passed=True),
    ev.Registered(run="r", job="j", model="M", version=1, artifact="a", digest="d"),
    ev.Released(run="r", job="j", model="M", version=2, previous=None, rollback=True),
    ev.ApprovalAsked(run="r", job="j", model="M", version=2, champion=1, because="gates"),
    ev.Evaluated(job="j", model="M", version=2, metrics={"auc": 0.5},
                 drift=({"column": "a", "value": 0.1},)),
    ev.AliasMoved(model="M", found="3", expected="2"),
    ev.DataChecked(run="r", step="load", name="df", rows=3,
                   failures=({"column": "a", "rows": 1, "examples": []},)),
    ev.DataSeen(job="j", files={"a.csv": "d"}),
    ev.AlertRaised(job="j", alert="j-failed-1", kind="failed", what="w", fix="f", urgent=True,
                   cause="r"),
    ev.AlertSent(job="j", alert="j-failed-1", channel="log", error="e", about="ended", attempt=2),
    ev.AlertAcked(job="j", alert="j-failed-1", until="T", by="ann"),
    ev.AlertEnded(job="j", alert="j-failed-1", because="it ran"),
    ev.JobDrafted(job="j", digest="d"),
    ev.JobApplied(job="j", digest="d", bundle="b", definition={"gates": ["a"], "model": None}),
    ev.JobPaused(job="j"),
    ev.JobUnpaused(job="j"),
    ev.RunSkipped(run="r", job="j", scheduled_at="T", because="paused"),
    ev.Mirrored(run="r", mlflow_run="abc"),
)  # fmt: skip


def test_there_is_a_sample_of_every_kind_of_event():
    assert {type(sample) for sample in SAMPLES} == set(ev.KINDS.values())


def test_every_kind_of_event_comes_back_as_it_went(journal):
    written = [journal.append(sample) for sample in SAMPLES]
    read = list(journal.read())
    assert [type(e) for e in read] == [type(e) for e in SAMPLES]
    assert [as_json(e) for e in read] == [as_json(e) for e in written]
    unsent = [as_json(dataclasses.replace(event, id=0, at="")) for event in read]
    assert unsent == [as_json(sample) for sample in SAMPLES]


def test_events_come_in_the_order_they_were_written_with_rising_numbers(journal):
    numbers = [journal.append(cell("r", n)).id for n in range(20)]
    assert numbers == sorted(set(numbers))
    assert [(e.id, e.cell) for e in journal.read()] == list(zip(numbers, range(20), strict=True))


def test_an_event_is_given_the_time_in_utc_and_keeps_one_that_it_has(journal):
    journal.clock = lambda: NOON.astimezone(timezone(timedelta(hours=9)))
    assert journal.append(cell("r", 1)).at == "2026-01-01T12:00:00.000+00:00"
    kept = journal.append(ev.CellStarted(run="r", cell=2, at="2020-02-02T00:00:00+00:00"))
    assert [e.at for e in journal.read()][1] == kept.at == "2020-02-02T00:00:00+00:00"


def test_what_may_happen_once_happens_once(journal):
    first = journal.append(cell("r", 1), once="j/T")
    assert first is not None
    assert journal.append(cell("s", 2), once="j/T") is None
    assert journal.append(cell("s", 3), once="j/U") is not None
    assert [e.cell for e in journal.read()] == [1, 3]


def test_without_a_key_the_same_may_happen_again(journal):
    for _ in range(2):
        assert journal.append(cell("r", 1)) is not None
    assert len(list(journal.read())) == 2


def test_events_are_found_by_run_by_job_and_by_place(journal):
    ids = [journal.append(e).id for e in
           (cell("a", 1, "j"), cell("b", 2, "j"), cell("a", 3, "k"), cell("", 4, "j"))]  # fmt: skip
    assert [e.cell for e in journal.read(run="a")] == [1, 3]
    assert [e.cell for e in journal.read(job="j")] == [1, 2, 4]
    assert [e.cell for e in journal.read(run="a", job="j")] == [1]
    assert [e.cell for e in journal.read(after=ids[1])] == [3, 4]
    assert [e.cell for e in journal.read(after=ids[0], job="j")] == [2, 4]
    assert list(journal.read(run="nobody")) == []
    assert list(journal.read(after=ids[-1])) == []


def test_a_name_that_looks_like_a_pattern_finds_only_itself(journal):
    for name in ("a%", "ab", "a_", "한글", "a'--"):
        journal.append(cell(name, 1, name))
    for name in ("a%", "a_", "한글", "a'--"):
        assert [e.run for e in journal.read(run=name)] == [name]
        assert [e.job for e in journal.read(job=name)] == [name]


def test_one_may_write_while_one_reads(journal):
    for number in range(3):
        journal.append(cell("r", number))
    seen = []
    for event in journal.read():
        seen.append(event.cell)
        if len(seen) < 3:
            journal.append(cell("r", 10 + event.cell))
    assert seen[:3] == [0, 1, 2]


def test_a_listener_finds_its_place_again(journal):
    assert journal.place("mlflow") == ""
    assert journal.place("mlflow", "17") == "17"
    assert journal.place("mlflow", "18") == "18"
    assert journal.place("other") == ""
    assert journal.place("mlflow") == "18"
    assert journal.place("mlflow", "") == ""
    assert journal.place("mlflow") == ""


def test_a_lock_is_held_by_one_at_a_time_and_by_its_name(journal):
    with journal.holding("lead") as first, journal.holding("other") as other:
        assert (first, other) == (True, True)
        with journal.holding("lead", wait=False) as second:
            assert second is False
        assert journal.append(cell("r", 1)) is not None
    with journal.holding("lead", wait=False) as again:
        assert again is True


def test_a_lock_is_released_after_an_error_in_its_block(journal):
    with pytest.raises(ZeroDivisionError), journal.holding("lead"):
        raise ZeroDivisionError
    with journal.holding("lead", wait=False) as again:
        assert again is True


def test_events_that_belong_together_are_written_all_or_none(sql):
    with pytest.raises(Unreachable, match="cannot be written"):
        sql.append_all([cell("r", 1), cell("r", 2), cell(None, 3)])
    assert list(sql.read()) == []
    assert [e.cell for e in sql.append_all([cell("r", 4), cell("r", 5)])] == [4, 5]
    assert [e.cell for e in sql.read()] == [4, 5]


def test_a_journal_is_opened_again_with_all_that_was_written(address, sql):
    sql.append(cell("r", 1), once="k")
    sql.place("mlflow", "1")
    again = open_journal(address, noon)
    assert [e.cell for e in again.read()] == [1]
    assert again.append(cell("r", 2), once="k") is None
    assert again.place("mlflow") == "1"
    again.close()


def test_a_journal_that_was_closed_opens_itself_again(sql):
    sql.append(cell("r", 1))
    sql.close()
    sql.append(cell("r", 2))
    assert [e.cell for e in sql.read()] == [1, 2]


def test_an_event_of_a_later_version_is_passed_over(sql):
    sql.append(cell("r", 1))
    connection = sql.database.connect()
    sql.database.execute(connection, "UPDATE events SET kind = 'Teleported'")
    connection.close()
    sql.append(cell("r", 2))
    assert [e.cell for e in sql.read()] == [2]


def test_a_value_that_json_does_not_know_is_written_as_text(sql):
    written = sql.append(ev.RunStarted(run="r", notebook="n", parameters={"a": {1}, "b": NOON}))
    assert written.parameters == {"a": [1], "b": "2026-01-01 12:00:00+00:00"}


def test_threads_that_write_at_once_lose_nothing_and_win_each_key_once(sql):
    wins = []

    def write(name):
        for number in range(20):
            sql.append(cell(name, number))
            if sql.append(cell("once", number), once=f"tick/{number}"):
                wins.append(number)

    threads = [threading.Thread(target=write, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in "abc":
        assert [e.cell for e in sql.read(run=name)] == list(range(20))
    assert sorted(wins) == sorted(e.cell for e in sql.read(run="once")) == list(range(20))


WRITER = """
import sys
from datetime import UTC, datetime
from mlops_nb.events import CellStarted
from mlops_nb.stores.journal import open_journal

address, run, count = sys.argv[1:]
journal = open_journal(address, lambda: datetime(2026, 1, 1, tzinfo=UTC))
print("ready", flush=True)
sys.stdin.readline()
number = 0
while number < int(count):
    journal.append(CellStarted(run=run, cell=number))
    won = journal.append(CellStarted(run="once", job=run, cell=number), once=f"tick/{number}")
    number += 1
    print(number, int(won is not None), flush=True)
"""


def writer(address, run, count):
    words = [sys.executable, "-c", WRITER, address, run, str(count)]
    return subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )


def start(*writers):
    """Let writers go, all of them ready."""
    for one in writers:
        assert one.stdout.readline() == "ready\n"
    for one in writers:
        one.stdin.write("go\n")
        one.stdin.flush()


def test_two_processes_that_write_at_once_lose_nothing_and_win_each_key_once(address, sql):
    count = 40
    two = [writer(address, "a", count), writer(address, "b", count)]
    start(*two)
    said = [one.communicate(timeout=60)[0].splitlines() for one in two]
    assert [one.returncode for one in two] == [0, 0]
    for run in ("a", "b"):
        assert [e.cell for e in sql.read(run=run)] == list(range(count))
    wins = [[line.split()[1] for line in lines] for lines in said]
    assert [int(a) + int(b) for a, b in zip(*wins, strict=True)] == [1] * count
    assert sorted(e.cell for e in sql.read(run="once")) == list(range(count))


def test_a_reader_that_follows_two_writers_misses_nothing(address, sql):
    two = [writer(address, "a", 60), writer(address, "b", 60)]
    start(*two)
    seen, ended = [0], False
    while not ended:
        ended = all(one.poll() is not None for one in two)
        seen += [e.id for e in sql.read(after=seen[-1])]
    for one in two:
        one.communicate(timeout=60)
    assert seen[1:] == [e.id for e in sql.read()]
    assert len(seen) == 1 + 60 * 3


def test_two_processes_that_make_the_tables_at_once_both_write(address):
    two = [writer(address, "a", 1), writer(address, "b", 1)]
    start(*two)
    assert [one.communicate(timeout=60)[0].split()[0] for one in two] == ["1", "1"]
    assert [one.returncode for one in two] == [0, 0]


def test_kill_9_in_the_middle_of_writing_loses_nothing_that_was_returned(address, sql):
    with writer(address, "a", 1_000_000) as one:
        start(one)
        told = [int(one.stdout.readline().split()[0]) for _ in range(25)]
        os.kill(one.pid, signal.SIGKILL)
        told += [int(line.split()[0]) for line in one.stdout.read().splitlines() if line.count(" ")]
        one.stdin.close()
    found = [e.cell for e in sql.read(run="a")]
    assert found == list(range(len(found)))
    assert len(found) >= max(told)
    assert sql.append(cell("b", 1)) is not None


HOLDER = """
import sys
from datetime import UTC, datetime
from mlops_nb.stores.journal import open_journal

with open_journal(sys.argv[1], lambda: datetime.now(UTC)).holding("lead") as held:
    print(held, flush=True)
    sys.stdin.readline()
"""


def test_the_lock_of_a_process_that_is_killed_is_free_again(address, sql):
    words = [sys.executable, "-c", HOLDER, address]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(words, text=True, **pipes) as one:
        assert one.stdout.readline() == "True\n"
        with sql.holding("lead", wait=False) as held:
            assert held is False
        one.kill()
        with sql.holding("lead") as held:
            assert held is True


FORKER = """
import atexit, os, sys
from datetime import UTC, datetime
from mlops_nb.events import CellStarted
from mlops_nb.stores.journal import open_journal

journal = open_journal(sys.argv[1], lambda: datetime.now(UTC))
journal.append(CellStarted(run="r", cell=1))
if os.fork() == 0:  # a child that ends leaves the connection of its parent alone
    if sys.argv[2] == "writes":
        journal.append(CellStarted(run="child", cell=9))
    atexit._run_exitfuncs()
    os._exit(0)
assert os.wait()[1] == 0
journal.append(CellStarted(run="r", cell=2))
atexit._run_exitfuncs()
os._exit(0)
"""


@pytest.mark.parametrize("child", ["writes", "ends"])
def test_a_fork_has_connections_of_its_own(address, sql, child):
    subprocess.run([sys.executable, "-c", FORKER, address, child], check=True)
    assert [e.cell for e in sql.read(run="r")] == [1, 2]
    assert [e.cell for e in sql.read(run="child")] == ([9] if child == "writes" else [])


@pytest.mark.parametrize(
    "bad", ["postgres!", "", "me:hunter22@host/db", "mysql://me:hunter22@host/db", "sqlite+x:///a"]
)
def test_an_address_of_another_kind_is_refused_with_the_fix(bad):
    with pytest.raises(Refused) as refused:
        open_journal(bad, noon)
    assert "address of the journal" in refused.value.what
    assert "sqlite:////folder/journal.db or postgresql://" in refused.value.fix
    assert "mlops-nb.toml" in refused.value.where
    assert "hunter22" not in str(refused.value)
