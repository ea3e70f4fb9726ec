"""What runs, models and jobs are, told from what happened."""

from mlops_nb import events as ev
from mlops_nb.jobs import registry as job_registry
from mlops_nb.models import registry as model_registry
from mlops_nb.runs import history


def happened(*found):
    """Return events as the journal gives them: numbered, each a second after the other."""
    stamp = "2026-01-01T00:00:{:02}+00:00".format
    return [
        type(e)(**{**{f: getattr(e, f) for f in e.__struct_fields__}, "id": i, "at": stamp(i)})
        for i, e in enumerate(found, 1)
    ]


def run(*found):
    return history.runs(happened(*found))["r"]


QUEUED = ev.RunQueued(run="r", job="j", trigger="schedule", scheduled_at="T", data_end="E")
STARTED = ev.RunStarted(run="r", job="j", notebook="n.ipynb", steps=("a", "b"), process=(7, "x"))
FINISHED = ev.RunFinished(run="r", job="j", status="finished", seconds=2.0)


def judged(passed):
    return ev.Judged(run="r", job="j", verdicts=({"gate": "g", "passed": passed},), passed=passed)


def test_a_run_goes_from_queued_over_running_to_finished():
    assert run(QUEUED).status == "queued"
    assert run(QUEUED, STARTED).status == "running"
    done = run(QUEUED, STARTED, FINISHED)
    assert (done.status, done.seconds, done.started, done.finished) == (
        "finished",
        2.0,
        "2026-01-01T00:00:02+00:00",
        "2026-01-01T00:00:03+00:00",
    )
    assert (done.trigger, done.scheduled_at, done.data_end) == ("schedule", "T", "E")
    assert (done.process, done.last_event) == ((7, "x"), 3)


def test_a_run_that_the_gates_refuse_is_refused_and_keeps_its_verdicts():
    found = run(STARTED, FINISHED, judged(passed=False))
    assert found.status == "refused"
    assert found.gates == [{"gate": "g", "passed": False}]
    assert run(STARTED, FINISHED, judged(passed=True)).status == "finished"


def test_a_failed_run_stays_failed_with_its_error():
    failed = ev.RunFinished(run="r", status="failed", seconds=1.0, error="it broke")
    assert (run(STARTED, failed).status, run(STARTED, failed).error) == ("failed", "it broke")


def test_a_run_whose_process_died_is_what_its_burial_says():
    buried = ev.RunFinished(run="r", status="failed", seconds=0.0, error="its process died")
    found = run(STARTED, ev.StepStarted(run="r", step="a"), buried)
    assert found.status == "failed"
    assert "died" in found.error


def test_steps_are_told_by_what_happened_to_each():
    found = run(
        STARTED,
        ev.StepStarted(run="r", step="a"),
        ev.StepFinished(run="r", step="a", seconds=1.5),
        ev.StepStarted(run="r", step="b"),
        ev.StepFailed(run="r", step="b", seconds=0.5, error="no"),
    ).steps
    assert [(s["name"], s["status"], s["seconds"], s["because"]) for s in found.values()] == [
        ("a", "finished", 1.5, ""),
        ("b", "failed", 0.5, "no"),
    ]
    assert [s["status"] for s in run(STARTED).steps.values()] == ["not-run", "not-run"]


def test_what_was_measured_kept_scored_registered_and_mirrored_is_known():
    kept = ev.ModelKept(run="r", variable="m", digest="d", artifact="a")
    found = run(
        STARTED,
        ev.Measured(
            run="r", metrics={"auc": 0.7}, slices={"auc_by_o": {"x": 0.6}}, evaluation={"least": 30}
        ),
        kept,
        ev.ChampionScored(run="r", version=3, metrics={"auc": 0.6}, slices={"auc_by_o": {"x": 0}}),
        ev.Registered(run="r", model="M", version=4, artifact="a", digest="d"),
        ev.Mirrored(run="r", mlflow_run="abc"),
    )
    assert found.metrics == {"auc": 0.7}
    assert found.slices == {"auc_by_o": {"x": 0.6}}
    assert found.evaluation == {"least": 30}
    assert found.champion == {3: {"auc": 0.6}}
    assert found.scored[3].slices == {"auc_by_o": {"x": 0}}
    assert found.model.digest == "d"
    assert (found.model_version, found.mlflow_run) == (4, "abc")


