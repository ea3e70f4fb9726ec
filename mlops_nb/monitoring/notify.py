"""Sends alerts to a log, to webhooks and to commands, each message once a channel."""

import contextlib
import hashlib
import http.client
import json
import os
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import replace

from mlops_nb.events import AlertSent
from mlops_nb.monitoring import alerts
from mlops_nb.monitoring.alerts import LOG, Alert
from mlops_nb.storage.ports import Clock, Journal

HOOK_TIMEOUT = 10.0  # s
COMMAND_TIMEOUT = 30.0  # s
AT_ONCE = 8
WAITING = 32  # deliveries in progress; the rest waits for the next look
UNDER_WAY = "its delivery began and has not ended"
Payload = Mapping[str, Any]


class Channel(Struct, frozen=True, kw_only=True):
    """A channel of notifications.

    name:   its name in the journal, which contains no secret
    kind:   webhook or command
    target: a URL or a command, or {"env": the variable that holds it}
    """

    name: str
    kind: str
    target: Any


class Delivery(Struct, frozen=True, kw_only=True):
    """A message that is due to a channel."""

    alert: Alert
    channel: Channel
    sent: AlertSent


def channels(notify: Iterable[Mapping[str, Any]]) -> list[Channel]:
    """Return the channels that a job's `notify` names, each once.

    >>> [c.name for c in channels([{"webhook": {"env": "HOOK"}}, {"command": "mail ann"}])]
    ['webhook:$HOOK', 'command:296a8e']
    """
    found: dict[str, Channel] = {}
    for entry in notify:
        for kind, target in entry.items():
            name = f"{kind}:{_called(kind, target)}"
            found.setdefault(name, Channel(name=name, kind=kind, target=target))
    return list(found.values())


def _called(kind: str, target: Any) -> str:
    """Return a name for a target without any part that may be secret."""
    if isinstance(target, Mapping):
        return f"${target['env']}"
    short = hashlib.sha256(target.encode()).hexdigest()[:6]
    with contextlib.suppress(ValueError):
        host = urlsplit(target).hostname if kind == "webhook" else ""
        return f"{host}-{short}" if host else short
    return short


class Teller:
    """Delivers messages; the process that claims a try in the journal sends it.

    log:         the log of alerts, one JSON line a message
    folder:      the working folder of commands
    environment: the variables for `env` and for commands
    """

    def __init__(
        self,
        *,
        journal: Journal,
        clock: Clock,
        log: Path,
        folder: Path,
        environment: Mapping[str, str],
    ) -> None:
        self.journal, self.clock, self.log, self.folder = journal, clock, log, folder
        self.environment = dict(environment)
        self.pool: ThreadPoolExecutor | None = None
        self.flying: dict[AlertSent, Future[None]] = {}

    @property
    def channel(self) -> Channel:
        """The log, which gets every alert."""
        return Channel(name=LOG, kind=LOG, target="")

    def start(self, due: Iterable[Delivery]) -> None:
        """Start the deliveries that are not in progress; the log is written when this returns."""
        self.flying = {
            sent: delivery for sent, delivery in self.flying.items() if not delivery.done()
        }
        for one in due:
            if one.channel.kind == LOG:
                self.deliver(one)
            elif one.sent not in self.flying and len(self.flying) < WAITING:
                # the threads stay, as each has a connection to the journal; the interpreter
                # waits for them at exit
                self.pool = self.pool or ThreadPoolExecutor(AT_ONCE, "mlops-nb-alerts")
                self.flying[one.sent] = self.pool.submit(self.deliver, one)

    def wait(self) -> None:
        """Wait for all deliveries. Raises the error of a failed write to the journal."""
        for delivery in list(self.flying.values()):
            delivery.result()

    def close(self) -> None:
        """Wait for all deliveries and end the threads."""
        if self.pool is not None:
            self.pool.shutdown()
            self.pool = None

    def deliver(self, one: Delivery) -> None:
        """Deliver one message unless another process has; record the result.

        The claim of a killed process counts as a failed try: the message may be sent twice, and is
        never lost.
        """
        claim = replace(one.sent, error=UNDER_WAY)
        if self.journal.append(claim, once=alerts.once(claim, {})) is None:
            return
        at = self.clock().astimezone(UTC).isoformat(timespec="seconds")
        payload = alerts.payload(one.alert, one.sent.about, at)
        try:
            error = SENDERS[one.channel.kind](self, one, payload)
        except Exception as failure:  # noqa: BLE001  a failed delivery must not stop a job
            error = _why(failure)
        self.journal.append(replace(one.sent, error=error))

    def target(self, channel: Channel) -> str:
        """Return the URL or command of a channel. Raises LookupError if it is not set."""
        target = channel.target
        if isinstance(target, Mapping):
            found = self.environment.get(target["env"])
            if not found:
                raise LookupError(f"{target['env']} is not set")
            return found
        return str(target)


