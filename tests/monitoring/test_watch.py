"""Alerts in a project: looked at again and again, by one process after another, and typed."""

import json
import os
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from typing_in import Terminal

from mlops_nb import events as ev
from mlops_nb.context import Context
from mlops_nb.errors import NotFound, Unreachable
from mlops_nb.jobs import schedule
from mlops_nb.jobs.bundle import job_yaml
from mlops_nb.jobs.model import Job
from mlops_nb.jobs.registry import read_jobs
from mlops_nb.monitoring import watch
from mlops_nb.storage.memory import MemoryJournal

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
TOLD = {"command": "cat >> told"}


class Counting(MemoryJournal):
    """A journal that counts what is read of it."""

    def __init__(self, clock):
        super().__init__(clock)
        self.count = 0

    def read(self, **asked):
        for event in super().read(**asked):
            self.count += 1
            yield event


class Failing(MemoryJournal):
    """A journal that is away where it is told to be."""

    away = ""

    def read(self, **asked):
        if self.away == "read" and "job" in asked:
            raise Unreachable("it is away", fix="wait")
        yield from super().read(**asked)

    def append(self, event, *, once=""):
        if self.away == "append" and type(event) in watch.KINDS:
            raise Unreachable("it is away", fix="wait")
        return super().append(event, once=once)


class Place:
    """A project with one job, whose runs end as they are told to."""

    def __init__(self, folder, journal=None, **job):
        self.folder, self.now = folder, NOON
        self.shops = []
        self.journal = journal(lambda: self.now) if journal else None
        self.begin()
        given = {"model_name": "M", "model_variable": "m", "notify": (TOLD,), **job}
        made = Job(
            name="flights",
            notebook="n.ipynb",
            folder=".",
            source="n.ipynb",
            schedule=schedule.schedule("@daily", "UTC"),
            **given,
        )
        applied = ev.JobApplied(
            job="flights", digest="d", bundle="b", definition=job_yaml.definition(made)
        )
        self.happens(applied, ev.Released(job="flights", model="M", version=3))

    def begin(self):
        """Begin as another process does, which knows nothing."""
        self.ctx = Context(self.folder, {"PATH": os.environ["PATH"]}, lambda: self.now)
        if self.journal is not None:
            self.ctx.prepare_folder()
            (self.ctx.settings.folder / "journal.db").touch()  # so that something is known
            vars(self.ctx)["journal"] = self.journal
        self.shops.append(self.ctx)

    def close(self):
        for ctx in self.shops:
            watch.watch(ctx).teller.close()
            if self.journal is None:
                ctx.journal.close()

    def happens(self, *found):
        for event in found:
            self.now += timedelta(seconds=1)
            self.ctx.journal.append(event)

    def run(self, name, status="finished"):
        whole = {"run": name, "job": "flights"}
        self.happens(
            ev.RunQueued(**whole, trigger="schedule", scheduled_at=self.now.isoformat()),
            ev.RunClaimed(**whole, process=(1, "h")),
            ev.RunFinished(**whole, status=status, seconds=1.0, error="it broke"),
            ev.RunDone(**whole, exit_status=0),
        )

    def passes(self, name):
        whole = {"run": name, "job": "flights"}
        self.happens(
            ev.RunQueued(**whole, trigger="schedule", scheduled_at=self.now.isoformat()),
            ev.RunClaimed(**whole, process=(1, "h")),
            ev.RunFinished(**whole, status="finished", seconds=1.0),
            ev.Judged(**whole, verdicts=(), passed=True),
            ev.RunDone(**whole, exit_status=0),
        )

    def look(self, **more):
        """Look once, wait until all are told, and return what is new."""
        found = watch.look(self.ctx, self.now, wait=True, **more)
        return [(type(e).__name__, e.alert) for e in found]

    def told(self):
        """Return what the command was told so far."""
        file = self.folder / "told"
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture
def place(tmp_path):
    with closing(Place(tmp_path)) as made:
        yield made


BROKE = (
    "flights-failed-1: job 'flights' failed: it broke (run r1); version 3 still answers; "
    "users are not hurt. Next: mlops-nb show r1"
)


