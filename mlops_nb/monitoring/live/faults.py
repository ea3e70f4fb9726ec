"""Finds faults of the data in a window, which need no labels.

Missing values, another unit, one value alone, lost rows, no rows.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec import Struct

from mlops_nb.monitoring.live import count, movement
from mlops_nb.monitoring.live.reference import ReferenceColumn
from mlops_nb.monitoring.live.sums import ColumnCounts, Day

JUMP = 0.05  # by which a share of missing values must rise to be a fault
MOST = 0.5  # of the values beyond all of the reference are a fault
LEAST_ROWS = 30  # of a day on which that is looked for
MANY_ROWS = 200  # of a day on which one value alone is a fault
USUAL_SHARE = 0.9  # of one value at the evaluation: more of it is no fault
FEW_EDGES = 5  # of a column with so few distinct values, one alone is no fault


class WatchAlert(Struct, frozen=True, kw_only=True):
    """Something that is wrong now. since: an ISO time; fix: what to do; column: of the log."""

    kind: str
    what: str
    since: str
    fix: str = ""
    column: str = ""


def faults(
    days: Sequence[Day], reference: Mapping[str, ReferenceColumn], model: str
) -> Iterator[WatchAlert]:
    """Yield the faults of a window that has rows."""
    for name, was in reference.items():
        with_column = [day for day in days if name in day.sums.columns]
        for find in (_missing, _beyond, _stuck) if with_column else ():
            if (found := find(was, with_column)) is not None:
                yield found
    dropped = [day for day in days if day.dropped]
    if dropped:
        count = sum(day.dropped for day in dropped)
        yield WatchAlert(
            kind="dropped",
            what=f"{count} rows were answered and are not on record",
            since=_midnight(dropped[0].day),
            fix=f"free space where the prediction log of {model!r} is, then look at "
            "mlops_nb_dropped_total of /metrics",
        )


def _missing(was: ReferenceColumn, days: Sequence[Day]) -> WatchAlert | None:
    """Return the alert for a column that is missing much more often, up to the last day."""
    bad = _last_days(
        days,
        was.name,
        lambda counts: (
            counts.missing >= (was.missing + JUMP) * counts.rows
            and movement.missing(was, [counts]).drifted
        ),
    )
    if not bad:
        return None
    counts = [day.sums.columns[was.name] for day in bad]
    share = sum(c.missing for c in counts) / sum(c.rows for c in counts)
    return WatchAlert(
        kind="missing",
        what=f"{was.name!r} is missing in {share:.0%} of the rows; at the evaluation it was in "
        f"{was.missing:.0%}",
        since=_midnight(bad[-1].day),
        fix=f"mend what sends {was.name!r}; the answers until then rest on missing values",
        column=was.name,
    )


def _beyond(was: ReferenceColumn, days: Sequence[Day]) -> WatchAlert | None:
    """Return the alert for numbers beyond all of the reference, such as those of another unit."""
    if not was.edges:
        return None
    bad = _last_days(days, was.name, lambda counts: _beyond_share(counts) > MOST)
    if not bad:
        return None
    bins = count.added([day.sums.columns[was.name] for day in bad]).bins
    side = f"above {was.edges[-1]:g}" if bins[-1] > bins[0] else f"below {was.edges[0]:g}"
    return WatchAlert(
        kind="range",
        what=f"most values of {was.name!r} are {side}, where the evaluation had none: another "
        "unit, or another meaning",
        since=_midnight(bad[-1].day),
        fix=f"mend what sends {was.name!r}",
        column=was.name,
    )


def _beyond_share(counts: ColumnCounts) -> float:
    total = sum(counts.bins)
    return max(counts.bins[0], counts.bins[-1]) / total if total >= LEAST_ROWS else 0.0


def _stuck(was: ReferenceColumn, days: Sequence[Day]) -> WatchAlert | None:
    """Return the alert for a column that has one value alone, and had many."""
    largest = max(was.shares.values(), default=0.0)
    if largest > USUAL_SHARE or (was.edges and len(was.edges) < FEW_EDGES):
        return None
    bad = _last_days(days, was.name, _is_stuck)
    if not bad:
        return None
    return WatchAlert(
        kind="stale",
        what=f"{was.name!r} has had one value alone since {bad[-1].day}: it may be stale",
        since=_midnight(bad[-1].day),
        fix=f"mend what sends {was.name!r}",
        column=was.name,
    )


def _is_stuck(counts: ColumnCounts) -> bool:
    known = counts.rows - counts.missing
    values = [n for n in (counts.bins or counts.categories.values()) if n]
    return known >= MANY_ROWS and len(values) == 1


def _last_days(days: Sequence[Day], name: str, is_bad: Callable[[ColumnCounts], bool]) -> list[Day]:
    """Return the days at the end of a window on which a column is bad, the last one first."""
    bad: list[Day] = []
    for day in reversed(days):
        if not is_bad(day.sums.columns[name]):
            break
        bad.append(day)
    return bad


def no_rows(model: str, last: str) -> WatchAlert:
    """Return the alert for a window without rows. last: when the last row before it came."""
    return WatchAlert(
        kind="volume",
        what=f"{model!r} has answered nothing in this window; the last row is of {last}",
        since=last,
        fix=f"check that the callers reach the server, and that it runs: mlops-nb serve {model}",
    )


def _midnight(day: str) -> str:
    return f"{day}T00:00:00+00:00"
