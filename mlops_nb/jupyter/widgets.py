"""Shows the results of `%mlops` verbs in a notebook: drawings, tables and text."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from mlops_nb.errors import NotFound
from mlops_nb.jupyter import svg, sweep_chart
from mlops_nb.markup import html, sentence
from mlops_nb.project import open_project


def graph(notebook: str) -> Any:
    """Return a drawing of a notebook's pipeline."""
    from IPython.display import SVG

    path = Path(notebook)
    pipeline = open_project(path.parent).capture(path.name).pipeline
    nodes = [
        {"id": s.name, "kind": "step", "label": s.name, "title": s.title} for s in pipeline.steps
    ]
    edges = [(e.source, e.target, e.names) for e in pipeline.edges]
    return SVG(svg.graph(nodes, edges, "pipeline"))


def overview(notebook: str) -> Any:
    """Return the steps of a notebook, its warnings, and the next command to type."""
    from IPython.display import HTML

    path = Path(notebook)
    pipeline = open_project(path.parent).capture(path.name).pipeline
    steps = ", ".join(s.name for s in pipeline.steps) or "no steps yet"
    findings = "".join(
        f"<li>{html(sentence(w.what))}<br><b>fix:</b> {html(sentence(w.fix))}</li>"
        for w in pipeline.warnings
    )
    command = "%mlops check" if pipeline.steps else "%mlops step NAME"
    return HTML(
        f"<p><b>{html(path.name)}</b>: {html(steps)}</p><ul>{findings}</ul>"
        f"<p>Next: <code>{command}</code></p>"
    )


def lineage(session: Any, name: str) -> Any:
    """Return a drawing of the lineage of a value, of this kernel or else of the latest run."""
    from IPython.display import HTML

    source = session.source()
    project = open_project(source.path.parent)
    try:
        part = project.live_lineage(source, session.records(), name)
    except NotFound as unknown:
        try:
            _, _, part = project.lineage(name, notebook=source.path.name)
        except NotFound:
            raise unknown from None
    return HTML(svg.graph(**part.json()))


def sweep(notebook: str, words: Sequence[str]) -> Any:
    """Run a sweep in a subprocess; return its points as a chart and a table."""
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
            stdout, stderr = process.communicate()
        except KeyboardInterrupt:  # the cell was interrupted: end the sweep as Ctrl-C does
            process.terminate()
            stdout, stderr = process.communicate()
    answer = json.loads(stdout) if stdout else {}
    if "sweep" not in answer:
        print(stderr.rstrip())  # noqa: T201  the output of a cell
        return None
    by = next((b for a, b in pairwise(words) if a == "--best"), "")
    head, rows = sweep_chart.comparison(answer)
    foot = next((text for text in stderr.splitlines() if text.startswith("  to continue: ")), "")
    foot = answer["error"]["what"] if "error" in answer else foot.strip()
    return HTML(sweep_chart.chart(answer, by=by) + _html_table(head, rows, foot))


def status(session: Any) -> Any:
    """Return a table of each step's status and its reason."""
    rows = [(one.step, one.state, one.because) for one in session.status()]
    return table(("step", "status", "because"), rows)


def restore(session: Any, *words: str) -> Any:
    """Restore the outputs of up-to-date steps; return which steps, and the time that this saved.

    words: nothing, the name of a step, or `--run RUN`
    """
    of_run = words[:1] == ("--run",)
    rows = session.restore_run("".join(words[1:2])) if of_run else session.restore(*words[:1])
    saved = sum(row["saved"] for row in rows)
    shown = [(r["step"], "restored" if r["restored"] else "must run", r["because"]) for r in rows]
    return table(("step", "", "because"), shown, foot=f"{saved:.1f} s saved")


def check(session: Any, *words: str) -> None:
    """Print the hazards of the order in which cells ran, and the findings of `mlops-nb check`."""
    for hazard in session.hazards():
        word = "error" if hazard.stops else "warning"
        print(f"{word}: {hazard.what}\n  fix: {hazard.fix}")  # noqa: T201  the output of a cell
    command_line(["check", *words], session.path_of)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], foot: str = "") -> Any:
    """Return rows as a table that is readable on light and dark pages."""
    from IPython.display import HTML

    return HTML(_html_table(head, rows, foot))


def _html_table(head: Sequence[str], rows: Sequence[Sequence[str]], foot: str) -> str:
    style = 'style="text-align:left;padding:2px 12px 2px 0"'
    line = "".join(f"<th {style}>{html(word)}</th>" for word in head)
    body = "".join(
        "<tr>" + "".join(f"<td {style}>{html(word)}</td>" for word in row) + "</tr>" for row in rows
    )
    return f"<table><tr>{line}</tr>{body}</table><p>{html(sentence(foot))}</p>"


def command_line(words: list[str], notebook: Callable[[], str]) -> None:
    """Run a verb of the command line on this notebook in a subprocess, and print its output."""
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
    print(done.stdout.rstrip())  # noqa: T201  the output of a cell
