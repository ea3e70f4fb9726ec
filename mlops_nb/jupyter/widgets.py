"""What `%mlops` verbs answer with in a notebook: drawings and text."""

import html
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from mlops_nb.jupyter import svg as jupyter_svg
from mlops_nb.jupyter import sweep_chart
from mlops_nb.notebook.model import Pipeline
from mlops_nb.project import open_project

WIDE, HIGH, GAP = 150, 40, 60


def graph(notebook: str) -> Any:
    """Return a drawing of a notebook's pipeline."""
    from IPython.display import SVG

    path = Path(notebook)
    return SVG(svg(open_project(path.parent).capture(path.name).pipeline))


def standing(notebook: str) -> Any:
    """Return where one stands: the pipeline, and the next command."""
    from IPython.display import HTML

    path = Path(notebook)
    pipeline = open_project(path.parent).capture(path.name).pipeline
    steps = ", ".join(s.name for s in pipeline.steps) or "no steps yet"
    findings = "".join(
        f"<li>{html.escape(w.what)}<br><b>fix:</b> {html.escape(w.fix)}</li>"
        for w in pipeline.warnings
    )
    command = "%mlops check" if pipeline.steps else "%mlops step NAME"
    return HTML(
        f"<p><b>{html.escape(path.name)}</b>: {html.escape(steps)}</p><ul>{findings}</ul>"
        f"<p>Next: <code>{command}</code></p>"
    )


def lineage(notebook: str, name: str) -> Any:
    """Return a drawing of everything behind a value."""
    from IPython.display import HTML

    path = Path(notebook)
    _, _, part = open_project(path.parent).lineage(name, notebook=path.name)
    return HTML(jupyter_svg.svg(**part.json()))


def sweep(notebook: str, words: Sequence[str]) -> Any:
    """Run a sweep in a process of its own; return its points side by side, as rows and drawn."""
    from IPython.display import HTML

    path = Path(notebook)
    arguments = [sys.executable, "-m", "mlops_nb", "sweep", path.name, *words, "--json"]
    with subprocess.Popen(
        arguments,
        cwd=path.parent,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            said, told = process.communicate()
        except KeyboardInterrupt:  # the cell was interrupted: the sweep ends as by Ctrl-C
            process.terminate()
            said, told = process.communicate()
    answer = json.loads(said) if said else {}
    if "sweep" not in answer:
        print(told.rstrip())  # noqa: T201  a person asked in a cell
        return None
    by = next((b for a, b in pairwise(words) if a == "--best"), "")
    head, rows = sweep_chart.comparison(answer)
    foot = next((text for text in told.splitlines() if text.startswith("  to go on: ")), "")
    foot = answer["error"]["what"] if "error" in answer else foot.strip()
    return HTML(sweep_chart.svg(answer, by=by) + _html_table(head, rows, foot))


def status(session: Any) -> Any:
    """Return which steps are fresh, which are stale and why."""
    rows = [(r["step"], r["status"], r["because"]) for r in session.status()]
    return table(("step", "status", "because"), rows)


def restore(session: Any, *words: str) -> Any:
    """Bring back what stands, and return what was brought back and how much time that saved.

    words: nothing, the name of a step, or `--run RUN`
    """
    of_run = words[:1] == ("--run",)
    rows = session.restore_run("".join(words[1:2])) if of_run else session.restore(*words[:1])
    saved = sum(row["saved"] for row in rows)
    shown = [(r["step"], "restored" if r["restored"] else "to be run", r["because"]) for r in rows]
    return table(("step", "", "because"), shown, foot=f"{saved:.1f} s saved")


def check(session: Any) -> None:
    """Say what worked only by the order cells were run in, and what would stop a promotion."""
    for hazard in session.hazards():
        word = "error" if hazard.stops else "warning"
        print(f"{word}: {hazard.what}\n  fix: {hazard.fix}")  # noqa: T201  a person asked in a cell
    command_line(["check"], session.path_of)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], foot: str = "") -> Any:
    """Return rows as a table that reads well in light and dark; as plain text where none shows."""
    from IPython.display import HTML

    return HTML(_html_table(head, rows, foot))


def _html_table(head: Sequence[str], rows: Sequence[Sequence[str]], foot: str) -> str:
    style = 'style="text-align:left;padding:2px 12px 2px 0"'
    line = "".join(f"<th {style}>{html.escape(word)}</th>" for word in head)
    body = "".join(
        "<tr>" + "".join(f"<td {style}>{html.escape(word)}</td>" for word in row) + "</tr>"
        for row in rows
    )
    return f"<table><tr>{line}</tr>{body}</table><p>{html.escape(foot)}</p>"


def command_line(words: list[str], notebook: Callable[[], str]) -> None:
    """Run a verb of the command line on this notebook, in a process of its own."""
    takes_notebook = {"run", "check", "promote", "why", "sweep"}
    arguments = list(words)
    folder = Path.cwd()
    if words[0] in takes_notebook:
        path = Path(notebook())
        folder = path.parent
        arguments.insert(1, path.name)
    done = subprocess.run(
        [sys.executable, "-m", "mlops_nb", *arguments],
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    print(done.stdout.rstrip())  # noqa: T201  a person asked in a cell


def _columns(pipeline: Pipeline) -> dict[str, int]:
    """Return each step's distance from the start: one more than its furthest source."""
    column: dict[str, int] = {}
    for step in pipeline.steps:
        sources = [e.source for e in pipeline.edges if e.target == step.name]
        column[step.name] = max((column.get(s, 0) + 1 for s in sources), default=0)
    return column


def svg(pipeline: Pipeline) -> str:
    """Return a pipeline as an SVG drawing, from left to right."""
    column = _columns(pipeline)
    place: dict[str, tuple[int, int]] = {}
    used: dict[int, int] = {}
    for step in pipeline.steps:
        row = used.get(column[step.name], 0)
        used[column[step.name]] = row + 1
        place[step.name] = (10 + column[step.name] * (WIDE + GAP), 10 + row * (HIGH + 24))
    width = 20 + (max(column.values(), default=0) + 1) * (WIDE + GAP) - GAP
    height = 20 + max(used.values(), default=1) * (HIGH + 24)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" aria-label="pipeline" '
        'font-family="sans-serif" font-size="13">'
    ]
    for edge in pipeline.edges:
        (x1, y1), (x2, y2) = place[edge.source], place[edge.target]
        parts.append(
            f'<path d="M{x1 + WIDE},{y1 + HIGH // 2} C{x1 + WIDE + GAP // 2},{y1 + HIGH // 2} '
            f'{x2 - GAP // 2},{y2 + HIGH // 2} {x2},{y2 + HIGH // 2}" fill="none" '
            f'stroke="#888" stroke-width="1.5"><title>{html.escape(", ".join(edge.names))}'
            "</title></path>"
        )
    for step in pipeline.steps:
        x, y = place[step.name]
        parts.append(
            f'<g data-step="{html.escape(step.name)}"><rect x="{x}" y="{y}" width="{WIDE}" '
            f'height="{HIGH}" rx="6" fill="#eef4fb" stroke="#2b6cb0"/>'
            f'<text x="{x + WIDE // 2}" y="{y + HIGH // 2 + 4}" text-anchor="middle" '
            f'fill="#1a365d">{html.escape(step.name)}</text>'
            f"<title>{html.escape(step.title)}</title></g>"
        )
    return "".join([*parts, "</svg>"])
