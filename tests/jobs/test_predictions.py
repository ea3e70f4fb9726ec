"""The settings of a prediction log come from the live job, and fit the model that it makes."""

import json
from datetime import UTC, datetime

import pytest
from applied_job import job

from mlops_nb.context import Context
from mlops_nb.errors import Failed, JobError
from mlops_nb.events import JobApplied, JobDrafted, ModelPackaged
from mlops_nb.jobs import predictions
from mlops_nb.jobs.registry import read_jobs
from mlops_nb.serving.settings import PredictionSettings, ServingNotes

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
ABOUT = {
    "signature": {
        "columns": [{"name": "age", "kind": "int"}],
        "features": ["old"],
        "answer": {"kind": "number", "classes": None},
    },
    "golden": {
        "rows": [{"age": 3}],
        "predictions": [1.5],
        "scores": None,
        "features": {"old": [0.5]},
    },
}


@pytest.fixture
def ctx(tmp_path):
    (tmp_path / ".git").mkdir()
    made = Context(tmp_path, {}, lambda: NOW)
    made.prepare_folder()
    yield made
    made.journal.close()


def test_the_job_that_was_applied_last_decides_and_without_one_the_defaults(ctx):
    assert predictions.settings_of(ctx, "a") == PredictionSettings()
    job(ctx, "one", "a", drop=("name",))
    job(ctx, "other", "b", drop=("else",))
    read = predictions.reader(ctx, "a")
    assert read().drop == ("name",)
    job(ctx, "one", "a", hash=("name",))
    assert (read().drop, read().hash) == ((), ("name",))


def test_a_definition_that_cannot_be_read_keeps_its_days_and_is_told(ctx):
    job(ctx, "one", "a")
    ctx.journal.append(
        JobApplied(
            job="one", digest="d", bundle="b", definition={"model": {"name": "a"}, "later": 1}
        )
    )
    assert predictions.kept(ctx) == {}
    assert len(ctx.warnings) == 1


def packaged(ctx, run):
    file = ctx.scratch("test") / "about.json"
    file.write_text(json.dumps(ABOUT))
    ctx.journal.append(ModelPackaged(run=run, artifact="a", about=ctx.store.put(file)))


def test_a_run_whose_model_lacks_a_column_is_not_released(ctx):
    packaged(ctx, "run")
    ctx.journal.append(ModelPackaged(run="other", error="it has no `predict`"))
    fits = job(ctx, "j", "m", drop=("age", "old"), subject="age")
    predictions.refuse_proven(ctx, fits, "run")
    predictions.refuse_proven(ctx, fits, "other")
    wrong = job(ctx, "j", "m", drop=("nme",), hash=("name", "id"), entity="id")
    with pytest.raises(Failed, match="does not have: drop: 'nme', hash: 'name'") as refused:
        predictions.refuse_proven(ctx, wrong, "run")
    assert "the columns are age" in refused.value.fix


def test_a_draft_is_judged_by_its_own_model(ctx):
    packaged(ctx, "run")
    wrong = job(ctx, "j", "m", drop=("name",))
    predictions.refuse_applied(ctx, wrong, read_jobs(ctx)["j"])  # no champion: nothing is known
    ctx.journal.append(JobDrafted(job="j", run="run", digest="d", model_run="run"))
    with pytest.raises(JobError, match="drop: 'name'"):
        predictions.refuse_applied(ctx, wrong, read_jobs(ctx)["j"])


def test_the_size_of_a_log_is_told_where_a_model_can_be_served(ctx):
    packaged(ctx, "run")
    ctx.journal.append(ModelPackaged(run="other", error="it has no `predict`"))
    made = job(ctx, "j", "m", keep="7d")
    assert predictions.notes(ctx, made, "run").log.endswith("kept for 7d")
    assert predictions.notes(ctx, made, "other") == ServingNotes()
    assert predictions.notes_on_newest(ctx, "m") == ServingNotes()
    assert predictions.notes_on_newest(ctx, "none") == ServingNotes()


def test_the_notes_on_a_draft_are_those_of_its_own_model(ctx):
    packaged(ctx, "run")
    ctx.journal.append(ModelPackaged(run="other", error="it has no `predict`"))
    job(ctx, "j", "m", keep="7d")
    assert predictions.notes_on_draft(ctx, "j", "m") == ServingNotes()  # there is no draft
    ctx.journal.append(JobDrafted(job="j", digest="d", run="other", model_run="other"))
    assert predictions.notes_on_draft(ctx, "j", "m") == ServingNotes()
    ctx.journal.append(JobDrafted(job="j", digest="d", run="run", model_run="run"))
    found = predictions.notes_on_draft(ctx, "j", "m")
    assert found.callers == "age (whole number)"
    assert found.log.endswith("kept for 7d")
