"""The chart of the report: the metric by month, with and without retraining."""

import math
from collections.abc import Collection, Iterator
from typing import Literal

from mlops_nb.demo.messages import verdict
from mlops_nb.demo.results import YEAR, Results, name_of
from mlops_nb.jupyter import svg

WIDTH, HEIGHT = 880, 430  # px
LEFT, RIGHT, TOP, BOTTOM = 62, 712, 30, 384  # of the area of the curves
LABEL_X, LABEL_GAP = RIGHT + 14, 34  # two labels at the ends of the curves need this distance
LABELS = {"retrained": "with retraining", "without": "without"}
Series = Literal["retrained", "without"]


class Chart:
    """Draws both curves, the released versions and the refused models."""

    def __init__(self, results: Results) -> None:
        self.months = results.months
        refused = ((t.month, t.metric("value")) for t in results.ended("refused"))
        self.refused = [(month, value) for month, value in refused if value is not None]
        both = ("retrained", "without")
        values = [v for m in self.months for s in both if (v := getattr(m, s)) is not None]
        values += [value for _, value in self.refused]
        low = min([0.5, *(math.floor(v * 20) / 20 for v in values)])
        high = max([0.7, *(math.ceil((v + 0.015) * 20) / 20 for v in values)])
        self.ticks = [low + n / 20 for n in range(round((high - low) * 20) + 1)]
        self.x = svg.scale((1, max(2, len(self.months))), (LEFT, RIGHT))
        self.y = svg.scale((low, high), (BOTTOM, TOP))

    def parts(self) -> Iterator[str]:
        """Draw everything, the lowest layer first."""
        yield from self.axes()
        compared = {m.number for m in self.months if m.gain is not None}
        upper, lower = (self.points(s, compared) for s in ("retrained", "without"))
        yield svg.polyline(upper + lower[::-1], closed=True, class_="gain")
        for series in ("without", "retrained"):
            yield svg.polyline(self.points(series), class_=series)
        yield from self.dots("without", "January's model")
        yield from self.dots("retrained", "retrained")
        yield from self.versions()
        yield from self.crosses()
        yield from self.labels()

    def axes(self) -> Iterator[str]:
        """Draw a line for each value, and the names of the months."""
        for value in self.ticks:
            guess = math.isclose(value, 0.5)
            look: dict[str, svg.Look] = {
                "line": {"class_": "guess" if guess else "grid"},
                "label": {"class_": "axis"},
            }
            tick = (self.y(value), f"{value:.2f}")
            yield svg.axis([tick], (LEFT, RIGHT), (LEFT - 12, 4), **look)
        yield svg.text((LABEL_X, self.y(0.5) + 4), "guessing", class_="axis")
        for month in self.months:
            at = (self.x(month.number), HEIGHT - 14)
            yield svg.text(at, name_of(month.number)[:3], class_="axis", text_anchor="middle")

    def points(self, series: Series, months: Collection[int] = range(1, 13)) -> list[svg.Point]:
        """Return the points of a curve; a month without a number has none."""
        return [
            (self.x(month.number), self.y(value))
            for month in self.months
            if month.number in months and (value := getattr(month, series)) is not None
        ]

    def dots(self, series: Series, model: str) -> Iterator[str]:
        """Mark the points of a curve."""
        for month in self.months:
            value = getattr(month, series)
            if value is not None:
                yield svg.dot(
                    (self.x(month.number), self.y(value)),
                    5,
                    svg.title(f"{name_of(month.number)} {YEAR}, {model}: {value:.3f}"),
                    class_=series,
                    data_month=month.number,
                    data_value=f"{value:.6f}",
                )

    def versions(self) -> Iterator[str]:
        """Write the versions that were released above their points."""
        for month in self.months:
            released = [t.version for t in month.trials if t.result == "released"]
            if released and month.retrained is not None:
                at = (self.x(month.number), self.y(month.retrained) - 13)
                yield svg.text(at, f"v{released[-1]}", class_="version", text_anchor="middle")

    def crosses(self) -> Iterator[str]:
        """Mark the models that the gates refused."""
        for month, value in self.refused:
            x, y = self.x(month), self.y(value)
            yield svg.element(
                "g",
                svg.title(f"{name_of(month)} {YEAR}, refused: {value:.3f}"),
                svg.cross((x, y), 6),
                svg.text((x + 12, y + 18), "refused"),
                class_="refused",
                data_month=month,
                data_value=f"{value:.6f}",
            )

    def labels(self) -> Iterator[str]:
        """Write the name and the last value of each curve at its end."""
        last = {s: [v for m in self.months if (v := getattr(m, s)) is not None] for s in LABELS}
        ends = sorted((self.y(values[-1]), s) for s, values in last.items() if values)
        push = max(0.0, LABEL_GAP - (ends[-1][0] - ends[0][0])) / 2 if len(ends) > 1 else 0.0
        for (y, series), shift in zip(ends, (-push, push), strict=False):
            value = svg.element("tspan", f"{last[series][-1]:.3f}", class_="last", x=LABEL_X, dy=17)
            at = (LABEL_X, y + shift)
            yield svg.text(at, LABELS[series], value, class_=f"name {series}")


def chart(results: Results) -> str:
    """Return the chart as SVG; the report has its colours."""
    return svg.drawing(
        [
            svg.element("title", "AUC by month, with and without retraining", id="chart-title"),
            svg.element(
                "desc",
                svg.escape(f"{verdict(results)} All numbers are in the table below."),
                id="chart-desc",
            ),
            *Chart(results).parts(),
        ],
        width=WIDTH,
        height=HEIGHT,
        xmlns=None,  # the page holds no address
        aria_labelledby="chart-title chart-desc",
    )
