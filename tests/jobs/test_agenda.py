"""What is due, what is tried again and what may start: a year of clocks in a moment."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from mlops_nb.events import (
    DataChecked,
    Judged,
    RunClaimed,
    RunDone,
    RunFinished,
    RunLost,
    RunQueued,
    RunSkipped,
)
from mlops_nb.jobs import agenda, schedule
from mlops_nb.jobs.model import Job
from mlops_nb.runs import history
from mlops_nb.runs.board import Board
from mlops_nb.storage.memory import MemoryJournal

BERLIN = "Europe/Berlin"


def job(line: str = "30 2 * * *", zone: str = BERLIN, *, retries: int = 0, **policy: str) -> Job:
    return Job(
        name="j",
        notebook="n",
        folder=".",
        source="n",
        retries=retries,
        schedule=schedule.schedule(line, zone, **policy),
    )


class World:
    """A journal of one job, whose runs end as they are told to."""

    def __init__(self, of: Job, applied: str) -> None:
        self.job, self.applied = of, datetime.fromisoformat(applied)
        self.board = Board()
        self.journal = MemoryJournal(lambda: datetime(2026, 1, 1, tzinfo=UTC))

    @property
    def runs(self) -> dict[str, history.Run]:
        """Every run, those that the board has forgotten included."""
        return history.runs(self.journal.read())

    def take(self, *events, once: str = "") -> None:
        for event in events:
            self.board.take(self.journal.append(event, once=once))

    def look(self, now: datetime) -> list[RunQueued | RunSkipped]:
        """Queue what is due, as the scheduler does."""
        found = []
        for event in agenda.due(self.job, self.applied, self.board, now):
            found.append(replace(event, run=f"r{len(self.journal.events)}"))
            self.take(found[-1])
        return found

    def end(self, run: str, status: str = "finished") -> None:
        self.take(
            RunClaimed(run=run, job="j", process=(1, "host 1")),
            RunFinished(run=run, job="j", status=status, seconds=1.0, error="no"),
            RunDone(run=run, job="j", exit_status=int(status != "finished")),
        )


def moments(since: str, until: str, step: timedelta) -> Iterator[datetime]:
    now, end = datetime.fromisoformat(since), datetime.fromisoformat(until)
    while now <= end:
        yield now
        now += step


def a_year(world: World, step: timedelta) -> list[str]:
    """Look again and again for a year, end each run at once, and return what was due."""
    due = []
    for now in moments("2026-01-01T00:00:00+00:00", "2027-01-01T00:00:00+00:00", step):
        for event in world.look(now):
            due.append(event.scheduled_at)
            world.end(event.run)
    return due


def test_in_a_year_of_looks_every_night_is_run_once_over_both_changes_of_the_clock():
    due = a_year(World(job(), "2026-01-01T00:00:00+00:00"), timedelta(minutes=20))
    assert len(due) == len(set(due)) == 365
    days = [datetime.fromisoformat(text) for text in due]
    assert [d.date() for d in days] == [days[0].date() + timedelta(days=n) for n in range(365)]
    odd = {d.isoformat() for d in days if (d.hour, d.minute) != (2, 30)}
    assert odd == {"2026-03-29T03:00:00+02:00"}
    assert "2026-10-25T02:30:00+02:00" in due
    assert "2026-10-25T02:30:00+01:00" not in due


@pytest.mark.parametrize(("line", "count"), [("0 * * * *", 8760), ("0 3 1 * *", 12)])
def test_hours_are_hours_and_months_are_months_whatever_the_clock_does(line, count):
    due = a_year(World(job(line), "2026-01-01T00:00:00+00:00"), timedelta(hours=1))
    assert len(due) == len(set(due)) == count


def test_a_look_that_comes_late_runs_what_was_missed_by_the_policy():
    now = datetime(2026, 1, 10, 12, tzinfo=UTC)
    found = {}
    for missed in ("last", "all", "none"):
        world = World(job("0 3 * * *", "UTC", missed=missed), "2026-01-01T12:00:00+00:00")
        found[missed] = [(event.scheduled_at[8:10], type(event)) for event in world.look(now)]
        assert world.look(now) == []
    assert found["last"] == [("09", RunSkipped), ("10", RunQueued)]
    assert found["all"] == [(f"{day:02d}", RunQueued) for day in range(2, 11)]
    assert found["none"] == [("10", RunSkipped)]


def test_what_was_missed_is_told_with_how_many_there_were():
    world = World(job("0 3 * * *", "UTC"), "2026-01-01T12:00:00+00:00")
    skipped, _ = world.look(datetime(2026, 1, 4, 12, tzinfo=UTC))
    assert skipped.because == "2 were missed, from 2026-01-02T03:00:00+00:00 on: no scheduler ran"


def test_what_passed_while_a_job_was_paused_was_not_missed():
    of, now = job("0 3 * * *", "UTC"), datetime(2026, 1, 4, 12, tzinfo=UTC)
    world = World(of, "2026-01-01T12:00:00+00:00")
    found = list(agenda.due(of, world.applied, world.board, now, rested=now))
    assert [type(event) for event in found] == [RunQueued]


def test_missed_ticks_that_all_count_start_one_after_another_the_oldest_first():
    now = datetime(2026, 1, 4, 12, tzinfo=UTC)
    world = World(job("0 3 * * *", "UTC", missed="all"), "2026-01-01T12:00:00+00:00")
    world.look(now)
    order = []
    while ready := agenda.ready(world.board, now):
        (run,) = ready
        order.append(run.scheduled_at[:10])
        world.end(run.id)
    assert order == ["2026-01-02", "2026-01-03", "2026-01-04"]


@pytest.mark.parametrize(("overlap", "kind"), [("skip", RunSkipped), ("queue", RunQueued)])
def test_a_tick_that_comes_while_a_run_goes_on_is_left_out_or_waits(overlap, kind):
    world = World(job("0 * * * *", "UTC", overlap=overlap), "2026-01-01T00:30:00+00:00")
    (first,) = world.look(datetime(2026, 1, 1, 1, tzinfo=UTC))
    world.take(RunClaimed(run=first.run, job="j", process=(1, "host 1")))
    now = datetime(2026, 1, 1, 2, tzinfo=UTC)
    (second,) = world.look(now)
    assert isinstance(second, kind)
    assert agenda.ready(world.board, now) == []
    world.end(first.run)
    waits = [second.run] if overlap == "queue" else []
    assert [run.id for run in agenda.ready(world.board, now)] == waits


def test_a_tick_waits_until_a_process_elsewhere_is_known_to_live():
    world = World(job("0 * * * *", "UTC"), "2026-01-01T00:30:00+00:00")
    (first,) = world.look(datetime(2026, 1, 1, 1, tzinfo=UTC))
    world.take(RunClaimed(run=first.run, job="j", process=(1, "host 1")))
    now = datetime(2026, 1, 1, 2, tzinfo=UTC)
    world.board.unheard.add(first.run)
    assert world.look(now) == []
    world.take(RunLost(run=first.run, job="j", error="no heartbeat"))
    (second,) = world.look(now)
    assert isinstance(second, RunQueued)


def tries(of: Job, how: Iterable[str]) -> list[tuple[int, float]]:
    """Let tries end, one as each word says, and return the number and pause of those after."""
    world, now = World(of, "2026-01-01T00:00:00+00:00"), datetime(2026, 1, 2, 12, tzinfo=UTC)
    *_, event = world.look(now)
    found, run = [], event.run
    for word in how:
        if word == "killed":
            world.take(
                RunClaimed(run=run, job="j", process=(1, "h 1")), RunLost(run=run, error="k")
            )
        elif word == "unfit":
            world.take(
                DataChecked(run=run, step="s", name="d", rows=1, failures=({"column": "a"},))
            )
            world.end(run, "failed")
        else:
            world.end(run, word)
        again = agenda.next_try(of, world.runs[run], now)
        if again is None:
            return found
        pause = (datetime.fromisoformat(again.not_before) - now).total_seconds()
        found.append((again.attempt, pause))
        run = f"again{again.attempt}"
        world.take(replace(again, run=run))
        assert world.runs[run].first == event.run
    return found


def test_a_failed_run_is_tried_as_often_as_the_job_says_with_growing_pauses():
    assert tries(job(retries=3), ["failed"] * 9) == [(2, 5.0), (3, 10.0), (4, 20.0)]
    assert tries(job(retries=0), ["failed"]) == []


def test_a_killed_run_is_tried_again_at_once_and_not_for_ever():
    assert tries(job(retries=0), ["killed"] * 9) == [(2, 0.0), (3, 0.0)]
    assert tries(job(retries=4), ["killed"] * 9) == [(2, 0.0), (3, 0.0), (4, 0.0), (5, 0.0)]


def test_what_finished_was_stopped_or_has_unfit_data_is_not_tried_again():
    for word in ("finished", "stopped", "unfit"):
        assert tries(job(retries=3), [word]) == []


def test_a_try_waits_for_its_time_and_makes_those_before_it_void():
    world, now = (
        World(job(retries=1), "2026-01-01T00:00:00+00:00"),
        datetime(2026, 1, 3, tzinfo=UTC),
    )
    *_, event = world.look(now)
    world.end(event.run, "failed")
    again = agenda.next_try(world.job, world.runs[event.run], now)
    world.take(replace(again, run="second"), once=history.try_key(event.run, 2))
    assert history.superseded(world.journal, world.runs[event.run])
    assert not history.superseded(world.journal, world.runs["second"])
    assert agenda.ready(world.board, now) == []
    assert [r.id for r in agenda.ready(world.board, now + timedelta(seconds=5))] == ["second"]


def test_what_a_lost_process_says_later_is_void():
    world = World(job(), "2026-01-01T00:00:00+00:00")
    *_, event = world.look(datetime(2026, 1, 2, 12, tzinfo=UTC))
    world.take(
        RunClaimed(run=event.run, job="j", process=(1, "h 1")),
        RunLost(run=event.run, error="killed"),
        RunFinished(run=event.run, status="finished", seconds=1.0),
        Judged(run=event.run, verdicts=(), passed=True),
    )
    run = world.runs[event.run]
    assert (run.status, run.error, run.judged) == ("failed", "killed", False)
    assert not history.at_work(run)


def test_a_run_between_its_end_and_its_verdict_is_still_at_work():
    world = World(job(), "2026-01-01T00:00:00+00:00")
    *_, event = world.look(datetime(2026, 1, 2, 12, tzinfo=UTC))
    world.take(
        RunClaimed(run=event.run, job="j", process=(1, "h 1")),
        RunFinished(run=event.run, status="finished", seconds=1.0),
    )
    assert history.at_work(world.runs[event.run])
    world.take(RunDone(run=event.run, exit_status=0))
    assert not history.is_open(world.runs[event.run])


def test_a_new_time_zone_does_not_run_a_tick_twice():
    world = World(job("0 3 * * *", "UTC"), "2026-01-01T00:00:00+00:00")
    now = datetime(2026, 1, 1, 3, 0, 1, tzinfo=UTC)
    world.end(world.look(now)[0].run)
    world.job = job("0 4 * * *", BERLIN)  # the very same moments
    assert world.look(now) == []


def test_how_far_apart_data_comes_is_known_after_a_few_times():
    of = replace(job(), triggers=({"data": "*.csv"},))
    world = World(of, "2026-01-01T00:00:00+00:00")
    for number, day in enumerate((1, 8, 15, 25), 1):
        assert agenda.arrivals(of, world.board) is None
        at = f"2026-01-{day:02d}T00:00:00+00:00"
        world.take(RunQueued(run=f"d{number}", job="j", trigger="data", scheduled_at=at))
    last, usual = agenda.arrivals(of, world.board)
    assert (last.day, usual) == (25, timedelta(days=7))
    assert agenda.arrivals(job(), world.board) is None


@pytest.mark.parametrize("missed", ["last", "none"])
def test_a_clock_that_was_wrong_once_does_not_stop_a_schedule(missed):
    right, wrong = (
        World(job(missed=missed), "2026-01-01T00:00:00+00:00"),
        datetime(2030, 1, 1, tzinfo=UTC),
    )
    other = World(job(missed=missed), "2026-01-01T00:00:00+00:00")
    for event in other.look(wrong):
        other.end(event.run)
    hours = [datetime(2026, 1, 5, tzinfo=UTC) + timedelta(hours=n) for n in range(200)]
    for world in (right, other):
        world.due = []
        for now in hours:
            for event in world.look(now):
                world.due.append(event.scheduled_at)
                world.end(event.run)
    assert other.due == right.due
    assert len(right.due) >= 8


def test_a_definition_that_a_wrong_clock_applied_is_due_at_its_next_tick():
    world = World(job(), "2030-01-01T00:00:00+00:00")
    due = []
    for hours in range(100):
        now = datetime(2026, 1, 5, tzinfo=UTC) + timedelta(hours=hours)
        for event in world.look(now):
            due.append(event.scheduled_at[:10])
            world.end(event.run)
    assert due == [f"2026-01-0{day}" for day in range(4, 10)]


def test_a_try_that_a_wrong_clock_put_off_is_not_put_off():
    world = World(job(retries=1), "2026-01-01T00:00:00+00:00")
    world.take(
        RunQueued(
            run="r",
            job="j",
            trigger="schedule",
            scheduled_at="2026-01-01T00:00:00+00:00",
            data_start="",
            data_end="",
            attempt=2,
            not_before="2030-01-01T00:00:00+00:00",
        )
    )
    now = datetime(2026, 1, 5, tzinfo=UTC)
    assert [run.id for run in agenda.ready(world.board, now)] == ["r"]
