"""The answer of `watch`, as JSON and as text."""

import textwrap
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from mlops_nb.markup import visible
from mlops_nb.monitoring.live import metrics, slices, sums
from mlops_nb.monitoring.live.calibration import FALSE_ALARMS
from mlops_nb.monitoring.live.evaluated import HOLDOUT
from mlops_nb.monitoring.live.metrics import LiveMetric
from mlops_nb.monitoring.live.movement import Movement
from mlops_nb.monitoring.live.slices import LiveSlice
from mlops_nb.monitoring.live.window import WatchedWindow

DIGITS = 6
WIDTH = 98
NAME = 30  # of a column, in a text
LEAST_ANSWERS, UNEVEN = 30, 0.1  # rows of an answer; how far its coverage may be from another's
SLICES = 2  # of each metric and slicing, in a text
SHRUNK = (
    "The change is from what the evaluation of version {version} promised; that of a slice with "
    "few labels is shrunk towards the change of the whole."
)


def as_json(found: WatchedWindow) -> dict[str, Any]:
    """Return what `watch --json` prints; `slices` is there if the evaluation has any."""
    answer = {
        "version": 1,
        "model": found.model,
        "rows": found.rows,
        "dropped": found.dropped,
        "drift": [movement_row(one) for one in found.drift],
        "metrics": [metric_row(one, found) for one in found.metrics],
        "alerts": [{"kind": a.kind, "what": a.what, "since": a.since} for a in found.alerts],
    }
    if found.failed:
        answer["failed"] = [
            {"metric": f.metric, "model_version": f.version, "days": f.days, "what": f.error}
            for f in found.failed
        ]
    if found.is_sliced:
        answer["slices"] = [slice_row(one, found) for one in found.slices]
    return answer


def movement_row(one: Movement) -> dict[str, Any]:
    """Return a column of `drift`."""
    return {
        "column": one.column,
        "statistic": one.statistic,
        "value": round(one.value, DIGITS),
        "threshold": round(one.threshold, DIGITS),
        "drifted": one.drifted,
        "direction": one.direction if one.drifted else "",
    }


def metric_row(one: LiveMetric, found: WatchedWindow) -> dict[str, Any]:
    """Return a row of `metrics`."""
    return {
        "metric": one.metric,
        **_measured(one, found),
        "model_version": one.version,
    }


def _measured(one: LiveMetric | LiveSlice, found: WatchedWindow) -> dict[str, Any]:
    return {
        "from": _iso(found.since),
        "to": _iso(found.until),
        "value": one.value,
        "low": one.low,
        "high": one.high,
        "labels": one.labels,
        "coverage": round(one.coverage, DIGITS),
    }


def slice_row(one: LiveSlice, found: WatchedWindow) -> dict[str, Any]:
    """Return a row of `slices`."""
    change, ends = one.change, one.interval or (None, None)
    return {
        "metric": one.metric,
        "by": one.by,
        "slice": one.slice,
        **_measured(one, found),
        "promised": None if one.promised is None else one.promised.value,
        "change": None if change is None else change.value,
        "change_low": ends[0],
        "change_high": ends[1],
    }


def as_text(found: WatchedWindow) -> str:
    """Return the answer as text of at most 100 columns: metrics, movement, alerts."""
    failed = "\n".join(map(_wrapped, failures(found)))
    parts = [_head(found), _metrics(found), failed, _slices(found), _moved(found), _alerts(found)]
    return "\n\n".join(part for part in parts if part)


def _head(found: WatchedWindow) -> str:
    since, until = (time.astimezone(UTC).strftime("%Y-%m-%d %H:%M") for time in _ends(found))
    lost = f", {found.dropped:,} not on record" if found.dropped else ""
    return f"{found.model}, {since} to {until} UTC: {found.rows:,} answers{lost}"


def _ends(found: WatchedWindow) -> tuple[datetime, datetime]:
    return found.since, found.until


def _metrics(found: WatchedWindow) -> str:
    if not found.metrics:
        return _wrapped(
            f"No labels for these answers yet. Next: mlops-nb labels {found.model} FILE, or name "
            "a source: `labels` in job.yaml"
        )
    head = ("metric", "version", "value", "95 % interval", "labels", "coverage")
    rows = [
        (
            one.metric,
            "all" if one.version is None else str(one.version),
            f"{one.value:.4f}",
            f"{one.low:.4f} to {one.high:.4f}",
            f"{one.labels:,}",
            f"{one.coverage:.0%}",
        )
        for one in found.metrics
        if one.version is None or len(metrics.versions(found.days)) > 1
    ]
    lines = [_table(head, rows), "", _wrapped(how(found))]
    return "\n".join(lines)


def failures(found: WatchedWindow) -> list[str]:
    """Return in words which functions of the notebook failed."""
    return [
        f"The metric {one.metric} of version {one.version} failed on {one.days} of "
        f"{len(found.days)} days, last on {one.last}: {visible(one.error)}"
        for one in found.failed
    ]


