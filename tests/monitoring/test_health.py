"""How jobs stand: what is wrong, which version answers, whether users are hurt, what to type."""

from datetime import UTC, datetime, timedelta

import pytest

from mlops_nb import events as ev
from mlops_nb.jobs.model import Job
from mlops_nb.monitoring import alerts, conditions, health
from mlops_nb.runs import history
from mlops_nb.storage.memory import MemoryJournal

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
GATES = ("auc >= 0.6", "auc >= champion")


class Story:
    """A job's life, a second an event."""

    def __init__(self, **job):
        self.now = NOON
        self.journal = MemoryJournal(lambda: self.now)
        given = {"model_name": "M", "gates": GATES, **job}
        self.job = Job(name="flights", notebook="n", folder=".", source="n", **given)
        self.happens(ev.JobApplied(job="flights", digest="d", bundle="b"))

    def happens(self, *found):
        for event in found:
            self.now += timedelta(seconds=1)
            self.journal.append(event)

    def run(self, name, *ends, **queued):
        """Let a run be queued, be taken by a process, and end."""
        tick = self.now.isoformat()
        about = {"trigger": "schedule", "scheduled_at": tick, **queued}
        self.happens(
            ev.RunQueued(run=name, job="flights", **about),
            ev.RunClaimed(run=name, job="flights", process=(1, "h")),
            *ends,
        )

    def fails(self, name, error="it broke", **queued):
        self.run(name, ended(name, "failed", error), done(name, 1), **queued)

    def refuses(self, name, value=0.55):
        self.run(name, ended(name), judged(name, value=value), done(name, 1))

    def passes(self, name, version=None):
        told = [] if version is None else [released(version, name)]
        self.run(name, ended(name), judged(name), *told, done(name, 0))

    def facts(self):
        found = health.HealthState()
        found.take(self.journal.read())
        return found

    def stands(self, kind, **more):
        """Return how the job stands in one respect."""
        jobs = {"flights": self.job}
        found = conditions.conditions(self.facts(), jobs, self.now, **more)
        (one,) = [s for s in found if s.kind == kind]
        return one


def ended(run, status="finished", error=""):
    return ev.RunFinished(run=run, job="flights", status=status, seconds=1.0, error=error)


def judged(run, *, value=0.7):
    verdict = {
        "gate": "auc >= 0.6",
        "passed": value >= 0.6,
        "value": value,
        "because": f"auc {value} is {'' if value >= 0.6 else 'not '}>= 0.6",
    }
    return ev.Judged(run=run, job="flights", verdicts=(verdict,), passed=value >= 0.6)


def released(version, run="", **more):
    return ev.Released(run=run, job="flights", model="M", version=version, **more)


def asked(version, run=""):
    return ev.ApprovalAsked(run=run, job="flights", model="M", version=version)


def done(run, status):
    return ev.RunDone(run=run, job="flights", exit_status=status)


def scored(run, version, auc):
    return ev.ChampionScored(run=run, job="flights", version=version, metrics={"auc": auc})


# a failure


def test_a_failed_retrain_with_a_good_champion_says_that_users_are_not_hurt():
    story = Story()
    story.happens(released(3))
    story.fails("r1", "ValueError: no rows")
    found = story.stands("failed")
    assert found.what == (
        "job 'flights' failed: ValueError: no rows (run r1); version 3 still answers; "
        "users are not hurt"
    )
    assert (found.fix, found.urgent, found.run) == ("mlops-nb show r1", False, "r1")


def test_a_failure_is_urgent_where_no_version_answers():
    story = Story()
    story.fails("r1")
    found = story.stands("failed")
    assert found.urgent
    assert found.what.endswith("no version of 'M' answers; users are hurt")


def test_a_job_that_makes_no_model_hurts_nobody():
    story = Story(model_name=None, gates=())
    story.fails("r1")
    assert not story.stands("failed").urgent
    assert story.stands("failed").what.endswith("users are not hurt")


def test_a_failure_is_urgent_where_the_champion_was_last_measured_below_a_gate():
    story = Story()
    story.happens(released(2), released(3))
    story.happens(ev.Evaluated(job="flights", model="M", version=3, metrics={"auc": 0.5}))
    story.fails("r1")
    found = story.stands("failed")
    assert found.urgent
    assert found.what.endswith("version 3 still answers, but auc 0.5 is not >= 0.6; users are hurt")
    assert found.fix == "mlops-nb rollback M"


