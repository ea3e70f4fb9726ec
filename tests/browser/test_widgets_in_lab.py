"""The answers of `%mlops` in a real JupyterLab: widgets that take clicks while their cell runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nbformat
from panel import choose
from playwright.sync_api import expect
from small import ENDLESS, small

if TYPE_CHECKING:
    from jupyterlab_process import Lab
    from playwright.sync_api import Page

OPEN = 60_000  # ms: JupyterLab's first start on a busy machine
LINES = ("graph", "sweep -g depth=1,2,3,4 --workers 1 --best accuracy", "runs")


def test_a_sweep_is_stopped_by_its_button_and_runs_are_filtered(page: Page, lab: Lab) -> None:
    (lab.root / ".git").mkdir(exist_ok=True)
    path = small(lab.root / "widgets.ipynb", train=ENDLESS)
    book = nbformat.read(path, 4)
    book.cells += [nbformat.v4.new_code_cell(f"%mlops {line}") for line in LINES]
    nbformat.write(book, path)
    page.set_viewport_size({"width": 1280, "height": 2400})  # JupyterLab draws what is seen
    page.goto(lab.url(path.name))
    page.locator(".jp-NotebookPanel .jp-Cell").first.wait_for(timeout=OPEN)
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=OPEN)
    page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for(timeout=OPEN)
    choose(page, "Run", "Run All Cells")
    book = page.locator(".jp-Notebook")
    expect(book.locator("progress")).to_have_attribute("value", "2", timeout=OPEN)
    expect(book.locator("svg [data-step=train]")).to_contain_text("finished")
    assert book.locator("svg polygon").count() == 4
    book.get_by_role("button", name="Stop", exact=True).click()
    expect(book.get_by_text("to continue: mlops-nb sweep")).to_be_visible(timeout=OPEN)
    expect(book.get_by_text("4 of the latest 4 runs")).to_be_visible(timeout=OPEN)
    book.get_by_placeholder("filter: words").fill("stopped depth=3")
    expect(book.get_by_text("1 of the latest 4 runs")).to_be_visible(timeout=OPEN)
    choice = book.locator("select").first
    choice.select_option("train")
    expect(book.get_by_text("X_train").or_(book.get_by_text("depth, seed"))).to_be_visible()
