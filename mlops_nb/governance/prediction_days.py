"""Measures prediction logs, and removes their days that are older than job.yaml keeps them."""

import contextlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from mlops_nb.context import Context
from mlops_nb.models.registry import read_models
from mlops_nb.storage.predictions import DAY, open_predictions


def size(ctx: Context) -> dict[str, int]:
    """Return the number and the bytes of the files of all logs; unreachable ones are left out."""
    found = {"files": 0, "bytes": 0}
    for model in read_models(ctx):
        with contextlib.suppress(OSError):
            files = open_predictions(ctx.settings, model)
            for day in files.days():
                sizes = [file.size for file in files.entries(day)]
                found["files"] += len(sizes)
                found["bytes"] += sum(sizes)
    return found


def prune(ctx: Context, kept: Mapping[str, timedelta], now: datetime) -> dict[str, int]:
    """Remove the days all of whose rows are older than a log is kept.

    kept: model → how long

    Whole days are removed; a name that is no day is left alone. A log that cannot be reached is
    left for the next time.
    """
    freed = {"removed": 0, "bytes": 0}
    for model, keep in kept.items():
        with contextlib.suppress(OSError):
            files = open_predictions(ctx.settings, model)
            for day in files.days():
                if is_over(day, keep, now):
                    size = sum(file.size for file in files.entries(day))
                    files.remove(day)
                    freed["removed"] += 1
                    freed["bytes"] += size
    return freed


def is_over(day: str, keep: timedelta, now: datetime) -> bool:
    """Return whether a day ended longer ago than rows are kept.

    >>> now = datetime(2026, 3, 3, 12, tzinfo=UTC)
    >>> [is_over(day, timedelta(days=1), now) for day in ("2026-03-01", "2026-03-02", "2026-3-1")]
    [True, False, False]
    """
    if not DAY.fullmatch(day):
        return False
    try:
        began = datetime.fromisoformat(day).replace(tzinfo=UTC)
    except ValueError:  # 2026-02-31
        return False
    return began + timedelta(days=1) + keep <= now
