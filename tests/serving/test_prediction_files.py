"""Reading a prediction log: the days it needs, one row a request, bad files named."""

import itertools
import os
import time
import uuid
import warnings
from datetime import UTC, datetime, timedelta, timezone

import fsspec
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from logging_rows import package_of, rows

from mlops_nb.serving import prediction_files
from mlops_nb.serving.prediction_table import by_day, table_of
from mlops_nb.storage.predictions_local import LocalPredictions
from mlops_nb.storage.predictions_remote import RemotePredictions

START = datetime(2026, 1, 30, tzinfo=UTC)
KOREA = timezone(timedelta(hours=9))


@pytest.fixture(params=["folder", "memory"])
def files(request, tmp_path):
    if request.param == "folder":
        yield LocalPredictions(tmp_path / "m")
    else:
        yield RemotePredictions("memory://logs/m")
        fsspec.filesystem("memory").store.clear()


def write(files, *groups):
    for group in groups:
        for day, table in by_day(table_of(package_of(), [group])):
            files.write(day, table)


def at(days: float) -> float:
    return (START + timedelta(days=days)).timestamp()


def test_rows_are_sorted_by_time_with_inputs_and_features(files):
    write(files, rows("c", at=at(1.5)), rows("a", at=at(0)), rows("b", at=at(0.5), city="Busan"))
    found = prediction_files.read(files)
    assert found["request_id"].tolist() == ["a", "b", "c"]
    assert found["in_city"].tolist() == ["a", "Busan", "a"]
    assert {"prediction", "score", "seconds", "in_age", "f_old"} <= set(found)
    assert str(found["time"].dtype) == "datetime64[us, UTC]"


def test_an_empty_log_is_an_empty_frame_with_its_columns(files):
    found = prediction_files.read(files)
    assert len(found) == 0
    assert list(found) == list(prediction_files.COLUMNS)
    write(files, rows("a", at=at(0)))
    assert len(prediction_files.read(files, START + timedelta(days=9))) == 0


times = st.floats(0, 4).map(at)
stamps = st.one_of(st.none(), st.floats(-1, 5).map(lambda d: START + timedelta(days=d)))


@settings(max_examples=40, deadline=None)
@given(
    groups=st.lists(st.tuples(st.sampled_from("abcdef"), times), min_size=1, max_size=12),
    since=stamps,
    until=stamps,
)
def test_what_is_read_equals_reading_everything_and_choosing(groups, since, until):
    files = RemotePredictions(f"memory://{uuid.uuid4().hex}/m")
    write(files, *(rows(one, at=when) for one, when in groups))
    moved = [None if t is None else t.astimezone(KOREA) for t in (since, until)]
    found = prediction_files.read(files, *moved)
    expected = {}
    for one, when in sorted(groups, key=lambda g: round(g[1] * 1e6)):
        micro = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=round(when * 1e6))
        if (since is None or micro >= since) and (until is None or micro < until):
            expected.setdefault(one, micro)
    assert dict(zip(found["request_id"], found["time"], strict=True)) == expected
    fsspec.filesystem("memory").store.clear()


def test_only_the_days_of_the_interval_are_opened(files):
    write(files, *(rows(str(day), at=at(day + 0.5)) for day in range(5)))
    opened = []
    real = files.open
    files.open = lambda day, name: (opened.append(day), real(day, name))[1]
    found = prediction_files.read(files, START + timedelta(days=1), START + timedelta(days=2.9))
    assert found["request_id"].tolist() == ["1", "2"]
    assert opened == ["2026-01-31", "2026-02-01"]


def test_shadow_and_dropped_rows_are_no_answers_unless_asked_for(files):
    every = ("live", "shadow", "canary", "batch", "dropped")
    write(files, *(rows(s, at=at(n), source=s) for n, s in enumerate(every)))
    assert prediction_files.read(files)["request_id"].tolist() == ["live", "canary", "batch"]
    assert prediction_files.read(files, sources=["shadow"])["request_id"].tolist() == ["shadow"]


def test_damaged_and_foreign_files_are_named_and_the_others_are_read(tmp_path):
    files = LocalPredictions(tmp_path / "m")
    write(files, rows("a", at=at(0)))
    day = tmp_path / "m" / "day=2026-01-30"
    whole = next(day.glob("*.parquet")).read_bytes()
    (day / "torn.parquet").write_bytes(whole[: len(whole) // 2])
    (day / "broken.parquet").write_bytes(b"PAR1" + bytes(len(whole)) + b"PAR1")
    pq.write_table(pa.table({"x": [1]}), day / "foreign.parquet")
    (day / "note.txt").write_text("hello")
    (tmp_path / "m" / "day=tomorrow").mkdir()
    (tmp_path / "m" / "other").mkdir()
    with pytest.warns(UserWarning, match=r"broken.parquet, foreign.parquet, torn.parquet") as told:
        found = prediction_files.read(files)
    assert found["request_id"].tolist() == ["a"]
    assert len(told) == 1


def test_a_merge_while_it_is_read_loses_no_row(tmp_path):
    files = LocalPredictions(tmp_path / "m")
    write(files, *(rows(f"r{n}", at=at(0)) for n in range(20)))
    for file in (tmp_path / "m").rglob("*.parquet"):
        os.utime(file, (0, 0))
    real, count = files.open, itertools.count()

    def open_and_merge(day, name):
        if next(count) == 3:
            files.open = real
            prediction_files.compact(files, day)
        return real(day, name)

    files.open = open_and_merge
    assert len(prediction_files.read(files)) == 20
    assert len(files.entries("2026-01-30")) == 1


def test_large_files_are_not_merged_again(tmp_path, monkeypatch):
    files = LocalPredictions(tmp_path / "m")
    monkeypatch.setattr(prediction_files, "BIG", 6000)
    write(files, rows(*(f"big{n}" for n in range(2000)), at=at(0)))
    write(files, *(rows(f"r{n}", at=at(0)) for n in range(20)))
    for file in (tmp_path / "m").rglob("*.parquet"):
        os.utime(file, (0, 0))
    big = max(files.entries("2026-01-30"), key=lambda file: file.size)
    prediction_files.compact(files, "2026-01-30")
    assert big.name in [file.name for file in files.entries("2026-01-30")]


def test_a_day_of_many_rows_is_read_in_seconds(tmp_path):
    files = LocalPredictions(tmp_path / "m")
    many = 200_000
    write(files, rows(*map(str, range(many)), at=at(0)))
    began = time.monotonic()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = prediction_files.read(files)
    assert isinstance(found, pd.DataFrame)
    assert len(found) == many
    assert time.monotonic() - began < 20
