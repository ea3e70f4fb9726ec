"""The panel in a real JupyterLab: the pipeline is drawn, and follows what the cells do."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING

import pytest
from panel import OPEN, Panel
from playwright.sync_api import expect

if TYPE_CHECKING:
    from pathlib import Path

    from jupyterlab_process import Lab
    from playwright.sync_api import Page

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the cells wait at a pipe")

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
            code(0, "%load_ext mlops_nb"),
            code(1, "depth = 5", tags=["parameters"]),
            *(code(number, source) for number, source in enumerate(sources, 2)),
        ],
        "metadata": {"kernelspec": kernel},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    (root / name).write_text(json.dumps(notebook))
    return name


def test_the_states_follow_a_run_of_all_cells_and_outlive_a_reload(page: Page, lab: Lab) -> None:
    name = write(lab.root, LOAD, TRAIN, SCORE, SCORE_MORE, name="live.ipynb")
    gate = lab.root / "gate"
    os.mkfifo(gate)
    panel = Panel(page, lab, name)
    panel.expect_states(load="never", train="never", score="never")
    expect(panel.node.locator(".mlops-parameters")).to_contain_text("depth")

    panel.run_all()
    panel.expect_states(load="finished", train="running", score="queued")
    gate.write_text("go")  # the cell that reads the pipe goes on
    panel.expect_states(train="finished", score="finished")
    expect(panel.node.locator("[role=status]")).to_contain_text("finished")

    panel = panel.saved_and_reloaded()
    panel.expect_states(load="finished", train="finished", score="finished")


def test_a_failing_cell_fails_its_step_and_leaves_the_next_unrun(page: Page, lab: Lab) -> None:
    name = write(lab.root, LOAD, FAILING, SCORE, name="failing.ipynb")
    panel = Panel(page, lab, name)
    panel.expect_states(train="never")
    panel.run_all()
    panel.expect_states(load="finished", train="failed", score="never")


def test_a_killed_kernel_has_run_nothing(page: Page, lab: Lab) -> None:
    name = write(lab.root, LOAD, KILLING, SCORE, name="killed.ipynb")
    trap = lab.root / "trap"
    os.mkfifo(trap)
    panel = Panel(page, lab, name)
    panel.expect_states(train="never")
    panel.run_all()
    panel.expect_states(load="finished", train="running")
    trap.write_text("go")  # the cell that reads the pipe kills its kernel
    panel.expect_states(load="never", train="never", score="never")
    expect(panel.node).to_contain_text("does not report what runs", timeout=OPEN)
    page.locator(".jp-Dialog .jp-mod-accept").click()
    panel.press("follow")
    expect(panel.node).not_to_contain_text("does not report what runs", timeout=OPEN)


def test_a_click_goes_to_the_steps_first_cell_and_an_edit_shows(page: Page, lab: Lab) -> None:
    name = write(lab.root, LOAD, SCORE.replace("model", "raw[0]"), name="edit.ipynb")
    panel = Panel(page, lab, name)
    panel.expect_states(load="never")
    panel.run_all()
    panel.expect_states(load="finished", score="finished")

    panel.name("load").click()
    expect(panel.active_cell()).to_contain_text("raw = [1, 2, 3]")
    panel.type_at_end(" + [4]")
    panel.expect_states(load="stale", score="stale")
    expect(panel.step("load")).to_contain_text("was edited since it ran")

    panel.name("score").focus()
    page.keyboard.press("Enter")
    expect(panel.active_cell()).to_contain_text("score = raw[0] / 2")

    panel = panel.saved_and_reloaded()
    panel.expect_states(load="stale", score="stale")
    panel.press("run-step", '[data-step="load"]')
    panel.expect_states(load="finished", score="stale")
    panel.press("run-stale")
    panel.expect_states(load="finished", score="finished")


def test_an_edit_shows_while_another_cell_runs(page: Page, lab: Lab) -> None:
    name = write(lab.root, LOAD, TRAIN.replace("gate", "door"), SCORE, name="busy.ipynb")
    door = lab.root / "door"
    os.mkfifo(door)
    panel = Panel(page, lab, name)
    panel.run_all()
    panel.expect_states(load="finished", train="running")
    panel.source(2, LOAD + " + [4]")
    panel.expect_states(load="stale", train="running")
    door.write_text("go")
    panel.expect_states(train="stale", score="stale")


def test_a_step_is_drawn_before_its_cell_is_saved(page: Page, lab: Lab) -> None:
    name = write(lab.root, LOAD, name="unsaved.ipynb")
    panel = Panel(page, lab, name)
    panel.expect_states(load="never")
    panel.name("load").click()
    expect(panel.active_cell()).to_contain_text("raw =")
    page.keyboard.press("b")
    panel.type_at_end("# mlops: step total\ntotal = sum(raw)")
    panel.expect_states(total="never")
    expect(panel.name("total")).to_have_attribute("title", re.compile("load → raw"))
    assert "total" not in (lab.root / name).read_text()


def test_the_button_of_a_cell_makes_it_a_step_and_changes_no_code(page: Page, lab: Lab) -> None:
    name = write(lab.root, LOAD, "length = len(raw)", name="marked.ipynb")
    panel = Panel(page, lab, name)
    panel.expect_states(load="never")
    page.locator(".jp-Cell").nth(3).click()
    page.locator(".jp-Cell.jp-mod-active [data-command='mlops-nb:mark-step']").click()
    page.locator(".jp-Dialog input").fill("count")
    page.locator(".jp-Dialog .jp-mod-accept").click()
    panel.expect_states(count="never")
    panel.saved_and_reloaded().expect_states(count="never")
    cell = json.loads((lab.root / name).read_text())["cells"][3]
    assert ("".join(cell["source"]), cell["metadata"]["tags"]) == (
        "length = len(raw)",
        ["step:count"],
    )


def test_a_renamed_notebook_keeps_its_states(page: Page, lab: Lab) -> None:
    panel = Panel(page, lab, write(lab.root, LOAD, name="before.ipynb"))
    panel.run_all()
    panel.expect_states(load="finished")
    page.evaluate(
        "() => window.jupyterapp.serviceManager.contents.rename('before.ipynb', 'after.ipynb')"
    )
    expect(panel.node.locator("h2")).to_have_text("after.ipynb")
    panel.source(2, LOAD + " + [5]")
    panel.expect_states(load="stale")


def test_200_steps_are_drawn_in_a_narrow_panel_and_wide(page: Page, lab: Lab) -> None:
    sources = [
        f"# mlops: step preparation-{n}\nv{n} = {f'v{n - 1}' if n else 0} + {n}" for n in range(200)
    ]
    panel = Panel(page, lab, write(lab.root, *sources, name="many.ipynb"))
    panel.expect_states(**{"preparation-0": "never", "preparation-199": "never"})
    outside = panel.node.evaluate(
        """panel => { const box = panel.getBoundingClientRect();
            return [...panel.querySelectorAll('[data-step]')].filter(step => {
                const one = step.getBoundingClientRect();
                return one.left < box.left - 1 || one.right > box.right + 1; }).length; }"""
    )
    assert outside == 0
    panel.picture("many")
    panel.command("mlops-nb:show-wide")
    expect(page.locator("#mlops-nb-wide svg [data-step]")).to_have_count(200, timeout=OPEN)
