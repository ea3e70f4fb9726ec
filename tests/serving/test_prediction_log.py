"""The prediction log: rows by day, merged without loss, set aside where they are torn."""

import os
import subprocess
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from logging_rows import log_in, logged, package_of, rows
from small_disk import mounted

from mlops_nb.errors import JobError
from mlops_nb.serving import prediction_files, prediction_log
from mlops_nb.serving.prediction_table import table_of
from mlops_nb.storage import predictions_local

TODAY = datetime.now(UTC).date().isoformat()
MIDNIGHT = datetime(2026, 3, 1, tzinfo=UTC).timestamp()


@pytest.fixture
def log(tmp_path):
    made = log_in(tmp_path)
    made.start()
    return made


def folder_of(log):
    return log.files.folder


def test_answers_are_on_record_by_day_with_inputs_and_features(log):
    log.put(rows("a", "b"))
    log.put(rows("c", at=1.0))
    log.close()
    assert {p.name for p in folder_of(log).iterdir()} == {f"day={TODAY}", "day=1970-01-01"}
    found = {row["request_id"]: row for row in logged(folder_of(log))}
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
    file = next(folder_of(log).glob(f"day={TODAY}/*.parquet"))
    assert file.stat().st_mode & 0o077 == 0


def test_what_was_dropped_is_a_row_of_its_own_kind(log):
    log.note_dropped(3, 2)
    log.close()
    assert [row["source"] for row in logged(folder_of(log))] == ["dropped", "dropped"]


def test_many_small_files_are_merged_and_no_row_is_lost_or_doubled(log):
    log.close()
    day = folder_of(log) / f"day={TODAY}"
    names = [f"r{n}" for n in range(40)]
    for name in names:
        log.files.write(TODAY, table_of(log.packages[3], [rows(name)]))
    for file in day.iterdir():
        os.utime(file, (0, 0))
    torn = day / "0-torn.parquet"
    torn.write_bytes(b"PAR1 and no more")
    os.utime(torn, (0, 0))
    prediction_files.compact(log.files, TODAY)
    assert len(list(day.glob("*.parquet"))) == 1
    assert sorted(row["request_id"] for row in logged(folder_of(log))) == sorted(names)
    assert [p.name for p in day.glob("*.damaged")] == ["0-torn.damaged"]


def test_files_of_a_clock_that_was_a_day_ahead_are_merged(log):
    for n in range(20):
        log.put(rows(f"r{n}", at=MIDNIGHT + n))
        until(lambda n=n: len(logged(folder_of(log))) == n + 1)
    log.close()
    ahead = time.time() + 86400
    for file in folder_of(log).glob("*/*.parquet"):
        os.utime(file, (ahead, ahead))
    prediction_files.compact(log.files, "2026-03-01")
    assert len([*folder_of(log).glob("*/*.parquet")]) == 1
    assert {row["request_id"] for row in logged(folder_of(log))} == {f"r{n}" for n in range(20)}


@pytest.mark.parametrize("removed", [0, 1, 20])
def test_a_merge_that_was_cut_off_is_finished_by_the_next_process(
    log, removed, tmp_path, monkeypatch
):
    log.close()
    day = folder_of(log) / f"day={TODAY}"
    for n in range(20):
        log.files.write(TODAY, table_of(log.packages[3], [rows(f"r{n}")]))
    for file in day.iterdir():
        os.utime(file, (0, 0))
    with monkeypatch.context() as killed:
        killed.setattr(predictions_local, "finish_merge", lambda _: None)
        prediction_files.compact(log.files, TODAY)
    for file in sorted(day.glob("*.parquet"))[:removed]:
        file.unlink()
    again = log_in(tmp_path)
    again.start()
    again.close()
    assert sorted(row["request_id"] for row in logged(folder_of(log))) == sorted(
        f"r{n}" for n in range(20)
    )
    assert len(list(day.iterdir())) == 1


def test_a_row_is_in_the_folder_of_its_own_day(log):
    before, after = rows("a", "b", at=MIDNIGHT), rows("c", at=MIDNIGHT + 0.1)
    split = prediction_log.Rows(
        **{n: getattr(before, n) for n in ("version", "ids", "seconds", "answers")},
        times=[MIDNIGHT - 1e-6, MIDNIGHT],
    )
    log.put(split)
    log.put(after)
    log.close()
    found = {row["request_id"]: row["time"] for row in logged(folder_of(log))}
    assert set(found) == {"a", "b", "c"}
    for day, ids in (("2026-02-28", {"a"}), ("2026-03-01", {"b", "c"})):
        rows_of = [log.files.entries(day), prediction_files.read(log.files)]
        assert len(rows_of[0]) == 1
        kept = rows_of[1][rows_of[1]["time"].dt.strftime("%Y-%m-%d") == day]
        assert set(kept["request_id"]) == ids


