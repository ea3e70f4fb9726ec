"""Labels that a SQL query returns are those that files with the same rows give."""

import os
import sqlite3
import threading
from contextlib import closing
from datetime import timedelta

import numpy as np
import pandas as pd
import postgres_server
import pytest
from live_model import NOW, LiveModel, binary, labels_of

from mlops_nb.errors import JobError, Refused, Unreachable
from mlops_nb.events import LabelsTaken
from mlops_nb.jobs.bundle import job_yaml
from mlops_nb.serving import settings
from mlops_nb.serving.settings import LabelQuery, LabelSettings

ROWS = binary(400)
INPUTS = ROWS[["age", "city"]]
LATER = NOW + timedelta(hours=1)
QUERY = "SELECT request_id, label FROM paid"
VARIABLE = "LABELS_URL"


@pytest.fixture(scope="module")
def server():
    with postgres_server.running() as running:
        yield running


class Sqlite:
    """A SQLite file with tables of labels."""

    def __init__(self, folder):
        self.file = folder / "labels.db"
        self.url = "sqlite:///labels.db"  # from the job's folder

    def run(self, *statements):
        with closing(sqlite3.connect(self.file)) as connection, connection:
            for words, *values in statements:
                connection.execute(words, values)

    def fill(self, table, frame):
        with closing(sqlite3.connect(self.file)) as connection, connection:
            frame.to_sql(table, connection, index=False, if_exists="replace")


class Postgres:
    """A schema in a PostgreSQL server with tables of labels."""

    def __init__(self, server):
        self.url = server.new_schema()

    def run(self, *statements):
        import psycopg

        with psycopg.connect(self.url) as connection:
            connection.execute("SET LOCAL lock_timeout = '20s'")
            for words, *values in statements:
                connection.execute(words.replace("?", "%s"), values)

    def fill(self, table, frame):
        kinds = {"i": "bigint", "f": "double precision", "b": "boolean", "M": "timestamptz"}
        columns = [f'"{n}" {kinds.get(frame[n].dtype.kind, "text")}' for n in frame]
        rows = frame.astype(object).where(frame.notna(), None).itertuples(index=False)
        marks = ", ".join("?" * len(columns))
        self.run(
            (f"DROP TABLE IF EXISTS {table}",),
            (f"CREATE TABLE {table} ({', '.join(columns)})",),
            *((f"INSERT INTO {table} VALUES ({marks})", *row) for row in rows),
        )


@pytest.fixture(params=["sqlite", "postgres"])
def database(request, tmp_path):
    if request.param == "sqlite":
        return Sqlite(tmp_path)
    return Postgres(request.getfixturevalue("server"))


def asking(folder, monkeypatch, database, sql=QUERY, **more):
    """Return a model whose labels a query returns; its address comes from the environment."""
    monkeypatch.setenv(VARIABLE, database.url)
    source = LabelQuery(sql=sql, url={"env": VARIABLE})
    return answering(folder, LabelSettings(source=source, **more))


def answering(folder, labels):
    live = LiveModel(folder, INPUTS, labels=labels)
    live.answer(ROWS.drop(columns="label"))
    return live


def warned(live, now=NOW):
    """Return what a look warns of, and check that it took nothing."""
    project = live.open(now)
    project.watch("m")
    assert not list(project.context.journal.read(kinds=[LabelsTaken]))
    assert not list((live.folder / ".mlops").glob("labels/m/*.parquet"))
    (warning,) = project.take_warnings()
    assert warning.fix
    return warning


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("timed", [False, True])
def test_a_query_gives_the_same_as_a_file(tmp_path, monkeypatch, database, timed, seed):
    draw = np.random.default_rng(seed)
    frame = labels_of(ROWS)[draw.random(len(ROWS)) < 0.7].sample(frac=1, random_state=seed)
    more = {"time": "on"} if timed else {}
    if timed:
        hours = draw.integers(1, 200, len(frame))
        frame["on"] = ROWS.loc[frame.index, "time"] + pd.to_timedelta(hours, unit="h")
    columns = ", ".join(f'"{name}"' for name in frame)
    sql = f"SELECT {columns} FROM paid"
    database.fill("paid", frame)
    live = asking(tmp_path, monkeypatch, database, sql, **more)
    other = answering(tmp_path / "files", LabelSettings(source="*.csv", **more))
    frame.to_csv(tmp_path / "files" / "paid.csv", index=False)
    assert live.watch() == other.watch()
    assert live.watch()["metrics"][0]["labels"] == len(frame)
    assert live.open().watch("m").days == other.open().watch("m").days


