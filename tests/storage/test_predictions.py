"""Prediction files in a folder and at a URL: one conformance suite for both."""

import sys
import uuid
from datetime import UTC, datetime

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import s3_server

from mlops_nb import config
from mlops_nb.errors import Refused
from mlops_nb.storage.predictions import open_predictions
from mlops_nb.storage.predictions_local import LocalPredictions
from mlops_nb.storage.predictions_remote import RemotePredictions

DAY, NEXT = "2026-01-31", "2026-02-01"


@pytest.fixture(scope="session")
def bucket():
    """Return the URL of a bucket of a server of S3."""
    with s3_server.running():
        yield f"s3://{s3_server.BUCKET}"


@pytest.fixture(params=["folder", "folder of the project", "memory", "file", "s3"])
def files(request, tmp_path):
    if request.param == "memory":
        yield RemotePredictions(f"memory://{uuid.uuid4().hex}/m")
    elif request.param == "s3":
        bucket = request.getfixturevalue("bucket")
        yield RemotePredictions(f"{bucket}/{uuid.uuid4().hex}/m")
    elif request.param == "file":
        yield RemotePredictions(f"file://{tmp_path}/logs/m")
    elif request.param == "folder":
        yield LocalPredictions(tmp_path / "logs" / "m")
    else:
        (tmp_path / ".mlops").mkdir(mode=0o700)
        yield LocalPredictions(tmp_path / ".mlops" / "predictions" / "m")
    fsspec.filesystem("memory").store.clear()


def table(*values):
    return pa.table({"x": list(values)})


def read(files, day):
    found = []
    for file in files.entries(day):
        with files.open(day, file.name) as opened:
            found += pq.read_table(opened)["x"].to_pylist()
    return found


def test_nothing_is_there_before_the_first_write_and_reading_makes_nothing(files, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    assert files.days() == []
    assert files.entries(DAY) == []
    files.recover()
    assert sorted(tmp_path.rglob("*")) == before
    with pytest.raises(FileNotFoundError):
        files.open(DAY, "none.parquet")


def test_tables_are_files_of_their_days_the_oldest_first(files):
    for day, value in ((NEXT, 3), (DAY, 1), (DAY, 2)):
        files.write(day, table(value))
    assert files.days() == [DAY, NEXT]
    assert [read(files, day) for day in (DAY, NEXT)] == [[1, 2], [3]]
    found = files.entries(DAY)
    assert all(file.name.endswith(".parquet") and file.size > 0 for file in found)
    assert all(abs(file.changed - datetime.now(UTC).timestamp()) < 60 for file in found)


def test_a_table_takes_the_place_of_others(files):
    for value in (1, 2, 3):
        files.write(DAY, table(value))
    old = [file.name for file in files.entries(DAY)][:2]
    files.write(DAY, table(1, 2), instead_of=old)
    assert sorted(read(files, DAY)) == [1, 2, 3]
    assert len(files.entries(DAY)) == 2


def test_a_damaged_file_is_set_aside_and_a_day_is_removed(files):
    files.write(DAY, table(1))
    files.write(NEXT, table(2))
    name = files.entries(DAY)[0].name
    files.set_aside(DAY, name)
    assert [file.name for file in files.entries(DAY)] == [name.replace(".parquet", ".damaged")]
    files.remove(DAY)
    assert files.days() == [NEXT]


def test_files_are_for_their_owner_alone(tmp_path):
    (tmp_path / ".mlops").mkdir(mode=0o700)
    for folder in (tmp_path / "logs" / "m", tmp_path / ".mlops" / "predictions" / "m"):
        files = LocalPredictions(folder)
        files.write(DAY, table(1))
        (file,) = folder.glob("*/*.parquet")
        assert file.stat().st_mode & 0o777 == 0o600
    (tmp_path / ".mlops").chmod(0o2770)
    files.write(NEXT, table(1))
    (file,) = folder.glob(f"day={NEXT}/*.parquet")
    assert file.stat().st_mode & 0o777 == 0o660


def test_the_setting_names_a_folder_or_a_url(tmp_path, monkeypatch):
    def opened(place):
        settings = config.load(tmp_path, {"MLOPS_NB_PREDICTIONS": place})
        return open_predictions(settings, "m")

    assert opened("").where == str(tmp_path / ".mlops" / "predictions" / "m")
    assert opened("logs").where == str(tmp_path / "logs" / "m")
    assert opened("/elsewhere").where == "/elsewhere/m"
    assert opened("memory://a/b/").where == "memory://a/b/m"
    with pytest.raises(Refused, match="cannot be at moon://a/m"):
        opened("moon://a")
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(Refused, match="fsspec is not installed") as refused:
        opened("s3://user:password@bucket/logs")
    assert "password" not in str(refused.value)
    assert "mlops-nb[remote]" in refused.value.fix


def test_errors_of_a_file_system_are_those_of_the_operating_system(monkeypatch):
    files = RemotePredictions("memory://a/m")

    def refuse(*_, **__):
        raise RuntimeError("no credentials")

    monkeypatch.setattr(files.system, "ls", refuse)
    with pytest.raises(OSError, match="RuntimeError: no credentials"):
        files.days()
