"""What all answers with buttons have: a drawing, its static forms, and what a click did."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ipywidgets

from mlops_nb.errors import MlopsError
from mlops_nb.jupyter.widgets import command
from mlops_nb.markup import html, lines, sentence

Act = Callable[[], str | None]  # returns what it came to, or says that itself
Render = Callable[[command.Reply], tuple[str, str]]  # its HTML, and its text
WRAPPED: Mapping[str, str] = {"flex_flow": "row wrap"}
WIDE: Mapping[str, str] = {"width": "auto"}


class MlopsView(ipywidgets.VBox):
    """An answer of `%mlops`: a drawing, and controls below it.

    drawn: HTML with escaped texts, shown by front ends without widgets as well
    text:  the same for a terminal
    choice: the list of an answer that has one, see `Choosing`
    """

    choice: Any = None
    children: Any

    def __init__(self, *controls: Any) -> None:
        self.drawing, self.said = ipywidgets.HTML(), ipywidgets.HTML()
        self.text = ""
        row = [ipywidgets.HBox(controls, layout=WRAPPED)] if controls else []
        super().__init__([self.drawing, *row, self.said])

    @property
    def drawn(self) -> str:
        """The drawing as HTML."""
        return str(self.drawing.value)

    def show(self, drawn: str, text: str) -> None:
        """Show another drawing."""
        self.drawing.value = f'<div style="overflow-x:auto">{drawn}</div>'
        self.text = lines(text)

    def say(self, text: str, *, failed: bool = False) -> None:
        """Say below the drawing what happened."""
        color = ' style="color:#e53e3e"' if failed else ""
        words = "<br>".join(html(line) for line in text.splitlines())
        self.said.value = f'<div role="status"{color}>{words}</div>' if words else ""

    def do(self, act: Act) -> None:
        """Do what a click asks for, and say what came of it, errors included."""
        try:
            said = act()
            if said is not None:
                self.say(said)
        except MlopsError as error:
            self.say(str(error), failed=True)

    def button(self, label: str, act: Act, *, tip: str = "") -> Any:
        """Return a button that acts when it is clicked."""
        made = ipywidgets.Button(description=sentence(label), tooltip=sentence(tip), layout=WIDE)
        made.on_click(lambda _: self.do(act))
        return made

    def close(self) -> None:
        """Close the view with all that it shows."""
        close_parts(self)
        super().close()

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        """Return the widget, and its static forms for front ends that cannot show it."""
        view = "application/vnd.jupyter.widget-view+json"
        return {view: self.get_view_spec(), "text/html": self.drawn, "text/plain": self.text}


def close_parts(widget: Any) -> None:
    """Close the widgets inside a widget."""
    for part in getattr(widget, "children", ()):
        close_parts(part)
        part.close()


class AskedView(MlopsView):
    """An answer of the command line, which `Refresh` asks for again.

    render: returns the HTML and the text of what was answered
    """

    def __init__(
        self,
        words: Sequence[str],
        folder: Path,
        controls: Sequence[Any] = (),
        *,
        render: Render | None = None,
    ) -> None:
        self.words, self.folder, self.render = tuple(words), folder, render
        refresh = self.button("Refresh", self.refresh, tip="ask again")
        chosen = [self.choice] if self.choice is not None else []
        super().__init__(refresh, *chosen, *controls)
        self.refresh()

    def ask(self, *words: str) -> command.Reply:
        """Ask the command line in the folder of this answer."""
        return command.ask(words, self.folder)

    def refresh(self) -> str:
        """Ask again, and show the answer."""
        self.reply = self.ask(*self.words)
        self.take(self.reply)
        return ""

    def take(self, reply: command.Reply) -> None:
        """Show an answer."""
        if self.render is not None:
            self.show(*self.render(reply))
