"""Days of prediction logs end with their time, whole and alone."""

import uuid
from datetime import UTC, datetime, timedelta

import fsspec
import pyarrow as pa
import pytest
from applied_job import job
from hypothesis import given
from hypothesis import settings as example_settings
from hypothesis import strategies as st

from mlops_nb.context import Context
from mlops_nb.governance import prediction_days
from mlops_nb.jobs import predictions
from mlops_nb.storage.predictions import open_predictions

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


@pytest.fixture(params=["folder", "memory"])
def ctx(request, tmp_path):
    (tmp_path / ".git").mkdir()
    url = f"memory://{uuid.uuid4().hex}" if request.param == "memory" else ""
    made = Context(tmp_path, {"MLOPS_NB_PREDICTIONS": url}, lambda: NOW)
    made.prepare_folder()
    yield made
    made.journal.close()
    fsspec.filesystem("memory").store.clear()


def log(ctx, model, *days):
    files = open_predictions(ctx.settings, model)
    for day in days:
        files.write(day, pa.table({"x": [1]}))
    return files


def test_whole_days_older_than_job_yaml_says_are_removed(ctx):
    job(ctx, "short", "a", keep="2d")
    job(ctx, "long", "b")
    days = ("2025-01-01", "2026-03-07", "2026-03-08", "2026-03-10")
    a, b = log(ctx, "a", *days), log(ctx, "b", *days)
    unknown = log(ctx, "a", "tomorrow", "2025-02-31")
    stranger = log(ctx, "stranger", *days)
    kept = predictions.kept(ctx)
    assert kept == {"a": timedelta(days=2), "b": timedelta(days=180)}
    size = prediction_days.size(ctx)
    assert size["files"] == 10
    freed = prediction_days.prune(ctx, kept, NOW)
    assert freed["removed"] == 3
    assert freed["bytes"] + prediction_days.size(ctx)["bytes"] == size["bytes"]
    assert a.days() == unknown.days() == ["2025-02-31", "2026-03-08", "2026-03-10", "tomorrow"]
    assert b.days() == ["2026-03-07", "2026-03-08", "2026-03-10"]
    assert stranger.days() == sorted(days)
    assert prediction_days.prune(ctx, kept, NOW) == {"removed": 0, "bytes": 0}


def test_a_link_in_place_of_a_day_is_left_alone(tmp_path):
    (tmp_path / ".git").mkdir()
    ctx = Context(tmp_path, {}, lambda: NOW)
    ctx.prepare_folder()
    other = tmp_path / "precious"
    other.mkdir()
    (other / "file").write_text("x")
    files = log(ctx, "a", "2026-03-10")
    (files.folder / "day=2020-01-01").symlink_to(other)
    prediction_days.prune(ctx, {"a": timedelta(days=1)}, NOW)
    assert (other / "file").exists()
    ctx.journal.close()


@example_settings(deadline=None)
@given(
    st.floats(0, 2e9),
    st.integers(0, 5000),
)
def test_no_row_is_removed_before_its_time(seconds, hours):
    at = datetime.fromtimestamp(seconds, UTC)
    keep = timedelta(hours=hours)
    day = at.date().isoformat()
    if prediction_days.is_over(day, keep, NOW):
        assert at + keep <= NOW
    elif at + timedelta(days=1) + keep <= NOW:
        pytest.fail("a day that is over stays")
