"""The panel in a real JupyterLab: the pipeline is drawn, and follows what the cells do."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from pathlib import Path

    from jupyterlab_process import Lab
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the cells wait at a pipe")
OPEN = 60_000  # ms: JupyterLab's first start on a busy machine

LOAD = "# mlops: step load\nraw = [1, 2, 3]"
TRAIN = "# mlops: step train\nopened = open('gate').read()\nmodel = sum(raw) * depth"
FAILING = "# mlops: step train\nmodel = raw[99] * depth"
KILLING = "# mlops: step train\nimport os\nopen('trap').read()\nmodel = os.kill(os.getpid(), 9)"
SCORE = "# mlops: step score\nscore = model / 2"
SCORE_MORE = "share = score / 3"


def code(number: int, source: str, **metadata: object) -> dict[str, object]:
    return {
        "cell_type": "code",
        "id": f"cell-{number}",
        "source": source,
        "metadata": metadata,
        "outputs": [],
        "execution_count": None,
    }


def write(root: Path, *sources: str, name: str) -> str:
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = {
        "cells": [
            code(0, "depth = 5", tags=["parameters"]),
            *(code(number, source) for number, source in enumerate(sources, 1)),
        ],
        "metadata": {"kernelspec": kernel},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    (root / name).write_text(json.dumps(notebook))
    return name


class Panel:
    """The panel as a user sees it."""

    def __init__(self, page: Page, lab: Lab, notebook: str) -> None:
        self.page, self.lab, self.notebook = page, lab, notebook
        page.goto(lab.url(notebook))
        page.locator(".jp-NotebookPanel .jp-Cell").first.wait_for(timeout=OPEN)
        page.locator('[data-id="mlops-nb-panel"]').click()
        self.node = page.locator("#mlops-nb-panel")
        page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for(timeout=OPEN)

    def saved_and_reloaded(self) -> Panel:
        self.page.keyboard.press("Control+s")
        self.page.locator(".lm-TabBar-tab.jp-mod-dirty").wait_for(state="detached")
        return Panel(self.page, self.lab, self.notebook)

    def step(self, name: str) -> Locator:
        return self.node.locator(f'[data-step="{name}"]')

    def expect_states(self, **states: str) -> None:
        for name, state in states.items():
            expect(self.step(name)).to_have_attribute("data-state", state, timeout=OPEN)
            label = f"{name}: {state.replace('-', ' ')}"
            expect(self.step(name)).to_have_attribute("aria-label", label)

    def run_all(self) -> None:
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.get_by_text("Run All Cells", exact=True).click()

    def active_cell(self) -> Locator:
        return self.page.locator(".jp-Cell.jp-mod-active")

    def type_at_end(self, text: str) -> None:
        """Type into the active cell, as somebody would."""
        self.page.keyboard.press("Enter")
        self.page.keyboard.press("Control+End")
        self.page.keyboard.type(text)


def test_the_states_follow_a_run_of_all_cells_and_outlive_a_reload(page: Page, lab: Lab) -> None:
    name = write(lab.root, LOAD, TRAIN, SCORE, SCORE_MORE, name="live.ipynb")
    gate = lab.root / "gate"
    os.mkfifo(gate)
    panel = Panel(page, lab, name)
    never = "never-run"
    panel.expect_states(load=never, train=never, score=never)
    expect(panel.node.locator('[data-edge="load train"] title')).to_contain_text("raw")
    expect(panel.node).to_contain_text("depth")

    panel.run_all()
    panel.expect_states(load="finished", train="running", score="queued")
    gate.write_text("go")  # the cell that reads the pipe goes on
    panel.expect_states(train="finished", score="finished")
    expect(panel.node.locator("[role=status]")).to_contain_text("finished")

    panel = panel.saved_and_reloaded()
    panel.expect_states(load="finished", train="finished", score="finished")
    expect(panel.node).to_contain_text("as the notebook was saved")


def test_a_failing_cell_fails_its_step_and_leaves_the_next_unrun(page: Page, lab: Lab) -> None:
    name = write(lab.root, LOAD, FAILING, SCORE, name="failing.ipynb")
    panel = Panel(page, lab, name)
    panel.expect_states(train="never-run")
    panel.run_all()
    panel.expect_states(load="finished", train="failed", score="never-run")


def test_a_killed_kernel_fails_the_step_that_ran(page: Page, lab: Lab) -> None:
    name = write(lab.root, LOAD, KILLING, SCORE, name="killed.ipynb")
    trap = lab.root / "trap"
    os.mkfifo(trap)
    panel = Panel(page, lab, name)
    panel.expect_states(train="never-run")
    panel.run_all()
    panel.expect_states(load="finished", train="running")
    trap.write_text("go")  # the cell that reads the pipe kills its kernel
    panel.expect_states(load="finished", train="failed", score="never-run")
    expect(panel.node).to_contain_text("no longer in its memory")


def test_a_click_goes_to_the_steps_first_cell_and_an_edit_shows(page: Page, lab: Lab) -> None:
    name = write(lab.root, LOAD, SCORE.replace("model", "raw[0]"), name="edit.ipynb")
    panel = Panel(page, lab, name)
    panel.expect_states(load="never-run")
    panel.run_all()
    panel.expect_states(load="finished", score="finished")

    panel.step("load").click()
    expect(panel.active_cell()).to_contain_text("raw = [1, 2, 3]")
    panel.type_at_end(" + [4]")
    panel.expect_states(load="edited", score="finished")

    panel.step("score").focus()
    page.keyboard.press("Enter")
    expect(panel.active_cell()).to_contain_text("score = raw[0] / 2")

    panel = panel.saved_and_reloaded()
    panel.expect_states(load="edited", score="finished")


def test_a_step_is_drawn_before_its_cell_is_saved(page: Page, lab: Lab) -> None:
    name = write(lab.root, LOAD, name="unsaved.ipynb")
    panel = Panel(page, lab, name)
    panel.expect_states(load="never-run")
    panel.step("load").click()
    expect(panel.active_cell()).to_contain_text("raw =")
    page.keyboard.press("b")
    panel.type_at_end("# mlops: step total\ntotal = sum(raw)")
    panel.expect_states(total="never-run")
    expect(panel.node.locator('[data-edge="load total"] title')).to_contain_text("raw")
    assert "total" not in (lab.root / name).read_text()
