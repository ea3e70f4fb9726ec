"""A reader of a SQLite journal makes nothing, and sees what others write where it may not."""

import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from mlops_nb import events as ev
from mlops_nb.errors import Unreachable
from mlops_nb.storage.journal import open_journal

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
WRITER = (
    "import sys\nfrom datetime import UTC, datetime\n"
    "from mlops_nb.events import CellStarted\n"
    "from mlops_nb.storage.journal import open_journal\n"
    "journal = open_journal(sys.argv[1], lambda: datetime.now(UTC))\n"
    "for line in sys.stdin:\n"
    "    journal.append(CellStarted(run='r', cell=int(line)))\n"
    "    print('written', flush=True)\n"
    "journal.close()\n"
)


def noon():
    return NOON


def cells(journal):
    return [event.cell for event in journal.read()]


def test_a_reader_makes_nothing_and_the_first_write_makes_all(tmp_path):
    called = []
    address = f"sqlite:///{tmp_path}/new/journal.db"
    journal = open_journal(address, noon, lambda: called.append("before"))
    assert cells(journal) == []
    assert journal.place("mlflow") == ""
    assert (called, list(tmp_path.iterdir())) == ([], [])
    journal.append(ev.CellStarted(run="r", cell=1))
    assert called == ["before"]
    assert cells(journal) == [1]
    journal.close()


def test_a_reader_finds_the_journal_that_another_process_made_meanwhile(tmp_path):
    address = f"sqlite:///{tmp_path}/journal.db"
    reader = open_journal(address, noon, lambda: None)
    assert cells(reader) == []
    writer = open_journal(address, noon)
    writer.append(ev.CellStarted(run="r", cell=1))
    assert cells(reader) == [1]
    reader.append(ev.CellStarted(run="r", cell=2))
    assert cells(writer) == [1, 2]
    reader.close()
    writer.close()


@pytest.fixture
def view(tmp_path):
    """Return a folder, and a read-only view of it, as a container may have."""
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("needs root and mount")
    folder, seen = tmp_path / "folder", tmp_path / "seen"
    folder.mkdir()
    seen.mkdir()
    if subprocess.run(["mount", "--bind", str(folder), str(seen)], check=False).returncode:
        pytest.skip("this machine does not let root mount a folder")
    subprocess.run(["mount", "-o", "remount,bind,ro", str(seen)], check=True)
    yield folder, seen
    subprocess.run(["umount", str(seen)], check=True)


def test_a_reader_that_may_not_write_sees_what_others_write(view):
    folder, seen = view
    words = [sys.executable, "-c", WRITER, f"sqlite:///{folder}/journal.db"]
    reader = open_journal(f"sqlite:///{seen}/journal.db", noon, lambda: None)
    assert cells(reader) == []
    for first in (1, 11, 21):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        with subprocess.Popen(words, **pipes) as writer:
            for number in range(first, first + 3):
                writer.stdin.write(f"{number}\n")
                writer.stdin.flush()
                assert writer.stdout.readline() == "written\n"
                assert cells(reader)[-1] == number  # the writer has the log open
            writer.stdin.close()
            writer.wait()
        assert cells(reader)[-1] == first + 2  # nobody else has it open
        reader.close()
    assert len(cells(reader)) == 9
    with pytest.raises(Unreachable, match="the journal cannot be written"):
        reader.append(ev.CellStarted(run="r", cell=0))
    reader.close()


def test_a_change_of_files_that_are_read_unlocked_is_noticed(view):
    folder, seen = view
    writer = open_journal(f"sqlite:///{folder}/journal.db", noon)
    writer.append(ev.CellStarted(run="r", cell=1))
    writer.close()
    reader = open_journal(f"sqlite:///{seen}/journal.db", noon, lambda: None)
    assert cells(reader) == [1]
    with reader._connected(writes=False) as connection:
        os.utime(folder / "journal.db")
        with pytest.raises(reader.database.errors, match="another process wrote it"):
            reader.database.execute(connection, "SELECT 1")
    assert cells(reader) == [1]
    reader.close()