def test_each_label_of_a_query_is_taken_once(tmp_path, monkeypatch, database):
    database.fill("paid", labels_of(ROWS[:100]))
    live = asking(tmp_path, monkeypatch, database)
    for _ in range(2):
        live.watch()
    for request_id, label in labels_of(ROWS[100:130]).itertuples(index=False):
        database.run(("INSERT INTO paid VALUES (?, ?)", request_id, label))
    first = int(ROWS.label[0])
    for hour, label in enumerate([1 - first, first, 1 - first], start=1):
        words = "UPDATE paid SET label = ? WHERE request_id = ?"
        database.run((words, label, ROWS.request_id[0]))
        for _ in range(2):
            live.watch(now=NOW + timedelta(hours=hour))
    taken = list(live.open().context.journal.read(kinds=[LabelsTaken]))
    counted = [(one.file, one.matched, one.replaced) for one in taken]
    place = "labels.source"
    assert counted == [(place, 100, 0), (place, 31, 1), (place, 1, 1), (place, 1, 1)]
    now = ROWS.assign(label=ROWS.label.where(ROWS.index > 0, 1 - first))[:130]
    found = live.watch(now=NOW + timedelta(hours=4))["metrics"][0]
    assert found["labels"] == 130
    assert found["value"] == pytest.approx((now.label == now.prediction).mean())


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("SELECT request_id AS id, label FROM paid", "no column 'request_id'"),
        ("SELECT request_id, label AS truth FROM paid", "no column 'label'"),
        ("SELECT request_id, label, 1 AS label FROM paid", "several columns 'label'"),
        ("SELECT request_id, nothing FROM paid", "refuses the query: .*nothing"),
        ("SELECT request_id, label FROM elsewhere", "refuses the query: .*elsewhere"),
        ("SELECT request_id, label FROM", "refuses the query"),
        ("SELECT request_id, label FROM paid; DROP TABLE paid", "refuses the query"),
        (
            "WITH a AS (SELECT 1) UPDATE paid SET label = 7",
            "refuses the query",
        ),
        ("SELECT NULLIF(request_id, 'r0-7') AS request_id, label FROM paid", "1 of 400 rows"),
        ("SELECT request_id, NULLIF(label, 1) AS label FROM paid", "rows have no 'label'"),
        (
            "SELECT request_id, label FROM paid UNION ALL SELECT request_id, 7 FROM paid",
            "400 request ids have different labels in the query",
        ),
    ],
)
def test_a_bad_query_takes_nothing(tmp_path, monkeypatch, database, sql, words):
    database.fill("paid", labels_of(ROWS))
    live = asking(tmp_path, monkeypatch, database, sql)
    warning = warned(live)
    assert isinstance(warning, Refused)
    assert warning.where == "labels.source"
    with pytest.raises(Refused, match=words):
        raise warning
    database.run(("DROP TABLE paid",))  # it is still there, and nobody reads it any more


def test_rows_without_a_label_can_be_left_out(tmp_path, monkeypatch, database):
    frame = labels_of(ROWS).astype({"label": object})
    frame.loc[::2, "label"] = None
    database.fill("paid", frame.astype({"label": "float64"}))
    live = asking(tmp_path, monkeypatch, database, f"{QUERY} WHERE label IS NOT NULL")
    found = live.watch()["metrics"][0]
    assert found["labels"] == 200
    assert found["value"] == pytest.approx((ROWS.label == ROWS.prediction)[1::2].mean())


def test_a_query_without_rows_takes_nothing_and_is_no_fault(tmp_path, monkeypatch, database):
    database.fill("paid", labels_of(ROWS))
    for more in ({}, {"time": "on"}):
        sql = "SELECT request_id, label, request_id AS \"on\" FROM paid WHERE request_id = ''"
        live = asking(tmp_path / str(len(more)), monkeypatch, database, sql, **more)
        if isinstance(database, Sqlite):
            os.link(database.file, live.folder / "labels.db")
        project = live.open()
        project.watch("m")
        assert not project.take_warnings()
        assert not list(project.context.journal.read(kinds=[LabelsTaken]))