def test_a_repeated_request_id_is_merged_to_its_first_row(log):
    log.close()
    for n in range(20):
        log.files.write(
            TODAY, table_of(log.packages[3], [rows("same", at=MIDNIGHT + n, city=str(n))])
        )
        log.files.write(TODAY, table_of(log.packages[3], [rows("same", source="shadow")]))
    for file in folder_of(log).glob("*/*"):
        os.utime(file, (0, 0))
    prediction_files.compact(log.files, TODAY)
    found = logged(folder_of(log))
    assert [(row["source"], row["in_city"]) for row in found] == [("live", "0"), ("shadow", "a")]


def test_columns_whose_types_clash_are_merged_as_texts(log):
    log.close()
    texts = package_of(columns=[{"name": "age", "kind": "text"}])
    for n in range(20):
        asked = rows(f"r{n}", age=n if n % 2 else str(n))
        log.files.write(TODAY, table_of(log.packages[3] if n % 2 else texts, [asked]))
    for file in folder_of(log).glob("*/*"):
        os.utime(file, (0, 0))
    prediction_files.compact(log.files, TODAY)
    assert {row["request_id"][1:] for row in logged(folder_of(log))} == {
        row["in_age"] for row in logged(folder_of(log))
    }
    assert len(log.files.entries(TODAY)) == 1


def test_two_processes_that_merge_lose_and_double_nothing(log):
    log.close()
    for n in range(20):
        log.files.write(TODAY, table_of(log.packages[3], [rows(f"r{n}")]))
    names = [file.name for file in log.files.entries(TODAY)]
    whole = table_of(log.packages[3], [rows(*(f"r{n}" for n in range(20)))])
    lock = predictions_local.scratch.lock_of(folder_of(log))
    log.files.write(TODAY, whole, instead_of=names)  # another one holds the lock
    assert [file.name for file in log.files.entries(TODAY)] == names
    predictions_local.scratch.release(lock)
    for _ in range(2):  # the second finds that its files are merged
        log.files.write(TODAY, whole, instead_of=names)
        assert sorted(row["request_id"] for row in logged(folder_of(log))) == sorted(
            f"r{n}" for n in range(20)
        )
    assert len(log.files.entries(TODAY)) == 1


def test_the_file_that_another_process_writes_is_left_alone_at_start(log, tmp_path):
    log.put(rows("a"))
    log.close()
    part = folder_of(log) / f"day={TODAY}" / "1-abc.part"
    part.write_bytes(b"PAR1")
    log_in(tmp_path).files.recover()
    assert part.exists()
    os.utime(part, (0, 0))
    log_in(tmp_path).files.recover()
    assert not part.exists()


@pytest.fixture
def small_disk(tmp_path):
    """A log on a disk of 512 KiB."""
    with mounted(tmp_path / "small", "512k") as folder:
        yield folder


def until(holds):
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_full_disk_lets_rows_wait_and_what_is_dropped_is_told(small_disk, monkeypatch, capsys):
    monkeypatch.setattr(prediction_log, "MOST_ROWS", 100)
    log = log_in(small_disk)
    log.start()
    log.put(rows("before"))
    until(lambda: logged(folder_of(log)))
    ballast = small_disk / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):  # until it is full
        while True:
            file.write(b"x" * 4096)
    log.put(rows(*(f"old{n}" for n in range(30)), at=MIDNIGHT))
    until(lambda: log.fails)
    log.put(rows(*(f"new{n}" for n in range(90))))
    until(lambda: log.counts["mlops_nb_dropped_total"])
    assert [row["request_id"] for row in logged(folder_of(log))] == ["before"]
    ballast.unlink()
    until(lambda: not log.fails)
    log.put(rows("after"))
    log.close()
    found = logged(folder_of(log))
    answers = {row["request_id"] for row in found if row["source"] == "live"}
    kept_old = {f"old{n}" for n in range(20, 30)}
    assert answers == {"before", "after", *kept_old, *(f"new{n}" for n in range(90))}
    dropped = [row for row in found if row["source"] == "dropped"]
    assert len(dropped) == log.counts["mlops_nb_dropped_total"] == 20
    assert {row["time"].timestamp() for row in dropped} == {MIDNIGHT}
    assert not [*folder_of(log).rglob("*.part"), *folder_of(log).rglob("*.damaged")]
    told = capsys.readouterr().err
    assert told.count("cannot be written, and rows wait") == 1
    assert "is written again" in told


def test_rows_that_no_table_can_hold_are_dropped_alone(log):
    bad = rows("bad")
    bad.answers[0][1]["age"].append(1)
    log.put(bad)
    log.put(rows("good"))
    log.close()
    found = {row["source"]: row["request_id"] for row in logged(folder_of(log))}
    assert found["live"] == "good"
    assert set(found) == {"live", "dropped"}
    assert log.counts["mlops_nb_dropped_total"] == 1


