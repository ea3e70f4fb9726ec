"""The pipeline of the open notebook: its steps as a table and as a drawing, live."""

from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

from mlops_nb.errors import MlopsError
from mlops_nb.jupyter import svg
from mlops_nb.jupyter.widgets import kernel, static
from mlops_nb.jupyter.widgets.base import MlopsView
from mlops_nb.jupyter.widgets.choice import Choosing
from mlops_nb.jupyter.widgets.static import CELL, ROW_HEAD, html_state, text_table
from mlops_nb.markup import html
from mlops_nb.session.live import Session

State = Mapping[str, Any]  # what the panel draws, see `session.view.pipeline_state`
MOST = 20  # views that follow the cells
HEAD = ("step", "status", "because")


class StepsView(MlopsView):
    """An answer about the steps of a notebook. `cell`: the cell that shows it."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.cell = kernel.cell_of(session.shell)
        restore = self.button("Restore", self.restore, tip="load results that are up to date again")
        controls = [self.choice] if self.choice is not None else []
        super().__init__(*controls, restore)
        self.update(session.pipeline_state())

    def update(self, state: State) -> None:
        """Show how the steps are now."""
        self.show(html_steps(state), text_steps(state))

    def restore(self) -> None:
        """Restore results as `%mlops restore` does, in the running cell or in one of its own."""
        self.say("restoring …")
        if kernel.runs_cell(self.session.shell):
            self.session.restore()
            self._restored()
        else:
            kernel.when_idle(self.session.shell, self._restore_in_cell)

    def _restore_in_cell(self) -> None:
        if error := kernel.run_cell(self.session.shell, "%mlops restore"):
            self.say(error, failed=True)
        else:
            self._restored()

    def _restored(self) -> None:
        shown = static.html_table(static.RESTORED, *static.restored_rows(self.session.restored))
        self.said.value = f'<div role="status">{shown}</div>'


class GraphView(Choosing, StepsView):
    """The pipeline as a drawing. `selected`: the name of the step that is described below it."""

    def __init__(self, session: Session) -> None:
        self.state: State = {"graph": {"steps": [], "edges": []}, "steps": {}}
        super().__init__(session, nothing="a step …")

    def update(self, state: State) -> None:
        """Show how the steps are now; a selected step that is gone is no longer selected."""
        self.state = state
        self.offer(list(state["steps"]))
        self.changed()

    def changed(self) -> None:
        """Draw the pipeline, and describe the selected step."""
        drawn = draw_pipeline(self.state, self.selected)
        self.show(drawn + self._details(), text_graph(self.state))

    def _details(self) -> str:
        one = self.state["steps"].get(self.selected)
        if one is None:
            return ""
        step = next(s for s in self.state["graph"]["steps"] if s["name"] == self.selected)
        rows = {
            "because": one["because"],
            "took": _took(one["seconds"]),
            "uses": ", ".join(step["uses"]),
            "makes": ", ".join(step["makes"]),
            "parameters": ", ".join(step["parameters"]),
        }
        return (
            f"<p>{html_state(one['state'])} <b>{html(self.selected)}</b>: {html(one['state'])}</p>"
            "<table>"
            + "".join(
                f"<tr><th {CELL}>{name}</th><td {CELL}>{html(words)}</td></tr>"
                for name, words in rows.items()
                if words
            )
            + "</table>"
        )

    def _repr_mimebundle_(self, **more: Any) -> dict[str, Any]:
        """Return the drawing as an image as well, for what has no HTML, such as LaTeX."""
        drawn = draw_pipeline(self.state, self.selected)
        return {**super()._repr_mimebundle_(**more), "image/svg+xml": drawn}


class LiveViews:
    """The views of steps that a kernel shows, updated after each cell that runs."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.views: list[StepsView] = []
        self.failing = False
        session.after_cell.append(self.update)

    def add(self, view: StepsView) -> None:
        """Update a view from now on. Those that the same cell showed before are closed."""
        kept = []
        for one in self.views:
            if one.cell.id and one.cell.id == view.cell.id and one.cell.count != view.cell.count:
                one.close()
            elif one.comm is not None:
                kept.append(one)
        for one in kept[: 1 - MOST]:
            one.say("this view follows the cells no longer: a newer one does")
        self.views = [*kept[1 - MOST :], view]

    def update(self) -> None:
        """Show in all views how the steps are now."""
        self.views = [one for one in self.views if one.comm is not None]
        if not self.views:
            return
        try:
            state = self.session.pipeline_state()
        except MlopsError as error:
            self.failing = True
            for one in self.views:
                one.say(str(error), failed=True)
            return
        for one in self.views:
            one.update(state)
            if self.failing:
                one.say("")
        self.failing = False


_live: WeakKeyDictionary[Session, LiveViews] = WeakKeyDictionary()


def live(session: Session, view: StepsView) -> StepsView:
    """Return a view that is updated after each cell that runs."""
    if session not in _live:
        _live[session] = LiveViews(session)
    _live[session].add(view)
    return view


def draw_pipeline(state: State, selected: str = "") -> str:
    """Return a pipeline as SVG; steps whose state is known have its shape and word."""
    steps = state["steps"]
    nodes = []
    for step in state["graph"]["steps"]:
        name = step["name"]
        known = steps.get(name, {})
        nodes.append(
            {
                "id": name,
                "kind": "step",
                "label": name,
                "title": step["title"],
                "state": known.get("state", ""),
                "because": known.get("because", ""),
                "selected": name == selected,
            }
        )
    said = ", ".join(f"{name} {one['state']}" for name, one in steps.items())
    return svg.graph(nodes, state["graph"]["edges"], f"pipeline: {said}" if said else "pipeline")


def html_steps(state: State) -> str:
    """Return a row for each step: shape and time as heads of the row, then its state and reason."""
    head = "".join(f"<th {CELL}>{word}</th>" for word in ("", *HEAD, "took"))
    rows = "".join(
        f"<tr><th {ROW_HEAD}>{html_state(one['state'])}</th>"
        + "".join(f"<td {CELL}>{html(w)}</td>" for w in (name, one["state"], one["because"]))
        + f"<th {ROW_HEAD}>{_took(one['seconds'])}</th></tr>"
        for name, one in state["steps"].items()
    )
    return f"<table><tr>{head}</tr>{rows}</table>"


def text_steps(state: State) -> str:
    """Return a line for each step."""
    rows = [
        (svg.shape_of(one["state"])[0], name, one["state"], _took(one["seconds"]), one["because"])
        for name, one in state["steps"].items()
    ]
    return text_table(("", "step", "status", "took", "because"), rows) if rows else "no steps yet"


def text_graph(state: State) -> str:
    """Return the lines of the steps, and a line for each edge."""
    edges = [f"{a} → {b}: {', '.join(names)}" for a, b, names in state["graph"]["edges"]]
    return "\n".join([text_steps(state), *edges])


def _took(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.1f} s"
