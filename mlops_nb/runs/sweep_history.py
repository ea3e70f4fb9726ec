"""Sweeps, folded from the events of the journal, and their best points."""

import json
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlops_nb.errors import Failed
from mlops_nb.events import Event, RunStarted, SweepFinished, SweepStarted
from mlops_nb.notebook.model import Value
from mlops_nb.runs import grid as grids
from mlops_nb.runs import history
from mlops_nb.runs.history import Run

THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "POLARS_MAX_THREADS",
    "LOKY_MAX_CPU_COUNT",
)
GPUS = "CUDA_VISIBLE_DEVICES"


@dataclass(slots=True, kw_only=True)
class Sweep:
    """One sweep, as the journal describes it.

    points:  each point's own parameters, in order
    latest:  index of a point → its latest run
    helpers: the runs of the shared steps
    """

    id: str
    notebook: str
    points: tuple[Mapping[str, Value], ...]
    grid: Mapping[str, Sequence[Value]]
    parameters: Mapping[str, Value] = field(default_factory=dict)
    shared: tuple[str, ...] = ()
    workers: int = 1
    by: str = ""
    best: str = ""
    fresh: bool = False
    digest: str = ""
    status: str = "running"
    error: str = ""
    started: str = ""
    seconds: float = 0.0
    process: tuple[int, str] = (0, "")
    latest: dict[int, Run] = field(default_factory=dict)
    helpers: list[Run] = field(default_factory=list)

    @property
    def runs(self) -> list[Run]:
        """The points' runs, in the points' order."""
        return [self.latest[n] for n in sorted(self.latest)]

    @property
    def open(self) -> list[Run]:
        """The runs that have not ended."""
        return [r for r in (*self.helpers, *self.runs) if r.status in history.OPEN]

    @property
    def left(self) -> list[int]:
        """Indexes of the points that have not finished, failed and stopped ones included."""
        return [
            n
            for n in range(len(self.points))
            if n not in self.latest or self.latest[n].status != "finished"
        ]

    def counted(self) -> dict[str, int]:
        """Return how many points finished, failed, were stopped, run, and wait."""
        found = dict.fromkeys(("finished", "failed", "stopped", "running"), 0)
        for run in self.runs:
            found[run.status] = found.get(run.status, 0) + 1
        return {**found, "waiting": len(self.points) - len(self.latest)}

    def seconds_left(self) -> float | None:
        """Return the estimated time left, s: the points left x the median point / workers.

        None before the first point has ended.
        """
        ended = [r.seconds or 0.0 for r in self.runs if r.status in {"finished", "failed"}]
        if not ended:
            return None
        return (len(self.points) - len(ended)) * statistics.median(ended) / max(1, self.workers)


class Fold:
    """Folds events, one by one, into sweeps."""

    def __init__(self, events: Iterable[Event] = (), *, only: str = "") -> None:
        self.only = only
        self.sweeps: dict[str, Sweep] = {}
        self.known: dict[str, Run] = {}
        for event in events:
            self.take(event)

    def take(self, event: Event) -> None:
        """Fold one event."""
        if isinstance(event, SweepStarted | SweepFinished | RunStarted):
            if not event.sweep or (self.only and event.sweep != self.only):
                return
            if isinstance(event, SweepStarted):
                self._start(event)
            elif isinstance(event, SweepFinished):
                _finish(self.sweeps.get(event.sweep), event)
            else:
                history.take(self.known, event)
                self._join(event)
        elif event.run in self.known:
            history.take(self.known, event)

    def _start(self, event: SweepStarted) -> None:
        sweep = self.sweeps.get(event.sweep)
        points = grids.points(event.grid)
        if sweep is None:
            sweep = Sweep(
                id=event.sweep,
                notebook=event.notebook,
                points=points,
                grid=event.grid,
                started=event.at,
            )
            self.sweeps[event.sweep] = sweep
        changed = sweep.digest not in {"", event.digest}  # of other code: its results do not count
        sweep.latest = {
            n: r for n, r in sweep.latest.items() if r.status == "finished" and not changed
        }
        sweep.status, sweep.error, sweep.best = "running", "", ""
        sweep.parameters, sweep.shared = event.parameters, tuple(event.shared)
        sweep.workers, sweep.by, sweep.fresh = event.workers, event.by, event.fresh
        sweep.digest = event.digest
        sweep.process = (int(event.process[0]), str(event.process[1]))

    def _join(self, event: RunStarted) -> None:
        sweep, run = self.sweeps.get(event.sweep), self.known[event.run]
        if sweep is None:
            return
        if event.shared:
            sweep.helpers.append(run)
            return
        key = _key({n: event.parameters.get(n) for n in sweep.grid})
        for number, point in enumerate(sweep.points):
            if _key(point) == key:
                sweep.latest[number] = run


