"""Counts what a server does, and writes it as Prometheus reads it."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import accumulate

BOUNDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)  # s
HELP = {
    "mlops_nb_requests_total": "Requests, by status.",
    "mlops_nb_rows_total": "Rows answered, by version.",
    "mlops_nb_shed_total": "Requests that were not taken, as too many waited.",
    "mlops_nb_dropped_total": "Rows that were answered and are not in the prediction log.",
    "mlops_nb_sampled_out_total": "Rows that are not in the sample of the prediction log.",
    "mlops_nb_challenger_failed_total": "Requests that a challenger could not answer, by source.",
    "mlops_nb_unknown_columns_total": "Values of columns that the model does not know.",
    "mlops_nb_missing_columns_total": "Requests without a column that the model needs.",
    "mlops_nb_restarts_total": "Starts of model processes that had ended.",
    "mlops_nb_swaps_total": "Versions that took over, in each front.",
    "mlops_nb_request_seconds": "Time from a request's body to its answer, s.",
}


class Counts:
    """Counters of one process, by name and labels, and the histogram of its requests.

    A request only adds numbers; the names of the series are made when they are asked for.
    """

    def __init__(self) -> None:
        self.counters: dict[tuple[str, tuple[tuple[str, object], ...]], float] = {}
        self.buckets = [0] * (len(BOUNDS) + 1)
        self.seconds = 0.0

    def add(self, name: str, by: float = 1, **labels: object) -> None:
        """Add to a counter."""
        key = name, tuple(labels.items())
        self.counters[key] = self.counters.get(key, 0) + by

    def time(self, seconds: float) -> None:
        """Add a request's time to the histogram."""
        self.buckets[bisect_left(BOUNDS, seconds)] += 1
        self.seconds += seconds

    @property
    def values(self) -> dict[str, float]:
        """Every series with its value."""
        found = {series(name, dict(labels)): v for (name, labels), v in self.counters.items()}
        if any(self.buckets):
            name = "mlops_nb_request_seconds"
            for bound, count in zip((*BOUNDS, "+Inf"), accumulate(self.buckets), strict=True):
                found[series(f"{name}_bucket", {"le": bound})] = count
            found[f"{name}_sum"], found[f"{name}_count"] = self.seconds, sum(self.buckets)
        return found


def series(name: str, labels: Mapping[str, object]) -> str:
    """Return a name with its labels, as Prometheus writes it.

    >>> series("rows", {"version": 2, "column": 'a"b'})
    'rows{version="2",column="a\\\\"b"}'
    """
    if not labels:
        return name
    told = ",".join(f'{key}="{_escaped(str(value))}"' for key, value in labels.items())
    return f"{name}{{{told}}}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def summed(counts: Iterable[Mapping[str, float]]) -> Counter[str]:
    """Return the sums over processes."""
    found: Counter[str] = Counter()
    for one in counts:
        for name, value in one.items():
            found[name] += value  # type: ignore[assignment]
    return found


def text(values: Mapping[str, float], gauges: Mapping[str, float]) -> str:
    """Return counters and gauges in Prometheus' text format."""
    lines: list[str] = []
    for name, what in HELP.items():
        kind = "histogram" if name.endswith("_seconds") else "counter"
        lines += [f"# HELP {name} {what}", f"# TYPE {name} {kind}"]
        own = [s for s in values if s.partition("{")[0].startswith(name)]
        lines += [f"{one} {values[one]:g}" for one in own]
        if not own and kind == "counter":
            lines.append(f"{name} 0")
    for one, value in gauges.items():
        lines += [f"# TYPE {one.partition('{')[0]} gauge", f"{one} {value:g}"]
    return "\n".join(lines) + "\n"
