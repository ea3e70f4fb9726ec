"""What people are told."""

from mlops_nb.events.base import Event
from mlops_nb.noun import noun


@noun
class AlertRaised(Event):
    """Something that people should know of; it is open until it ends.

    alert:  its name, such as `flights-failed-3`, to be acknowledged by
    kind:   failed, refused, missed, stopped-data, stopped-labels, waiting or moved
    what:   what happened, and which version answers now
    fix:    the next command
    urgent: users are hurt
    """

    alert: str
    kind: str
    what: str
    fix: str
    urgent: bool = False


@noun
class AlertSent(Event):
    """An alert was given to a channel; `error` where that did not take it."""

    alert: str
    channel: str
    error: str = ""


@noun
class AlertAcked(Event):
    """Somebody looks after an alert; it is not repeated until an ISO time."""

    alert: str
    until: str
    by: str = ""


@noun
class AlertEnded(Event):
    """What an alert told of is over."""

    alert: str
    because: str
