"""The report of a model: one HTML page that needs no other file."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from markupsafe import Markup
from msgspec import Struct

from mlops_nb.markup import page
from mlops_nb.monitoring.live import metrics, slices
from mlops_nb.monitoring.live.metrics import LiveMetric
from mlops_nb.monitoring.live.movement import movement
from mlops_nb.monitoring.live.sums import VersionSums, together
from mlops_nb.monitoring.live.window import WatchedWindow
from mlops_nb.monitoring.report import charts, view
from mlops_nb.monitoring.report.charts import DayAxis, DayPoint, ReleaseMark

MANY_DAYS, WEEK = 60, 7
DRIFT = "Drift by day, as multiples of its threshold"
TITLES = {
    "accuracy": "Accuracy",
    "auc": "Area under the ROC curve (AUC)",
    "log_loss": "Log loss (lower is better)",
    "brier": "Brier score (lower is better)",
    "mae": "Mean absolute error (lower is better)",
    "rmse": "Root mean squared error (lower is better)",
    "quantile_loss": "Quantile loss (lower is better)",
    "ndcg": "Normalized discounted cumulative gain (NDCG)",
}


class ReportChart(Struct, frozen=True, kw_only=True):
    """A chart with its title."""

    title: str
    drawing: Markup


def render(found: WatchedWindow) -> str:
    """Return the page; everything that is inserted is escaped, except for the charts."""
    return page(
        "mlops_nb.monitoring.report",
        {
            "figure": lambda v: f"{v:.4f}",
            "signed": lambda v: f"{v:+.4f}",
            "share": lambda v: f"{v:.1%}",
            "day": _day,
        },
        found=found,
        titles=TITLES,
        several=len(metrics.versions(found.days)) > 1,
        lag=metrics.lag(found.days),
        how=view.how(found) if found.metrics else "",
        failures=view.failures(found),
        series=list(_series(found)),
        heat=_heat(found),
        amounts=list(_amounts(found)) if found.days else [],
        has_weeks=len(found.days) >= MANY_DAYS,
        worst=slices.worst(found.slices),
        calibrated=view.calibrated(found),
        shrunk=view.SHRUNK.format(version=found.reference),
        moved=sorted((m for m in found.drift if m.drifted), key=lambda m: -m.excess),
    )


def _day(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def drawings(found: WatchedWindow, width: int) -> list[ReportChart]:
    """Return the charts of the page by themselves: metrics, drift, amounts by day. width: px."""
    if not found.days:
        return []
    heat = _heat(found, width)
    moved = [] if heat is None else [ReportChart(title=DRIFT, drawing=heat)]
    return [*_series(found, width), *moved, *_amounts(found, width)]


def _axis(found: WatchedWindow, width: int, left: int = charts.LEFT) -> DayAxis:
    return charts.axis(found.days[0].day, found.days[-1].day, left, width)


def _drawn(svg: str) -> Markup:
    return Markup(svg)  # noqa: S704  charts escape their texts


def _series(found: WatchedWindow, width: int = charts.WIDTH) -> Iterator[ReportChart]:
    """Yield the chart of each metric by day, and by week where there are many days."""
    by_day = [(day.day, metrics.of_days([day])) for day in found.days]
    weeks = found.days if len(found.days) >= MANY_DAYS else ()
    whole = range(len(weeks) % WEEK, len(weeks), WEEK)
    parts = [weeks[at : at + WEEK] for at in whole]
    by_week = [(part[len(part) // 2].day, metrics.of_days(part)) for part in parts]
    provisional = [day.day for day in found.days if not day.mature]
    for name in dict.fromkeys(one.metric for one in found.metrics):
        points = _points(name, by_day)
        if points:
            drawing = charts.metric(
                points, _axis(found, width), provisional, _marks(found), _points(name, by_week)
            )
            yield ReportChart(title=TITLES[name], drawing=_drawn(drawing))
    for name, values in found.computed.items():
        if values:
            points = [DayPoint(day=d, value=v, low=v, high=v) for d, v in values.items()]
            drawing = charts.metric(points, _axis(found, width), provisional, _marks(found))
            yield ReportChart(title=f"{name} (computed by the notebook)", drawing=_drawn(drawing))


def _points(name: str, measured: Iterable[tuple[str, list[LiveMetric]]]) -> list[DayPoint]:
    return [
        DayPoint(day=day, value=one.value, low=one.low, high=one.high)
        for day, found in measured
        for one in found
        if one.metric == name
    ]


def _marks(found: WatchedWindow) -> list[ReleaseMark]:
    first, last = found.days[0].day, found.days[-1].day
    made = []
    for one in found.releases:
        day = one.at.astimezone(UTC).date().isoformat()
        label = f"{'back to ' if one.rollback else 'version '}{one.version}"
        if first <= day <= last:
            made.append(ReleaseMark(day=day, label=label))
    harm = {one.since[:10] for one in found.alerts if one.kind == "harm"}
    made += [ReleaseMark(day=day, label="harm") for day in sorted(harm) if first <= day <= last]
    return sorted(made, key=lambda mark: mark.day)


def _heat(found: WatchedWindow, width: int = charts.WIDTH) -> Markup | None:
    """Return the heat map: each column by day, as multiples of the threshold of that day."""
    rows = []
    for name, was in found.columns.items():
        values = []
        for day in found.days:
            if name not in day.sums.columns:
                continue
            own = found.own.of(was.log, [day.day], len(found.columns))
            one = movement(was, [day.sums.columns[name]], own)
            if one is not None:
                values.append((day.day, one.excess))
        if values:
            rows.append((name, values))
    if not rows:
        return None
    rows.sort(key=lambda row: -max(value for _, value in row[1]))
    return _drawn(charts.heat(rows, _axis(found, width, min(charts.NAMES, width // 3))))


def _amounts(found: WatchedWindow, width: int = charts.WIDTH) -> Iterator[ReportChart]:
    """Yield what came each day: answers, coverage, latency."""
    along, days = _axis(found, width), [day for day in found.days if day.sums.rows]
    volume = [(day.day, float(day.sums.rows)) for day in days]
    covered = [(day.day, _coverage(day.sums.versions.values())) for day in days]
    seconds = [(day.day, 1000 * (day.sums.seconds or 0.0)) for day in days]
    for title, drawing in (
        ("Answers a day", charts.amounts(volume, along, bars=True)),
        (
            "Share of the answers with a label",
            charts.amounts(covered, along, bars=False, share=True),
        ),
        ("Median latency, ms", charts.amounts(seconds, along, bars=False)),
    ):
        yield ReportChart(title=title, drawing=_drawn(drawing))


def _coverage(versions: Iterable[VersionSums]) -> float:
    whole = together(versions)
    return whole.labels / whole.rows
