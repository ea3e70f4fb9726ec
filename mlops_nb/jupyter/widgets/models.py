"""The models of a project, with buttons that release another version after one question."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ipywidgets
import traitlets

from mlops_nb.errors import Refused
from mlops_nb.jupyter.widgets.base import AskedView, close_parts
from mlops_nb.jupyter.widgets.choice import Choosing
from mlops_nb.jupyter.widgets.command import Reply
from mlops_nb.jupyter.widgets.static import state_table, text_table
from mlops_nb.markup import html
from mlops_nb.project import listed

Model = Mapping[str, Any]  # as `models --json` has it


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseAct:
    """A release that a button offers.

    words:   the command
    version: the one that would serve
    needs:   the status that it must have
    """

    label: str
    words: tuple[str, ...]
    version: int
    needs: str

    def question(self, model: Model) -> str:
        """Return what will happen."""
        now = model["champion"]
        serving = "no version serves yet" if now is None else f"version {now} serves now"
        name, new = model["name"], self.version
        return (
            f"{self.label} of {name}? {serving[:1].upper()}{serving[1:]}; from then on version "
            f"{new} is the champion, and each running server answers with it, without a lost "
            "request. Rolling back undoes it."
        )


def acts(model: Model) -> list[ReleaseAct]:
    """Return what can be released of a model: the version before, and those that wait."""
    name = model["name"]
    found = []
    for one in model["versions"]:
        version = one["version"]
        if one["status"] == "previous":
            found.append(
                ReleaseAct(
                    label=f"Roll back to version {version}",
                    words=("rollback", "--to", str(version), "--", name),
                    version=version,
                    needs="previous",
                )
            )
        elif one["status"] == "waiting":
            found.append(
                ReleaseAct(
                    label=f"Approve version {version}",
                    words=("approve", "--", name, str(version)),
                    version=version,
                    needs="waiting",
                )
            )
    return found


class ModelsView(Choosing, AskedView):
    """The models and their versions, as `models` lists them.

    value:    the models, as `models --json` has them
    selected: the model that the buttons are about
    """

    value = traitlets.List()

    def __init__(self, words: Sequence[str], folder: Path) -> None:
        self.acts = ipywidgets.HBox([])
        self.asking = ipywidgets.VBox([])
        super().__init__(words, folder, [self.acts])
        self.children = (*self.children[:-1], self.asking, self.said)

    def take(self, reply: Reply) -> None:
        """Show other models."""
        self.value = reply.answer["models"]
        self.show(*render(reply))
        self.offer([model["name"] for model in self.value])
        self.changed()

    def changed(self) -> None:
        """Show the buttons of the selected model, and no question."""
        self._drop(self.asking)
        self._drop(self.acts)
        model = self._model(self.value)
        if model is not None:
            self.acts.children = [
                self.button(act.label, self._asks(model, act)) for act in acts(model)
            ]

    def _model(self, models: Sequence[Model]) -> Model | None:
        return next((one for one in models if one["name"] == self.selected), None)

    def _asks(self, model: Model, act: ReleaseAct) -> Callable[[], str]:
        """Return what asks whether to release a version."""

        def ask() -> str:
            self._drop(self.asking)
            question = ipywidgets.HTML(f'<p role="alert">{html(act.question(model))}</p>')
            yes = self.button(f"Yes: {act.label[:1].lower()}{act.label[1:]}", does)
            self.asking.children = [
                question,
                ipywidgets.HBox([yes, self.button("Cancel", cancel)]),
            ]
            return ""

        def does() -> str:
            self._drop(self.asking)
            return self._release(model, act)

        def cancel() -> str:
            self._drop(self.asking)
            return "nothing was changed"

        return ask

    def _release(self, asked: Model, act: ReleaseAct) -> str:
        """Release a version, if the model is still as it was when the question was asked."""
        reply = self.ask(*self.words)
        model = self._model(reply.answer["models"])
        known = {} if model is None else {v["version"]: v["status"] for v in model["versions"]}
        same = model is not None and model["champion"] == asked["champion"]
        if not same or known.get(act.version) != act.needs:
            self.take(reply)
            raise Refused(
                f"{asked['name']} has changed since the question, and nothing was released",
                fix="look at its versions above, and choose again",
            )
        done = self.ask(*act.words)
        self.refresh()
        return done.said

    def _drop(self, box: Any) -> None:
        close_parts(box)
        box.children = []


def render(reply: Reply) -> tuple[str, str]:
    """Return the HTML and the text of what `models --json` printed."""
    rows = listed.models(reply.answer)
    states = [str(row[listed.MODELS.index("status")]) for row in rows]
    said = f"<p>{html(reply.said)}</p>" if reply.said else ""
    drawn = state_table(listed.MODELS, states, rows) + said
    return drawn, "\n".join([text_table(listed.MODELS, rows), reply.said]).rstrip()
