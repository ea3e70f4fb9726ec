"""Answers without buttons: tables and texts, which need no ipywidgets."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlops_nb.jupyter import svg
from mlops_nb.jupyter.widgets import command
from mlops_nb.markup import html, sentence, visible
from mlops_nb.markup import table as aligned
from mlops_nb.project import open_project

RESTORED = ("step", "", "because")
CELL = 'style="text-align:left;padding:2px 12px 2px 0"'
ROW_HEAD = 'scope="row" style="text-align:left;padding:2px 12px 2px 0;font-weight:normal"'


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
    following = "%mlops check" if pipeline.steps else "%mlops step NAME"
    return HTML(
        f"<p><b>{html(path.name)}</b>: {html(steps)}</p><ul>{findings}</ul>"
        f"<p>Next: <code>{following}</code></p>"
    )


def restore(session: Any, *words: str) -> Any:
    """Restore the outputs of up-to-date steps; return which steps, and the time that this saved.

    words: nothing, the name of a step, or `--run RUN`
    """
    of_run = words[:1] == ("--run",)
    rows = session.restore_run("".join(words[1:2])) if of_run else session.restore(*words[:1])
    return table(RESTORED, *restored_rows(rows))


def restored_rows(rows: Sequence[Mapping[str, Any]]) -> tuple[list[tuple[str, str, str]], str]:
    """Return what is shown of the steps of a restore, and below them."""
    saved = sum(row["saved"] for row in rows)
    shown = [(r["step"], "restored" if r["restored"] else "must run", r["because"]) for r in rows]
    return shown, f"{saved:.1f} s saved"


def check(session: Any, *words: str) -> None:
    """Print the hazards of the order in which cells ran, and the findings of `mlops-nb check`."""
    for hazard in session.hazards():
        word = "error" if hazard.stops else "warning"
        print(f"{word}: {hazard.what}\n  fix: {hazard.fix}")  # noqa: T201  the output of a cell
    command.show(["check", *words], session.path_of)


def table(head: Sequence[str], rows: Sequence[Sequence[object]], foot: str = "") -> Any:
    """Return rows as a table that is readable on light and dark pages."""
    from IPython.display import HTML

    return HTML(html_table(head, rows, foot))


def html_table(head: Sequence[str], rows: Sequence[Sequence[object]], foot: str = "") -> str:
    """Return rows as the HTML of a table; all texts are escaped."""
    line = "".join(f"<th {CELL}>{html(word)}</th>" for word in head)
    body = "".join(
        "<tr>" + "".join(f"<td {CELL}>{html(word)}</td>" for word in row) + "</tr>" for row in rows
    )
    return f"<table><tr>{line}</tr>{body}</table><p>{html(sentence(foot))}</p>"


def html_state(state: str) -> str:
    """Return the shape of a state, in its color; the word is to be beside it.

    >>> html_state("stale")
    '<span aria-hidden="true" style="color:#b7791f">▲</span>'
    """
    shape, color = svg.shape_of(state)
    return f'<span aria-hidden="true" style="color:{color}">{html(shape)}</span>'


def state_table(
    head: Sequence[str], states: Sequence[str], rows: Sequence[Sequence[object]]
) -> str:
    """Return a table whose rows begin with the shape of a state.

    states: of each row, whose word is one of its cells
    """
    line = "".join(f"<th {CELL}>{html(word)}</th>" for word in ("", *head))
    body = "".join(
        f"<tr><th {ROW_HEAD}>{html_state(state)}</th>"
        + "".join(f"<td {CELL}>{html(word)}</td>" for word in row)
        + "</tr>"
        for state, row in zip(states, rows, strict=True)
    )
    return f"<table><tr>{line}</tr>{body}</table>"


def text_table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return rows as aligned columns of visible texts."""
    return aligned(head, [[visible(str(word)) for word in row] for row in rows])
