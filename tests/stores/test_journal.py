"""One suite over every journal: order, once, filters, places; and what only a database can lose."""

import dataclasses
import json
import os
import signal
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone

import pytest

from mlops_nb import events as ev
from mlops_nb.errors import Refused, Unreachable
from mlops_nb.stores.journal import SqlJournal
from mlops_nb.stores.memory import MemoryJournal
from mlops_nb.stores.shared import file_system
from mlops_nb.stores.sqlite import SqliteJournal

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def noon():
    return NOON


def url_of(folder):
    return f"sqlite:///{folder / '.mlops' / 'journal.db'}"


@pytest.fixture(params=["memory", "sql", "sqlite"])
def journal(request, tmp_path):
    if request.param == "memory":
        yield MemoryJournal(noon)
    elif request.param == "sqlite":
        yield SqliteJournal(tmp_path / ".mlops" / "journal.db", noon)
    else:
        made = SqlJournal(url_of(tmp_path), noon)
        yield made
        made.close()


@pytest.fixture
def sql(tmp_path):
    made = SqlJournal(url_of(tmp_path), noon)
    yield made
    made.close()


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


def test_a_database_is_opened_again_with_all_that_was_written(tmp_path, sql):
    sql.append(cell("r", 1), once="k")
    sql.place("mlflow", "1")
    again = SqlJournal(url_of(tmp_path), noon)
    assert [e.cell for e in again.read()] == [1]
    assert again.append(cell("r", 2), once="k") is None
    assert again.place("mlflow") == "1"
    again.close()


def test_a_database_is_synced_at_every_commit(sql):
    with sql.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"


def test_who_writes_holds_the_lock_from_the_start(sql):
    with sql.engine.begin():
        other = sqlite3.connect(sql.file, timeout=0)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        other.close()


def test_an_event_of_a_later_version_is_passed_over(sql):
    sql.append(cell("r", 1))
    with sql.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE events SET kind = 'Teleported'")
    sql.append(cell("r", 2))
    assert [e.cell for e in sql.read()] == [2]


def test_a_value_that_json_does_not_know_is_written_as_text(sql):
    written = sql.append(ev.RunStarted(run="r", notebook="n", parameters={"a": {1}, "b": NOON}))
    assert written.parameters == {"a": [1], "b": "2026-01-01 12:00:00+00:00"}


def test_either_journal_opens_the_file_that_the_other_wrote(tmp_path, sql):
    sql.append(cell("r", 1), once="k")
    sql.place("mlflow", "1")
    plain = SqliteJournal(tmp_path / ".mlops" / "journal.db", noon)
    assert [e.cell for e in plain.read()] == [1]
    assert plain.append(cell("r", 2), once="k") is None
    assert plain.place("mlflow") == "1"
    assert plain.append(cell("r", 3)).id == 2
    assert [e.cell for e in sql.read()] == [1, 3]


def test_a_file_holds_its_lock_from_the_start_and_is_synced(tmp_path):
    plain = SqliteJournal(tmp_path / "journal.db", noon)
    with plain.writing() as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        other = sqlite3.connect(plain.file, timeout=0)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        other.close()


WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from mlops_nb.events import CellStarted
from mlops_nb.stores.journal import SqlJournal
from mlops_nb.stores.sqlite import SqliteJournal

url, run, count, plain = sys.argv[1:]
Kind = SqliteJournal if plain == "plain" else SqlJournal
where = Path(url.removeprefix("sqlite:///")) if plain == "plain" else url
journal = Kind(where, lambda: datetime(2026, 1, 1, tzinfo=UTC))
print("ready", flush=True)
sys.stdin.readline()
number = 0
while number < int(count):
    journal.append(CellStarted(run=run, cell=number))
    won = journal.append(CellStarted(run="once", job=run, cell=number), once=f"tick/{number}")
    number += 1
    print(number, int(won is not None), flush=True)