def _slices(found: WatchedWindow) -> str:
    """Return the slices that fell most, and which slicings cannot be measured."""
    lines = []
    worst = slices.worst(found.slices, SLICES)
    if worst:
        head = ("worst slice", "metric", "value", "95 % interval", "promised", "change", "labels")
        rows = [
            (
                _short(f"{one.by} = {one.slice}"),
                one.metric,
                f"{one.value:.4f}",
                f"{one.low:.4f} to {one.high:.4f}",
                "" if one.promised is None else f"{one.promised.value:.4f}",
                "" if one.change is None else f"{one.change.value:+.4f}",
                f"{one.labels:,}",
            )
            for one in worst
        ]
        lines += [_table(head, rows), "", _wrapped(SHRUNK.format(version=found.reference))]
    elif found.slices:
        lines.append("No slice is worse than the evaluation promised.")
    if found.unsliced:
        lines.append(_wrapped(f"Not measured by slice: {'; '.join(found.unsliced)}."))
    return "\n".join(lines)


def how(found: WatchedWindow) -> str:
    """Return in words how the intervals were made, and what labels may still change."""
    first = found.metrics[0]
    words = (
        "Intervals follow from how the days differ."
        if first.by_days
        else "Intervals follow from the rows alone: labels of five days or more would show how "
        "much the days differ, and intervals get wider where they do."
    )
    lag = metrics.lag(found.days)
    if lag is not None:
        words += f" A label comes after {lag:.1f} days in the median."
    open_days = sum(not day.mature and day.sums.rows > 0 for day in found.days)
    if open_days:
        words += f" {open_days} of {len(found.days)} days are provisional: labels may still come."
    words += _by_answer(found) + _held_out(found)
    bounded = next((one for one in found.metrics if one.bounds and one.version is None), None)
    if bounded is not None and bounded.bounds and bounded.coverage < 1:
        low, high = bounded.bounds
        words += (
            f" Whatever the missing labels are, {bounded.metric} of all rows is between "
            f"{low:.3f} and {high:.3f}."
        )
    return words


def _by_answer(found: WatchedWindow) -> str:
    """Return a sentence if the coverage of days that are done depends on the answer."""
    done = [version for day in found.days if day.mature for version in day.sums.versions.values()]
    counts = {a: c for a, c in sums.together(done).answers.items() if c[0] >= LEAST_ANSWERS}
    shares = {answer: labels / rows for answer, (rows, labels) in counts.items()}
    if not shares:
        return ""
    least, most = (pick(shares, key=lambda a: shares[a]) for pick in (min, max))
    if shares[most] - shares[least] < UNEVEN:
        return ""
    return (
        f" Labels depend on the answer: {shares[most]:.0%} of the rows answered {visible(most)} "
        f"have one, {shares[least]:.0%} of those answered {visible(least)}. So the metrics are of "
        "what was labelled, and a model that learns from these labels repeats its own choices."
    )


def _held_out(found: WatchedWindow) -> str:
    """Return a sentence on the rows that were decided without the model."""
    held = [one for one in found.slices if (one.by, one.slice) == (HOLDOUT, "True")]
    told = [f"{o.metric} {o.value:.4f} ({o.low:.4f} to {o.high:.4f})" for o in held]
    return (
        f" Of the random hold-out, whose labels do not follow from the answers: {', '.join(told)}."
        if told
        else ""
    )


def _moved(found: WatchedWindow) -> str:
    if found.reference is None:
        return "No version has a package with a reference: the columns are not compared."
    drifted = sorted((m for m in found.drift if m.drifted), key=lambda m: -m.excess)
    still = len(found.drift) - len(drifted)
    against = f"the evaluation of version {found.reference}"
    if not drifted:
        lines = [f"No column moved beyond its threshold; {still} compared with {against}."]
    else:
        head = ("column", "moved", "by", "threshold", "statistic")
        rows = [
            (
                _short(one.column),
                _short(one.direction),
                f"{one.value:.4f}",
                f"{one.threshold:.4f}",
                one.statistic,
            )
            for one in drifted
        ]
        columns = "1 column" if still == 1 else f"{still} columns"
        lines = [_table(head, rows), f"{columns} did not move; compared with {against}."]
    if found.drift:
        lines.append(_wrapped(calibrated(found)))
    if found.uncompared:
        names = ", ".join(map(visible, found.uncompared))
        lines.append(_wrapped(f"Not compared, as they are pseudonyms: {names}."))
    return "\n".join(lines)


def calibrated(found: WatchedWindow) -> str:
    """Return, in words, what the thresholds of movement were made from."""
    if not found.own.days:
        return (
            "The thresholds do not know how days differ without a change, but by this window: "
            f"{found.own.lacking}."
        )
    return (
        f"The thresholds are made from {len(found.own.days)} days of the evaluation, left out of "
        f"it in turn: {FALSE_ALARMS:g} columns a quarter are expected beyond them by chance."
    )


def _alerts(found: WatchedWindow) -> str:
    if not found.alerts:
        return "No alerts."
    lines = []
    for one in found.alerts:
        since = one.since[:16].replace("T", " ")
        lines.append(_wrapped(f"{one.kind}, since {since} UTC: {visible(one.what)}."))
        if one.fix:
            lines.append(
                textwrap.fill(
                    f"fix: {visible(one.fix)}",
                    WIDTH,
                    initial_indent="  ",
                    subsequent_indent="       ",
                )
            )
    return "\n".join(lines)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, *rows]
    widths = [max(len(line[place]) for line in lines) for place in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _short(text: str) -> str:
    shown = visible(text)
    return shown if len(shown) <= NAME else shown[: NAME - 1] + "…"


def _wrapped(text: str) -> str:
    return textwrap.fill(text, WIDTH)


def _iso(time: datetime) -> str:
    return time.astimezone(UTC).isoformat()
