"""What only a SQLite journal can lose: syncs, files that are no journal, network file systems."""

import json
import sqlite3
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from event_samples import NEWER

from mlops_nb import events as ev
from mlops_nb.errors import Refused, Unreachable
from mlops_nb.storage.journal import UNSYNCED, open_journal
from mlops_nb.storage.sqlite import Sqlite, file_system

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
HERE = Path(__file__).parent


def noon():
    return NOON


def cell(run, number):
    return ev.CellStarted(run=run, cell=number)


def as_json(event):
    return json.loads(json.dumps(ev.as_record(event)))


@pytest.fixture
def journal(sqlite):
    made = open_journal(sqlite, noon)
    yield made
    made.close()


@pytest.fixture
def connection(journal):
    made = journal.database.connect()
    yield made
    made.close()


@pytest.mark.parametrize("dump", ["journal-0.sql", "journal-0-sqlalchemy.sql"])
def test_a_journal_of_the_first_version_opens_unchanged(tmp_path, dump):
    file = tmp_path / "journal.db"
    before = sqlite3.connect(file)
    before.executescript((HERE / dump).read_text("utf-8"))
    tables = before.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
    rows = before.execute("SELECT id, at, run, job, kind, data FROM events ORDER BY id").fetchall()
    journal = open_journal(f"sqlite:///{file}", noon)
    events = list(journal.read())
    assert {type(e) for e in events} == set(ev.KINDS.values()) - NEWER
    assert [(e.id, e.at, e.run, e.job, type(e).__name__) for e in events] == [r[:5] for r in rows]
    for event, row in zip(events, rows, strict=True):
        assert as_json(event) | json.loads(row[5]) == as_json(event)
    assert journal.append(cell("r", 1), once="claim/r2") is None
    assert journal.append(cell("r", 1), once="j/T") is None
    assert journal.append(cell("r", 1), once="k").id == len(rows) + 1
    assert [journal.place(name) for name in ("mlflow", "openlineage", "empty")] == ["18", "40", ""]
    assert journal.place("mlflow", "19") == journal.place("mlflow") == "19"
    found = before.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
    before.close()
    journal.close()
    assert found == tables


def test_only_the_end_of_a_run_and_what_decides_is_synced(journal, connection):
    for synced, level in ((True, 2), (False, 1)):
        journal.database.begin(connection, synced=synced)
        assert journal.database.execute(connection, "PRAGMA synchronous") == [(level,)]
        assert journal.database.execute(connection, "PRAGMA journal_mode") == [("wal",)]
        journal.database.execute(connection, "ROLLBACK")
    assert {ev.CellFinished, ev.StepRecorded} <= UNSYNCED
    assert UNSYNCED.isdisjoint({ev.RunQueued, ev.RunFinished, ev.Released, ev.JobApplied})


def test_who_writes_holds_the_lock_from_the_start(journal, connection):
    journal.database.begin(connection, synced=True)
    other = sqlite3.connect(journal.database.file, timeout=0)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        other.execute("BEGIN IMMEDIATE")
    other.close()


def test_a_writer_waits_for_as_long_as_the_address_says(sqlite, connection):
    impatient = open_journal(f"{sqlite}?timeout=0.01", noon)
    impatient.database.begin(connection, synced=True)
    with pytest.raises(Unreachable, match="written: database is locked"):
        impatient.append(cell("r", 1))
    assert list(impatient.read()) == []
    connection.execute("ROLLBACK")
    assert impatient.append(cell("r", 2)) is not None
    impatient.close()


def test_a_journal_whose_file_was_replaced_opens_the_new_one(journal):
    journal.append(cell("r", 1))
    file = journal.database.file
    for path in file.parent.iterdir():
        path.rename(f"{path}.old")
    with pytest.raises(Unreachable, match="no such table"):
        journal.append(cell("r", 2))
    again = open_journal(journal.database.address, noon)
    assert journal.append(cell("r", 3)).id == 1
    assert [e.cell for e in again.read()] == [3]
    again.close()


def test_a_program_that_ends_at_once_leaves_the_whole_journal_in_its_file(tmp_path):
    code = (
        "import atexit, os, sys\nfrom datetime import UTC, datetime\n"
        "from mlops_nb.events import CellStarted\n"
        "from mlops_nb.storage.journal import open_journal\n"
        "journal = open_journal(sys.argv[1], lambda: datetime.now(UTC))\n"
        "journal.append(CellStarted(run='r', cell=1))\n"
        "if os.fork() == 0:\n"  # a child that ends leaves its parent's connection alone
        "    atexit._run_exitfuncs(); os._exit(0)\n"
        "os.wait()\njournal.append(CellStarted(run='r', cell=2))\n"
        "atexit._run_exitfuncs(); os._exit(0)\n"
    )
    address = f"sqlite:///{tmp_path}/journal.db"
    subprocess.run([sys.executable, "-c", code, address], check=True)
    assert [p.name for p in tmp_path.iterdir()] == ["journal.db"]
    journal = open_journal(address, noon)
    assert [e.cell for e in journal.read()] == [1, 2]
    journal.close()


def test_a_sqlite_journal_imports_no_driver_but_the_standard_library():
    code = (
        "import sys\nfrom datetime import UTC, datetime\n"
        "from mlops_nb.storage.journal import open_journal\n"
        "open_journal(sys.argv[1], lambda: datetime.now(UTC))\n"
        "print(*sorted({'sqlite3', 'psycopg', 'sqlalchemy'} & set(sys.modules)))\n"
    )
    words = [sys.executable, "-c", code, "sqlite:///journal.db"]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(words, cwd=folder, check=True, capture_output=True, text=True)
        assert Path(folder, "journal.db").is_file()
    assert done.stdout == "sqlite3\n"


def test_a_path_is_taken_as_it_is_written(tmp_path):
    journal = open_journal(f"sqlite+pysqlite:///{tmp_path}/a%20b ü/j@x:y.db", noon)
    assert (tmp_path / "a%20b ü" / "j@x:y.db").is_file()
    journal.close()


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("sqlite://", "names no file"),
        ("sqlite:///", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite://folder/journal.db", "names no file"),
        ("sqlite:///a.db?timeout=soon", "soon"),
        ("sqlite:///a.db?mode=ro&timeout=1", "no option 'mode'"),
    ],
)
def test_an_address_that_names_no_file_is_refused_with_the_fix(address, problem):
    with pytest.raises(Refused) as refused:
        open_journal(address, noon)
    assert problem in refused.value.what
    assert "sqlite:////folder/journal.db" in refused.value.fix


def test_a_folder_that_cannot_be_written_is_said_readably(sqlite, tmp_path):
    (tmp_path / ".mlops").write_text("a file where the folder should be")
    with pytest.raises(Unreachable) as refused:
        open_journal(sqlite, noon)
    assert "journal cannot be opened" in refused.value.what
    assert "mlops-nb.toml" in refused.value.fix


def test_a_file_that_is_no_database_is_said_readably(sqlite, tmp_path):
    (tmp_path / ".mlops").mkdir()
    (tmp_path / ".mlops" / "journal.db").write_text("no database at all, but some text" * 50)
    with pytest.raises(Unreachable) as refused:
        open_journal(sqlite, noon)
    assert "not a database" in refused.value.what


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
        Sqlite(tmp_path / ".mlops" / "journal.db", mounts=table)
    assert kind in refused.value.what
    assert "PostgreSQL" in refused.value.fix
    assert not (tmp_path / ".mlops").exists()
