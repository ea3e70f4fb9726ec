"""One suite over every journal: order, once, filters, places, locks; and processes that die."""

import itertools
import json
import os
import random
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest
from event_samples import SAMPLES
from msgspec import structs

from mlops_nb import events as ev
from mlops_nb.errors import Refused, Unreachable
from mlops_nb.storage.journal import open_journal

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def noon():
    return NOON


def cell(run, number, job=""):
    return ev.CellStarted(run=run, job=job, cell=number)


def as_json(event):
    return json.loads(json.dumps(structs.asdict(event)))


def test_there_is_a_sample_of_every_kind_of_event():
    assert {type(sample) for sample in SAMPLES} == set(ev.KINDS.values())


def test_every_kind_of_event_comes_back_as_it_went(journal):
    written = [journal.append(sample) for sample in SAMPLES]
    read = list(journal.read())
    assert [type(e) for e in read] == [type(e) for e in SAMPLES]
    assert [as_json(e) for e in read] == [as_json(e) for e in written]
    unsent = [as_json(structs.replace(event, id=0, at="")) for event in read]
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
    four = (cell("a", 1, "j"), cell("b", 2, "j"), cell("a", 3, "k"), cell("", 4, "j"))
    ids = [journal.append(event).id for event in four]
    assert [e.cell for e in journal.read(run="a")] == [1, 3]
    assert [e.cell for e in journal.read(job="j")] == [1, 2, 4]
    assert [e.cell for e in journal.read(run="a", job="j")] == [1]
    assert [e.cell for e in journal.read(after=ids[1])] == [3, 4]
    assert [e.cell for e in journal.read(after=ids[0], job="j")] == [2, 4]
    assert list(journal.read(run="nobody")) == []
    assert [e.cell for e in journal.read(run=("a", "nobody"))] == [1, 3]
    assert [e.cell for e in journal.read(run=("b", "a"), job="j")] == [1, 2]
    assert list(journal.read(run=())) == []
    assert list(journal.read(after=ids[-1])) == []


def test_a_long_journal_is_read_in_steps_of_which_none_is_missed(journal, monkeypatch):
    monkeypatch.setattr("mlops_nb.storage.journal.STEP", 3)
    draw = random.Random(1)
    kinds = (ev.CellStarted, ev.StepStarted, ev.RunClaimed)
    for number in range(40):
        of = {"run": draw.choice("ab"), "job": draw.choice(("", "j", "k"))}
        samples = (
            ev.CellStarted(**of, cell=number),
            ev.StepStarted(**of, step=str(number)),
            ev.RunClaimed(**of, process=(number, "h")),
        )
        journal.append(draw.choice(samples))
    every = list(journal.read())
    assert len(every) == 40
    for wanted in ((), kinds[:1], kinds[1:], kinds):
        for run, job in itertools.product(("", "a"), ("", "j")):
            for after in (0, every[7].id, every[-1].id):
                of = [e for e in every if run in {"", e.run} and job in {"", e.job}]
                of = [e for e in of if not wanted or type(e) in wanted]
                asked = {"run": run, "job": job, "kinds": wanted}
                found = list(journal.read(after=after, **asked))
                assert found == [e for e in of if e.id > after]
                if not run:
                    assert list(journal.read_back(job=job, kinds=wanted)) == of[::-1]


def test_the_event_under_a_key_is_found_by_it(journal):
    assert journal.written("j/T") is None
    journal.append(cell("r", 1), once="j/T")
    journal.append(cell("s", 2), once="j/U")
    assert journal.written("j/U").run == "s"
    assert journal.written("j") is None


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
from mlops_nb.storage.journal import open_journal

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
from mlops_nb.storage.journal import open_journal

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
from mlops_nb.storage.journal import open_journal

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
