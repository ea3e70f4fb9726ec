"""What explains results: two runs side by side, where a value comes from, how a live model does."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlops_nb.errors import NotFound
from mlops_nb.jupyter import svg
from mlops_nb.jupyter.widgets.base import AskedView, MlopsView
from mlops_nb.jupyter.widgets.command import Reply
from mlops_nb.jupyter.widgets.static import html_table, state_table
from mlops_nb.markup import html, visible
from mlops_nb.project import open_project
from mlops_nb.session.live import Session

Row = Mapping[str, Any]
LINES = {"+": "#38a169", "-": "#e53e3e"}  # of a code's diff, whose first letter says it too


class DiffView(AskedView):
    """What changed from one run to another."""

    def __init__(self, words: Sequence[str], folder: Path) -> None:
        turn = self.button("The other way round", self.turn, tip="from the second run to the first")
        super().__init__(words, folder, [turn], render=render_diff)

    def turn(self) -> None:
        """Compare the runs the other way round."""
        runs = self.reply.answer["runs"]
        self.words = (self.words[0], *runs[::-1])
        self.refresh()


def render_diff(reply: Reply) -> tuple[str, str]:
    """Return the HTML and the text of what `diff --json` printed."""
    from mlops_nb.lineage import diff

    answer = reply.answer
    before, after = answer["runs"]
    parts = [f"<p><b>{html(before)}</b> → <b>{html(after)}</b></p>"]
    if answer["same"]:
        parts.append("<p>nothing changed</p>")
    for row in answer["code"]:
        of = f" of {row['step']}" if row["step"] else ""
        parts.append(f"<p>code, {html(row['label'] + of)}</p>{_code(row['diff'])}")
    for name in ("parameters", "metrics", "packages"):
        rows = [_change(row) for row in answer[name]]
        parts += [html_table((name, before, after, "difference"), rows)] if rows else []
    data = [(f"{r['kind']} {r['name']}", *_change(r)[1:3]) for r in answer["data"]]
    parts += [html_table(("data", before, after), data)] if data else []
    steps = [(r["name"], _step(r["from"]), _step(r["to"])) for r in answer["steps"]]
    parts.append(html_table(("step", before, after), steps, _missing(answer["not_recorded"])))
    return "".join(parts), diff.as_text(answer)


def _change(row: Row) -> tuple[str, str, str, str]:
    by = row.get("difference")
    old, new = (_value(row[side]) for side in ("from", "to"))
    return row["name"], old, new, "" if by is None else f"{by:+.6g}"


def _value(value: Any) -> str:
    return "nothing" if value is None else f"{value:.6g}" if type(value) is float else str(value)


def _step(step: Row | None) -> str:
    if step is None:
        return "not there"
    return f"{step['status']} {step['seconds']:.2f} s" if step["seconds"] else step["status"]


def _missing(parts: Sequence[str]) -> str:
    return f"not recorded: {', '.join(parts)}" if parts else ""


def _code(diff: str) -> str:
    """Return a unified diff as HTML, a line each; additions and removals have colors too."""
    lines = []
    for line in diff.expandtabs(4).splitlines():
        color = LINES.get(line[:1])
        words = html(line)
        lines.append(f'<span style="color:{color}">{words}</span>' if color else words)
    text = "\n".join(lines)
    return f'<pre style="overflow-x:auto">{text}</pre>'


class LineageView(MlopsView):
    """What a value was made from: in this kernel, or else in the latest run."""

    def __init__(self, session: Session, name: str) -> None:
        self.session, self.name = session, name
        refresh = self.button("Refresh", self.refresh, tip="by the cells that ran since")
        super().__init__(refresh)
        self.refresh()

    def refresh(self) -> str:
        """Draw it by what is recorded now. Raises NotFound if nothing made the value."""
        source = self.session.source()
        project = open_project(source.path.parent)
        try:
            part = project.live_lineage(source, self.session.records(), self.name)
        except NotFound as unknown:
            try:
                _, _, part = project.lineage(self.name, notebook=source.path.name)
            except NotFound:
                raise unknown from None
        self.show(*render_lineage(part.json()))
        return ""


def render_asked_lineage(reply: Reply) -> tuple[str, str]:
    """Return the HTML and the text of what `lineage --json` printed."""
    return render_lineage(reply.answer)


def render_lineage(answer: Row) -> tuple[str, str]:
    """Return the drawing and the text of a lineage: each node with what it was made from."""
    nodes, edges = answer["nodes"], answer["edges"]
    names = {node["id"]: _named(node) for node in nodes}
    lines = []
    for node in nodes:
        sources = [names[a] for a, b in edges if b == node["id"]]
        lines.append(f"{names[node['id']]}{' ← ' if sources else ''}{', '.join(sources)}")
    return svg.graph(nodes, edges), "\n".join(lines)


def _named(node: Row) -> str:
    kind, label = str(node["kind"]), visible(str(node["label"]))
    return label if label.startswith(f"{kind} ") else f"{kind} {label}"


def render_watch(reply: Reply) -> tuple[str, str]:
    """Return the HTML of what `watch --json` printed, and the text that it said."""
    answer = reply.answer
    lost = f", {answer['dropped']:,} not on record" if answer["dropped"] else ""
    parts = [f"<p><b>{html(answer['model'])}</b>: {answer['rows']:,} answers{html(lost)}</p>"]
    metrics = [_metric(row) for row in answer["metrics"]]
    head = ("metric", "version", "value", "95 % interval", "labels", "coverage")
    parts.append(html_table(head, metrics) if metrics else "<p>no labels for these answers yet</p>")
    moved = [_moved(row) for row in answer["drift"] if row["drifted"]]
    columns = ("column", "direction", "statistic", "value", "threshold")
    still = "<p>no column moved beyond its threshold</p>"
    parts.append(html_table(columns, moved) if moved else still)
    alerts = answer["alerts"]
    rows = [(a["kind"], a["what"], str(a["since"])[:19]) for a in alerts]
    parts.append(
        state_table(("alert", "what", "since (UTC)"), ["failed"] * len(rows), rows)
        if rows
        else "<p>no open alerts</p>"
    )
    return "".join(parts), reply.said


def _metric(row: Row) -> tuple[str, ...]:
    version = "all" if row["model_version"] is None else str(row["model_version"])
    value, low, high = (_number(row[key]) for key in ("value", "low", "high"))
    interval = f"{low} to {high}" if low and high else ""
    return row["metric"], version, value, interval, str(row["labels"]), f"{row['coverage']:.1%}"


def _moved(row: Row) -> tuple[str, ...]:
    numbers = (_number(row[key]) for key in ("value", "threshold"))
    return row["column"], row["direction"], row["statistic"], *numbers


def _number(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, int | float) else str(value)