def test_a_failure_is_told_once_and_its_recovery_once(place):
    assert place.look() == []
    place.run("r1", "failed")
    assert place.look() == [("AlertRaised", "flights-failed-1")]
    assert place.look() == []
    assert place.told() == [BROKE]
    place.passes("r2")
    assert place.look() == [("AlertEnded", "flights-failed-1")]
    assert place.look() == []
    assert place.told()[1:] == [
        "flights-failed-1 is over: run r2 finished; version 3 answers now; users are not hurt"
    ]
    lines = (place.folder / ".mlops" / "alerts.log").read_text().splitlines()
    assert [json.loads(line)["text"] for line in lines] == place.told()


def test_another_process_goes_on_where_the_one_before_it_ended(place):
    place.run("r1", "failed")
    place.look()
    place.begin()
    assert place.look() == []
    place.run("r2", "failed")
    place.begin()
    assert place.look() == []
    place.passes("r3")
    place.begin()
    assert place.look() == [("AlertEnded", "flights-failed-1")]
    place.begin()
    place.run("r4", "failed")
    assert place.look() == [("AlertRaised", "flights-failed-2")]
    assert [line.split(":")[0] for line in place.told()] == [
        "flights-failed-1",
        "flights-failed-1 is over",
        "flights-failed-2",
    ]


def test_two_processes_that_take_turns_raise_and_tell_everything_once(place):
    first = place.ctx
    place.begin()
    second = place.ctx
    for number in range(3):
        place.run(f"bad{number}", "failed")
        for ctx in (first, second):
            watch.look(ctx, place.now, wait=True)
        place.passes(f"good{number}")
        for ctx in (second, first):
            watch.look(ctx, place.now, wait=True)
    assert [line.split(":")[0] for line in place.told()] == [
        f"flights-failed-{number}{over}" for number in (1, 2, 3) for over in ("", " is over")
    ]


def test_what_a_process_forgot_makes_no_difference_to_one_that_reads_everything(place):
    for number in range(4):
        place.passes(f"good{number}")
        place.run(f"bad{number}", "failed")
        place.look()
    kept = place.ctx.journal.place(watch.PLACE)
    assert json.loads(kept)["jobs"]["flights"] > 20
    place.ctx.journal.place(watch.PLACE, "")
    place.begin()
    assert place.look() == []
    assert len(place.told()) == 7


def test_the_first_look_at_a_project_that_has_run_for_long_reads_what_still_counts(tmp_path):
    with closing(Place(tmp_path, Counting)) as place:
        for number in range(200):
            place.passes(f"r{number}")
        place.run("bad", "failed")
        place.journal.count = 0
        assert place.look() == [("AlertRaised", "flights-failed-1")]
        assert place.journal.count < 250  # of a thousand
        place.passes("good")
        assert place.look() == [("AlertEnded", "flights-failed-1")]


def test_a_job_that_never_passed_is_known_at_the_first_look_as_well(place):
    place.run("r1", "failed")
    place.happens(ev.Judged(run="other", job="other", verdicts=(), passed=True))
    assert place.look() == [("AlertRaised", "flights-failed-1")]


@pytest.mark.parametrize("away", ["read", "append"])
def test_a_journal_that_was_away_for_a_moment_costs_no_alert(tmp_path, away):
    with closing(Place(tmp_path, Failing)) as place:
        place.passes("good")
        place.run("bad", "failed")
        place.journal.away = away
        with pytest.raises(Unreachable):
            place.look()
        place.journal.away = ""
        assert place.look() == [("AlertRaised", "flights-failed-1")]


def test_a_look_with_nothing_new_reads_nothing_and_writes_nothing(tmp_path):
    with closing(Place(tmp_path, Counting)) as place:
        for number in range(200):
            place.passes(f"r{number}")
        place.run("bad", "failed")
        place.look()
        place.look()  # which reads that people were told
        place.journal.count, events = 0, len(place.journal.events)
        for _ in range(10):
            place.now += timedelta(seconds=1)
            place.look()
        assert (place.journal.count, len(place.journal.events)) == (0, events)
        place.begin()
        place.look()
        assert place.journal.count < 25  # of a thousand


def test_an_acknowledged_alert_is_silent_and_then_told_once_more(place):
    place.run("r1", "failed")
    place.look()
    said = watch.ack(place.ctx, "flights-failed-1", 8 * 3600.0, "ann")
    until = place.now + timedelta(hours=8)
    assert said["alerts"][0]["acked_until"] == until.isoformat(timespec="seconds")
    place.now = until - timedelta(seconds=1)
    place.look()
    assert place.told() == [BROKE]
    place.now = until
    place.look()
    place.look()
    assert place.told() == [BROKE, BROKE.replace("failed-1:", "failed-1 (again):")]


