"""The results of the demo: its commands, trained models and months."""

import calendar
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from mlops_nb.demo.calls import Calls

YEAR = 2013
METRIC = "auc"

Verb = Literal["promote", "scheduler", "trigger"]
Gate = Mapping[str, Any]  # as `--json` prints it: gate, passed, value, champion


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One run of the job, with the verdict on its model.

    month:   the last month of its data, 1 to 12
    status:  as `mlops-nb history` prints it: finished, refused, …
    version: of the model, if it was registered
    spoiled: whether the data had the planted error
    """

    month: int
    verb: Verb
    status: str
    because: str = ""
    gates: tuple[Gate, ...] = ()
    version: int | None = None
    spoiled: bool = False

    @property
    def result(self) -> str:
        """`released`, `stopped` (by the data checks, before training), or the run's status."""
        if self.status == "finished" and self.version is not None:
            return "released"
        return "stopped" if self.spoiled and self.status == "failed" else self.status

    def metric(self, of: Literal["value", "champion"]) -> float | None:
        """Return the metric of the new model, or of the champion, on the same flights."""
        found = (g.get(of) for g in self.gates if g["gate"].split()[0] == METRIC)
        return next((value for value in found if value is not None), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """The metric on one month's last flights, without and with retraining."""

    number: int
    without: float | None
    retrained: float | None
    trials: tuple[Trial, ...] = ()

    @property
    def gain(self) -> float | None:
        """How much better retraining was; negative if it was worse."""
        if self.without is None or self.retrained is None:
            return None
        return self.retrained - self.without


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command, when it was typed (s since the start), how long it took (s), how it ended."""

    typed: str
    began: float
    seconds: float
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """Everything that one demo measured.

    without:     month → metric of the first model, never retrained
    rolled_back: the version that the rollback removed, and the one that serves again
    calls:       the requests that were sent to the server
    arms:        four ways to keep the model, as `demo.arms` prints them; {} if not compared
    streams:     what the watch decided on synthetic streams, as `demo.streams` prints it
    seconds:     wall time, s
    """

    trials: tuple[Trial, ...]
    without: Mapping[int, float]
    commands: tuple[Command, ...] = ()
    rolled_back: tuple[int, int] | None = None
    calls: Calls = field(default_factory=Calls)
    arms: Mapping[str, Any] = field(default_factory=dict)
    streams: tuple[Mapping[str, Any], ...] = ()
    seconds: float = 0.0

    def ended(self, result: str) -> tuple[Trial, ...]:
        """Return the trials with a result, such as `released`."""
        return tuple(t for t in self.trials if t.result == result)

    @property
    def months(self) -> tuple[Month, ...]:
        """One entry for each month; trials on spoiled data do not count."""
        return tuple(self._month(number) for number in sorted({t.month for t in self.trials}))

    @property
    def later(self) -> tuple[Month, ...]:
        """The months after the first that can be compared."""
        return tuple(m for m in self.months[1:] if m.gain is not None)

    @property
    def gain(self) -> float | None:
        """The mean gain over the later months; None if there are none."""
        gains = [m.gain for m in self.later if m.gain is not None]
        return sum(gains) / len(gains) if gains else None

    def _month(self, number: int) -> Month:
        trials = tuple(t for t in self.trials if t.month == number)
        serving = [
            t.metric("value" if t.result == "released" else "champion")
            for t in trials
            if not t.spoiled
        ]
        return Month(
            number=number,
            without=self.without.get(number),
            retrained=next((value for value in reversed(serving) if value is not None), None),
            trials=trials,
        )


def read_trial(row: Mapping[str, Any], *, month: int, verb: Verb, spoiled: bool = False) -> Trial:
    """Read a run as `scheduler --json` and `trigger --json` print it.

    >>> read_trial({"status": "finished", "model_version": 2}, month=2, verb="scheduler").result
    'released'
    """
    return Trial(
        month=month,
        verb=verb,
        status=row["status"],
        because=row.get("because") or "",
        gates=tuple(row.get("gates") or ()),
        version=row.get("model_version"),
        spoiled=spoiled,
    )


def name_of(month: int) -> str:
    """Return the name of a month.

    >>> name_of(4)
    'April'
    """
    return calendar.month_name[month]
