"""The prediction log at a URL of S3: written, merged, read, watched, and S3 away for a time."""

import socket
import time
import uuid

import pandas as pd
import pytest
import s3_server
from bank import ROW, Served, some_rows, until
from bank import bank as make_bank
from live_model import NOW, LiveModel, binary, labels_of
from logging_rows import package_of, rows

from mlops_nb.project import open_project
from mlops_nb.serving import prediction_files, prediction_log
from mlops_nb.serving.prediction_log import PredictionLog
from mlops_nb.serving.settings import PredictionSettings
from mlops_nb.storage.predictions import open_predictions
from mlops_nb.storage.predictions_remote import RemotePredictions

s3fs = pytest.importorskip("s3fs", reason=s3_server.MISSING)


@pytest.fixture(scope="module")
def s3():
    with s3_server.running() as server:
        yield server


@pytest.fixture
def url(s3):
    return f"s3://{s3_server.BUCKET}/{uuid.uuid4().hex}"


def log_at(url: str) -> PredictionLog:
    made = PredictionLog(RemotePredictions(f"{url}/m"), str, PredictionSettings)
    made.packages[3] = package_of()
    made.start()
    return made


def test_rows_are_written_merged_and_read_again(s3, url, monkeypatch):
    monkeypatch.setattr(prediction_files, "OLD", -1.0)
    log = log_at(url)
    ids = [f"r{n}" for n in range(40)]
    for place in range(0, 40, 2):
        log.put(rows(*ids[place : place + 2]))
        until(lambda: not log.queued and not log.tables)
    (day,) = log.files.days()
    before = len(log.files.entries(day))
    assert before > prediction_files.SMALL
    prediction_files.compact(log.files, day)
    assert len(log.files.entries(day)) == 1
    log.close()
    assert sorted(prediction_files.read(log.files)["request_id"]) == sorted(ids)
    assert [name.split("/")[1:3] for name in s3.names() if url[10:] in name] == [
        ["m", f"day={day}"]
    ]
    assert prediction_files.rows_a_day(log.files) == 40
    assert len(prediction_files.recent_rows(log.files, 15)) == 15


def test_while_s3_is_away_rows_wait_and_what_is_dropped_is_counted(s3, url, monkeypatch, capsys):
    monkeypatch.setattr(prediction_log, "MOST_ROWS", 100)
    log = log_at(url)
    log.put(rows("before"))
    until(lambda: not log.queued and not log.tables)
    s3.stop()
    try:
        log.put(rows(*(f"old{n}" for n in range(30))))
        until(lambda: log.fails)
        for place in range(10):
            log.put(rows(*(f"new{place}-{n}" for n in range(20))))  # returns while S3 is away
        until(lambda: log.counts["mlops_nb_dropped_total"] >= 130)
        assert prediction_files.recent_rows(log.files, 10) == []
        assert prediction_files.rows_a_day(log.files) == 0.0
    finally:
        s3.start()
    until(lambda: not log.fails)
    log.put(rows("after"))
    log.close()
    found = pd.concat(
        [prediction_files.read(log.files), prediction_files.read(log.files, sources=["dropped"])]
    )
    answers = found[found["source"] == "live"]["request_id"]
    assert {"before", "after"} <= set(answers)
    assert len(answers) + log.counts["mlops_nb_dropped_total"] == 1 + 30 + 200 + 1
    assert (found["source"] == "dropped").sum() == log.counts["mlops_nb_dropped_total"]
    told = capsys.readouterr().err
    assert told.count("cannot be written, and rows wait") == 1
    assert "is written again" in told


def test_a_server_that_never_answers_holds_up_neither_answers_nor_the_end(
    s3, url, monkeypatch, capsys
):
    monkeypatch.setattr(prediction_log, "MOST_ROWS", 100)
    monkeypatch.setattr(prediction_log, "STUCK_AFTER", 1.0)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        s3fs.S3FileSystem.clear_instance_cache()
        log = log_at(url)
        log.put(rows("first"))
        until(lambda: log.is_stuck)
        for place in range(10):
            log.put(rows(*(f"r{place}-{n}" for n in range(20))))
        start = time.monotonic()
        log.close()
        assert time.monotonic() - start < 10
        assert log.lost == 201
        assert log.counts["mlops_nb_dropped_total"] == 100
        assert "101 rows are not in the prediction log" in capsys.readouterr().err
    log.thread.join()  # the socket is closed
    s3fs.S3FileSystem.clear_instance_cache()


def test_a_model_whose_log_is_on_s3_is_watched(tmp_path, url):
    (tmp_path / "mlops-nb.toml").write_text(f'predictions = "{url}"')
    answered = binary(1200)
    live = LiveModel(tmp_path, answered[["age", "city"]])
    live.log = open_predictions(live.open().context.settings, "m")
    live.answer(answered.drop(columns="label"), files=3)
    assert not (tmp_path / ".mlops" / "predictions").exists()
    assert live.label(labels_of(answered))["matched"] == 1200
    found = live.watch()
    assert found["rows"] == 1200
    accuracy = next(m for m in found["metrics"] if m["metric"] == "accuracy")
    share = (answered["prediction"] == answered["label"]).mean()
    assert accuracy["value"] == pytest.approx(share)
    since = f"{NOW:%Y-%m-%d}"
    frame = live.open().predictions("m", since)
    assert len(frame) == (answered["time"] >= pd.Timestamp(since, tz="UTC")).sum()


def test_a_server_answers_while_s3_is_away_and_starts_without_it(s3, url, tmp_path):
    bank = make_bank(tmp_path)
    (bank.folder / "mlops-nb.toml").write_text(f'predictions = "{url}"')
    served = Served(bank)
    assert served.predict(*some_rows(20))[0] == 200
    until(lambda: len(logged(bank)) == 20)
    s3.stop()
    try:
        for row in some_rows(20, 2):
            assert served.predict(row)[0] == 200
        other = Served(bank)
        assert other.predict(ROW)[0] == 200
    finally:
        s3.start()
    until(lambda: len(logged(bank)) == 41)
    for one in (served, other):
        errors = one.stop()
        assert "Traceback" not in errors
        assert "not in the prediction log" not in errors
    assert not (bank.folder / ".mlops" / "predictions").exists()


def logged(bank):
    return open_project(bank.folder).predictions("credit")
