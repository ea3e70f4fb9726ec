"""The requests of the demo: what the callers saw, by month and by version."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request of a caller.

    number:  1 for the first request of the demo
    version: that answered; None if the request failed
    seconds: wall time from the request to its answer, s
    error:   why it failed; "" if it was answered
    """

    number: int
    request_id: str
    month: int
    version: int | None
    seconds: float
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Takeover:
    """A version that was put into service, and its first answer; call: None if it gave none."""

    version: int
    month: int
    call: Call | None
    rollback: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LogCheck:
    """The rows of the prediction log, compared with the answered requests.

    missing: answered requests that the log lacks
    extra:   rows beyond one for each answered request
    """

    rows: int
    missing: int
    extra: int

    @property
    def equal(self) -> bool:
        """Whether each answered request is in the log once, and nothing else."""
        return not self.missing and not self.extra


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """All requests of the demo, in the order in which they were sent."""

    calls: tuple[Call, ...] = ()
    takeovers: tuple[Takeover, ...] = ()
    log: LogCheck | None = None

    @property
    def answered(self) -> int:
        """How many requests were answered."""
        return sum(call.version is not None for call in self.calls)

    @property
    def failed(self) -> int:
        """How many requests were not answered."""
        return len(self.calls) - self.answered

    @property
    def errors(self) -> list[tuple[str, int]]:
        """Why requests failed, and how many did so, the most frequent first."""
        return Counter(call.error for call in self.calls if call.error).most_common()

    @property
    def versions(self) -> list[tuple[int, int]]:
        """Each version with the number of its answers."""
        return sorted(Counter(c.version for c in self.calls if c.version is not None).items())

    @property
    def months(self) -> dict[int, "Calls"]:
        """Month → its requests and takeovers."""
        return {
            month: Calls(
                calls=tuple(c for c in self.calls if c.month == month),
                takeovers=tuple(t for t in self.takeovers if t.month == month),
            )
            for month in sorted({call.month for call in self.calls})
        }

    def seconds(self, share: float) -> float | None:
        """Return the time within which a share of the answers came, in s; None without answers."""
        times = sorted(call.seconds for call in self.calls if call.version is not None)
        return times[min(len(times) - 1, int(share * len(times)))] if times else None


def first_of(calls: Iterable[Call], version: int, after: int) -> Call | None:
    """Return the first call after a number that a version answered."""
    later = (c for c in calls if c.number > after and c.version == version)
    return min(later, key=lambda call: call.number, default=None)


def compare(calls: Iterable[Call], logged: Sequence[Any]) -> LogCheck:
    """Compare the ids in the prediction log with the answered requests.

    >>> call = Call(number=1, request_id="a", month=2, version=1, seconds=0.01)
    >>> compare([call], ["a"]).equal, compare([call], ["a", "a"]).extra
    (True, 1)
    """
    answered = Counter(call.request_id for call in calls if call.version is not None)
    found = Counter(logged)
    return LogCheck(
        rows=len(logged),
        missing=(answered - found).total(),
        extra=(found - answered).total(),
    )
