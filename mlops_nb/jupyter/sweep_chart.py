"""Shows a sweep as rows, and as a chart of parallel coordinates."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlops_nb.jupyter import svg
from mlops_nb.runs.sweep_history import best_metric

HEIGHT, TOP, BOTTOM, MARGIN, AXIS_GAP = 330, 56, 34, 66, 168  # px
LETTER_WIDTH = 7  # px, at most, of a letter of the labels
MOST_METRICS, MOST_LABELS, LONGEST_LABEL = 4, 9, 12
PLAIN, BEST, FAILED = "#3182ce", "#38a169", "#e53e3e"
TICK: svg.Look = {
    "line": {"stroke": svg.GRAY},
    "label": {"font_size": 11, "fill": "currentColor"},
}
# a standalone SVG file cannot inherit colours from a page
OWN_COLORS = "color-scheme: light dark; color: CanvasText; background: Canvas"
Answer = Mapping[str, Any]
place = svg.scale((0, 1), (HEIGHT - BOTTOM, TOP))


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """An upright axis: a parameter, whose values are evenly spaced, or a metric, drawn to scale.

    shares: value as text → share of the axis below it, 0 to 1
    labels: (text, share)
    """

    name: str
    metric: bool
    shares: Mapping[str, float]
    labels: tuple[tuple[str, float], ...]


def comparison(answer: Answer) -> tuple[list[str], list[list[str]]]:
    """Return the head and the rows of a sweep: parameters, status, metrics and time of each run."""
    runs = answer["runs"]
    names, metrics = swept(runs), measured(runs)
    head = ["", *names, "status", *metrics, "took", "run"]
    rows = []
    for run in runs:
        numbers = [f"{run['metrics'][m]:.6g}" if m in run["metrics"] else "" for m in metrics]
        rows.append(
            [
                "*" if run["run"] == answer["best"] else "",
                *(str(run["parameters"].get(n, "")) for n in names),
                run["status"],
                *numbers,
                f"{run['seconds'] or 0:.1f} s",
                run["run"],
            ]
        )
    return head, rows


def swept(runs: Sequence[Answer]) -> list[str]:
    """Return the parameters that differ between runs; all of them if there is one run only."""
    names = list(dict.fromkeys(n for run in runs for n in run["parameters"]))
    if len(runs) < 2:  # noqa: PLR2004  one run differs from none
        return names
    return [n for n in names if len({repr(run["parameters"].get(n)) for run in runs}) > 1]


def measured(runs: Sequence[Answer]) -> list[str]:
    """Return the metrics of runs, in the order of their first appearance."""
    return list(dict.fromkeys(name for run in runs for name in run["metrics"]))


def chart(answer: Answer, *, by: str = "", standalone: bool = False) -> str:
    """Return a sweep (as `sweep --json` prints it) as an SVG drawing: one line for each run.

    by:         the metric that chose the best run; its axis is the last
    standalone: the drawing becomes a file, and brings its own colours
    """
    runs = answer["runs"]
    axes = _axes(runs, by)
    longest = max((len(label) for label, _ in axes[0].labels), default=0) if axes else 0
    left = max(0, longest * LETTER_WIDTH + 12 - MARGIN)  # room for the labels of the first axis
    width = left + 2 * MARGIN + max(1, len(axes) - 1) * AXIS_GAP
    order = sorted(runs, key=lambda run: run["run"] == answer["best"])  # draws the best on top
    return svg.drawing(
        [
            *(_line(run, axes, best=run["run"] == answer["best"]) for run in order),
            *(_axis(axis, MARGIN + number * AXIS_GAP) for number, axis in enumerate(axes)),
        ],
        width=width,
        height=HEIGHT,
        viewBox=f"{-left} 0 {width} {HEIGHT}",
        aria_label="sweep",
        style=OWN_COLORS if standalone else None,
    )


def _axes(runs: Sequence[Answer], by: str) -> list[Axis]:
    chosen_by = best_metric(by)[0]
    metrics = measured(runs)
    last = [chosen_by] if chosen_by in metrics else []
    shown = [m for m in metrics if m != chosen_by][: MOST_METRICS - 1] + last
    return [_parameter(n, runs) for n in swept(runs)] + [_metric(m, runs) for m in shown]


def _parameter(name: str, runs: Sequence[Answer]) -> Axis:
    values = list({repr(v): v for v in (run["parameters"].get(name) for run in runs)}.values())
    if all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        values.sort()
    gaps = max(1, len(values) - 1)
    shares = [n / gaps if len(values) > 1 else 0.5 for n in range(len(values))]
    every = math.ceil(len(values) / MOST_LABELS)
    labels = [(_short(v), s) for v, s in zip(values, shares, strict=True)][::every]
    placed = {repr(v): s for v, s in zip(values, shares, strict=True)}
    return Axis(name=name, metric=False, shares=placed, labels=tuple(labels))


def _metric(name: str, runs: Sequence[Answer]) -> Axis:
    known = {run["metrics"][name] for run in runs if name in run["metrics"]}
    values = sorted(value for value in known if math.isfinite(value))
    low, high = (values[0], values[-1]) if values else (0.0, 1.0)
    if low == high:
        shares, labels = {repr(v): 0.5 for v in values}, [(f"{low:.4g}", 0.5)]
    else:
        share = svg.scale((low, high), (0, 1))
        shares = {repr(v): share(v) for v in values}
        labels = [(f"{v:.6g}", share(v)) for v in round_numbers(low, high)]
    return Axis(name=name, metric=True, shares=shares, labels=tuple(labels))


def round_numbers(low: float, high: float) -> list[float]:
    """Return a few round numbers between two.

    >>> round_numbers(0.5278, 0.9583)
    [0.6, 0.7, 0.8, 0.9]
    """
    raw = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * f for f in (1, 2, 5, 10) if power * f >= raw * 0.9)
    first, last = math.ceil(low / step), math.floor(high / step)
    return [float(f"{n * step:.10g}") for n in range(first, last + 1)]


def _short(value: Any) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= LONGEST_LABEL else f"{text[: LONGEST_LABEL - 1]}…"


def _line(run: Answer, axes: Sequence[Axis], *, best: bool) -> str:
    """Draw one run. The line of a run without a metric ends at the axis before, in a cross."""
    points: list[svg.Point] = []
    for number, axis in enumerate(axes):
        value = (run["metrics"] if axis.metric else run["parameters"]).get(axis.name)
        if (share := axis.shares.get(repr(value))) is None:
            break
        points.append((MARGIN + number * AXIS_GAP, place(share)))
    if not points:
        return ""
    good = run["status"] == "finished"
    tip = [run["run"], run["status"], *(f"{k} = {v}" for k, v in run["parameters"].items())]
    tip += [f"{k} = {v:.6g}" for k, v in run["metrics"].items()]
    return svg.element(
        "g",
        svg.title(*tip),
        svg.curve(points, AXIS_GAP * 0.4),
        "" if good else svg.cross(points[-1], 5),
        fill="none",
        stroke=BEST if best else PLAIN if good else FAILED,
        stroke_width=3 if best else 1.5,
        stroke_opacity=1 if best else 0.6,
        data_run=run["run"],
    )


def _axis(axis: Axis, x: float) -> str:
    ticks = [(place(share), label) for label, share in axis.labels]
    middle: svg.Look = {"text_anchor": "middle"}
    return svg.element(
        "g",
        svg.line((x, place(0)), (x, place(1)), stroke=svg.GRAY, stroke_width=1.3),
        svg.text((x, TOP - 30), axis.name, font_weight="bold", fill="currentColor", **middle),
        svg.text(
            (x, TOP - 15),
            "metric" if axis.metric else "parameter",
            font_size=10,
            fill=svg.GRAY,
            **middle,
        ),
        svg.axis(ticks, (x - 4, x + 4), (x - 8, -4), **TICK),
        data_axis=axis.name,
    )
