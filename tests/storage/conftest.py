"""Journals to test: in memory, in SQLite, and in a PostgreSQL server that is started for it."""

from datetime import UTC, datetime

import postgres_server
import pytest

from mlops_nb.storage.journal import open_journal
from mlops_nb.storage.memory import MemoryJournal

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="session")
def server():
    with postgres_server.running() as running:
        yield running


@pytest.fixture
def postgres(server):
    """Return the address of an empty schema in PostgreSQL."""
    return server.new_schema()


@pytest.fixture
def sqlite(tmp_path):
    """Return the address of a SQLite file that is not there yet."""
    return f"sqlite:///{tmp_path}/.mlops/journal.db"


@pytest.fixture(params=["sqlite", "postgres"])
def address(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def sql(address):
    made = open_journal(address, lambda: NOON)
    yield made
    made.close()


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def journal(request):
    if request.param == "memory":
        yield MemoryJournal(lambda: NOON)
    else:
        made = open_journal(request.getfixturevalue(request.param), lambda: NOON)
        yield made
        made.close()
