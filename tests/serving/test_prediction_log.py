"""The prediction log: rows by day, merged without loss, set aside where they are torn."""

import os
import time
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from mlops_nb.models.package import Package
from mlops_nb.serving import prediction_log
from mlops_nb.serving.prediction_log import PredictionLog, Rows

SIGNATURE = {
    "columns": [
        {"name": "age", "kind": "int", "dtype": "int64", "missing": False},
        {"name": "city", "kind": "text", "dtype": "str", "missing": False},
    ],
    "features": ["old"],
    "answer": {"kind": "label", "classes": [0, 1]},
}
TODAY = datetime.now(UTC).date().isoformat()


@pytest.fixture
def log(tmp_path):
    (tmp_path / ".mlops").mkdir(mode=0o700)
    made = PredictionLog(tmp_path / ".mlops" / "predictions" / "m")
    made.packages[3] = Package(
        folder=Path(),
        model="m",
        version=3,
        python="",
        signature=SIGNATURE,
        independent=True,
        golden={},
        about={},
    )
    made.start()
    return made


def rows(*ids: str, at: float | None = None) -> Rows:
    count = len(ids)
    answer = {"predictions": [1] * count, "scores": [0.5] * count, "features": {"old": [0] * count}}
    asked = {"age": list(range(count)), "city": ["a"] * count}
    return Rows(
        version=3,
        ids=ids,
        times=[at or time.time()] * count,
        seconds=[0.01] * count,
        answers=[(answer, asked)],
    )


def read(folder: Path) -> list[dict]:
    files = sorted(folder.glob("day=*/*.parquet"))
    return [row for file in files for row in pq.ParquetFile(file).read().to_pylist()]


def test_answers_are_on_record_by_day_with_inputs_and_features(log):
    log.put(rows("a", "b"))
    log.put(rows("c", at=1.0))
    log.close()
    assert {p.name for p in log.folder.iterdir()} == {f"day={TODAY}", "day=1970-01-01"}
    found = {row["request_id"]: row for row in read(log.folder)}
    assert set(found) == {"a", "b", "c"}
    assert found["b"] | {"time": None} == {
        "request_id": "b",
        "time": None,
        "model_version": 3,
        "source": "live",
        "prediction": 1,
        "score": 0.5,
        "seconds": 0.01,
        "in_age": 1,
        "in_city": "a",
        "f_old": 0.0,
    }
    file = next(log.folder.glob(f"day={TODAY}/*.parquet"))
    assert file.stat().st_mode & 0o077 == 0


def test_what_was_dropped_is_a_row_of_its_own_kind(log):
    log.note_dropped(3, 2)
    log.close()
    assert [row["source"] for row in read(log.folder)] == ["dropped", "dropped"]


def test_many_small_files_are_merged_and_no_row_is_lost_or_doubled(log):
    log.close()
    day = log.folder / f"day={TODAY}"
    names = [f"r{n}" for n in range(40)]
    for name in names:
        file = prediction_log.write(day, prediction_log.table_of(log.packages[3], [rows(name)]))
        os.utime(file, (0, 0))
    torn = day / "0-torn.parquet"
    torn.write_bytes(b"PAR1 and no more")
    os.utime(torn, (0, 0))
    prediction_log.compact(day)
    assert len(list(day.glob("*.parquet"))) == 1
    assert sorted(row["request_id"] for row in read(log.folder)) == sorted(names)
    assert [p.name for p in day.glob("*.damaged")] == ["0-torn.damaged"]


@pytest.mark.parametrize("removed", [0, 1, 20])
def test_a_merge_that_was_cut_off_is_finished_by_the_next_process(log, removed, monkeypatch):
    log.close()
    day = log.folder / f"day={TODAY}"
    for n in range(20):
        file = prediction_log.write(day, prediction_log.table_of(log.packages[3], [rows(f"r{n}")]))
        os.utime(file, (0, 0))
    with monkeypatch.context() as killed:
        killed.setattr(prediction_log, "finish_merge", lambda _: None)
        prediction_log.compact(day)
    for file in sorted(day.glob("*.parquet"))[:removed]:
        file.unlink()
    again = PredictionLog(log.folder)
    again.start()
    again.close()
    assert sorted(row["request_id"] for row in read(log.folder)) == sorted(
        f"r{n}" for n in range(20)
    )
    assert len(list(day.iterdir())) == 1
