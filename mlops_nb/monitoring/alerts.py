"""Alerts, folded from the events of the journal, and the messages that are due."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from mlops_nb.events import AlertAcked, AlertEnded, AlertRaised, AlertSent, Event
from mlops_nb.monitoring.condition import Condition
from mlops_nb.monitoring.model_conditions import DIGEST, MOVEMENT

LOG = "log"  # the channel that gets every alert
QUIET = {MOVEMENT}  # kinds that go to the log alone, and into the digest of the day
KINDS = (AlertRaised, AlertSent, AlertAcked, AlertEnded)
TRIES = 5  # of one message to one channel
# pauses between tries; the first is longer than any delivery, so that a running delivery of
# another process never counts as lost
PAUSES = tuple(timedelta(minutes=m) for m in (1, 5, 15, 60))
ENDED = "ended"
STALE = timedelta(days=1)  # age after which the end of an alert is not sent any more


@dataclass(slots=True, kw_only=True)
class Alert:
    """One alert, as the journal describes it."""

    name: str
    job: str
    kind: str
    what: str
    fix: str
    urgent: bool
    cause: str
    since: str
    run: str = ""
    about: str = "raised"  # the message that describes it now
    acked_until: str = ""
    ended: str = ""
    because: str = ""
    tries: dict[tuple[str, str], AlertSent] = field(default_factory=dict)  # the last of (about, to)

    @property
    def is_open(self) -> bool:
        """Whether it has not ended."""
        return not self.ended

    @property
    def sent(self) -> list[str]:
        """The channels that accepted a message of it."""
        return sorted({to for (_, to), last in self.tries.items() if not last.error})


def alerts(events: Iterable[Event]) -> dict[str, Alert]:
    """Return every alert by its name, oldest first."""
    found: dict[str, Alert] = {}
    for event in events:
        take(found, event)
    return found


def take(found: dict[str, Alert], event: Event) -> None:
    """Fold one more event into the alerts."""
    if isinstance(event, AlertRaised) and event.alert not in found:
        found[event.alert] = Alert(
            name=event.alert,
            job=event.job,
            kind=event.kind,
            what=event.what,
            fix=event.fix,
            urgent=event.urgent,
            cause=event.cause,
            since=event.at,
            run=event.run,
        )
    elif isinstance(event, KINDS) and event.alert in found:
        _fold(found[event.alert], event)


def _fold(alert: Alert, event: AlertRaised | AlertSent | AlertAcked | AlertEnded) -> None:
    match event:
        case AlertRaised():
            alert.what, alert.fix, alert.urgent = event.what, event.fix, event.urgent
            alert.about, alert.acked_until, alert.run = "urgent", "", event.run
        case AlertSent():
            alert.tries[event.about, event.channel] = event
        case AlertAcked():
            alert.about, alert.acked_until = f"again-{event.id}", event.until
        case AlertEnded():
            alert.ended, alert.because = event.at, event.because


# what follows


def changes(
    standings: Iterable[Condition], known: Mapping[str, Alert]
) -> Iterator[AlertRaised | AlertEnded]:
    """Yield the alerts to raise and to end, from the current conditions.

    One alert of a job and kind is open at a time. It ends when its cause is gone; if it begins to
    hurt users, it is raised again under its name.
    """
    running = {(a.job, a.kind): a for a in known.values() if a.is_open}
    for now in standings:
        alert = running.get((now.job, now.kind))
        if alert is not None and alert.cause != now.cause:
            because = now.because or "it is over"
            yield AlertEnded(run=now.run, job=now.job, alert=alert.name, because=because)
            alert = None
        if now.what and alert is None:
            number = 1 + sum((a.job, a.kind) == (now.job, now.kind) for a in known.values())
            yield _raised(now, f"{now.job}-{now.kind}-{number}")
        elif now.what and alert is not None and now.urgent and not alert.urgent:
            yield _raised(now, alert.name)


def _raised(now: Condition, name: str) -> AlertRaised:
    return AlertRaised(
        run=now.run,
        job=now.job,
        alert=name,
        kind=now.kind,
        what=now.what,
        fix=now.fix,
        urgent=now.urgent,
        cause=now.cause,
    )


def once(event: AlertRaised | AlertSent | AlertEnded, known: Mapping[str, Alert]) -> str:
    """Return the key by which an event is written only once, by any process.

    >>> once(AlertEnded(alert="a-failed-1", because="it ran"), {})[:10]
    'alert:cd84'
    """
    words = [event.alert]
    if isinstance(event, AlertSent):
        words += [event.about, event.channel, str(event.attempt)]
    elif isinstance(event, AlertRaised):
        words.append("urgent" if event.alert in known else "raised")
    else:
        words.append(ENDED)
    # a host's name may be longer than a key
    return "alert:" + hashlib.sha256("\n".join(words).encode()).hexdigest()


# what is due


def message(alert: Alert, now: datetime) -> str:
    """Return which message of an alert must be sent now, "" for none.

    There is none while the alert is acknowledged, and a day after its end. That the digest of a
    day is over is no message.
    """
    if alert.ended and alert.kind == DIGEST:
        return ""
    if alert.ended:
        return ENDED if now - datetime.fromisoformat(alert.ended) < STALE else ""
    if alert.acked_until and now < datetime.fromisoformat(alert.acked_until):
        return ""
    return alert.about


def due(alert: Alert, channel: str, now: datetime) -> AlertSent | None:
    """Return the next try to send an alert to a channel, None if none is due.

    The end of an alert is sent only to channels that got its beginning. A failed message is sent
    again after growing pauses, five times in all.
    """
    about = message(alert, now)
    if alert.kind in QUIET and channel != LOG:
        return None
    if not about or (about == ENDED and channel not in alert.sent):
        return None
    last = alert.tries.get((about, channel))
    attempt = 1 if last is None else last.attempt + 1
    if last is not None:
        if not last.error or attempt > TRIES:
            return None
        if now < datetime.fromisoformat(last.at) + PAUSES[last.attempt - 1]:
            return None
    return AlertSent(
        run=alert.run,
        job=alert.job,
        alert=alert.name,
        channel=channel,
        about=about,
        attempt=attempt,
    )


def text(alert: Alert, about: str) -> str:
    """Return a message as text: the problem, the serving version, the harm, the next step."""
    if about == ENDED:
        return f"{alert.name} is over: {alert.because}"
    urgent = "urgent: " if alert.urgent else ""
    still = " (again)" if about.startswith("again") else ""
    return f"{urgent}{alert.name}{still}: {alert.what}. Next: {alert.fix}"


def payload(alert: Alert, about: str, at: str) -> dict[str, Any]:
    """Return a message as JSON."""
    return {
        "version": 1,
        "alert": alert.name,
        "job": alert.job,
        "kind": alert.kind,
        "about": about.partition("-")[0],
        "urgent": alert.urgent and about != ENDED,
        "text": text(alert, about),
        "fix": "" if about == ENDED else alert.fix,
        "at": at,
    }


def row(alert: Alert) -> dict[str, Any]:
    """Return an alert as `ack --json` prints it."""
    return {
        "alert": alert.name,
        "job": alert.job,
        "kind": alert.kind,
        "what": alert.what,
        "fix": alert.fix,
        "urgent": alert.urgent,
        "since": alert.since,
        "sent": alert.sent,
        "acked_until": alert.acked_until or None,
    }