def test_without_a_version_before_a_rollback_is_not_what_to_type():
    story = Story()
    story.happens(released(1))
    story.fails("r1")
    story.run("r2", scored("r2", 1, 0.5), ended("r2", "failed", "late"), done("r2", 1))
    assert (story.stands("failed").urgent, story.stands("failed").fix) == (
        True,
        "mlops-nb show r2",
    )


@pytest.mark.parametrize(
    ("first", "second", "urgent"), [(0.5, 0.7, False), (0.7, 0.5, True), (0.5, float("nan"), False)]
)
def test_what_was_measured_last_of_the_champion_counts_whoever_measured_it(first, second, urgent):
    story = Story()
    story.happens(released(3))
    story.run("r1", scored("r1", 3, first), ended("r1"), judged("r1", value=0.5), done("r1", 1))
    story.happens(ev.Evaluated(model="M", version=3, metrics={"auc": second}))
    assert story.stands("refused").urgent is urgent


def test_what_was_measured_of_another_version_or_went_wrong_says_nothing_of_the_champion():
    story = Story()
    story.happens(released(3))
    story.happens(
        ev.Evaluated(job="flights", model="M", version=2, metrics={"auc": 0.1}),
        ev.Evaluated(job="flights", model="M", version=3, metrics={"auc": 0.1}, error="no labels"),
    )
    story.fails("r1")
    assert not story.stands("failed").urgent


def test_a_gate_that_compares_with_the_champion_says_nothing_of_the_champion():
    story = Story(gates=("auc >= champion + 1",))
    story.happens(released(3))
    story.run("r1", scored("r1", 3, 0.5), ended("r1"), judged("r1", value=0.5), done("r1", 1))
    assert not story.stands("refused").urgent


def test_a_run_that_is_tried_again_has_not_failed_yet_and_the_last_try_counts():
    story = Story(retries=1)
    story.happens(released(3))
    story.fails("r1")
    assert not story.stands("failed").what
    story.run("r2", attempt=2, first="r1")
    assert not story.stands("failed").what
    story.happens(ended("r2", "failed", "again"), done("r2", 1))
    assert "again (run r2, try 2)" in story.stands("failed").what


def test_a_run_whose_last_try_went_well_has_not_failed():
    story = Story(retries=1)
    story.fails("r1")
    story.run(
        "r2", ended("r2"), judged("r2"), released(1, "r2"), done("r2", 0), attempt=2, first="r1"
    )
    assert not story.stands("failed").what


def test_a_run_whose_process_was_killed_fails_when_its_tries_are_used_up():
    story = Story()
    for attempt in (1, 2, 3):
        assert not story.stands("failed").what
        lost = ev.RunLost(run=f"r{attempt}", job="flights", error="it was killed")
        story.run(f"r{attempt}", lost, attempt=attempt, first="r1")
    assert "it was killed (run r3, try 3)" in story.stands("failed").what


def test_a_run_that_has_not_said_its_last_word_is_not_over():
    story = Story()
    story.run("r1", ended("r1", "failed", "it broke"))
    assert not story.stands("failed").what
    story.happens(done("r1", 1))
    assert story.stands("failed").what


def test_a_run_that_a_person_stopped_is_neither_good_nor_bad():
    story = Story()
    story.fails("r1")
    before = story.stands("failed")
    story.run("r2", ended("r2", "stopped"), done("r2", 1))
    assert story.stands("failed") == before


def test_what_a_person_promotes_by_hand_alarms_nobody_but_a_release_mends():
    story = Story()
    for run, status in (("p1", "failed"), ("p2", "finished")):
        story.happens(
            ev.RunQueued(run=run, job="flights", trigger="promote", scheduled_at="T"),
            ended(run, status),
        )
    story.happens(judged("p2", value=0.5))
    assert not story.stands("failed").what
    assert not story.stands("refused").what
    story.fails("r1")
    story.happens(
        ev.RunQueued(run="p3", job="flights", trigger="promote", scheduled_at="T"),
        ended("p3"),
        judged("p3"),
        released(1, "p3"),
    )
    assert not story.stands("failed").what


def test_a_run_that_finished_and_was_not_judged_yet_mends_nothing():
    story = Story()
    story.refuses("r1")
    story.run("r2", ended("r2"))
    assert story.stands("refused").what
    story.happens(done("r2", 0))
    assert story.stands("refused").what


def test_a_good_run_mends_and_says_which_version_answers_now():
    story = Story()
    story.happens(released(3))
    story.fails("r1")
    story.passes("r2", version=4)
    found = story.stands("failed")
    assert found.what == ""
    assert (found.cause, found.because) == (
        "r2",
        "run r2 finished; version 4 answers now; users are not hurt",
    )


