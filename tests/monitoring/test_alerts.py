"""Alerts: each is raised and sent once, silent while acknowledged, and ends with its cause."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from mlops_nb import events as ev
from mlops_nb.monitoring import alerts
from mlops_nb.monitoring.condition import Condition
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
    """A journal, a clock, and the alerts of conditions."""

    def __init__(self):
        self.now = NOON
        self.journal = MemoryJournal(lambda: self.now)

    @property
    def known(self):
        return alerts.alerts(self.journal.read())

    def observe(self, *conditions):
        """Record the events that follow from some conditions; return their types and alerts."""
        recorded = []
        for event in list(alerts.changes(conditions, self.known)):
            if self.journal.append(event, once=alerts.once(event, self.known)) is not None:
                recorded.append((type(event).__name__, event.alert))
        return recorded

    def ack(self, hours):
        until = (self.now + timedelta(hours=hours)).isoformat()
        self.journal.append(ev.AlertAcked(job="j", alert=NAME, until=until))

    def due(self, channel="log", name=NAME):
        return alerts.due(self.known[name], channel, self.now)

    def send(self, channel="log", error="", name=NAME):
        """Record the due message as sent, and return it; "" if none is due."""
        sent = self.due(channel, name)
        if sent is None:
            return ""
        self.journal.append(replace(sent, error=error))
        return f"{sent.about.partition('-')[0]} {sent.attempt}"


# changes


def test_a_cause_raises_one_alert_however_often_it_is_observed():
    workspace = Workspace()
    assert workspace.observe(BAD) == [("AlertRaised", NAME)]
    assert workspace.observe(BAD) == []
    assert workspace.observe(replace(BAD, run="r2", what="it broke again")) == []
    assert [a.what for a in workspace.known.values()] == [BAD.what]


def test_an_alert_ends_with_its_cause_and_numbers_ascend():
    workspace = Workspace()
    workspace.observe(BAD)
    assert workspace.observe(FINE) == [("AlertEnded", NAME)]
    assert workspace.known[NAME].because == "run r2 finished"
    assert workspace.observe(FINE) == []
    assert workspace.observe(replace(BAD, cause="r2")) == [("AlertRaised", "j-failed-2")]


def test_a_new_cause_between_two_checks_raises_a_new_alert():
    workspace = Workspace()
    workspace.observe(BAD)
    again = replace(BAD, cause="r2", because="run r2 finished", run="r3")
    assert workspace.observe(again) == [("AlertEnded", NAME), ("AlertRaised", "j-failed-2")]


def test_an_alert_stays_open_while_its_run_is_retried():
    workspace = Workspace()
    workspace.observe(BAD)
    assert workspace.observe(replace(BAD, what="")) == []
    assert workspace.known[NAME].is_open


def test_each_job_and_kind_has_its_own_alert():
    workspace = Workspace()
    recorded = workspace.observe(BAD, replace(BAD, kind="missed"), replace(BAD, job="k"))
    assert [name for _, name in recorded] == [NAME, "j-missed-1", "k-failed-1"]
    assert workspace.observe(FINE) == [("AlertEnded", NAME)]


def test_without_a_condition_an_alert_neither_starts_nor_ends():
    workspace = Workspace()
    workspace.observe(BAD)
    assert workspace.observe() == []
    assert workspace.known[NAME].is_open


def test_an_alert_that_becomes_urgent_is_raised_and_sent_again():
    workspace = Workspace()
    workspace.observe(BAD)
    workspace.send()
    workspace.ack(8)
    worse = replace(BAD, what="it is bad; users are hurt", urgent=True)
    assert workspace.observe(worse) == [("AlertRaised", NAME)]
    assert workspace.observe(worse) == []
    assert workspace.known[NAME].urgent
    assert [workspace.send(), workspace.send()] == ["urgent 1", ""]
    assert workspace.observe(BAD) == []  # it does not become less urgent by itself


def test_two_checks_at_once_raise_and_end_an_alert_once():
    workspace = Workspace()
    for how in (BAD, FINE):
        twice = [list(alerts.changes([how], workspace.known)) for _ in range(2)]
        known = workspace.known
        kept = [workspace.journal.append(e, once=alerts.once(e, known)) for es in twice for e in es]
        assert len([e for e in kept if e is not None]) == 1


# due messages


def test_an_alert_is_sent_to_each_channel_once():
    workspace = Workspace()
    workspace.observe(BAD)
    assert [workspace.send("log"), workspace.send("log")] == ["raised 1", ""]
    assert [workspace.send("webhook:a"), workspace.send("webhook:a")] == ["raised 1", ""]
    workspace.now += timedelta(days=99)
    assert workspace.due() is None


def test_an_acknowledged_alert_is_silent_for_that_time():
    workspace = Workspace()
    workspace.observe(BAD)
    workspace.send()
    workspace.ack(8)
    workspace.now += timedelta(hours=8, seconds=-1)
    assert workspace.due() is None
    assert workspace.due("webhook:a") is None
    workspace.now += timedelta(seconds=1)
    assert [workspace.send(), workspace.send()] == ["again 1", ""]
    workspace.ack(1)
    workspace.now += timedelta(hours=1)
    assert [workspace.send(), workspace.send()] == ["again 1", ""]


def test_the_end_of_an_acknowledged_alert_is_sent():
    workspace = Workspace()
    workspace.observe(BAD)
    workspace.send()
    workspace.ack(8)
    workspace.observe(FINE)
    assert [workspace.send(), workspace.send()] == ["ended 1", ""]
    workspace.now += timedelta(hours=9)
    assert workspace.due() is None


def test_an_end_is_sent_only_to_channels_that_got_the_start():
    workspace = Workspace()
    workspace.observe(BAD)
    workspace.send("log")
    workspace.send("webhook:dead", error="refused")
    workspace.observe(FINE)
    workspace.now += timedelta(hours=1)
    assert [
        workspace.send("log"),
        workspace.send("webhook:dead"),
        workspace.send("webhook:new"),
    ] == [
        "ended 1",
        "",
        "",
    ]


def test_a_failed_message_is_tried_five_times_with_growing_pauses():
    workspace = Workspace()
    workspace.observe(BAD)
    tries = []
    for minute in range(600):
        if workspace.send(error="it answered 500"):
            tries.append(minute)
        workspace.now += timedelta(minutes=1)
    assert tries == [0, 1, 6, 21, 81]


def test_after_a_successful_retry_nothing_is_due():
    workspace = Workspace()
    workspace.observe(BAD)
    workspace.send(error="no")
    workspace.now += timedelta(minutes=1)
    assert workspace.send() == "raised 2"
    workspace.now += timedelta(days=1)
    assert workspace.due() is None


# texts


def alert_of(urgent):
    workspace = Workspace()
    workspace.observe(replace(BAD, urgent=urgent))
    workspace.observe(FINE)
    return workspace.known[NAME]


def test_a_text_has_the_problem_and_command_and_marks_urgency():
    calm, hurt = alert_of(urgent=False), alert_of(urgent=True)
    words = "j-failed-1: it broke; version 3 still answers. Next: mlops-nb show r1"
    assert alerts.text(calm, "raised") == words
    assert alerts.text(hurt, "urgent") == f"urgent: {words}"
    assert alerts.text(calm, "again-7").startswith("j-failed-1 (again): it broke")
    assert alerts.text(hurt, "ended") == "j-failed-1 is over: run r2 finished"


@pytest.mark.parametrize(("about", "urgent"), [("raised", True), ("ended", False)])
def test_the_json_message_has_the_content_of_the_text(about, urgent):
    payload = alerts.payload(alert_of(urgent=True), about, "T")
    assert list(payload) == [
        "version",
        "alert",
        "job",
        "kind",
        "about",
        "urgent",
        "text",
        "fix",
        "at",
    ]
    assert (payload["version"], payload["alert"], payload["kind"], payload["at"]) == (
        1,
        NAME,
        "failed",
        "T",
    )
    assert (payload["urgent"], bool(payload["fix"])) == (urgent, urgent)


def test_a_key_fits_into_its_column_for_long_host_names():
    sent = ev.AlertSent(alert="j" * 100, channel="webhook:" + "h" * 250)
    keys = {alerts.once(replace(sent, attempt=n), {}) for n in (1, 2)}
    keys |= {alerts.once(replace(sent, about="ended"), {})}
    assert len(keys) == 3
    assert max(map(len, keys)) < 255


def test_an_end_older_than_a_day_is_not_sent():
    workspace = Workspace()
    workspace.observe(BAD)
    workspace.send()
    workspace.observe(FINE)
    workspace.now += timedelta(days=1, seconds=-1)
    assert workspace.due() is not None
    workspace.now += timedelta(seconds=1)
    assert workspace.due() is None