def test_a_database_that_does_not_answer_is_named(tmp_path, monkeypatch, server):
    port = postgres_server.free_port()
    password = "s3cret-word"
    urls = [f"postgresql://me:{password}@127.0.0.1:{port}/x", "sqlite:///none.db"]
    urls.append(server.address().replace("mlops:", f"mlops:{password}"))
    for number, url in enumerate(urls):
        base = Sqlite(tmp_path)
        base.url = url
        live = asking(tmp_path / str(number), monkeypatch, base)
        warning = warned(live)
        assert isinstance(warning, Unreachable)
        assert password not in str(warning)
        assert not (live.folder / "none.db").exists()


def test_a_file_that_is_no_database_is_named(tmp_path, monkeypatch):
    (tmp_path / "labels.db").write_bytes(b"request_id,label\n" * 100)
    live = asking(tmp_path, monkeypatch, Sqlite(tmp_path))
    assert "not a database" in warned(live).what


def test_a_variable_that_is_not_set_is_named(tmp_path, monkeypatch):
    live = asking(tmp_path, monkeypatch, Sqlite(tmp_path))
    monkeypatch.delenv(VARIABLE)
    warning = warned(live)
    assert (VARIABLE in warning.what, VARIABLE in warning.fix) == (True, True)


def test_labels_taken_before_stay_while_the_database_is_gone(tmp_path, monkeypatch):
    database = Sqlite(tmp_path)
    database.fill("paid", labels_of(ROWS))
    live = asking(tmp_path, monkeypatch, database)
    before = live.watch()["metrics"]
    database.file.unlink()
    assert live.watch()["metrics"] == before


def test_nothing_of_the_address_is_written(tmp_path, monkeypatch, server):
    database = Postgres(server)
    database.fill("paid", labels_of(ROWS))
    live = asking(tmp_path, monkeypatch, database)
    assert live.watch()["metrics"]
    from urllib.parse import quote

    secrets = (postgres_server.PASSWORD.encode(), quote(postgres_server.PASSWORD, safe="").encode())
    for path in (live.folder / ".mlops").rglob("*"):
        if path.is_file():
            assert not any(secret in path.read_bytes() for secret in secrets), path


@pytest.mark.parametrize("kind", ["file", "command"])
def test_the_address_comes_from_where_secrets_do(tmp_path, kind):
    database = Sqlite(tmp_path)
    database.fill("paid", labels_of(ROWS))
    (tmp_path / "address").write_text(f"{database.url}\n")
    value = str(tmp_path / "address")
    url = {"file": value} if kind == "file" else {"command": f"cat '{value}'"}
    live = answering(tmp_path, LabelSettings(source=LabelQuery(sql=QUERY, url=url)))
    assert live.watch()["metrics"][0]["labels"] == 400


def test_two_looks_at_once_count_each_label_once(tmp_path, monkeypatch, database):
    database.fill("paid", labels_of(ROWS))
    live = asking(tmp_path, monkeypatch, database)
    looks = [threading.Thread(target=live.watch) for _ in range(3)]
    for one in looks:
        one.start()
    for one in looks:
        one.join()
    assert live.watch()["metrics"][0]["labels"] == 400


def defined(source):
    return {"version": 1, "name": "m", "notebook": "p.ipynb", "labels": {"source": source}}


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({"sql": "DELETE FROM paid", "url": "sqlite:///a.db"}, "is no SELECT"),
        ({"sql": "-- SELECT\nDROP TABLE paid", "url": "sqlite:///a.db"}, "is no SELECT"),
        ({"sql": QUERY, "url": "postgresql://me:word@host/db"}, "holds a password"),
        ({"sql": QUERY, "url": "postgresql://host/db?password=word"}, "holds a password"),
        ({"sql": QUERY, "url": "mysql://host/db"}, "no address of SQLite or PostgreSQL"),
        ({"sql": QUERY}, "labels.source"),
        ({"sql": QUERY, "url": {"env": "A", "file": "b"}}, "labels.source"),
        ({"sql": QUERY, "url": {"word": "A"}}, "labels.source"),
    ],
)
def test_a_definition_that_cannot_be_used_is_refused(source, words):
    with pytest.raises((Refused, JobError), match=words) as refused:
        job_yaml.of_definition(defined(source))
    assert "word@" not in str(refused.value)


@pytest.mark.parametrize("url", ["sqlite:///a.db", "postgresql://me@host/db", {"env": "A"}])
def test_a_query_survives_job_yaml(url):
    job = job_yaml.of_definition(defined({"sql": f"/* all */ {QUERY}", "url": url}))
    again = job_yaml.read(job_yaml.write(job))
    assert again == job
    assert isinstance(again.serving.labels.source, LabelQuery)
    assert settings.labels_of({"source": "a/*.csv"}).source == "a/*.csv"