# one function for each kind of channel: each returns its error, "" if it succeeded


def _write(teller: Teller, _: Delivery, payload: Payload) -> str:
    teller.log.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps(payload, ensure_ascii=False) + "\n"
    with teller.log.open("ab", buffering=0) as file:  # one write, so that lines stay whole
        file.write(line.encode())
    return ""


class _Straight(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: that would turn the POST into a GET without the message."""

    def redirect_request(self, *_: Any) -> None:
        """Refuse the redirect."""


def _post(teller: Teller, one: Delivery, payload: Payload) -> str:
    url = teller.target(one.channel)
    if urlsplit(url).scheme not in {"http", "https"}:
        return "the webhook is no http or https address"
    request = urllib.request.Request(  # noqa: S310  the scheme was checked above
        url,
        data=json.dumps(payload, ensure_ascii=False).encode(),
        headers={
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "mlops-nb",
            "Idempotency-Key": f"{one.alert.name}/{one.sent.about}",
        },
        method="POST",
    )
    opener = urllib.request.build_opener(_Straight)
    try:
        with opener.open(request, timeout=HOOK_TIMEOUT):
            return ""
    except urllib.error.HTTPError as answer:
        answer.close()
        return f"it answered {answer.code}"


def _run(teller: Teller, one: Delivery, payload: Payload) -> str:
    variables = {
        f"MLOPS_NB_ALERT_{k.upper()}": _plain(v) for k, v in payload.items() if k != "version"
    }
    with subprocess.Popen(  # noqa: S602  the command that job.yaml names
        teller.target(one.channel),
        shell=True,
        cwd=teller.folder,
        start_new_session=True,
        env={**teller.environment, **variables},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,  # both may contain a secret
    ) as process:
        try:
            process.communicate(f"{payload['text']}\n".encode(), timeout=COMMAND_TIMEOUT)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # and its child processes
            return f"it took longer than {COMMAND_TIMEOUT:g} s"
    return f"it ended with exit status {process.returncode}" if process.returncode else ""


SENDERS: dict[str, Callable[[Teller, Delivery, Payload], str]] = {
    LOG: _write,
    "webhook": _post,
    "command": _run,
}


def _plain(value: Any) -> str:
    return ("1" if value else "") if isinstance(value, bool) else str(value)


def _why(error: Exception) -> str:
    """Return what went wrong, without texts of errors that may contain the address.

    >>> _why(urllib.error.URLError(ConnectionRefusedError(111, "Connection refused")))
    'Connection refused'
    >>> _why(http.client.InvalidURL("nonnumeric port: 'secret'"))
    'the webhook is no address'
    """
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, TimeoutError):
        return f"there was no answer within {HOOK_TIMEOUT:g} s"
    if isinstance(reason, LookupError) and isinstance(error, LookupError):
        return str(error.args[0])
    if isinstance(reason, http.client.InvalidURL | ValueError):
        return "the webhook is no address"
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror
    return type(reason).__name__
