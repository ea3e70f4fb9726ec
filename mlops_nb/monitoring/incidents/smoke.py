"""Compares a version in its first hours with the version before: latency and mix of answers."""

import math
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from mlops_nb.data.drift import tv
from mlops_nb.events import Released
from mlops_nb.monitoring.live.faults import WatchAlert
from mlops_nb.monitoring.live.rows import REQUESTS, DayRows
from mlops_nb.monitoring.live.window import OpenedModel
from mlops_nb.serving import prediction_files

FIRST_HOURS = timedelta(hours=24)
LEAST_ROWS = 100  # of each version
SLOWER = 3.0  # times the median latency of the version before
FLOOR = 0.005  # s: a difference below it is noise
OTHER_MIX = 0.2  # total variation of the answers, beyond what chance makes
NUMBERS = 10  # groups of answers that are numbers


class VersionRows(Struct, frozen=True, kw_only=True):
    """What a version answered lately: its median latency, s, and its answers."""

    seconds: float
    predictions: Any


def smoke(opened: OpenedModel, last: Released | None) -> list[WatchAlert]:
    """Return what is odd about the champion in the first day after its release."""
    if last is None or last.previous is None:
        return []
    at, now = datetime.fromisoformat(last.at), opened.look.now
    if not timedelta() <= now - at < FIRST_HOURS or last.previous == last.version:
        return []
    new = _rows(opened, last.version, at, now)
    old = _rows(opened, last.previous, at - FIRST_HOURS, at)
    if new is None or old is None:
        return []
    fix = f"mlops-nb rollback {opened.model.name}, or look: mlops-nb watch {opened.model.name}"
    found = []
    if new.seconds > SLOWER * old.seconds and new.seconds - old.seconds > FLOOR:
        what = (
            f"version {last.version} takes {new.seconds * 1e3:.0f} ms for an answer in the "
            f"median, version {last.previous} took {old.seconds * 1e3:.0f} ms"
        )
        found.append(WatchAlert(kind="latency", what=what, since=last.at, fix=fix))
    apart, by_chance = _mix(new.predictions, old.predictions, is_number=opened.is_number)
    if apart > OTHER_MIX + by_chance:
        what = (
            f"the answers of version {last.version} are of another mix than those of version "
            f"{last.previous} (total variation {apart:.2f})"
        )
        found.append(WatchAlert(kind="mix", what=what, since=last.at, fix=fix))
    return found


def _rows(
    opened: OpenedModel, version: int, since: datetime, until: datetime
) -> VersionRows | None:
    """Return the answers of a version between two times, None for too few."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    tables = []
    for day in prediction_files.days(opened.look.log, since, until):
        with prediction_files.opened_day(opened.look.log, day) as files:
            if not files:
                continue
            rows = DayRows(files, since, until)
            keys = rows.of(REQUESTS)
            keys = keys.filter(pc.equal(keys["model_version"], version))
            tables.append(rows.columns(["prediction", "seconds"], keys))
    whole = pa.concat_tables(tables, promote_options="permissive") if tables else None
    if whole is None or len(whole) < LEAST_ROWS:
        return None
    return VersionRows(
        seconds=float(np.median(whole["seconds"].to_numpy())), predictions=whole["prediction"]
    )


def _mix(new: Any, old: Any, *, is_number: bool) -> tuple[float, float]:
    """Return the total variation of two mixes of answers, and what chance alone makes of it."""
    one, other = new.to_pylist(), old.to_pylist()
    if is_number:
        import numpy as np

        cuts = np.quantile(np.array(other, float), np.linspace(0, 1, NUMBERS + 1)[1:-1])
        one, other = (np.searchsorted(cuts, np.array(v, float)).tolist() for v in (one, other))
    counts = [Counter(map(str, values)) for values in (one, other)]
    shares = [{k: n / total for k, n in c.items()} for c in counts if (total := c.total())]
    groups = len(counts[0] | counts[1])
    chance = 2 * math.sqrt(groups / 4 * (1 / len(one) + 1 / len(other)))
    return tv(shares[0], shares[1]), chance