def test_a_skipped_run_says_why():
    found = run(ev.RunSkipped(run="r", job="j", scheduled_at="T", because="the one before runs"))
    assert (found.status, found.because, found.scheduled_at) == (
        "skipped",
        "the one before runs",
        "T",
    )


def test_runs_come_in_the_order_they_began_and_jobs_events_are_no_runs():
    found = history.runs(
        happened(
            ev.JobPaused(job="j"),
            ev.RunStarted(run="b", notebook="n"),
            ev.RunStarted(run="a", notebook="n"),
            ev.RunFinished(run="b", status="finished", seconds=1.0),
        )
    )
    assert list(found) == ["b", "a"]


def test_a_run_that_never_ended_is_shown_as_stopped_never_as_finished():
    assert history.run_json(run(STARTED))["status"] == "stopped"
    assert history.run_json(run(QUEUED))["status"] == "stopped"
    assert history.run_json(run(STARTED, FINISHED))["error"] is None


def model(*found):
    return model_registry.models(happened(*found))["M"]


def registered(version):
    return ev.Registered(
        run=f"r{version}",
        job="j",
        model="M",
        version=version,
        artifact=f"a{version}",
        digest=f"d{version}",
    )


def released(version, *, rollback=False):
    return ev.Released(run=f"r{version}", job="j", model="M", version=version, rollback=rollback)


def back(version):
    return released(version, rollback=True)


def test_a_model_has_versions_before_any_of_them_is_released():
    found = model(registered(1))
    assert found.champion is None
    assert found.versions[1].run == "r1"
    assert found.job == "j"


def test_the_champion_is_the_version_released_last():
    assert model(registered(1), released(1), registered(2), released(2)).champion == 2


def test_repeated_rollbacks_walk_back_and_do_not_swing():
    three = (released(1), released(2), released(3))
    assert model(*three, back(2)).champion == 2
    assert model(*three, back(2)).releases == [1, 2]
    assert model(*three, back(2), back(1)).releases == [1]
    assert model(*three, back(1)).releases == [1]


def test_a_release_after_a_rollback_stands_on_the_version_rolled_back_to():
    found = model(released(1), released(2), released(3), back(2), released(4))
    assert found.releases == [1, 2, 4]


def test_a_rollback_to_a_version_that_was_never_released_is_a_release_of_it():
    assert model(registered(1), registered(2), released(2), back(1)).releases == [2, 1]


def test_the_same_version_released_twice_in_a_row_counts_once():
    assert model(released(1), released(1)).releases == [1]


def test_a_version_may_be_released_again_later():
    assert model(released(1), released(2), released(1)).releases == [1, 2, 1]


def job(*found):
    return job_registry.jobs(happened(*found))["j"]


def applied(digest):
    return ev.JobApplied(job="j", digest=digest, bundle=f"b{digest}", definition={"name": "j"})


DRAFTED = ev.JobDrafted(job="j", digest="d2")


def test_a_job_is_a_draft_until_it_is_applied():
    assert job(DRAFTED).status == "draft"
    found = job(DRAFTED, applied("d2"))
    assert (found.status, found.digest, found.draft) == ("active", "d2", None)
    assert found.applied == "2026-01-01T00:00:02+00:00"


def test_a_draft_of_a_live_job_changes_nothing_that_runs():
    found = job(applied("d1"), DRAFTED)
    assert (found.status, found.digest, found.draft.digest) == ("active", "d1", "d2")


def test_a_job_rests_until_it_is_unpaused_whatever_is_applied_meanwhile():
    pause, go = ev.JobPaused(job="j"), ev.JobUnpaused(job="j")
    assert job(applied("d1"), pause).status == "paused"
    assert job(applied("d1"), pause, applied("d2")).status == "paused"
    assert job(applied("d1"), pause, go).status == "active"


def test_every_bundle_that_was_live_is_remembered():
    assert job(applied("d1"), applied("d2"), applied("d1")).bundles == ["d1", "d2", "d1"]


def test_runs_alone_make_no_job():
    assert job_registry.jobs(happened(QUEUED, STARTED, FINISHED)) == {}
