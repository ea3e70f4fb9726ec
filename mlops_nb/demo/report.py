"""The report of the demo: one HTML page that needs no other file."""

from collections.abc import Callable

from mlops_nb.demo.callers import Pace
from mlops_nb.demo.chart import chart
from mlops_nb.demo.messages import (
    ARM_TITLES,
    SPOILED,
    clock,
    decision,
    interval,
    logged,
    metric,
    milliseconds,
    verdict,
)
from mlops_nb.demo.results import YEAR, Results, name_of
from mlops_nb.markup import page


def render(results: Results) -> str:
    """Return the page; everything that is inserted is escaped, except for the chart."""
    filters: dict[str, Callable[..., str]] = {
        "clock": clock,
        "metric": metric,
        "month": name_of,
        "milliseconds": milliseconds,
        "thousands": "{:,}".format,
        "interval": interval,
        "decision": decision,
    }
    return page(
        "mlops_nb.demo",
        filters,
        results=results,
        year=YEAR,
        spoiled=SPOILED,
        verdict=verdict(results),
        chart=chart(results),
        logged=logged(results.calls),
        pace=Pace(),
        arms=ARM_TITLES,
    )
