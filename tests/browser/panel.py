"""The panel as a user sees it, in a browser."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import TimeoutError, expect  # noqa: A004  the name it has there

if TYPE_CHECKING:
    from jupyterlab_process import Lab
    from playwright.sync_api import Locator, Page

AXE = Path(__file__).parents[2] / "labextension" / "node_modules" / "axe-core" / "axe.min.js"
OPEN = 60_000  # ms: JupyterLab's first start on a busy machine
MENU, MENU_TRIES = 10_000, 6  # ms
KERNEL = """() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status
    === 'idle'"""  # without a kernel, JupyterLab asks which one is to run the cells


def choose(page: Page, menu: str, item: str) -> None:
    """Choose an item of a menu; open the menu again if what still loads has closed it."""
    for shown in range(MENU_TRIES, 0, -1):
        page.get_by_role("menuitem", name=menu, exact=True).click()
        try:
            page.locator(".lm-Menu").get_by_text(item, exact=True).click(timeout=MENU)
        except TimeoutError:
            if shown == 1:
                raise
            page.keyboard.press("Escape")
        else:
            return


class Panel:
    """A page with one notebook open, and the panel."""

    def __init__(self, page: Page, lab: Lab, notebook: str, *, shown: bool = False) -> None:
        """Open a notebook, and the panel beside it. shown: the page shows both already."""
        self.page, self.lab, self.notebook = page, lab, notebook
        self.node = page.locator("#mlops-nb-panel")
        if not shown:
            page.goto(lab.url(notebook))
            page.locator(".jp-NotebookPanel .jp-Cell").first.wait_for(timeout=OPEN)
            page.locator('[data-id="mlops-nb-panel"]').click()
        page.wait_for_function(KERNEL, timeout=OPEN)

    def saved_and_reloaded(self) -> Panel:
        self.page.keyboard.press("Control+s")
        self.page.locator(".lm-TabBar-tab.jp-mod-dirty").wait_for(state="detached")
        return Panel(self.page, self.lab, self.notebook)

    def step(self, name: str) -> Locator:
        return self.node.locator(f'[data-step="{name}"]')

    def name(self, name: str) -> Locator:
        return self.step(name).locator(".mlops-name")

    def press(self, action: str, within: str = "") -> None:
        self.node.locator(f'{within} [data-action="{action}"]').first.click(timeout=OPEN)

    def show(self, tab: str) -> None:
        self.node.locator(f'[data-tab="{tab}"]').click()

    def source(self, place: int, text: str) -> None:
        """Change a cell's text, without typing."""
        self.page.evaluate(
            """([place, text]) => window.jupyterapp.shell.currentWidget.content
                .widgets[place].model.sharedModel.setSource(text)""",
            [place, text],
        )

    def command(self, name: str) -> None:
        self.page.evaluate("name => window.jupyterapp.commands.execute(name).then(() => 1)", name)

    def picture(self, name: str) -> None:
        """Take a picture of the page, if a folder for pictures is given."""
        if folder := os.environ.get("MLOPS_NB_PICTURES"):
            self.page.screenshot(path=f"{folder}/{name}.png")

    def violations(self, where: str = "#mlops-nb-panel") -> dict[str, list[str]]:
        """Return what axe objects to in what is shown: rule, and the elements."""
        self.page.add_script_tag(path=AXE)
        answer = self.page.evaluate("where => window.axe.run(where)", where)
        return {
            one["id"]: [node["html"][:200] for node in one["nodes"]] for one in answer["violations"]
        }

    def expect_states(self, **states: str) -> None:
        for name, state in states.items():
            expect(self.step(name)).to_have_attribute("data-state", state, timeout=OPEN)
            expect(self.name(name)).to_have_attribute("aria-label", f"{name}: {state}")

    def run_all(self) -> None:
        choose(self.page, "Run", "Run All Cells")

    def active_cell(self) -> Locator:
        return self.page.locator(".jp-Cell.jp-mod-active")

    def type_at_end(self, text: str) -> None:
        """Type into the active cell, as somebody would."""
        self.page.keyboard.press("Enter")
        self.page.keyboard.press("Control+End")
        self.page.keyboard.type(text)
