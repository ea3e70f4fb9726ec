"""When a job is due, in its own time zone, and what a run is about."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from mlops_nb.errors import JobError, ParameterError
from mlops_nb.jobs import schedule
from mlops_nb.jobs.model import Interval
from mlops_nb.notebook.model import Parameter

BERLIN, SEOUL = "Europe/Berlin", "Asia/Seoul"


def due(line, zone, since, count):
    """Return the first times a job is due after a moment in its zone, as ISO text."""
    when = schedule.schedule(line, zone)
    ticks = schedule.ticks(when, schedule.moment(since, zone))
    return [tick.isoformat() for tick in itertools.islice(ticks, count)]


def test_in_autumn_the_hour_that_comes_twice_counts_once():
    assert due("30 2 * * *", BERLIN, "2026-10-24T12:00", 2) == [
        "2026-10-25T02:30:00+02:00",
        "2026-10-26T02:30:00+01:00",
    ]


def test_in_spring_the_hour_that_is_left_out_moves_on():
    assert due("30 2 * * *", BERLIN, "2026-03-28T12:00", 2) == [
        "2026-03-29T03:00:00+02:00",
        "2026-03-30T02:30:00+02:00",
    ]


def test_every_hour_is_every_hour_over_both_changes():
    for since in ("2026-10-24T22:30", "2026-03-28T22:30"):
        when = schedule.schedule("0 * * * *", BERLIN)
        ticks = list(itertools.islice(schedule.ticks(when, schedule.moment(since, BERLIN)), 8))
        moments = [tick.astimezone(UTC) for tick in ticks]
        assert {b - a for a, b in itertools.pairwise(moments)} == {timedelta(hours=1)}


def test_where_no_clock_changes_a_day_is_a_day():
    assert due("0 3 1 * *", SEOUL, "2026-02-15T00:00", 3) == [
        "2026-03-01T03:00:00+09:00",
        "2026-04-01T03:00:00+09:00",
        "2026-05-01T03:00:00+09:00",
    ]


@pytest.mark.parametrize(
    ("macro", "line"),
    [
        ("@hourly", "0 * * * *"),
        ("@daily", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        ("@weekly", "0 0 * * 0"),
        ("@monthly", "0 0 1 * *"),
        ("@yearly", "0 0 1 1 *"),
        ("@annually", "0 0 1 1 *"),
        (" @DAILY ", "0 0 * * *"),
        ("0  3 * * 1 ", "0 3 * * 1"),
    ],
)
def test_a_macro_is_the_line_it_stands_for(macro, line):
    assert schedule.schedule(macro, "UTC").cron == line


@pytest.mark.parametrize(
    ("line", "weekday"), [("0 9 * * 1", 0), ("0 9 * * 7", 6), ("0 9 * * 0", 6), ("0 9 * * SUN", 6)]
)
def test_monday_is_1_and_sunday_is_both_0_and_7(line, weekday):
    first = next(schedule.ticks(schedule.schedule(line, "UTC"), datetime(2026, 1, 1, tzinfo=UTC)))
    assert first.weekday() == weekday


def test_a_day_of_the_month_or_of_the_week_is_enough():
    assert due("0 0 13 * 5", "UTC", "2026-01-08T12:00", 3) == [
        "2026-01-09T00:00:00+00:00",
        "2026-01-13T00:00:00+00:00",
        "2026-01-16T00:00:00+00:00",
    ]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("0 0 0 * * *", "five fields"),
        ("0 0 * *", "five fields"),
        ("", "five fields"),
        ("@reboot", "five fields"),
        ("@every 5m", "five fields"),
        ("61 * * * *", "no cron line"),
        ("* * * * MOO", "no cron line"),
        ("0 24 * * *", "no cron line"),
        ("*/0 * * * *", "no cron line"),
        ("0 0 30 2 *", "never comes due"),
        ("0 0 31 4 *", "never comes due"),
        ("a b c d e", "no cron line"),
    ],
)
def test_a_line_that_is_none_is_refused(line, says):
    with pytest.raises(JobError) as refused:
        schedule.schedule(line, "UTC")
    assert says in refused.value.what or "no cron line" in refused.value.what
    assert repr(line) in refused.value.what
    assert refused.value.fix


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("Seoul", "Asia/Seoul"),
        ("europe/berlin", "Europe/Berlin"),
        ("Mars/Base", "UTC"),
        ("", "UTC"),
        ("../etc/passwd", "UTC"),
        ("/etc/localtime", "UTC"),
        ("Europe", "Europe/"),
    ],
)
def test_a_zone_that_is_none_is_refused_with_one_that_is(name, near):
    with pytest.raises(JobError) as refused:
        schedule.schedule("@daily", name)
    assert repr(name) in refused.value.what
    assert near in refused.value.fix


@pytest.mark.parametrize(("key", "value"), [("missed", "every"), ("overlap", "kill")])
def test_an_unknown_policy_is_refused(key, value):
    with pytest.raises(JobError, match=f"schedule.{key} is '{value}'"):
        schedule.schedule("@daily", "UTC", **{key: value})


def days(policy, now, since="2026-01-01T00:00"):
    when = schedule.schedule("0 3 * * *", "UTC", missed=policy)
    taken, _ = schedule.due(when, schedule.moment(since), schedule.moment(now))
    return [tick.day for tick in taken]


def test_of_several_missed_runs_the_policy_decides():
    assert days("all", "2026-01-04T03:01") == [1, 2, 3, 4]
    assert days("last", "2026-01-04T03:01") == [4]
    assert days("last", "2026-01-04T22:00") == [4]
    assert days("none", "2026-01-04T22:00") == []
    assert days("none", "2026-01-04T03:04") == [4]


@pytest.mark.parametrize("policy", ["all", "last", "none"])
def test_a_tick_counts_at_its_own_moment_and_only_once(policy):
    assert days(policy, "2026-01-01T03:00") == [1]
    assert days(policy, "2026-01-01T02:59") == []
    assert days(policy, "2026-01-01T03:01", since="2026-01-01T03:00") == []


def about(line, at, zone="UTC"):
    found = schedule.interval(schedule.schedule(line, zone), schedule.moment(at, zone))
    return found.start.isoformat(), found.end.isoformat()


def test_a_run_is_about_the_stretch_between_the_last_two_ticks():
    month = ("2013-01-01T03:00:00+09:00", "2013-02-01T03:00:00+09:00")
    assert about("0 3 1 * *", "2013-02-01T03:00", SEOUL) == month
    assert about("0 3 1 * *", "2013-02-17T11:12:13", SEOUL) == month
    assert about("0 3 1 * *", "2013-02-01T02:59:59", SEOUL)[1] == "2013-01-01T03:00:00+09:00"


def test_stretches_of_following_runs_leave_nothing_out_over_both_changes_of_the_clock():
    for since in ("2026-03-27T12:00", "2026-10-23T12:00"):
        when = schedule.schedule("30 2 * * *", BERLIN)
        ticks = itertools.islice(schedule.ticks(when, schedule.moment(since, BERLIN)), 5)
        found = [schedule.interval(when, tick) for tick in ticks]
        assert all(a.end == b.start for a, b in itertools.pairwise(found))
        assert all(one.end == one.scheduled_at for one in found)


def test_a_run_that_nothing_schedules_is_about_the_day_before():
    at = datetime(2026, 5, 5, tzinfo=UTC)
    assert schedule.interval(None, at) == Interval(
        start=datetime(2026, 5, 4, tzinfo=UTC), end=at, scheduled_at=at
    )


FEBRUARY = Interval(
    start=schedule.moment("2013-01-01T03:00", SEOUL),
    end=schedule.moment("2013-02-01T03:00", SEOUL),
    scheduled_at=schedule.moment("2013-02-01T03:00", SEOUL),
)


@pytest.mark.parametrize(
    ("value", "kind", "filled"),
    [
        ("{data_end:%Y-%m-%d}", "str", "2013-02-01"),
        ("{data_start:%Y-%m}/{data_end:%d}", "str", "2013-01/01"),
        ("{data_end:%Y}", "int", 2013),
        ("{data_end:%m}", "int", 2),
        ("{data_end:%d.5}", "float", 1.5),
        ("{scheduled_at}", "str", "2013-02-01 03:00:00+09:00"),
        ("{data_end.year}", "any", "{data_end.year}"),
        ("plain", "str", "plain"),
        ("{other}", "str", "{other}"),
        ("{", "str", "{"),
        (7, "int", 7),
        (None, "any", None),
    ],
)
def test_a_template_is_filled_in_and_cast_to_the_type_of_the_default(value, kind, filled):
    known = {"p": Parameter(name="p", value=None, type=kind)}
    found = schedule.filled({"p": value}, FEBRUARY, known)["p"]
    assert found == filled
    assert type(found) is type(filled)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("{data_end:%Y-%m-%d}", "int"),
        ("{data_end:%B}", "float"),
        ("{data_end:%d}", "bool"),
        ("{data_end}{x}", "str"),
        ("{data_end}{0}", "str"),
        ("{data_end!z}", "str"),
    ],
)
def test_a_template_that_cannot_be_filled_in_is_refused(value, kind):
    known = {"p": Parameter(name="p", value=None, type=kind)}
    with pytest.raises(ParameterError) as refused:
        schedule.filled({"p": value}, FEBRUARY, known)
    assert "'p'" in refused.value.what
    assert "{data_end:%Y-%m-%d}" in refused.value.fix


def test_a_moment_without_an_offset_is_meant_in_the_zone():
    assert schedule.moment("2026-07-01T03:00", BERLIN).isoformat() == "2026-07-01T03:00:00+02:00"
    assert schedule.moment("2026-07-01", SEOUL).isoformat() == "2026-07-01T00:00:00+09:00"
    assert schedule.moment("2026-07-01T03:00+05:00", SEOUL).utcoffset() == timedelta(hours=5)
    assert schedule.moment("2026-07-01T03:00Z", SEOUL).utcoffset() == timedelta(0)


@pytest.mark.parametrize("text", ["", "tomorrow", "2026-13-01", "03:00", "1.2.2026"])
def test_what_is_no_moment_is_refused(text):
    with pytest.raises(JobError, match="is no time"):
        schedule.moment(text)


@pytest.mark.parametrize("line", ["0 3 * * *", "*/5 * * * *", "0 0 29 2 *", "15 14 1 * *"])
def test_the_last_tick_is_at_the_moment_or_before_and_none_lies_between(line):
    when = schedule.schedule(line, BERLIN)
    for at in ("2026-03-29T03:00", "2026-10-25T02:30", "2026-07-01T00:00:00", "2028-02-29T00:00"):
        moment = schedule.moment(at, BERLIN)
        last = schedule.last_tick(when, moment)
        assert last <= moment
        assert next(schedule.ticks(when, last)) > moment
