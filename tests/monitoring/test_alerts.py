"""What people are told, and when: each alert once, silent while acknowledged, over when it is."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from mlops_nb import events as ev
from mlops_nb.monitoring import alerts
from mlops_nb.monitoring.health import Condition
from mlops_nb.storage.memory import MemoryJournal

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
BAD = Condition(
    job="j",
    kind="failed",
    cause="r0",
    what="it broke; version 3 still answers",
    fix="mlops-nb show r1",
    run="r1",
)
FINE = Condition(job="j", kind="failed", cause="r2", because="run r2 finished", run="r2")
NAME = "j-failed-1"


class Workspace:
    """A journal, a clock, and how things stand."""

    def __init__(self):
        self.now = NOON
        self.journal = MemoryJournal(lambda: self.now)

    @property
    def known(self):
        return alerts.alerts(self.journal.read())

    def stands(self, *how):
        """Write down what follows from how things stand; return the names of it."""
        told = []
        for event in list(alerts.changes(how, self.known)):
            if self.journal.append(event, once=alerts.once(event, self.known)) is not None:
                told.append((type(event).__name__, event.alert))
        return told

    def ack(self, hours):
        until = (self.now + timedelta(hours=hours)).isoformat()
        self.journal.append(ev.AlertAcked(job="j", alert=NAME, until=until))

    def due(self, channel="log", name=NAME):
        return alerts.due(self.known[name], channel, self.now)

    def tell(self, channel="log", error="", name=NAME):
        """Tell what is due, and return which message it was; "" where none is."""
        sent = self.due(channel, name)
        if sent is None:
            return ""
        self.journal.append(replace(sent, error=error))
        return f"{sent.about.partition('-')[0]} {sent.attempt}"


# what follows


def test_what_is_wrong_raises_one_alert_however_often_one_looks_or_it_happens():
    workspace = Workspace()
    assert workspace.stands(BAD) == [("AlertRaised", NAME)]
    assert workspace.stands(BAD) == []
    assert workspace.stands(replace(BAD, run="r2", what="it broke again")) == []
    assert [a.what for a in workspace.known.values()] == [BAD.what]


def test_an_alert_ends_when_its_cause_is_gone_and_the_next_one_has_the_next_number():
    workspace = Workspace()
    workspace.stands(BAD)
    assert workspace.stands(FINE) == [("AlertEnded", NAME)]
    assert workspace.known[NAME].because == "run r2 finished"
    assert workspace.stands(FINE) == []
    assert workspace.stands(replace(BAD, cause="r2")) == [("AlertRaised", "j-failed-2")]


def test_what_was_mended_and_broke_again_between_two_looks_ends_and_is_raised_anew():
    workspace = Workspace()
    workspace.stands(BAD)
    again = replace(BAD, cause="r2", because="run r2 finished", run="r3")
    assert workspace.stands(again) == [("AlertEnded", NAME), ("AlertRaised", "j-failed-2")]


def test_an_alert_whose_run_is_tried_once_more_stays_open_until_that_is_over():
    workspace = Workspace()
    workspace.stands(BAD)
    assert workspace.stands(replace(BAD, what="")) == []
    assert workspace.known[NAME].is_open


def test_other_jobs_and_other_kinds_have_alerts_of_their_own():
    workspace = Workspace()
    told = workspace.stands(BAD, replace(BAD, kind="missed"), replace(BAD, job="k"))
    assert [name for _, name in told] == [NAME, "j-missed-1", "k-failed-1"]
    assert workspace.stands(FINE) == [("AlertEnded", NAME)]


def test_what_nobody_looked_at_neither_raises_nor_ends():
    workspace = Workspace()
    workspace.stands(BAD)
    assert workspace.stands() == []
    assert workspace.known[NAME].is_open


def test_an_alert_that_turns_out_to_hurt_users_is_raised_again_and_told_once_more():
    workspace = Workspace()
    workspace.stands(BAD)
    workspace.tell()
    workspace.ack(8)
    worse = replace(BAD, what="it is bad; users are hurt", urgent=True)
    assert workspace.stands(worse) == [("AlertRaised", NAME)]
    assert workspace.stands(worse) == []
    assert workspace.known[NAME].urgent
    assert [workspace.tell(), workspace.tell()] == ["urgent 1", ""]
    assert workspace.stands(BAD) == []  # it does not become less urgent by itself


def test_two_who_look_at_once_raise_and_end_an_alert_once():
    workspace = Workspace()
    for how in (BAD, FINE):
        twice = [list(alerts.changes([how], workspace.known)) for _ in range(2)]
        known = workspace.known
        kept = [workspace.journal.append(e, once=alerts.once(e, known)) for es in twice for e in es]
        assert len([e for e in kept if e is not None]) == 1


# what is due


def test_an_alert_is_told_to_each_channel_once():
    workspace = Workspace()
    workspace.stands(BAD)
    assert [workspace.tell("log"), workspace.tell("log")] == ["raised 1", ""]
    assert [workspace.tell("webhook:a"), workspace.tell("webhook:a")] == ["raised 1", ""]
    workspace.now += timedelta(days=99)
    assert workspace.due() is None


def test_an_acknowledged_alert_is_silent_and_is_told_once_more_when_that_time_is_over():
    workspace = Workspace()
    workspace.stands(BAD)
    workspace.tell()
    workspace.ack(8)
    workspace.now += timedelta(hours=8, seconds=-1)
    assert workspace.due() is None
    assert workspace.due("webhook:a") is None
    workspace.now += timedelta(seconds=1)
    assert [workspace.tell(), workspace.tell()] == ["again 1", ""]
    workspace.ack(1)
    workspace.now += timedelta(hours=1)
    assert [workspace.tell(), workspace.tell()] == ["again 1", ""]


def test_an_acknowledged_alert_that_is_over_is_not_told_again_but_that_it_is_over():
    workspace = Workspace()
    workspace.stands(BAD)
    workspace.tell()
    workspace.ack(8)
    workspace.stands(FINE)
    assert [workspace.tell(), workspace.tell()] == ["ended 1", ""]
    workspace.now += timedelta(hours=9)
    assert workspace.due() is None


def test_that_it_is_over_is_told_to_those_only_that_were_told_that_it_began():
    workspace = Workspace()
    workspace.stands(BAD)
    workspace.tell("log")
    workspace.tell("webhook:dead", error="refused")
    workspace.stands(FINE)
    workspace.now += timedelta(hours=1)
    assert [
        workspace.tell("log"),
        workspace.tell("webhook:dead"),
        workspace.tell("webhook:new"),
    ] == [
        "ended 1",
        "",
        "",
    ]


def test_what_a_channel_did_not_take_is_tried_five_times_with_growing_pauses():
    workspace = Workspace()
    workspace.stands(BAD)
    tries = []
    for minute in range(600):
        if workspace.tell(error="it answered 500"):
            tries.append(minute)
        workspace.now += timedelta(minutes=1)
    assert tries == [0, 1, 6, 21, 81]


def test_a_channel_that_takes_it_at_last_is_told_no_more():
    workspace = Workspace()
    workspace.stands(BAD)
    workspace.tell(error="no")
    workspace.now += timedelta(minutes=1)
    assert workspace.tell() == "raised 2"
    workspace.now += timedelta(days=1)
    assert workspace.due() is None


# in words


def alert_of(urgent):
    workspace = Workspace()
    workspace.stands(replace(BAD, urgent=urgent))
    workspace.stands(FINE)
    return workspace.known[NAME]


def test_a_message_says_what_and_the_next_command_and_only_what_hurts_says_urgent():
    calm, hurt = alert_of(urgent=False), alert_of(urgent=True)
    words = "j-failed-1: it broke; version 3 still answers. Next: mlops-nb show r1"
    assert alerts.text(calm, "raised") == words
    assert alerts.text(hurt, "urgent") == f"urgent: {words}"
    assert alerts.text(calm, "again-7").startswith("j-failed-1 (again): it broke")
    assert alerts.text(hurt, "ended") == "j-failed-1 is over: run r2 finished"


@pytest.mark.parametrize(("about", "urgent"), [("raised", True), ("ended", False)])
def test_a_message_as_json_has_what_the_words_have(about, urgent):
    told = alerts.payload(alert_of(urgent=True), about, "T")
    assert list(told) == ["version", "alert", "job", "kind", "about", "urgent", "text", "fix", "at"]
    assert (told["version"], told["alert"], told["kind"], told["at"]) == (1, NAME, "failed", "T")
    assert (told["urgent"], bool(told["fix"])) == (urgent, urgent)


def test_a_key_fits_into_its_column_whatever_a_host_is_called():
    sent = ev.AlertSent(alert="j" * 100, channel="webhook:" + "h" * 250)
    keys = {alerts.once(replace(sent, attempt=n), {}) for n in (1, 2)}
    keys |= {alerts.once(replace(sent, about="ended"), {})}
    assert len(keys) == 3
    assert max(map(len, keys)) < 255


def test_nobody_is_told_any_more_that_something_was_over_a_day_ago():
    workspace = Workspace()
    workspace.stands(BAD)
    workspace.tell()
    workspace.stands(FINE)
    workspace.now += timedelta(days=1, seconds=-1)
    assert workspace.due() is not None
    workspace.now += timedelta(seconds=1)
    assert workspace.due() is None