def _key(values: Mapping[str, Value]) -> str:
    return json.dumps(values, sort_keys=True, default=str)


def _finish(sweep: Sweep | None, event: SweepFinished) -> None:
    if sweep is not None:
        sweep.status, sweep.seconds = event.status, event.seconds
        sweep.best, sweep.error = event.best, event.error


def best(runs: Sequence[Run], by: str) -> Run | None:
    """Return the finished run with the highest metric, or, for `NAME:min`, the lowest.

    None if no run finished or no metric is named. Raises Failed if no finished run has that
    metric.
    """
    finished = [r for r in runs if r.status == "finished"]
    if not by or not finished:
        return None
    name, lowest = best_metric(by)
    rated = [
        (r.metrics[name], r)
        for r in finished
        if name in r.metrics and not math.isnan(r.metrics[name])
    ]
    if not rated:
        known = sorted({m for r in finished for m in r.metrics})
        raise Failed(
            f"no point has a metric {name!r} to be the best by",
            fix=f"the metrics are {', '.join(known)}" if known else "name one: %mlops metric NAME",
        )
    chosen = (min if lowest else max)(rated, key=lambda pair: pair[0])
    return chosen[1]


def best_metric(by: str) -> tuple[str, bool]:
    """Return the metric that `--best` names, and whether its lowest value is the best.

    >>> best_metric("auc"), best_metric("rmse:min"), best_metric("auc:max")
    (('auc', False), ('rmse', True), ('auc', False))
    """
    name, _, way = by.rpartition(":")
    return (name, way == "min") if name and way in {"min", "max"} else (by, False)


def visible(given: str) -> tuple[str, ...]:
    """Return the GPUs that a value of CUDA_VISIBLE_DEVICES shows: those before the first -1.

    >>> visible("0,2"), visible(""), visible("-1"), visible("1,-1,0")
    (('0', '2'), (), (), ('1',))
    """
    found: list[str] = []
    for word in (part.strip() for part in given.split(",")):
        if not word or word.startswith("-"):
            break
        found.append(word)
    return tuple(found)


def listed(output: str) -> tuple[str, ...]:
    """Return the GPUs that `nvidia-smi -L` lists.

    >>> listed("GPU 0: NVIDIA A100 (UUID: GPU-1)\\nGPU 1: NVIDIA A100 (UUID: GPU-2)\\n")
    ('0', '1')
    """
    lines = [line.split(":")[0].split() for line in output.splitlines() if line.startswith("GPU ")]
    return tuple(words[1] for words in lines if len(words) > 1 and words[1].isdigit())


def places(
    workers: int, cores: int, gpus: Sequence[str], caller: Mapping[str, str]
) -> list[dict[str, str]]:
    """Return the variables of each worker: how many threads it may use, and its GPU.

    >>> places(2, 8, ["0", "1"], {"OMP_NUM_THREADS": "1"})[1]["CUDA_VISIBLE_DEVICES"]
    '1'
    >>> places(2, 8, [], dict.fromkeys(THREADS[1:], "2"))
    [{'OMP_NUM_THREADS': '4'}, {'OMP_NUM_THREADS': '4'}]
    """
    threads = str(max(1, cores // workers))
    caps = {name: threads for name in THREADS if not caller.get(name)}
    return [caps | ({GPUS: gpus[n % len(gpus)]} if gpus else {}) for n in range(workers)]


def sweep_json(sweep: Sweep) -> dict[str, Any]:
    """Return the object that `sweep --json` prints of a sweep."""
    return {
        "version": 1,
        "sweep": sweep.id,
        "runs": [history.run_json(run) for run in sweep.runs],
        "best": sweep.best or None,
    }
