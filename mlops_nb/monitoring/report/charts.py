"""Draws the charts of the report of a model as SVG: a metric by day, drift by day, amounts by day.

Every text is escaped; colours are classes of the page's style sheet.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from itertools import groupby

from msgspec import Struct

from mlops_nb.markup import html

WIDTH, LEFT, RIGHT, TOP = 920, 64, 12, 22
HEIGHT, FOOT = 190, 24
CELL, NAMES = 16, 150  # of the heat map: height of a row, width of the names
LEVELS = ((1.0, "none"), (2.0, "some"), (4.0, "more"), (math.inf, "most"))
MOST_NAME = 20
LETTER = 7  # width
LANES = 2  # of labels of releases


class DayAxis(Struct, frozen=True, kw_only=True):
    """The days of a chart, from left to right."""

    first: date
    count: int
    left: int = LEFT
    width: int = WIDTH

    @property
    def right(self) -> int:
        """Where the days end."""
        return self.width - RIGHT

    @property
    def step(self) -> float:
        """The width of a day."""
        return (self.right - self.left) / max(self.count, 1)

    def place(self, day: str) -> int:
        """Return the number of a day, from 0."""
        return (date.fromisoformat(day) - self.first).days

    def start(self, place: float) -> float:
        """Return where a day begins."""
        return self.left + place * self.step

    def middle(self, place: int) -> float:
        """Return where the middle of a day is."""
        return self.start(place + 0.5)

    def ticks(self) -> list[tuple[int, str]]:
        """Return about eight days with their names, or as many as there is room for."""
        every = max(1, math.ceil(self.count / max(2, 8 * self.width // WIDTH)))
        days = (self.first + timedelta(days=n) for n in range(0, self.count, every))
        return [(n * every, f"{day:%b} {day.day}") for n, day in enumerate(days)]


class DayPoint(Struct, frozen=True, kw_only=True):
    """A value of a day, with its interval."""

    day: str
    value: float
    low: float
    high: float


class ReleaseMark(Struct, frozen=True, kw_only=True):
    """A vertical line: a release."""

    day: str
    label: str


def axis(first: str, last: str, left: int = LEFT, width: int = WIDTH) -> DayAxis:
    """Return the axis from one day to another.

    >>> axis("2026-01-01", "2026-01-10").count
    10
    """
    start = date.fromisoformat(first)
    count = (date.fromisoformat(last) - start).days + 1
    return DayAxis(first=start, count=count, left=left, width=width)


def metric(
    points: Sequence[DayPoint],
    along: DayAxis,
    provisional: Sequence[str],
    marks: Iterable[ReleaseMark],
    weeks: Sequence[DayPoint] = (),
) -> str:
    """Return the chart of a metric by day, its interval as a band, provisional days shaded.

    weeks: the metric by week, each at its middle day
    """
    low, high = min(p.low for p in points), max(p.high for p in points)
    inside = [p.value for p in points]
    spread = (max(inside) - min(inside)) or abs(inside[0]) * 0.1 or 0.1
    low = max(low, min(inside) - 3 * spread)  # a day with few labels has a very wide interval
    high = min(high, max(inside) + 3 * spread)
    up = _scale(low, high)
    parts = [_shades(provisional, along), _grid(low, high, up, along), _days(along)]
    day_line = "day" if weeks else "line"
    for run in _runs(points, along):
        upper = [(along.middle(along.place(p.day)), up(min(p.high, high))) for p in run]
        lower = [(along.middle(along.place(p.day)), up(max(p.low, low))) for p in run]
        line = [(along.middle(along.place(p.day)), up(p.value)) for p in run]
        parts.append(f'<path class="band" d="{_path([*upper, *lower[::-1]])}z"/>')
        parts.append(f'<path class="{day_line}" d="{_path(line)}"/>')
        if len(run) == 1:
            parts.append(_dot(*line[0]))
    if weeks:
        line = [(along.middle(along.place(p.day)), up(p.value)) for p in weeks]
        parts.append(f'<path class="line" d="{_path(line)}"/>')
    parts.append(_marks(marks, along))
    return _svg(parts, HEIGHT, along)


def amounts(
    values: Sequence[tuple[str, float]], along: DayAxis, *, bars: bool, share: bool = False
) -> str:
    """Return a chart of an amount by day, from zero: as bars or as a line. share: 1 is all."""
    high = 1.0 if share else max((v for _, v in values), default=0.0) or 1.0
    height = 120
    up = _scale(0.0, high, height)
    parts = [_grid(0.0, high, up, along, percent=share), _days(along, height)]
    if bars:
        wide = max(along.step * 0.8, 0.6)
        bottom = height - FOOT
        shape = "".join(
            f"M{along.middle(along.place(d)) - wide / 2:.1f} {bottom}"
            f"V{up(v):.1f}h{wide:.1f}V{bottom}z"
            for d, v in values
        )
        parts.append(f'<path class="bars" d="{shape}"/>')
    else:
        points = [(along.middle(along.place(d)), up(v)) for d, v in values]
        parts.append(f'<path class="line" d="{_path(points)}"/>')
        if len(points) == 1:
            parts.append(_dot(*points[0]))
    return _svg(parts, height, along)


def heat(rows: Sequence[tuple[str, Sequence[tuple[str, float]]]], along: DayAxis) -> str:
    """Return the heat map of columns by day; a value of 1 is the threshold of that day."""
    shapes: dict[str, list[str]] = {name: [] for _, name in LEVELS}
    most = min(MOST_NAME, (along.left - 8) // LETTER)
    parts = []
    for number, (name, values) in enumerate(rows):
        y = TOP + number * CELL
        short = name if len(name) <= most else name[: most - 1] + "…"
        parts.append(
            f'<text class="name" x="{along.left - 8}" y="{y + 12}" text-anchor="end">'
            f"<title>{html(name)}</title>{html(short)}</text>"
        )
        levels = [(along.place(day), _level(value)) for day, value in values]
        for level, group in groupby(enumerate(levels), lambda one: (one[1][1], one[1][0] - one[0])):
            places = [place for _, (place, _) in group]
            x, wide = along.start(places[0]), len(places) * along.step
            shapes[level[0]].append(f"M{x:.1f} {y + 1}h{wide:.1f}v{CELL - 2}h-{wide:.1f}z")
    for name, drawn in shapes.items():
        if drawn:
            parts.append(f'<path class="heat {name}" d="{"".join(drawn)}"/>')
    height = TOP + len(rows) * CELL + FOOT
    return _svg([*parts, _days(along, height)], height, along)


def _level(excess: float) -> str:
    return next(name for limit, name in LEVELS if excess <= limit)


def _scale(low: float, high: float, height: int = HEIGHT) -> Callable[[float], float]:
    room, span = height - TOP - FOOT, (high - low) or 1.0
    return lambda value: TOP + room * (1 - (value - low) / span)


def _runs(points: Sequence[DayPoint], along: DayAxis) -> list[list[DayPoint]]:
    """Return points in groups of days that follow each other."""
    runs: list[list[DayPoint]] = []
    for point in points:
        if runs and along.place(point.day) - along.place(runs[-1][-1].day) == 1:
            runs[-1].append(point)
        else:
            runs.append([point])
    return runs


def _path(points: Iterable[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _dot(x: float, y: float) -> str:
    return f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="2.5"/>'


def _grid(
    low: float,
    high: float,
    up: Callable[[float], float],
    along: DayAxis,
    *,
    percent: bool = False,
) -> str:
    parts = []
    step = _step(high - low)
    for number in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1):
        value, y = number * step, up(number * step)
        label = f"{value:.0%}" if percent else _figure(value, step)
        parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{along.right}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{label}</text>')
    return "".join(parts)


def _step(span: float) -> float:
    """Return the distance of the lines of a grid: 1, 2 or 5 times a power of ten.

    >>> _step(0.34), _step(1200)
    (0.1, 500.0)
    """
    if span <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(span))
    step = next(s for s in (0.2, 0.5, 1.0, 2.0, 5.0) if span / power / s <= 4)  # noqa: PLR2004
    return step * power


def _figure(value: float, step: float) -> str:
    """Return a number with the digits that a step needs.

    >>> _figure(0.7, 0.05), _figure(12000, 2000)
    ('0.70', '12,000')
    """
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return f"{value:,.{digits}f}"


def _days(along: DayAxis, height: int = HEIGHT) -> str:
    return "".join(
        f'<text x="{along.start(place):.1f}" y="{height - 6}">{label}</text>'
        for place, label in along.ticks()
    )


def _shades(days: Sequence[str], along: DayAxis) -> str:
    places = sorted(along.place(day) for day in days)
    parts = []
    for _, group in groupby(enumerate(places), lambda one: one[1] - one[0]):
        found = [place for _, place in group]
        x, wide = along.start(found[0]), len(found) * along.step
        high = HEIGHT - TOP - FOOT
        parts.append(
            f'<rect class="open" x="{x:.1f}" y="{TOP}" width="{wide:.1f}" height="{high}"/>'
        )
    return "".join(parts)


def _marks(marks: Iterable[ReleaseMark], along: DayAxis) -> str:
    parts, ends = [], [-math.inf] * LANES
    for one in marks:
        x = along.middle(along.place(one.day))
        parts.append(f'<path class="mark" d="M{x:.1f} {TOP - 4}V{HEIGHT - FOOT}"/>')
        wide = 7.0 * len(one.label) + 8
        at_end = x + wide > along.width
        begins = x - wide if at_end else x
        lane = next((n for n, end in enumerate(ends) if begins > end), None)
        if lane is not None:  # else it would lie over another
            ends[lane] = begins + wide
            anchor, shift = ("end", -4) if at_end else ("start", 4)
            y = TOP - 8 + 14 * lane
            parts.append(
                f'<text class="mark" x="{x + shift:.1f}" y="{y}" text-anchor="{anchor}">'
                f"{html(one.label)}</text>"
            )
    return "".join(parts)


def _svg(parts: Iterable[str], height: int, along: DayAxis) -> str:
    return f'<svg viewBox="0 0 {along.width} {height}">{"".join(parts)}</svg>'