def test_only_what_is_open_is_listed_and_can_be_acknowledged(place):
    assert watch.open_alerts(place.ctx) == {"version": 1, "alerts": []}
    with pytest.raises(NotFound, match="no open alert 'x'"):
        watch.ack(place.ctx, "x", 1.0)
    place.run("r1", "failed")
    place.look()
    (row,) = watch.open_alerts(place.ctx)["alerts"]
    assert (row["alert"], row["kind"], row["urgent"]) == ("flights-failed-1", "failed", False)
    assert row["sent"] == ["command:" + row["sent"][0].partition(":")[2], "log"]
    with pytest.raises(NotFound, match="x") as refused:
        watch.ack(place.ctx, "x", 1.0)
    assert "flights-failed-1" in refused.value.fix
    place.passes("r2")
    place.look()
    with pytest.raises(NotFound):
        watch.ack(place.ctx, "flights-failed-1", 1.0)


def test_a_job_that_tells_nobody_still_has_its_alerts_in_the_log(tmp_path):
    with closing(Place(tmp_path, notify=())) as place:
        place.run("r1", "failed")
        place.look()
        (row,) = watch.open_alerts(place.ctx)["alerts"]
        assert row["sent"] == ["log"]


def test_whoever_is_to_be_told_from_now_on_is_told_what_is_open(place):
    place.run("r1", "failed")
    place.look()
    state = read_jobs(place.ctx)["flights"]
    more = [TOLD, {"command": "cat >> also"}]
    place.happens(
        ev.JobApplied(
            job="flights", digest="e", bundle="b", definition={**state.definition, "notify": more}
        )
    )
    place.look()
    assert (place.folder / "also").read_text() == f"{BROKE}\n"
    assert place.told() == [BROKE]


def test_ticks_that_passed_and_data_that_stopped_are_told_as_they_are_given(place):
    missed = [("flights", place.now - timedelta(hours=1))]
    data = {"flights": (NOON - timedelta(days=3), timedelta(days=1))}
    raised = place.look(missed=missed, data=data)
    assert raised == [
        ("AlertRaised", "flights-missed-1"),
        ("AlertRaised", "flights-stopped-data-1"),
    ]
    assert place.look() == []  # where it is not known, nothing ends
    place.passes("r1")
    ended = place.look(missed=missed, data={"flights": (place.now, timedelta(days=1))})
    assert ended == [("AlertEnded", "flights-missed-1"), ("AlertEnded", "flights-stopped-data-1")]


def test_a_project_without_a_journal_is_looked_at_without_making_one(tmp_path):
    ctx = Context(tmp_path, {}, lambda: NOON)
    assert watch.look(ctx, NOON) == []
    assert watch.open_alerts(ctx)["alerts"] == []
    assert list(tmp_path.iterdir()) == []


# typed


def test_alerts_are_listed_and_acknowledged_by_typing(tmp_path):
    (tmp_path / "p").mkdir()
    terminal = Terminal(tmp_path / "p")
    assert terminal.type("ack").json == {"version": 1, "alerts": []}
    with closing(Place(tmp_path / "p")) as place:
        place.run("r1", "failed")
        place.look()
    listed = terminal.type("ack")
    assert listed.status == 0
    (row,) = listed.json["alerts"]
    assert list(row) == [
        "alert",
        "job",
        "kind",
        "what",
        "fix",
        "urgent",
        "since",
        "sent",
        "acked_until",
    ]
    assert row["acked_until"] is None
    before = datetime.now(UTC)
    acked = terminal.type("ack", "flights-failed-1", "--for", "8h")
    assert acked.status == 0
    until = datetime.fromisoformat(terminal.type("ack").json["alerts"][0]["acked_until"])
    assert timedelta(hours=8, seconds=-2) < until - before < timedelta(hours=8, minutes=5)
    assert "flights-failed-1" in terminal.refused("ack", "flights-failed-2", "--for", "8h")
    for words in (
        ("flights-failed-1",),
        ("flights-failed-1", "--for", "8"),
        ("--for", "8h"),
        ("flights-failed-1", "--for", "0h"),
    ):
        assert "--for" in terminal.refused("ack", *words)
