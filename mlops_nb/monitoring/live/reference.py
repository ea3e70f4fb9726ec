"""What the columns of a model looked like at its evaluation, as its package recorded them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from mlops_nb.models import package
from mlops_nb.monitoring.live.calibration import OwnDays
from mlops_nb.monitoring.live.sums import ColumnCounts

INPUT = "in_"
NUMBERS = {"int", "float"}
ALL = 50  # distinct values up to which packages of before counted each


class ReferenceColumn(Struct, frozen=True, kw_only=True):
    """The values of a column of the log at the evaluation.

    log:     the column in the log
    missing: share of the rows
    edges:   of numbers: values that split them, ascending
    at_most: of numbers: for each edge the share of values that are not larger, as the lowest and
             highest that is possible; packages of before do not say it exactly
    below:   the same of values that are smaller
    shares:  of categories: the share of each that was counted
    whole:   every category was counted
    once:    categories that occurred once; None: unknown
    """

    name: str
    log: str
    rows: int
    missing: float
    edges: tuple[float, ...] = ()
    at_most: tuple[tuple[float, float], ...] = ()
    below: tuple[tuple[float, float], ...] = ()
    shares: dict[str, float] = {}
    whole: bool = True
    once: int | None = None

    @property
    def known(self) -> float:
        """How many values it had that are not missing."""
        return self.rows * (1 - self.missing)


def read(folder: Path) -> dict[str, ReferenceColumn]:
    """Return name → column of a package, inputs first, then prediction and score."""
    found = {}
    for file, prefix in ((package.REFERENCE, INPUT), (package.ANSWERS, "")):
        path = folder / file
        if path.is_file():
            for name, described in json.loads(path.read_bytes()).items():
                if prefix or name not in found:
                    found[name] = column(name, prefix + name, described)
    return found


class ReferenceDays(Struct, frozen=True, kw_only=True):
    """How the columns of a model looked on each day of its evaluation.

    days:    ascending; columns: column of the log → its counts on each of these days
    lacking: in words, why no days are known; "" if they are
    """

    days: tuple[str, ...] = ()
    columns: dict[str, tuple[ColumnCounts, ...]] = {}
    lacking: str = "its package does not say of which days the evaluation is"

    def of(self, log: str, watched: Sequence[str], together: int) -> OwnDays | None:
        """Return the days of a column of the log; None if they are not known.

        watched: the days that it is compared on; together: columns that are watched
        """
        if not self.days or log not in self.columns or not watched:
            return None
        return OwnDays(
            days=self.days,
            counts=self.columns[log],
            first=watched[0],
            watched=len(watched),
            columns=together,
        )


def read_days(folder: Path) -> ReferenceDays:
    """Return the days of the evaluation of a package; packages of before do not have them."""
    path = folder / package.DAYS
    if not path.is_file():
        return ReferenceDays()
    return days_from(json.loads(path.read_bytes()))


def days_from(described: Mapping[str, Any]) -> ReferenceDays:
    """Return the days of an evaluation from what `probe.answer.days` described."""
    return msgspec.convert({"lacking": "", **described}, ReferenceDays)


def column(name: str, log: str, described: Mapping[str, Any]) -> ReferenceColumn:
    """Return a column from what `probe.answer.reference` described."""
    made = {
        "name": name,
        "log": log,
        "rows": described["rows"],
        "missing": described["missing"],
    }
    if described["kind"] in NUMBERS and "quantiles" in described:
        made |= _numbers(described)
    elif "shares" in described:
        made["shares"] = described["shares"]
        made["whole"] = described["distinct"] == len(described["shares"])
        known = described["rows"] * (1 - described["missing"])
        counted = sum(round(share * known) == 1 for share in described["shares"].values())
        made["once"] = described.get("once", counted if made["whole"] else None)
    return ReferenceColumn(**made)


def _numbers(described: Mapping[str, Any]) -> dict[str, Any]:
    quantiles = described["quantiles"]
    edges = sorted({float(q) for q in quantiles})
    if "at_most" in described:
        return {
            "edges": tuple(edges),
            "at_most": tuple((share, share) for share in described["at_most"]),
            "below": tuple((share, share) for share in described["below"]),
        }
    last = len(quantiles) - 1
    at_most, below = [], []
    for edge in edges:
        places = [i for i, q in enumerate(quantiles) if float(q) == edge]
        at_most.append((places[-1] / last, min(places[-1] + 1, last) / last))
        below.append((max(places[0] - 1, 0) / last, places[0] / last))
    return {"edges": tuple(edges), "at_most": tuple(at_most), "below": tuple(below)}
