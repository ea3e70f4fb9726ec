"""What only a PostgreSQL journal can lose: its server, its connections, its driver, a password."""

import json
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import postgres_server
import psycopg
import pytest
from event_samples import NEWER

from mlops_nb import events as ev
from mlops_nb.errors import Refused, Unreachable
from mlops_nb.storage.journal import open_journal
from mlops_nb.storage.postgres import KEY, Postgres

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
HERE = Path(__file__).parent


def noon():
    return NOON


def cell(run, number):
    return ev.CellStarted(run=run, cell=number)


def as_json(event):
    return json.loads(json.dumps(ev.as_record(event)))


@pytest.fixture
def journal(postgres):
    with closing(open_journal(postgres, noon)) as made:
        yield made


@pytest.fixture
def connection(postgres):
    with psycopg.connect(postgres, autocommit=True) as made:
        yield made


def test_a_journal_of_the_first_version_opens_unchanged(postgres, connection):
    connection.execute((HERE / "journal-0-postgres.sql").read_text("utf-8"))
    rows = connection.execute("SELECT id, kind, data FROM events ORDER BY id").fetchall()
    with closing(open_journal(postgres, noon)) as journal:
        events = list(journal.read())
        assert {type(e) for e in events} == set(ev.KINDS.values()) - NEWER
        assert [(e.id, type(e).__name__) for e in events] == [row[:2] for row in rows]
        for event, row in zip(events, rows, strict=True):
            assert as_json(event) | json.loads(row[2]) == as_json(event)
        assert journal.append(cell("r", 1), once="claim/r2") is None
        assert journal.append(cell("r", 1), once="k").id == len(rows) + 1
        assert [journal.place(name) for name in ("mlflow", "empty")] == ["18", ""]
        assert journal.place("mlflow", "19") == journal.place("mlflow") == "19"


def test_a_commit_is_on_disk_and_its_writer_the_only_one(journal, connection):
    taken = f"SELECT pg_try_advisory_xact_lock({KEY.format(chr(39) + 'write' + chr(39))})"
    own = journal.database.connect()
    journal.database.begin(own, synced=True)
    assert connection.execute(taken.encode()).fetchone() == (False,)
    for setting in ("fsync", "synchronous_commit"):
        assert journal.database.execute(own, f"SHOW {setting}") == [("on",)]
    own.close()
    journal.append(cell("r", 1))
    assert connection.execute(taken.encode()).fetchone() == (True,)


def test_a_role_that_may_not_make_tables_can_write_into_them(server, journal, connection):
    (schema,) = connection.execute("SELECT current_schema()").fetchone()
    script = f"""CREATE ROLE {schema} LOGIN PASSWORD 'hunter22';
        GRANT USAGE ON SCHEMA {schema} TO {schema};
        GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA {schema} TO {schema}"""
    connection.execute(script.encode())
    where = f"127.0.0.1:{server.port}/postgres?options=-csearch_path%3D{schema}"
    with closing(open_journal(f"postgresql://{schema}:hunter22@{where}", noon)) as limited:
        assert limited.append(cell("r", 1), once="k") is not None
        assert limited.place("mlflow", "1") == "1"


def test_two_journals_of_one_database_do_not_share_locks(server, journal):
    with (
        closing(open_journal(server.new_schema(), noon)) as other,
        journal.holding("lead"),
        other.holding("lead", wait=False) as held,
    ):
        assert held is True


def test_a_server_that_was_restarted_is_used_again(server, journal):
    journal.append(cell("r", 1))
    server.stop()
    with pytest.raises(Unreachable, match="cannot be written"):
        journal.append(cell("r", 2))
    server.start()
    journal.append(cell("r", 3))
    server.stop()
    server.start()
    journal.append(cell("r", 4))
    assert [e.cell for e in journal.read()] == [1, 3, 4]


def test_a_lock_that_was_lost_with_its_connection_is_reported(journal, connection):
    holders = "SELECT pg_terminate_backend(pid, 10000) FROM pg_locks WHERE locktype = 'advisory'"
    with pytest.raises(Unreachable, match="journal cannot be read"), journal.holding("lead"):
        assert connection.execute(holders).fetchall() == [(True,)]
    with journal.holding("lead", wait=False) as again:
        assert again is True


def test_the_servers_socket_is_an_address_too(server):
    for scheme in ("postgresql+psycopg", "postgresql+psycopg2"):
        address = f"{scheme}://mlops@/postgres?host={server.folder}&port={server.port}"
        address += "&options=-csearch_path%3Dpg_temp"
        with closing(open_journal(address, noon)) as journal:
            assert journal.append(cell("r", 1)) is not None


@pytest.mark.parametrize(
    "rest", ["me:hunter22@127.0.0.1:1/db", "me@127.0.0.1:1/db?password=hunter22"]
)
def test_a_server_that_does_not_answer_is_named_without_the_password(rest):
    with pytest.raises(Unreachable) as refused:
        open_journal(f"postgresql://{rest}", noon)
    assert "journal cannot be opened" in refused.value.what
    assert refused.value.where == "postgresql://me:***@127.0.0.1:1/db"
    assert "hunter22" not in str(refused.value)


def test_a_wrong_password_is_said_readably(server):
    with pytest.raises(Unreachable, match="password authentication failed") as refused:
        open_journal(f"postgresql://mlops:hunter22@127.0.0.1:{server.port}/postgres", noon)
    assert "hunter22" not in str(refused.value)


@pytest.mark.parametrize(
    "rest",
    [
        "me:hunter22@x@host/db",
        "me:hunter22/x@host/db",
        "me:hunter22%@host/db",
        "me:hunter22@host:port/db",
        "me:hunter22@host/db?nosuchoption=1",
        "[hunter22/db",
    ],
)
def test_an_address_that_cannot_be_read_is_refused_without_the_password(rest):
    with pytest.raises(Refused, match="with @ as %40") as refused:
        open_journal(f"postgresql://{rest}", noon)
    assert "postgresql://user@host/database" in refused.value.fix
    assert "hunter22" not in str(refused.value)


def test_the_parts_of_an_address_are_the_drivers_options():
    found = Postgres.at("ann:%40%2F%3A@[::1]:5433/team?sslmode=require&connect_timeout=3").options
    asked = {"user": "ann", "password": "@/:", "host": "::1", "port": "5433", "dbname": "team"}
    assert found.items() >= (asked | {"sslmode": "require", "connect_timeout": "3"}).items()


def test_without_the_driver_the_fix_names_its_package():
    code = (
        "import sys\nsys.modules['psycopg'] = None  # as if it was not installed\n"
        "from mlops_nb.storage.journal import open_journal\n"
        "open_journal('postgresql://host/db', None)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "Refused: error: a journal in PostgreSQL needs psycopg" in done.stderr
    assert "pip install 'mlops-nb[postgres]'" in done.stderr


def test_tests_without_a_server_fail_with_the_fix(monkeypatch):
    monkeypatch.setattr(postgres_server, "PLACES", ())
    monkeypatch.setenv("PATH", "")
    with (
        pytest.raises(postgres_server.NoServer, match="fix: make postgres"),
        postgres_server.running(),
    ):
        """Nothing is started."""
