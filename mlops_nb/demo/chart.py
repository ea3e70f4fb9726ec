"""Draws the chart of the report: the metric by month, with and without retraining."""

import math
from collections.abc import Iterable, Iterator

from mlops_nb.demo.messages import verdict
from mlops_nb.demo.results import YEAR, Results, name_of
from mlops_nb.jupyter import svg
from mlops_nb.markup import html

WIDTH, HEIGHT = 880, 430  # px
LEFT, RIGHT, TOP, BOTTOM = 62, 712, 30, 384  # the area of the curves
LABEL_X, LABEL_GAP = RIGHT + 14, 34  # labels at the ends of the curves need this distance
CURVES = {"without": ("without", "January's model"), "retrained": ("with retraining", "retrained")}
MIDDLE: svg.Look = {"text_anchor": "middle"}


def chart(results: Results) -> str:
    """Return the chart as SVG; its colours are those of the report."""
    words = f"{verdict(results)} All numbers are in the table below."
    parts = [
        svg.element("title", "AUC by month, with and without retraining", id="chart-title"),
        svg.element("desc", html(words), id="chart-desc"),
        *Chart(results).parts(),
    ]
    look = {"xmlns": None, "aria_labelledby": "chart-title chart-desc"}
    return svg.drawing(parts, width=WIDTH, height=HEIGHT, **look)


class Chart:
    """Draws both curves, the released versions and the refused models."""

    def __init__(self, results: Results) -> None:
        self.months = results.months
        self.values = {  # curve → month → metric
            curve: {m.number: v for m in self.months if (v := getattr(m, curve)) is not None}
            for curve in CURVES
        }
        refused = [(t.month, t.metric("value")) for t in results.ended("refused")]
        self.refused = [(month, value) for month, value in refused if value is not None]
        known = [v for values in self.values.values() for v in values.values()]
        known += [value for _, value in self.refused]
        self.low = min([0.5, *(math.floor(v * 20) / 20 for v in known)])
        self.high = max([0.7, *(math.ceil((v + 0.015) * 20) / 20 for v in known)])
        self.x = svg.scale((1, max(2, len(self.months))), (LEFT, RIGHT))
        self.y = svg.scale((self.low, self.high), (BOTTOM, TOP))

    def parts(self) -> Iterator[str]:
        """Draw everything, the lowest layer first."""
        yield from self.axes()
        both = self.values["without"].keys() & self.values["retrained"].keys()
        upper, lower = (self.points(curve, both) for curve in ("retrained", "without"))
        yield svg.polyline(upper + lower[::-1], closed=True, class_="gain")
        for curve, values in self.values.items():
            yield svg.polyline(self.points(curve, values), class_=curve)
        for curve in CURVES:
            yield from self.dots(curve)
        yield from self.marks()
        yield from self.labels()

    def points(self, curve: str, months: Iterable[int]) -> list[svg.Point]:
        """Return the points of a curve in some months."""
        values = self.values[curve]
        return [(self.x(month), self.y(values[month])) for month in sorted(months)]

    def axes(self) -> Iterator[str]:
        """Draw a line for each value, and the names of the months."""
        steps = range(round((self.high - self.low) * 20) + 1)
        for value in (self.low + step / 20 for step in steps):
            line = {"class_": "guess" if math.isclose(value, 0.5) else "grid"}
            tick = [(self.y(value), f"{value:.2f}")]
            label = {"class_": "axis"}
            yield svg.axis(tick, (LEFT, RIGHT), (LEFT - 12, 4), line=line, label=label)
        yield svg.text((LABEL_X, self.y(0.5) + 4), "guessing", class_="axis")
        for month in self.months:
            at = (self.x(month.number), HEIGHT - 14)
            yield svg.text(at, name_of(month.number)[:3], class_="axis", **MIDDLE)

    def dots(self, curve: str) -> Iterator[str]:
        """Mark the points of a curve."""
        for month, value in self.values[curve].items():
            tip = svg.title(f"{name_of(month)} {YEAR}, {CURVES[curve][1]}: {value:.3f}")
            look = {"class_": curve, "data_month": month, "data_value": f"{value:.6f}"}
            yield svg.dot((self.x(month), self.y(value)), 5, tip, **look)

    def marks(self) -> Iterator[str]:
        """Write the released versions above their points, and a cross for each refused model."""
        for month in self.months:
            released = [t.version for t in month.trials if t.result == "released"]
            if released and month.retrained is not None:
                at = (self.x(month.number), self.y(month.retrained) - 13)
                yield svg.text(at, f"v{released[-1]}", class_="version", **MIDDLE)
        for number, value in self.refused:
            x, y = self.x(number), self.y(value)
            tip = svg.title(f"{name_of(number)} {YEAR}, refused: {value:.3f}")
            words = svg.text((x + 12, y + 18), "refused")
            look = {"class_": "refused", "data_month": number, "data_value": f"{value:.6f}"}
            yield svg.element("g", tip, svg.cross((x, y), 6), words, **look)

    def labels(self) -> Iterator[str]:
        """Write the name and the last value of each curve at its end."""
        last = {curve: list(values.values())[-1] for curve, values in self.values.items() if values}
        ends = sorted((self.y(value), curve) for curve, value in last.items())
        shift = max(0.0, LABEL_GAP - (ends[-1][0] - ends[0][0])) / 2 if len(ends) > 1 else 0.0
        for (y, curve), moved in zip(ends, (-shift, shift), strict=False):
            value = svg.element("tspan", f"{last[curve]:.3f}", class_="last", x=LABEL_X, dy=17)
            yield svg.text((LABEL_X, y + moved), CURVES[curve][0], value, class_=f"name {curve}")
