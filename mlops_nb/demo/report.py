"""The report of the demo: one HTML page that needs no other file."""

from importlib import resources

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from mlops_nb.demo.callers import Pace
from mlops_nb.demo.chart import chart
from mlops_nb.demo.messages import SPOILED, clock, logged, metric, milliseconds, verdict
from mlops_nb.demo.results import YEAR, Results, name_of
from mlops_nb.markup import html


def render(results: Results) -> str:
    """Return the page; everything that is inserted is escaped, except for the chart."""

    def escaped(value: object) -> object:
        return value if hasattr(value, "__html__") else Markup(html(value))  # noqa: S704

    page = Environment(
        autoescape=True,
        finalize=escaped,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    page.filters |= {"clock": clock, "metric": metric, "month": name_of}
    page.filters |= {"milliseconds": milliseconds, "thousands": "{:,}".format}
    source = resources.files("mlops_nb.demo").joinpath("report.html").read_text("utf-8")
    return page.from_string(source).render(
        results=results,
        year=YEAR,
        spoiled=SPOILED,
        verdict=verdict(results),
        chart=chart(results),
        logged=logged(results.calls),
        pace=Pace(),
    )