def test_several_failures_one_after_the_other_have_one_cause_and_the_last_one_is_told():
    story = Story()
    story.passes("r0", version=1)
    story.fails("r1", "one")
    first = story.stands("failed")
    story.fails("r2", "two")
    second = story.stands("failed")
    assert first.cause == second.cause == "r0"
    assert "two (run r2)" in second.what
    story.passes("r3")
    story.fails("r4")
    assert story.stands("failed").cause == "r3"


# a refusal


def test_a_refusal_says_the_gate_its_value_and_its_threshold():
    story = Story()
    story.happens(released(3))
    story.refuses("r1", value=0.55)
    found = story.stands("refused")
    assert found.what == (
        "the new model of job 'flights' was refused by gate 'auc >= 0.6': auc 0.55 is not >= 0.6; "
        "version 3 still answers; users are not hurt"
    )
    assert (found.fix, found.urgent) == ("mlops-nb show r1", False)


def test_a_refusal_mends_a_failure_but_a_failure_does_not_mend_a_refusal():
    story = Story()
    story.fails("r1")
    story.refuses("r2")
    assert not story.stands("failed").what
    assert "its model was refused" in story.stands("failed").because
    story.fails("r3")
    assert story.stands("failed").what
    assert "'auc >= 0.6'" in story.stands("refused").what


def test_one_refusal_after_the_other_is_one_trouble():
    story = Story()
    story.passes("r0", version=1)
    story.refuses("r1")
    story.refuses("r2")
    assert (story.stands("refused").cause, story.stands("refused").fix) == (
        "r0",
        "mlops-nb show r2",
    )


# what did not run


def skipped(run, at=NOON):
    return ev.RunSkipped(
        run=run, job="flights", scheduled_at=at.isoformat(), because="run r0 still went on"
    )


def test_a_skipped_run_is_missed_until_one_runs():
    story = Story()
    story.happens(released(3), skipped("s1"))
    found = story.stands("missed")
    assert found.what.startswith(
        "job 'flights' did not run at 2026-01-01 12:00 UTC, as run r0 still went on; version 3"
    )
    assert found.fix == "mlops-nb trigger flights"
    story.fails("r1")
    assert story.stands("missed").what
    story.refuses("r2")
    assert not story.stands("missed").what


def test_ticks_that_passed_are_missed_until_a_run_after_them():
    story = Story()
    ticks = [("flights", NOON + timedelta(minutes=1)), ("other", NOON)]
    story.now += timedelta(hours=1)
    assert "2026-01-01 12:01 UTC" in story.stands("missed", missed=ticks).what
    assert not story.stands("missed", missed=ticks[1:]).what
    story.passes("r1", version=1)
    assert not story.stands("missed", missed=ticks).what


def test_a_job_that_rests_misses_nothing_and_waits_for_nothing():
    story = Story()
    last = {"flights": (NOON - timedelta(days=9), timedelta(days=1))}
    assert story.stands("stopped-data", data=last).what
    story.happens(ev.JobPaused(job="flights"))
    assert not story.stands("missed", missed=[("flights", NOON)]).what
    assert not story.stands("stopped-data", data=last).what
    assert story.stands("stopped-data", data=last).because == "the job rests"


# what does not come, waits, or was moved


def test_data_have_stopped_after_twice_their_usual_distance():
    story = Story()
    story.happens(released(3))
    last = story.now - timedelta(hours=48)
    usual = {"flights": (last, timedelta(days=1))}
    assert not story.stands("stopped-data", data=usual).what
    story.now += timedelta(seconds=1)
    found = story.stands("stopped-data", data=usual)
    assert found.what == (
        "job 'flights' has had no new data since 2025-12-30 12:00 UTC, which usually come "
        "every 1 day; version 3 still answers; users are not hurt"
    )
    assert found.cause == last.isoformat()
    assert story.stands("stopped-data", data={}).because == "new data came"


def test_where_nobody_looked_for_data_nothing_is_said_of_it():
    story = Story()
    found = conditions.conditions(story.facts(), {"flights": story.job}, NOON)
    assert {s.kind for s in found} == {"failed", "refused", "missed"}


def test_a_version_that_waits_says_how_to_approve_it_and_the_oldest_comes_first():
    story = Story()
    story.happens(released(3), asked(4), asked(5))
    found = story.stands("waiting")
    assert found.what == (
        "version 4 of 'M' passed its gates and waits for approval; version 3 still answers; "
        "users are not hurt"
    )
    assert found.fix == "mlops-nb approve M 4"
    story.happens(released(4))
    assert story.stands("waiting").fix == "mlops-nb approve M 5"
    story.happens(released(5))
    assert not story.stands("waiting").what
    assert "version 5 answers now" in story.stands("waiting").because


