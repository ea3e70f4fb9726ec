"""The report's chart: AUC by month with and without retraining, as inline SVG."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from mlops_nb.demo.narration import verdict
from mlops_nb.demo.outcome import YEAR, Month, Tale, name_of

WIDTH, HEIGHT = 880, 430
LEFT, RIGHT, TOP, BOTTOM = 62, 168, 30, 46
LABEL_GAP = 34  # two names at the lines' ends need this much room between them


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Where a month and a value lie on the drawing."""

    months: int
    low: float
    high: float

    def x(self, month: int) -> float:
        """Return a month's place from the left."""
        return LEFT + (WIDTH - LEFT - RIGHT) * (month - 1) / max(1, self.months - 1)

    def y(self, value: float) -> float:
        """Return a value's place from the top."""
        share = (value - self.low) / (self.high - self.low)
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - share)


def chart(tale: Tale) -> str:
    """Draw both curves, what was released and what was refused."""
    months = tale.months
    scale = scale_for(tale)
    parts = [
        *grid(scale, months),
        band(scale, months),
        line(scale, months, "without"),
        line(scale, months, "retrained"),
        *dots(scale, months, "without"),
        *dots(scale, months, "retrained"),
        *refusals(scale, tale),
        *names(scale, months),
    ]
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="chart-title chart-desc">'
        '<title id="chart-title">AUC by month, with and without retraining</title>'
        f'<desc id="chart-desc">{escape(verdict(tale))} '
        "All numbers are in the table below.</desc>"
        f"{''.join(parts)}</svg>"
    )


def scale_for(tale: Tale) -> Scale:
    """Choose the scale: from guessing, or lower if need be, to just above the best."""
    values = [v for m in tale.months for v in (m.without, m.retrained) if v is not None]
    values += [t.value for t in tale.refused if t.value is not None]
    low = min([0.5, *(math.floor(v * 20) / 20 for v in values)])
    high = max([0.7, *(math.ceil((v + 0.015) * 20) / 20 for v in values)])
    return Scale(months=len(tale.months), low=low, high=high)


def grid(scale: Scale, months: Sequence[Month]) -> Iterator[str]:
    """Draw the axes' lines and numbers."""
    steps = round((scale.high - scale.low) * 20)
    for step in range(steps + 1):
        value = scale.low + step / 20
        y = scale.y(value)
        kind = "guess" if math.isclose(value, 0.5) else "grid"
        yield f'<line class="{kind}" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield (
            f'<text class="axis" x="{LEFT - 12}" y="{y + 4:.1f}" '
            f'text-anchor="end">{value:.2f}</text>'
        )
    guess = scale.y(0.5)
    yield f'<text class="axis" x="{WIDTH - RIGHT + 14}" y="{guess + 4:.1f}">guessing</text>'
    for month in months:
        yield (
            f'<text class="axis" x="{scale.x(month.number):.1f}" y="{HEIGHT - 14}" '
            f'text-anchor="middle">{name_of(month.number)[:3]}</text>'
        )


def points(scale: Scale, months: Sequence[Month], series: str) -> list[tuple[float, float]]:
    """Return a curve's points; a month without a number has none."""
    return [
        (scale.x(month.number), scale.y(value))
        for month in months
        if (value := getattr(month, series)) is not None
    ]


def band(scale: Scale, months: Sequence[Month]) -> str:
    """Fill what lies between the curves: the gain."""
    both = [m for m in months if m.gain is not None]
    outline = points(scale, both, "retrained") + points(scale, both, "without")[::-1]
    return f'<polygon class="gain" points="{joined(outline)}"/>'


def line(scale: Scale, months: Sequence[Month], series: str) -> str:
    """Draw one curve."""
    return f'<polyline class="{series}" points="{joined(points(scale, months, series))}"/>'


def dots(scale: Scale, months: Sequence[Month], series: str) -> Iterator[str]:
    """Mark a curve's points; on the retrained one, also the versions that went into service."""
    who = "January's model" if series == "without" else "retrained"
    for month in months:
        value = getattr(month, series)
        if value is None:
            continue
        x, y = scale.x(month.number), scale.y(value)
        yield (
            f'<circle class="{series}" cx="{x:.1f}" cy="{y:.1f}" r="5" '
            f'data-month="{month.number}" data-value="{value:.6f}">'
            f"<title>{name_of(month.number)} {YEAR}, {escape(who)}: {value:.3f}</title></circle>"
        )
        version = next((t.version for t in reversed(month.trials) if t.released), None)
        if series == "retrained" and version is not None:
            yield (
                f'<text class="version" x="{x:.1f}" y="{y - 13:.1f}" '
                f'text-anchor="middle">v{version}</text>'
            )


def refusals(scale: Scale, tale: Tale) -> Iterator[str]:
    """Mark each model that the gates kept out with a cross."""
    for trial in tale.refused:
        if trial.value is None:
            continue
        x, y = scale.x(trial.month), scale.y(trial.value)
        yield (
            f'<g class="refused" data-month="{trial.month}" data-value="{trial.value:.6f}">'
            f"<title>{name_of(trial.month)} {YEAR}, refused: {trial.value:.3f}</title>"
            f'<path d="M{x - 6:.1f} {y - 6:.1f}l12 12m0 -12l-12 12"/>'
            f'<text x="{x + 12:.1f}" y="{y + 18:.1f}">refused</text></g>'
        )


def names(scale: Scale, months: Sequence[Month]) -> Iterator[str]:
    """Write each curve's name at its end, kept apart where the ends are close."""
    ends = {s: points(scale, months, s)[-1:] for s in ("retrained", "without")}
    heights = {series: end[0][1] for series, end in ends.items() if end}
    if len(heights) == len(ends):
        lower = max(heights, key=lambda series: heights[series])
        upper = min(heights, key=lambda series: (heights[series], series == lower))
        gap = heights[lower] - heights[upper]
        if gap < LABEL_GAP:
            heights[upper] -= (LABEL_GAP - gap) / 2
            heights[lower] += (LABEL_GAP - gap) / 2
    words = {"retrained": "with retraining", "without": "without"}
    for series, y in heights.items():
        last = next(v for m in reversed(months) if (v := getattr(m, series)) is not None)
        x = WIDTH - RIGHT + 14
        yield (
            f'<text class="name {series}" x="{x}" y="{y:.1f}">{words[series]}'
            f'<tspan class="last" x="{x}" dy="17">{last:.3f}</tspan></text>'
        )


def joined(outline: Sequence[tuple[float, float]]) -> str:
    """Write points as SVG wants them."""
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in outline)
