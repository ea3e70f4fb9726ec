"""What people are told."""

from mlops_nb.events.base import Event


class AlertRaised(Event, frozen=True, kw_only=True):
    """Something that people should know of; it is open until it ends.

    alert:  its name, such as `flights-failed-3`, to be acknowledged by
    kind:   failed, refused, missed, stopped-data, stopped-labels, waiting or moved
    what:   what happened, and which version answers now
    fix:    the next command
    urgent: users are hurt; an alert that becomes urgent is raised again by its name
    cause:  what it belongs to: where that is another one, it is over
    """

    alert: str
    kind: str
    what: str
    fix: str
    urgent: bool = False
    cause: str = ""


class AlertSent(Event, frozen=True, kw_only=True):
    """An alert was given to a channel; `error` where that did not take it, or not yet.

    about:   which of its messages: raised, urgent, again-… after an acknowledgement, or ended
    attempt: which try of that message it is, from 1
    """

    alert: str
    channel: str
    error: str = ""
    about: str = "raised"
    attempt: int = 1


class AlertAcked(Event, frozen=True, kw_only=True):
    """Somebody looks after an alert; it is not repeated until an ISO time."""

    alert: str
    until: str
    by: str = ""


class AlertEnded(Event, frozen=True, kw_only=True):
    """What an alert told of is over."""

    alert: str
    because: str
