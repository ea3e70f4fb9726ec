"""The choice of one name of an answer: a step, a job or a model."""

from collections.abc import Sequence
from typing import Any

import ipywidgets
import traitlets

from mlops_nb.markup import lines


class NoSuchChoice(traitlets.TraitError):
    """A name that cannot be selected; IPython shows it without a traceback."""

    def _render_traceback_(self) -> list[str]:
        return lines(str(self)).splitlines()


class Choosing(traitlets.HasTraits):
    """An answer with a list from which one name is chosen.

    selected: the name; "" for none
    nothing:  the word for none, "" if the first name is chosen then
    """

    selected = traitlets.Unicode()

    def __init__(self, *given: Any, nothing: str = "", **more: Any) -> None:
        self.nothing, self.names = nothing, [""] if nothing else []
        self.choice = ipywidgets.Dropdown(options=self._options(), layout={"width": "auto"})
        self.choice.observe(self._chosen, "value")
        super().__init__(*given, **more)

    def _options(self) -> list[tuple[str, str]]:
        return [(name or self.nothing, name) for name in self.names]

    def offer(self, names: Sequence[str]) -> None:
        """Offer other names; one that was selected stays so if it is among them."""
        offered = [*([""] if self.nothing else []), *names]
        if offered != self.names:
            self.choice.unobserve(self._chosen, "value")  # other options reset its value
            self.names = offered
            kept = self.selected if self.selected in offered else next(iter(offered), "")
            self.choice.options = self._options()
            self.choice.value = kept if offered else None
            self.choice.observe(self._chosen, "value")
            self.selected = kept

    @traitlets.validate("selected")
    def _known(self, proposal: Any) -> str:
        name = str(proposal["value"])
        if name and name not in self.names:
            known = ", ".join(filter(None, self.names)) or "there is none yet"
            raise NoSuchChoice(f"error: {name!r} cannot be selected\n  fix: choose of: {known}")
        return name

    @traitlets.observe("selected")
    def _selects(self, _: Any) -> None:
        self.choice.value = self.selected if self.selected in self.names else None
        self.changed()

    def _chosen(self, change: Any) -> None:
        self.selected = change["new"] or ""

    def changed(self) -> None:
        """Show what belongs to the selected name."""
