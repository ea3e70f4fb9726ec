"""Events of alerts."""

from mlops_nb.events.base import Event


class AlertRaised(Event, frozen=True, kw_only=True):
    """An alert is raised; it is open until it ends.

    alert:  its name, such as `flights-failed-3`
    kind:   failed, refused, missed, stopped-data, waiting, moved, unserved,
             old-lookup, scoring, harm, data-fault, labels, movement, digest or rolled-back
    what:   what happened, and which version serves now
    fix:    the next command
    urgent: users are hurt; an alert that becomes urgent is raised again by its name
    cause:  identifies the problem; with another cause the alert ends
    """

    alert: str
    kind: str
    what: str
    fix: str
    urgent: bool = False
    cause: str = ""


class AlertSent(Event, frozen=True, kw_only=True):
    """An alert was sent to a channel; `error`: why that failed or has not ended.

    about:   the message: raised, urgent, again-… after an acknowledgement, or ended
    attempt: which try of that message it is, from 1
    """

    alert: str
    channel: str
    error: str = ""
    about: str = "raised"
    attempt: int = 1


class AlertAcked(Event, frozen=True, kw_only=True):
    """An alert is acknowledged; it is not repeated until an ISO time.

    mistaken: the alert was false: the level that it reported counts as normal from now on
    """

    alert: str
    until: str
    by: str = ""
    mistaken: bool = False


class AlertEnded(Event, frozen=True, kw_only=True):
    """An alert ends."""

    alert: str
    because: str
