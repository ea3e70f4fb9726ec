"""Replays requests through a new version before it takes over, beside the version that answers."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from mlops_nb.errors import MlopsError
from mlops_nb.models.package import Package
from mlops_nb.probe.answer.answers import equal
from mlops_nb.serving.batches import ServingVersion
from mlops_nb.serving.rows import BadRequest, RowReader
from mlops_nb.serving.settings import RolloutLimits

REPLAYED = 200  # requests that were answered last, which a new version answers as well
TIMED = 20  # requests whose latency is compared, each asked of both versions in turns
FLOOR = 0.001  # s: a difference below it is noise
FIX = "mlops-nb approve {model} {version} tries again; mlops-nb rollback {model} goes back"

Rows = list[dict[str, Any]]


class Replayed(Struct, frozen=True, kw_only=True):
    """What a replay found: rows, the share of changed predictions, and median latencies, s."""

    rows: int
    changed: float
    latency: float
    before: float


async def replay(
    new: ServingVersion, old: ServingVersion, requests: Sequence[Rows], limits: RolloutLimits
) -> Replayed:
    """Let both versions answer requests that callers sent.

    requests: each with its rows, as they came

    Raises MlopsError if the new version fails, lacks a column, or exceeds a limit.
    """
    requests = [request for request in requests if _fits(old, request)]
    rows = [row for request in requests for row in request]
    if not rows:
        return Replayed(rows=0, changed=0.0, latency=0.0, before=0.0)
    fix = FIX.format(model=new.package.model, version=new.package.version)
    _refuse_lacking(new.package, rows)
    try:
        mine = await _answered(new, rows)
    except BadRequest as error:
        what = f"it refuses what callers send: {error.what}"
        raise MlopsError(what, fix=f"{error.fix}; {fix}") from None
    theirs = await _answered(old, rows)
    changed = _changed(mine["predictions"], theirs["predictions"])
    latency, before = await _latencies(new, old, requests)
    found = Replayed(rows=len(rows), changed=changed, latency=latency, before=before)
    _refuse_beyond(found, limits, fix)
    return found


def _fits(version: ServingVersion, request: Rows) -> bool:
    """Return whether a version takes a request, which another version may have answered."""
    try:
        RowReader(version.package.signature, len(request)).columns_of(request)
    except BadRequest:
        return False
    return True


def _refuse_lacking(package: Package, rows: Rows) -> None:
    """Refuse a version that needs a column that callers do not send yet."""
    needed = [column["name"] for column in package.signature["columns"]]
    lacking = [name for name in needed if any(name not in row for row in rows)]
    if lacking:
        count = sum(any(name not in row for name in lacking) for row in rows)
        raise MlopsError(
            f"it needs {', '.join(lacking)}, which {count} of the last {len(rows)} rows did not "
            "have",
            fix="let the callers send it first",
        )


async def _answered(version: ServingVersion, rows: Rows, *, alone: bool = False) -> dict[str, Any]:
    columns = RowReader(version.package.signature, len(rows)).columns_of(rows)
    return await version.ask(columns, len(rows), alone=alone)


def _changed(mine: Sequence[Any], theirs: Sequence[Any]) -> float:
    """Return the share of predictions that differ. Raises MlopsError for another number of them.

    >>> _changed([1, 0, 1, 1], [1, 0, 1, 0])
    0.25
    """
    if len(mine) != len(theirs):
        raise MlopsError(f"it gives {len(mine)} answers to {len(theirs)} rows", fix="promote again")
    return sum(not equal(a, b) for a, b in zip(mine, theirs, strict=True)) / len(mine)


async def _latencies(
    new: ServingVersion, old: ServingVersion, requests: Sequence[Rows]
) -> tuple[float, float]:
    """Return the median times that two versions take for a request, each asked in turns, s."""
    times: tuple[list[float], list[float]] = ([], [])
    for request in requests[-TIMED:]:
        for version, found in zip((new, old), times, strict=True):
            answer = await _answered(version, request, alone=True)
            found.append(answer["seconds"])
    mine, theirs = (statistics.median(found) if found else 0.0 for found in times)
    return mine, theirs


def _refuse_beyond(found: Replayed, limits: RolloutLimits, fix: str) -> None:
    if limits.changed is not None and found.changed > limits.changed:
        raise MlopsError(
            f"it answers {found.changed:.1%} of the last {found.rows} rows otherwise, and job.yaml "
            f"allows {limits.changed:.1%}",
            fix=fix,
        )
    slower = found.latency - found.before > FLOOR
    if limits.latency is not None and slower and found.latency > limits.latency * found.before:
        raise MlopsError(
            f"its median latency is {found.latency * 1e3:.1f} ms, that of the version that answers "
            f"{found.before * 1e3:.1f} ms, and job.yaml allows {limits.latency:g} times as much",
            fix=fix,
        )


def told(found: Replayed | None) -> Mapping[str, float]:
    """Return what a replay found as plain values, nothing without one."""
    if found is None:
        return {}
    return {
        "rows": found.rows,
        "changed": found.changed,
        "latency": found.latency,
        "latency_before": found.before,
    }