def test_the_sample_is_chosen_by_request_and_what_is_left_out_is_counted(tmp_path):
    log = log_in(tmp_path, sample=0.5)
    log.start()
    ids = [f"r{n}" for n in range(200)]
    for source in ("live", "shadow", "batch"):
        log.put(rows(*ids, source=source))
    log.close()
    found = {
        s: {r["request_id"] for r in logged(folder_of(log)) if r["source"] == s}
        for s in ("live", "shadow", "batch", "dropped")
    }
    assert found["live"] == found["shadow"]
    assert 60 < len(found["live"]) < 140
    assert len(found["batch"]) == 200
    assert not found["dropped"]
    assert log.counts["mlops_nb_sampled_out_total"] == 400 - 2 * len(found["live"])


def test_masked_values_are_in_no_byte_of_the_disk(tmp_path):
    log = log_in(tmp_path, drop=("city", "old"), hash=("age",), subject="city")
    log.start()
    log.put(rows("a", city="Alexandria", age=987654321))
    log.note_dropped(3, 2)
    log.close()
    written = b"".join(p.read_bytes() for p in (tmp_path / ".mlops").rglob("*") if p.is_file())
    assert b"Alexandria" not in written
    live = next(row for row in logged(folder_of(log)) if row["source"] == "live")
    assert not {"in_city", "f_old"} & set(live)
    assert live["in_age"] == log.pseudonym("987654321")
    assert live["subject"] == log.pseudonym("Alexandria")
    assert all("in_city" not in row for row in logged(folder_of(log)))


def test_without_a_key_rows_wait_and_nothing_is_written_as_it_is(tmp_path):
    log = log_in(tmp_path, hash=("city",))
    key = tmp_path / ".mlops" / "predictions.key"
    key.write_text("damaged")
    log.start()
    log.put(rows("a", city="Alexandria"))
    until(lambda: log.fails)
    assert not logged(folder_of(log))
    key.unlink()
    log.close()
    assert [row["in_city"] for row in logged(folder_of(log))] == [log.pseudonym("Alexandria")]


def test_settings_are_read_again_and_unknown_columns_are_told(tmp_path, capsys):
    log = log_in(tmp_path, drop=("cty",), hash=("me", "who"), subject="who")
    log.follow(package_of(3))
    assert "version 3 does not have: drop: 'cty', hash: 'me'\n" in capsys.readouterr().err

    def broken():
        raise JobError("job.yaml is no YAML", fix="correct it")

    log.read_settings = broken
    log.refresh()
    assert log.settings.drop == ("cty",)
    assert "settings of before hold: job.yaml is no YAML" in capsys.readouterr().err


def test_two_logs_of_a_folder_that_is_read_lose_and_double_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(prediction_log, "WRITE_EVERY", 0.001)
    monkeypatch.setattr(prediction_log, "COMPACT_EVERY", 0.02)
    monkeypatch.setattr(prediction_files, "OLD", -60.0)
    monkeypatch.setattr(prediction_files, "SMALL", 3)
    logs = [log_in(tmp_path) for _ in range(2)]
    for log in logs:
        log.start()
    known: set[str] = set()
    for n in range(50):
        for which, log in enumerate(logs):
            log.put(rows(f"{which}-{n}", "common" if n == 7 else f"{which}+{n}"))
        found = set(prediction_files.read(logs[0].files)["request_id"])
        assert known <= found
        known = found
    for log in logs:
        log.close()
    ids = prediction_files.read(logs[0].files)["request_id"]
    assert ids.is_unique
    assert set(ids) == {f"{w}{s}{n}" for w in (0, 1) for s in "-+" for n in range(50)} - {
        "0+7",
        "1+7",
    } | {"common"}
    written = [row["request_id"] for row in logged(folder_of(logs[0]))]
    assert len(written) - len(set(written)) <= 1  # the common one, if it is in two files
    assert not [*folder_of(logs[0]).rglob("*.part"), *folder_of(logs[0]).rglob("merging.json")]


KILLED = """
import sys
from pathlib import Path
from logging_rows import log_in, rows
from mlops_nb.serving import prediction_files, prediction_log
prediction_log.WRITE_EVERY, prediction_log.COMPACT_EVERY = 0.001, 0.0
prediction_files.OLD, prediction_files.SMALL = -60.0, 3
log = log_in(Path(sys.argv[1]))
log.start()
for n in range(10**9):
    log.put(rows(f"{sys.argv[2]}-{n}"))
    while f"{sys.argv[2]}-{n}" not in set(prediction_files.read(log.files)["request_id"]):
        pass
    print(n, flush=True)
"""


@pytest.mark.parametrize("lines", [5, 17, 40])
def test_kill_9_at_any_moment_loses_no_row_that_was_written(tmp_path, lines):
    for number in range(3):
        words = [sys.executable, "-c", KILLED, str(tmp_path), str(number)]
        with subprocess.Popen(
            words, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent
        ) as process:
            last = [process.stdout.readline() for _ in range(lines + number)][-1]
            process.kill()
        log = log_in(tmp_path)
        assert {f"{number}-{n}" for n in range(int(last) + 1)} <= set(
            prediction_files.read(log.files)["request_id"]
        )
    log.start()
    log.close()
    written = [row["request_id"] for row in logged(folder_of(log))]
    assert len(written) == len(set(written))
