"""Sensors: what makes each of them say that a job is to run, and what does not."""

import os
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_nb import plugins
from mlops_nb.errors import JobError
from mlops_nb.events import Evaluated
from mlops_nb.jobs import poll
from mlops_nb.jobs.model import Job
from mlops_nb.jobs.triggers import data
from mlops_nb.jobs.triggers.base import View
from mlops_nb.runs.history import Run

NOW = datetime(2026, 3, 1, tzinfo=UTC)
GLOB = {"data": "in/*.csv"}


def view(folder=Path(), **more):
    given = {"now": NOW, "since": NOW, "known": {}} | more
    return View(job=Job(name="j", notebook="n", folder=".", source="n"), folder=folder, **given)


def write(file, text, age=60.0):
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    os.utime(file, (time.time() - age, time.time() - age))
    return file


def fired(folder, known=None, notes=None):
    notes = {} if notes is None else notes
    found = data.SENSOR.signal(GLOB, view(folder, known=known or {}, notes=notes))
    return None if found is None else sorted(found.seen["files"])


@pytest.mark.parametrize("kind", plugins.names(poll.TRIGGERS))
def test_every_sensor_is_found_by_its_name_and_says_nothing_of_nothing(kind, tmp_path):
    wish = {kind: "x" if kind in {"data", "job"} else 0.1, "fall": 0.1}
    found = poll.sensor(kind)
    assert found.cooldown >= 0
    assert found.signal(wish, view(tmp_path)) is None


def test_a_trigger_that_no_sensor_knows_is_refused():
    with pytest.raises(poll.JobError, match="no sensor"):
        poll.sensor("moon")


def test_a_new_file_counts_and_is_named(tmp_path):
    write(tmp_path / "in" / "a.csv", "1")
    signal = data.SENSOR.signal(GLOB, view(tmp_path))
    assert signal.because == "new data: in/a.csv"
    assert len(signal.seen["files"]["in/a.csv"]) == 64


def test_a_file_that_grew_a_moment_ago_does_not_count_yet(tmp_path):
    write(tmp_path / "in" / "a.csv", "1", age=0.0)
    notes = {}
    assert fired(tmp_path, notes=notes) is None
    write(tmp_path / "in" / "a.csv", "12")  # and has stopped growing since
    assert fired(tmp_path, notes=notes) == ["in/a.csv"]


def test_a_file_whose_clock_is_ahead_counts_once_it_was_seen_unchanged_for_a_while(tmp_path):
    file = write(tmp_path / "in" / "a.csv", "1", age=-3600)
    notes = {}
    view_of = view(tmp_path, notes=notes)
    assert data.SENSOR.signal(GLOB, view_of) is None
    assert notes["settling"] == 1
    notes["files"]["in/a.csv"][2] -= 2 * data.SETTLE  # it was seen for the first time long ago
    assert data.SENSOR.signal(GLOB, view_of).seen["files"].keys() == {"in/a.csv"}
    assert notes["settling"] == 0
    assert file.exists()


def test_content_decides_what_is_new(tmp_path):
    write(tmp_path / "in" / "a.csv", "1")
    known = data.present(tmp_path, GLOB["data"])
    assert fired(tmp_path, known) is None
    write(tmp_path / "in" / "a.csv", "1", age=30)  # touched
    write(tmp_path / "in" / "copy.csv", "1")  # the same once more
    assert fired(tmp_path, known) is None
    write(tmp_path / "in" / "a.csv", "2")  # repaired
    assert fired(tmp_path, known) == ["in/a.csv"]


def test_a_file_that_was_read_once_is_not_read_again(tmp_path):
    file = write(tmp_path / "in" / "a.csv", "1")
    kept = view(tmp_path)
    digest = data.SENSOR.signal(GLOB, kept).seen["files"]["in/a.csv"]
    stat = file.stat()
    file.write_text("2")  # of the same size, and dated back: only reading it could tell
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert data.SENSOR.signal(GLOB, kept).seen["files"]["in/a.csv"] == digest


def test_many_new_files_are_counted_and_few_of_them_named(tmp_path):
    for number in range(7):
        write(tmp_path / "in" / f"{number}.csv", str(number))
    signal = data.SENSOR.signal(GLOB, view(tmp_path))
    assert signal.because == "new data: in/0.csv, in/1.csv, in/2.csv and 4 more"


