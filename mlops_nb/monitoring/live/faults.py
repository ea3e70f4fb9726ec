"""Finds faults of the data in a window, which need no labels: volume, missing values, lost rows."""

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from mlops_nb.monitoring.live import movement
from mlops_nb.monitoring.live.reference import ReferenceColumn
from mlops_nb.monitoring.live.sums import Day

JUMP = 0.05  # by which a share of missing values must rise to be a fault


class WatchAlert(Struct, frozen=True, kw_only=True):
    """Something that is wrong now. since: an ISO time; fix: what to do."""

    kind: str
    what: str
    since: str
    fix: str = ""


def faults(
    days: Sequence[Day], reference: Mapping[str, ReferenceColumn], model: str
) -> Iterator[WatchAlert]:
    """Yield the faults of a window that has rows."""
    for name, was in reference.items():
        with_column = [day for day in days if name in day.sums.columns]
        if with_column and (found := _missing(was, with_column)) is not None:
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
    bad: list[Day] = []
    for day in reversed(days):
        count = day.sums.columns[was.name]
        if count.missing < (was.missing + JUMP) * count.rows:
            break
        if not movement.missing(was, [count]).drifted:
            break
        bad.append(day)
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
    )


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
