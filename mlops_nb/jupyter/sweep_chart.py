"""Draws a sweep as parallel coordinates, to be read on light and on dark pages; and as rows."""

import html
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlops_nb.runs.sweep_history import best_metric

HIGH, TOP, BOTTOM, EDGE, ACROSS = 330, 56, 34, 66, 168
LETTER = 7  # px, at most, of a letter of the marks
MOST_METRICS, MOST_MARKS = 4, 9
PLAIN, BEST, BAD = "#3182ce", "#38a169", "#e53e3e"  # mid tones: read on white and on black
AXIS = "#718096"
Answer = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One upright line: a parameter, whose values are evenly spaced, or a metric, to scale.

    place: value as text → share of the height, from below
    """

    name: str
    metric: bool
    place: Mapping[str, float]
    marks: tuple[tuple[str, float], ...]


def comparison(answer: Answer) -> tuple[list[str], list[list[str]]]:
    """Return a sweep's head and rows: each run's swept values, status, metrics and time."""
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
    """Return the parameters that differ between runs; all of them where there is but one run."""
    names = list(dict.fromkeys(n for run in runs for n in run["parameters"]))
    if len(runs) < 2:  # noqa: PLR2004  one differs from none
        return names
    return [n for n in names if len({repr(run["parameters"].get(n)) for run in runs}) > 1]


def measured(runs: Sequence[Answer]) -> list[str]:
    """Return the metrics of runs, in the order that they came in."""
    return list(dict.fromkeys(name for run in runs for name in run["metrics"]))


def svg(answer: Answer, *, by: str = "", alone: bool = False) -> str:
    """Return a sweep (as `sweep --json` prints it) as an SVG drawing: a line for each point.

    by:    the metric that the best was chosen by; its axis is the last
    alone: it is a file of its own, which has no page to take its colours from
    """
    runs = answer["runs"]
    axes = _axes(runs, by)
    longest = max((len(text) for text, _ in axes[0].marks), default=0) if axes else 0
    lead = max(0, longest * LETTER + 12 - EDGE)  # what the first axis's words need besides
    width = lead + 2 * EDGE + max(1, len(axes) - 1) * ACROSS
    own = ' style="color-scheme: light dark; color: CanvasText; background: Canvas"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{-lead} 0 {width} {HIGH}" '
        f'width="{width}" height="{HIGH}" role="img" aria-label="sweep" font-family="sans-serif" '
        f'font-size="12"{own if alone else ""}>'
    ]
    order = sorted(runs, key=lambda run: run["run"] == answer["best"])  # the best on top
    parts += [_line(run, axes, best=run["run"] == answer["best"]) for run in order]
    parts += [_axis(axis, number) for number, axis in enumerate(axes)]
    return "".join([*parts, "</svg>"])


def _axes(runs: Sequence[Answer], by: str) -> list[Axis]:
    wanted = best_metric(by)[0]
    metrics = measured(runs)
    ranked = [m for m in metrics if m != wanted][: MOST_METRICS - 1]
    ranked += [wanted] if wanted in metrics else []
    return [_parameter(n, runs) for n in swept(runs)] + [_metric(m, runs) for m in ranked]


def _parameter(name: str, runs: Sequence[Answer]) -> Axis:
    values = list({repr(v): v for v in (run["parameters"].get(name) for run in runs)}.values())
    if all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        values.sort()
    steps = max(1, len(values) - 1)
    shares = [n / steps if len(values) > 1 else 0.5 for n in range(len(values))]
    every = math.ceil(len(values) / MOST_MARKS)
    marks = [(_short(v), s) for v, s in zip(values, shares, strict=True)][::every]
    places = {repr(v): s for v, s in zip(values, shares, strict=True)}
    return Axis(name=name, metric=False, place=places, marks=tuple(marks))


def _metric(name: str, runs: Sequence[Answer]) -> Axis:
    known = {run["metrics"][name] for run in runs if name in run["metrics"]}
    values = sorted(value for value in known if math.isfinite(value))
    low, high = (values[0], values[-1]) if values else (0.0, 1.0)
    if low == high:
        places, marks = {repr(v): 0.5 for v in values}, [(f"{low:.4g}", 0.5)]
    else:
        places = {repr(v): (v - low) / (high - low) for v in values}
        marks = [(f"{v:.6g}", (v - low) / (high - low)) for v in round_numbers(low, high)]
    return Axis(name=name, metric=True, place=places, marks=tuple(marks))


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
    return text if len(text) <= 12 else f"{text[:11]}…"  # noqa: PLR2004  letters beside an axis


def _y(share: float) -> float:
    return TOP + (HIGH - TOP - BOTTOM) * (1 - share)


def _line(run: Answer, axes: Sequence[Axis], *, best: bool) -> str:
    """Draw one run; where it came to no metric, its line ends in a cross."""
    points: list[tuple[float, float]] = []
    for number, axis in enumerate(axes):
        value = (run["metrics"] if axis.metric else run["parameters"]).get(axis.name)
        if (share := axis.place.get(repr(value))) is None:
            break
        points.append((EDGE + number * ACROSS, _y(share)))
    if not points:
        return ""
    bend = ACROSS * 0.4
    path = f"M{points[0][0]:.1f},{points[0][1]:.1f}"
    for (x1, y1), (x2, y2) in itertools.pairwise(points):
        path += f" C{x1 + bend:.1f},{y1:.1f} {x2 - bend:.1f},{y2:.1f} {x2:.1f},{y2:.1f}"
    good = run["status"] == "finished"
    tone = BEST if best else PLAIN if good else BAD
    told = [
        run["run"],
        run["status"],
        *(f"{k} = {v}" for k, v in run["parameters"].items()),
        *(f"{k} = {v:.6g}" for k, v in run["metrics"].items()),
    ]
    x, y = points[-1]
    end = "" if good else f'<path d="M{x - 5:.1f} {y - 5:.1f}l10 10m0 -10l-10 10"/>'
    return (
        f'<g data-run="{html.escape(run["run"])}" fill="none" stroke="{tone}" '
        f'stroke-width="{3 if best else 1.5}" stroke-opacity="{1 if best else 0.6}">'
        f'<title>{html.escape(chr(10).join(told))}</title><path d="{path}"/>{end}</g>'
    )


def _axis(axis: Axis, number: int) -> str:
    x = EDGE + number * ACROSS
    parts = [
        f'<path d="M{x},{_y(0):.1f}V{_y(1):.1f}" stroke="{AXIS}" stroke-width="1.3"/>',
        f'<text x="{x}" y="{TOP - 30}" text-anchor="middle" font-weight="bold" '
        f'fill="currentColor">{html.escape(axis.name)}</text>',
        f'<text x="{x}" y="{TOP - 15}" text-anchor="middle" font-size="10" fill="{AXIS}">'
        f"{'metric' if axis.metric else 'parameter'}</text>",
    ]
    for text, share in axis.marks:
        y = _y(share)
        parts.append(
            f'<path d="M{x - 4},{y:.1f}h8" stroke="{AXIS}"/>'
            f'<text x="{x - 8}" y="{y - 4:.1f}" text-anchor="end" font-size="11" '
            f'fill="currentColor">{html.escape(text)}</text>'
        )
    return f'<g data-axis="{html.escape(axis.name)}">{"".join(parts)}</g>'
