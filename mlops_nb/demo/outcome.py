"""What happened in a demo, as plain values: trials, months, commands."""

import calendar
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

YEAR = 2013
METRIC = "auc"

Door = Literal["promote", "scheduler", "trigger"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRow:
    """One gate's verdict. `value` is the new model's metric, `champion` that of the one in use."""

    sentence: str
    passed: bool
    value: float | None = None
    champion: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One training and what was decided about its model.

    month:   the last month it learned from, 1 to 12
    status:  as `mlops-nb history` says it: finished, refused, …
    version: the model's version where one was registered
    spoiled: whether the month's data carried the planted error
    """

    month: int
    door: Door
    status: str
    because: str = ""
    gates: tuple[GateRow, ...] = ()
    version: int | None = None
    spoiled: bool = False

    @property
    def released(self) -> bool:
        """Whether the new model went into service."""
        return self.status == "finished" and self.version is not None

    @property
    def stopped(self) -> bool:
        """Whether its data was stopped before anything was trained."""
        return self.spoiled and self.status == "failed"

    @property
    def value(self) -> float | None:
        """The new model's metric, as the gates saw it."""
        return next((g.value for g in self._about_metric() if g.value is not None), None)

    @property
    def champion(self) -> float | None:
        """The metric of the model that was in service, on the same flights."""
        return next((g.champion for g in self._about_metric() if g.champion is not None), None)

    @property
    def in_service(self) -> float | None:
        """The metric, on these flights, of the model in service after the verdict."""
        return self.value if self.released else self.champion

    def _about_metric(self) -> tuple[GateRow, ...]:
        return tuple(g for g in self.gates if g.sentence.split()[0] == METRIC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """One month's flights, judged with the retrained model and with January's.

    without, retrained: AUC on the days after the 21st
    """

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
    """One command that was typed, when (s since the start), for how long (s), and its outcome."""

    typed: str
    began: float
    seconds: float
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tale:
    """The whole story.

    without:     month → AUC of January's model, never retrained
    rolled_back: the version taken out of service at the end, and the one put back
    seconds:     wall time of the whole, s
    """

    trials: tuple[Trial, ...]
    without: Mapping[int, float]
    commands: tuple[Command, ...] = ()
    rolled_back: tuple[int, int] | None = None
    seconds: float = 0.0

    @property
    def months(self) -> tuple[Month, ...]:
        """One entry a month, in order; what was judged on spoiled data does not count."""
        return tuple(self._month(number) for number in sorted({t.month for t in self.trials}))

    @property
    def gain(self) -> float | None:
        """The mean gain over the months after the first; None if there is none."""
        gains = [m.gain for m in self.months[1:] if m.gain is not None]
        return sum(gains) / len(gains) if gains else None

    @property
    def released(self) -> tuple[Trial, ...]:
        """The trials whose model went into service."""
        return tuple(t for t in self.trials if t.released)

    @property
    def stopped(self) -> tuple[Trial, ...]:
        """The trials whose data was found to be wrong before anything was trained."""
        return tuple(t for t in self.trials if t.stopped)

    @property
    def refused(self) -> tuple[Trial, ...]:
        """The trials whose model the gates kept out."""
        return tuple(t for t in self.trials if t.status == "refused")

    def _month(self, number: int) -> Month:
        trials = tuple(t for t in self.trials if t.month == number)
        sound = [t.in_service for t in trials if not t.spoiled and t.in_service is not None]
        return Month(
            number=number,
            without=self.without.get(number),
            retrained=sound[-1] if sound else None,
            trials=trials,
        )


def read_trial(row: Mapping[str, Any], *, month: int, door: Door, spoiled: bool = False) -> Trial:
    """Read a run as `scheduler --json` and `history --json` print it.

    >>> read_trial({"status": "finished", "model_version": 2}, month=2, door="scheduler").released
    True
    """
    return Trial(
        month=month,
        door=door,
        status=row["status"],
        because=row.get("because") or "",
        gates=tuple(read_gate(gate) for gate in row.get("gates") or ()),
        version=row.get("model_version"),
        spoiled=spoiled,
    )


def read_gate(row: Mapping[str, Any]) -> GateRow:
    """Read a gate's verdict as the command line prints it."""
    return GateRow(
        sentence=row["gate"],
        passed=row["passed"],
        value=row.get("value"),
        champion=row.get("champion"),
    )


def name_of(month: int) -> str:
    """Name a month.

    >>> name_of(4)
    'April'
    """
    return calendar.month_name[month]


def first_day_after(month: int) -> str:
    """Return the first day after a month of the year of the flights.

    >>> first_day_after(1), first_day_after(12)
    ('2013-02-01', '2014-01-01')
    """
    return f"{YEAR + month // 12}-{month % 12 + 1:02d}-01"
