"""The callers of the demo: they send flights as requests to a server, at a steady rate."""

import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlsplit

import orjson

from mlops_nb.demo.calls import Call
from mlops_nb.demo.results import YEAR

REOPEN_AFTER = 2  # s: an idle connection is opened again before its server closes it
Flight = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast callers send.

    callers: of which each has one connection and waits for its answer
    beat:    s: all callers send at once, then wait for the next beat
    least:   requests before and after a change of the version
    within:  s: how long a new version may take to answer `least` requests
    timeout: s: when a caller gives up on an answer
    """

    callers: int = 20
    beat: float = 0.2
    least: int = 200
    within: float = 60.0
    timeout: float = 30.0


class Callers:
    """Threads that send the flights of a month, in order, until they end."""

    def __init__(self, url: str, pace: Pace) -> None:
        self.address = urlsplit(url).netloc
        self.pace = pace
        self.calls: list[Call] = []
        self.answers: Counter[int | None] = Counter()  # version → calls; None: failed
        self.sent = 0  # the number of the latest call
        self.failing = 0  # the latest calls that failed, one after the other
        self.month = 0
        self.flights: Iterator[tuple[int, Flight]] | None = None
        self.changed = threading.Condition()
        self.ended = threading.Event()
        self.began = time.monotonic()
        self.threads = [
            threading.Thread(target=self._send_all, daemon=True) for _ in range(pace.callers)
        ]
        for thread in self.threads:
            thread.start()

    def send(self, month: int, flights: Sequence[Flight]) -> None:
        """Send the flights of a month from now on."""
        with self.changed:
            self.month, self.flights = month, enumerate(flights, 1)

    def wait(self, count: int, version: int | None = None) -> bool:
        """Wait for more calls, answered by a version if one is given; return whether they came.

        It ends early after the last flight of a month, and if the server does not answer any more.
        """
        with self.changed:
            wanted = count + (len(self.calls) if version is None else self.answers[version])
            self.changed.wait_for(
                lambda: self._have(wanted, version) or self.flights is None or self.dead,
                self.pace.within,
            )
            return self._have(wanted, version)

    @property
    def dead(self) -> bool:
        """Whether so many calls failed, one after the other, that the server seems to be gone."""
        return self.failing >= self.pace.least

    def end(self) -> tuple[Call, ...]:
        """Wait for the answers that are due, and return all calls in the order of their sending."""
        self.ended.set()
        for thread in self.threads:
            thread.join()
        return tuple(sorted(self.calls, key=lambda call: call.number))

    def _have(self, wanted: int, version: int | None) -> bool:
        return (len(self.calls) if version is None else self.answers[version]) >= wanted

    def _send_all(self) -> None:
        connection = HTTPConnection(self.address, timeout=self.pace.timeout)
        used = time.monotonic()
        while not self.ended.wait(self._until_next_beat()):
            taken = self._take()
            if taken is None:
                continue
            if time.monotonic() - used > REOPEN_AFTER:
                connection.close()
            call = _call(connection, *taken)
            used = time.monotonic()
            with self.changed:
                self.calls.append(call)
                self.answers[call.version] += 1
                self.failing = self.failing + 1 if call.version is None else 0
                self.changed.notify_all()
        connection.close()

    def _until_next_beat(self) -> float:
        beat = self.pace.beat
        return beat - (time.monotonic() - self.began) % beat

    def _take(self) -> tuple[int, int, str, Flight] | None:
        """Return the next flight with its numbers; None if there is none."""
        with self.changed:
            found = next(self.flights, None) if self.flights is not None else None
            if found is None:
                self.flights = None
                return None
            place, flight = found
            self.sent += 1
            return self.sent, self.month, f"{YEAR}-{self.month:02d}-{place:05d}", flight


def _call(
    connection: HTTPConnection, number: int, month: int, request_id: str, flight: Flight
) -> Call:
    """Send one flight and return what became of it."""
    body = orjson.dumps({"rows": [flight], "request_ids": [request_id]})
    version, error, began = None, "", time.perf_counter()
    try:
        connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        status, answer = response.status, orjson.loads(response.read())
    except (OSError, HTTPException, ValueError) as failure:
        connection.close()
        error = f"no answer: {failure or type(failure).__name__}"
    else:
        if status != 200:  # noqa: PLR2004
            error = f"{status}: {answer.get('error')}"
        elif answer["request_ids"] != [request_id]:
            error = "the answer belongs to another request"
        else:
            version = answer["model_version"]
    return Call(
        number=number,
        request_id=request_id,
        month=month,
        version=version,
        seconds=time.perf_counter() - began,
        error=error,
    )