def test_a_champion_that_somebody_moved_is_told_until_the_next_release_or_until_it_is_back():
    story = Story()
    moved = ev.AliasMoved(model="M", found="9", expected="3")
    story.happens(released(3), moved)
    found = story.stands("moved")
    story.happens(moved)
    assert story.stands("moved") == found
    assert found.what.startswith(
        "in MLflow, the alias champion of 'M' was moved to version 9; "
        "in the journal, the champion is version 3; "
    )
    assert not found.urgent
    story.happens(released(4))
    assert not story.stands("moved").what
    story.happens(moved)
    assert story.stands("moved").cause != found.cause
    story.happens(ev.AliasMoved(model="M", found="4", expected="4"))
    assert not story.stands("moved").what


def test_a_model_of_no_job_stands_by_its_own_name():
    story = Story()
    story.happens(
        ev.Released(model="N", version=1), ev.AliasMoved(model="N", found="2", expected="1")
    )
    found = conditions.conditions(story.facts(), {}, story.now)
    assert [s.job for s in found if s.what] == ["N"]


def test_a_job_that_made_two_models_has_one_standing_of_a_kind():
    story = Story()
    story.happens(
        released(1),
        ev.Released(job="flights", model="N", version=1),
        ev.AliasMoved(model="M", found="2", expected="1"),
    )
    assert "'M'" in story.stands("moved").what


# what may be forgotten


def test_what_lies_before_the_last_good_run_is_forgotten_and_nothing_stands_otherwise():
    story = Story(retries=1)
    story.passes("r0", version=1)
    story.fails("r1")
    story.run("r2", ended("r2"), judged("r2"), done("r2", 0), attempt=2, first="r1")
    story.run("slow")
    story.passes("r3")
    story.refuses("r4")
    jobs = {"flights": story.job}
    facts = story.facts()
    before = conditions.conditions(facts, jobs, story.now)
    place = facts.forget(jobs, story.now)
    assert sorted(facts.runs["flights"]) == sorted(facts.began) == ["r3", "r4", "slow"]
    assert conditions.conditions(facts, jobs, story.now) == before
    again = health.HealthState()
    again.take(
        e
        for e in story.journal.read()
        if e.id > place["flights"] or isinstance(e, health.OF_THE_REST)
    )
    assert conditions.conditions(again, jobs, story.now) == before


def test_a_late_word_of_a_run_that_was_forgotten_does_not_bring_it_back():
    story = Story()
    story.passes("r0", version=1)
    story.passes("r1")
    facts = story.facts()
    facts.forget({"flights": story.job}, story.now)
    facts.take([done("r0", 1)])
    assert list(facts.runs["flights"]) == ["r1"]


def test_every_kind_that_is_read_is_one_that_the_fold_of_runs_knows():
    assert set(health.OF_RUNS) <= {*history.COURSE, ev.RunDone}
    assert not set(health.OF_RUNS) & set(health.OF_THE_REST)
    assert not set(alerts.KINDS) & {*health.OF_RUNS, *health.OF_THE_REST}


def test_a_table_that_is_too_old_and_a_refused_champion_are_told():
    story = Story()
    lookups = {"weather": 86400.0}
    told = {"artifact": "a", "digest": "d", "lookups": lookups}
    story.passes("r1")
    story.happens(ev.Registered(run="r1", job="flights", model="M", version=1, **told))
    story.happens(released(1, "r1"))
    assert not story.stands("old-lookup").what
    story.now += timedelta(days=1, hours=1)
    old = story.stands("old-lookup")
    assert "joins the table 'weather' of 2026-01-01 12:00 UTC, which may be 1 day old" in old.what
    assert old.fix.startswith("mlops-nb trigger flights")
    story.happens(ev.Registered(run="r2", job="flights", model="M", version=2, **told))
    story.happens(released(2, "r2"))
    assert not story.stands("old-lookup").what

    told = {"model": "M", "version": 2, "because": "slow"}
    story.happens(ev.VersionRefused(server="a", serving=1, **told))
    story.happens(ev.VersionServed(model="M", version=2, server="b"))
    stands = story.stands("unserved")
    assert stands.what == "a refused version 2 of 'M': slow; version 1 goes on"
    assert not stands.urgent
    story.happens(ev.VersionServed(model="M", version=2, server="a"))
    assert not story.stands("unserved").what
    story.happens(ev.VersionRefused(server="a", **told))
    assert story.stands("unserved").urgent
    story.happens(released(1, "r1"))
    assert not story.stands("unserved").what