def finished(name, at):
    return Run(id=name, job="weather", exit_status=0, finished=at)


def test_a_job_follows_the_latest_run_of_another_that_finished_and_only_once():
    done = {"weather": finished("a2", "2026-03-01T02:00:00+00:00")}
    sensor = poll.sensor("job")
    for followed in ({}, {"weather": "a1"}, {"news": "a2"}):
        signal = sensor.signal({"job": "weather"}, view(done=done, followed=followed))
        assert (signal.because, signal.seen) == ("job weather finished run a2", {"run": "a2"})
    assert sensor.signal({"job": "weather"}, view(done=done, followed={"weather": "a2"})) is None
    assert sensor.signal({"job": "news"}, view(done=done)) is None


def test_runs_that_finished_before_the_job_was_there_do_not_count():
    done = {"weather": finished("a", "2026-02-28T01:00:00+00:00")}
    assert poll.sensor("job").signal({"job": "weather"}, view(done=done)) is None


def evaluated(value, version=2, drift=()):
    return Evaluated(id=9, model="m", version=version, metrics={"auc": value}, drift=drift)


@pytest.mark.parametrize(
    ("value", "version", "fires"),
    [(0.64, 2, True), (0.66, 2, False), (0.9, 2, False), (0.1, 1, False)],
)
def test_a_metric_fires_where_the_version_that_answers_fell_far_enough(value, version, fires):
    given = view(champion=(2, {"auc": 0.7}), evaluated=[evaluated(value, version)])
    signal = poll.sensor("metric").signal({"metric": "auc", "fall": 0.05}, given)
    assert (signal is not None) == fires
    if fires:
        assert signal.because.startswith("auc of version 2 fell to 0.64, more than 0.05 below 0.7")


def test_drift_fires_by_the_share_of_columns_that_moved_and_names_the_worst():
    drift = tuple(
        {"column": c, "statistic": "psi", "value": v, "drifted": v > 0.1}
        for c, v in (("a", 0.3), ("b", 0.01), ("c", 0.5), ("d", 0.02))
    )
    given = view(evaluated=[evaluated(0.7, drift=drift)])
    sensor = poll.sensor("drift")
    assert sensor.signal({"drift": 0.6}, given) is None
    signal = sensor.signal({"drift": 0.5}, given)
    assert signal.because == "the values of 2 of 4 columns moved: c (psi 0.5), a (psi 0.3)"


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("/abs/*.csv", "not relative"),
        ("//abs/*.csv", "not relative"),
        ("~/data/*.csv", "not relative"),
        ("s3://bucket/*.csv", "not relative"),
        ("C:/data/*.csv", "not relative"),
        ("**.csv", "beside other letters"),
        ("data/**x/*.csv", "beside other letters"),
        ("", "names no file"),
        (" ", "names no file"),
        (".", "names no file"),
        ("a\0b", "names no file"),
        ("data/", "matches folders"),
        ("data/**", "matches folders"),
        ("../../*.csv", "leaves the project"),
        ("../**/../*.csv", "leaves the project"),
        ("a/../../../*.csv", "leaves the project"),
        ("x" * 256, "too long"),
    ],
)
def test_a_glob_that_matches_no_file_of_the_project_is_refused(pattern, said):
    with pytest.raises(JobError) as refused:
        data.refuse(pattern, "notebooks")
    assert said in refused.value.what
    assert "data/*.parquet" in refused.value.fix
    job = Job(name="j", notebook="n", folder="notebooks", source="n", triggers=({"data": pattern},))
    with pytest.raises(JobError):
        data.SENSOR.signal(job.triggers[0], msgspec.structs.replace(view(), job=job))


@pytest.mark.parametrize("pattern", ["*.csv", "../data/*.csv", "./a/**/*.csv", "a b/[x-z]?.c"])
def test_a_glob_within_the_project_is_accepted(pattern):
    data.refuse(pattern, "notebooks")


@settings(deadline=None)
@given(pattern=st.one_of(st.text(max_size=12), st.text(alphabet="*?[]./\\~!-ab :\0", max_size=12)))
def test_every_glob_that_is_accepted_can_be_matched(pattern):
    try:
        data.refuse(pattern, ".")
    except JobError:
        return
    with tempfile.TemporaryDirectory() as folder:
        assert data.look(Path(folder), pattern, {}) == {}
        assert data.present(Path(folder), pattern) == {}
