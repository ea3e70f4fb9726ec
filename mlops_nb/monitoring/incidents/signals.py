"""Puts what a look at a live model found into signals: harm, faults, labels."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Any

from mlops_nb.events import CohortClosed
from mlops_nb.monitoring.incidents import harm as harms
from mlops_nb.monitoring.incidents.harm import Harm
from mlops_nb.monitoring.live.faults import WatchAlert

SPAN = 7  # closed days whose labels are compared with those before
LESS = 0.5  # of the usual share of labels: fewer can hide harm
ENOUGH = 4  # deliveries before the usual time between them is known
RECENT = 20  # deliveries that it follows from
A_DAY = timedelta(days=1)
Signal = Mapping[str, Any]


def of_harm(found: Sequence[Harm], model: str) -> Iterator[Signal]:
    """Yield the metrics that are worse than was promised."""
    for one in found:
        rose = "fell" if one.metric == "accuracy" else "rose"
        yield {
            "kind": "harm",
            "name": one.metric,
            "what": f"{one.metric} of version {one.version} of {model!r} {rose} to "
            f"{one.value:.4g} since {one.since}; {one.promised:.4g} was promised at its release, "
            f"and {one.bound:.4g} was the limit",
            "since": one.since,
            "fix": f"mlops-nb watch {model}",
            "value": one.value,
            "promised": one.promised,
            "primary": one.primary,
        }


def of_faults(found: Sequence[WatchAlert]) -> Iterator[Signal]:
    """Yield the faults of the data."""
    for one in found:
        yield {
            "kind": "data-fault",
            "name": f"{one.kind} {one.column}".strip(),
            "what": one.what,
            "since": one.since[:10],
            "fix": one.fix,
        }


def of_labels(
    cohorts: Sequence[CohortClosed], version: int, since: str, model: str
) -> Iterator[Signal]:
    """Yield whether labels have become so few that they could hide harm.

    cohorts: closed days, ascending; the last ones are compared with those before, since a release
    """
    shares = [(day, *_counts(day, version)) for day in cohorts if day.day >= since]
    shares = [one for one in shares if one[1]]
    late, before = shares[-SPAN:], shares[:-SPAN]
    usual = _share(before)
    if len(late) < SPAN or not usual or _share(late) >= LESS * usual:
        return
    first = next((day for day, rows, labels in late if labels < LESS * usual * rows), late[0][0])
    bounds = _bounds(late, version)
    yield {
        "kind": "labels",
        "name": "coverage",
        "what": f"labels came for {_share(late):.0%} of the answers of the last {SPAN} closed "
        f"days, and for {usual:.0%} before{bounds}",
        "since": first.day,
        "fix": f"mlops-nb labels {model} FILE, or mend the source that `labels` of job.yaml names",
    }


def of_arrivals(times: Sequence[datetime], now: datetime, model: str) -> Iterator[Signal]:
    """Yield whether no labels have come for much longer than usual. times: of deliveries."""
    if len(times) < ENOUGH:
        return
    pauses = [(b - a).total_seconds() for a, b in pairwise(times[-RECENT:])]
    usual = max(timedelta(seconds=median(pauses)), A_DAY)
    if now - times[-1] > 2 * usual:
        yield {
            "kind": "labels",
            "name": "stopped",
            "what": f"no labels have come since {times[-1]:%Y-%m-%d %H:%M}, which usually come "
            f"every {usual / A_DAY:.3g} days",
            "since": f"{times[-1]:%Y-%m-%d}",
            "fix": f"mlops-nb labels {model} FILE, or mend the source that `labels` of job.yaml "
            "names",
        }


def _counts(day: CohortClosed, version: int) -> tuple[int, int]:
    for one in day.versions:
        if one["version"] == version:
            return int(one["rows"]), int(one["labels"])
    return 0, 0


def _share(days: Sequence[tuple[CohortClosed, int, int]]) -> float:
    rows = sum(rows for _, rows, _ in days)
    return sum(labels for _, _, labels in days) / rows if rows else 0.0


def _bounds(late: Sequence[tuple[CohortClosed, int, int]], version: int) -> str:
    """Return between what the accuracy of all rows lies, whatever the missing labels are."""
    days = harms.days_of([day for day, _, _ in late], version, "")
    hits = [day.losses["hit"] for day in days if "hit" in day.losses]
    count = sum(one.count for one in hits)
    if not count:
        return ""
    share, mean = _share(late), sum(one.total for one in hits) / count
    low, high = share * mean, share * mean + 1 - share
    return f"; whatever the others are, accuracy is between {low:.3f} and {high:.3f}"