"""


def writer(folder, run, count, kind="plain"):
    words = [sys.executable, "-c", WRITER, url_of(folder), run, str(count), kind]
    return subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )


def test_a_program_that_ends_at_once_leaves_the_whole_journal_in_its_file(tmp_path):
    file = tmp_path / "journal.db"
    code = (
        "import atexit, os, sys\nfrom datetime import UTC, datetime\nfrom pathlib import Path\n"
        "from mlops_nb.events import CellStarted\n"
        "from mlops_nb.stores.sqlite import SqliteJournal\n"
        "journal = SqliteJournal(Path(sys.argv[1]), lambda: datetime.now(UTC))\n"
        "journal.append(CellStarted(run='r', cell=1))\n"
        "if os.fork() == 0:\n"  # a child that ends leaves its parent's connection alone
        "    atexit._run_exitfuncs(); os._exit(0)\n"
        "os.wait()\njournal.append(CellStarted(run='r', cell=2))\n"
        "atexit._run_exitfuncs(); os._exit(0)\n"
    )
    subprocess.run([sys.executable, "-c", code, file], check=True)
    assert [p.name for p in tmp_path.iterdir()] == ["journal.db"]
    assert [e.cell for e in SqliteJournal(file, noon).read()] == [1, 2]


def test_two_processes_that_write_at_once_lose_nothing_and_win_each_key_once(tmp_path, sql):
    count = 40
    two = [writer(tmp_path, "a", count), writer(tmp_path, "b", count, "sqlalchemy")]
    for one in two:
        assert one.stdout.readline() == "ready\n"
    for one in two:
        one.stdin.write("go\n")
        one.stdin.flush()
    said = [one.communicate(timeout=60)[0].splitlines() for one in two]
    assert [one.returncode for one in two] == [0, 0]
    for run in ("a", "b"):
        assert [e.cell for e in sql.read(run=run)] == list(range(count))
    wins = [[line.split()[1] for line in lines] for lines in said]
    assert [int(a) + int(b) for a, b in zip(*wins, strict=True)] == [1] * count
    assert sorted(e.cell for e in sql.read(run="once")) == list(range(count))


def test_kill_9_in_the_middle_of_writing_loses_nothing_that_was_returned(tmp_path, sql):
    with writer(tmp_path, "a", 1_000_000) as one:
        assert one.stdout.readline() == "ready\n"
        one.stdin.write("go\n")
        one.stdin.flush()
        told = [int(one.stdout.readline().split()[0]) for _ in range(25)]
        os.kill(one.pid, signal.SIGKILL)
        told += [int(line.split()[0]) for line in one.stdout.read().splitlines() if line.count(" ")]
        one.stdin.close()
    found = [e.cell for e in sql.read(run="a")]
    assert found == list(range(len(found)))
    assert len(found) >= max(told)
    assert sql.append(cell("b", 1)) is not None


def test_a_folder_that_cannot_be_written_is_said_readably(tmp_path):
    (tmp_path / ".mlops").write_text("a file where the folder should be")
    with pytest.raises(Unreachable) as refused:
        SqlJournal(url_of(tmp_path), noon)
    assert "journal cannot be opened" in refused.value.what
    assert "mlops-nb.toml" in refused.value.fix


def test_a_file_that_is_no_database_is_said_readably(tmp_path):
    (tmp_path / ".mlops").mkdir()
    (tmp_path / ".mlops" / "journal.db").write_text("no database at all, but some text" * 50)
    with pytest.raises(Unreachable) as refused:
        SqlJournal(url_of(tmp_path), noon)
    assert "not a database" in refused.value.what


@pytest.mark.parametrize("url", ["postgres!", "", "nosuchdatabase://host/db"])
def test_an_address_that_is_none_is_said_readably(url):
    with pytest.raises((Unreachable, Refused)) as refused:
        SqlJournal(url, noon)
    assert "journal" in refused.value.what


def test_an_address_is_shown_without_its_password():
    with pytest.raises(Unreachable) as refused:
        SqlJournal("nosuchdatabase://me:hunter22@host/db", noon)
    assert "hunter22" not in str(refused.value)
    assert "me:***@host" in refused.value.where


def mounted(folder, *lines):
    """Return a table of mounts; %s stands for the folder."""
    table = folder / "mounts"
    table.write_text("".join(f"{line}\n" for line in lines).replace("%s", str(folder)))
    return table


def test_the_file_system_is_that_of_the_longest_mount_above(tmp_path):
    table = mounted(
        tmp_path, "dev / ext4 rw 0 0", "srv:/x %s nfs4 rw 0 0", "dev %s/local xfs rw 0 0"
    )
    assert file_system(tmp_path / "a.db", table) == "nfs4"
    assert file_system(tmp_path / "local" / "a.db", table) == "xfs"
    assert file_system(tmp_path / "locality" / "a.db", table) == "nfs4"
    assert file_system(tmp_path.parent / "elsewhere", table) == "ext4"


def test_a_mount_with_a_blank_in_its_name_and_a_later_one_on_top_are_read(tmp_path):
    table = mounted(tmp_path, "a %s/my\\040data ext4 rw 0 0", "b %s/my\\040data cifs rw 0 0", "odd")
    assert file_system(tmp_path / "my data" / "a.db", table) == "cifs"


def test_where_no_mounts_are_told_nothing_is_refused(tmp_path):
    assert file_system(tmp_path, tmp_path / "none") == ""


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "lustre"])
def test_a_database_on_a_network_file_system_is_refused_with_the_mend(tmp_path, kind):
    table = mounted(tmp_path, "dev / ext4 rw 0 0", f"srv:/x %s {kind} rw 0 0")
    with pytest.raises(Refused) as refused:
        SqlJournal(url_of(tmp_path), noon, mounts=table)
    assert kind in refused.value.what
    assert "PostgreSQL" in refused.value.fix
    assert not (tmp_path / ".mlops").exists()
