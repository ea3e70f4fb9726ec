"""The latest runs of a project, with a filter."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ipywidgets
import traitlets

from mlops_nb.jupyter import svg
from mlops_nb.jupyter.widgets.base import AskedView
from mlops_nb.jupyter.widgets.command import Reply
from mlops_nb.jupyter.widgets.static import state_table, text_table
from mlops_nb.markup import html
from mlops_nb.project.listed import numbers

HEAD = ("run", "of", "status", "took", "parameters", "metrics", "error")
ASKED, SHOWN = 200, 50  # runs


class RunsView(AskedView):
    """The latest runs, the newest first.

    value: the runs that pass the filter, as `runs --json` has them
    """

    value = traitlets.List()

    def __init__(self, words: Sequence[str], folder: Path) -> None:
        self.found: list[Mapping[str, Any]] = []
        self.filter = ipywidgets.Text(
            placeholder="filter: words of a run, such as failed depth=3", layout={"width": "24em"}
        )
        self.filter.observe(self._filtered, "value")
        asked = words if len(words) > 1 else [*words, "--last", str(ASKED)]
        super().__init__(asked, folder, [self.filter])

    def take(self, reply: Reply) -> None:
        """Show other runs."""
        self.found = list(reversed(reply.answer["runs"]))
        self._filtered()

    def _filtered(self, _: Any = None) -> None:
        words = self.filter.value.lower().split()
        self.value = [run for run in self.found if passes(run, words)]
        self.show(*render(self.value, len(self.found)))


def passes(run: Mapping[str, Any], words: Sequence[str]) -> bool:
    """Return whether each of some words, in small letters, is in what is shown of a run.

    >>> run = {"run": "r1", "notebook": "a.ipynb", "status": "failed", "seconds": 1.0,
    ...        "parameters": {"depth": 3}, "metrics": {}, "error": "no"}
    >>> passes(run, ["failed", "depth=3"]), passes(run, ["depth=4"])
    (True, False)
    """
    text = " ".join(cells(run)).lower()
    return all(word in text for word in words)


def cells(run: Mapping[str, Any]) -> list[str]:
    """Return what is shown of a run, under the head `HEAD`."""
    return [
        run["run"],
        run["notebook"],
        run["status"],
        "" if run["seconds"] is None else f"{run['seconds']:.1f} s",
        " ".join(f"{name}={value}" for name, value in run["parameters"].items()),
        numbers(run["metrics"]),
        run["error"] or "",
    ]


def render(runs: Sequence[Mapping[str, Any]], of: int) -> tuple[str, str]:
    """Return the HTML and the text of runs that pass a filter. `of`: how many were looked at."""
    shown = runs[:SHOWN]
    rows = [cells(run) for run in shown]
    foot = f"{len(runs)} of the latest {of} runs"
    foot += f"; {len(runs) - SHOWN} more are not shown: filter them" if len(runs) > SHOWN else ""
    states = [run["status"] for run in shown]
    drawn = f"{state_table(HEAD, states, rows)}<p>{html(foot)}</p>"
    shapes = [svg.shape_of(state)[0] for state in states]
    lines = text_table(("", *HEAD), [(s, *row) for s, row in zip(shapes, rows, strict=True)])
    return drawn, f"{lines}\n{foot}"
