"""The panel's drawings and logs: zoom and search of a graph, marks at cells, runs side by side."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from panel import OPEN, Panel
from playwright.sync_api import expect
from small import WAITING, small
from test_panel import LOAD, SCORE, write

if TYPE_CHECKING:
    from jupyterlab_process import Lab
    from playwright.sync_api import Locator, Page


def scale(canvas: Locator) -> float:
    return float(canvas.get_attribute("data-scale") or "")


def inside(canvas: Locator, step: Locator) -> bool:
    """Return whether a step is seen in its window."""
    room, box = canvas.bounding_box(), step.bounding_box()
    assert room is not None
    assert box is not None
    return (
        room["x"] <= box["x"]
        and box["x"] + box["width"] <= room["x"] + room["width"]
        and room["y"] <= box["y"]
        and box["y"] + box["height"] <= room["y"] + room["height"]
    )


def long(lab: Lab) -> str:
    sources = [f"# mlops: step part-{n}\nv{n} = {f'v{n - 1}' if n else 0} + {n}" for n in range(30)]
    return write(lab.root, *sources, name="long.ipynb")


def test_steps_of_a_long_pipeline_are_found_by_keyboard(page: Page, lab: Lab) -> None:
    panel = Panel(page, lab, long(lab))
    panel.expect_states(**{"part-0": "never", "part-29": "never"})
    find = panel.node.locator("[name=find-step]")
    find.fill("part-2")
    expect(panel.node.locator("[data-step]")).to_have_count(11)  # part-2, part-20 to part-29
    expect(panel.node.get_by_text("11 of 30 steps")).to_be_visible()
    panel.picture("found")
    find.press("Enter")
    expect(panel.name("part-2")).to_be_focused()
    find.press("Escape")
    expect(panel.node.locator("[data-step]")).to_have_count(30)


def test_a_wide_drawing_is_zoomed_moved_and_searched(page: Page, lab: Lab) -> None:
    panel = Panel(page, lab, long(lab))
    panel.command("mlops-nb:show-wide")
    wide = page.locator("#mlops-nb-wide")
    canvas, last = wide.locator(".mlops-canvas"), wide.locator('[data-step="part-29"]')
    expect(canvas).to_be_visible(timeout=OPEN)
    assert not inside(canvas, last)
    wide.locator('[data-action="zoom-fit"]').click()
    assert inside(canvas, last)
    whole = scale(canvas)
    wide.locator('[data-action="zoom-in"]').click()
    assert scale(canvas) > whole
    wide.locator('[data-action="zoom-out"]').click()
    canvas.press("+")
    canvas.press("+")
    near = scale(canvas)
    assert near > whole
    wheeled_and_dragged(page, canvas, last, near)
    wide.locator("[name=find-step]").fill("part-17")
    wide.locator("[name=find-step]").press("Enter")
    found = wide.locator('[data-step="part-17"]')
    expect(found).to_be_focused()
    assert inside(canvas, found)
    assert found.get_attribute("data-missed") is None
    assert last.get_attribute("data-missed") == "true"
    panel.picture("zoom")
    assert panel.violations("#mlops-nb-wide") == {}
    canvas.press("0")
    assert scale(canvas) == whole


def wheeled_and_dragged(page: Page, canvas: Locator, step: Locator, near: float) -> None:
    """Zoom by the wheel, then drag the drawing by its background."""
    box = canvas.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.mouse.wheel(0, -400)
    page.wait_for_function(
        "near => document.querySelector('#mlops-nb-wide .mlops-canvas').dataset.scale > near",
        arg=near,
    )
    before = step.bounding_box()
    page.mouse.down()
    page.mouse.move(box["x"] + 60, box["y"] + 90)
    page.mouse.up()
    after = step.bounding_box()
    assert before is not None
    assert after is not None
    moved = after["x"] - before["x"], after["y"] - before["y"]
    assert moved == pytest.approx((40, 70))


def test_each_cell_of_a_step_shows_its_state_while_the_kernel_reports(page: Page, lab: Lab) -> None:
    score = SCORE.replace("model", "raw[0]")
    panel = Panel(page, lab, write(lab.root, LOAD, score, name="marks.ipynb"))
    marks = page.locator(".jp-Cell > .mlops-cell-mark")
    panel.expect_states(load="never", score="never")
    expect(marks).to_have_count(0)  # the kernel has not loaded mlops_nb
    panel.run_all()
    load, scored = (page.locator(f'.mlops-cell-mark[data-mark="{n}"]') for n in ("load", "score"))
    for mark, name in ((load, "load"), (scored, "score")):
        expect(mark).to_have_attribute("aria-label", f"{name}: finished", timeout=OPEN)
        expect(mark).to_have_text("finished")
        expect(mark.locator("svg")).to_be_visible()
    assert load.locator("xpath=..").get_attribute("class").count("jp-CodeCell") == 1
    panel.source(2, LOAD + " + [4]")
    expect(load).to_have_attribute("data-state", "stale", timeout=OPEN)
    expect(scored).to_have_attribute("data-state", "stale")
    expect(scored).to_have_attribute("aria-label", "score: stale")
    panel.picture("marks")
    page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"
    )
    expect(marks).to_have_count(0, timeout=OPEN)


def test_runs_are_followed_while_they_print_and_compared_by_lines(page: Page, lab: Lab) -> None:
    (lab.root / ".git").mkdir(exist_ok=True)
    path = small(lab.root / "small.ipynb", train=WAITING)
    panel = Panel(page, lab, path.name)
    panel.expect_states(judge="never")
    panel.press("run")
    panel.show("runs")
    running = panel.node.locator('[data-run][data-status="running"]')
    running.locator(".mlops-run-main").click(timeout=OPEN)
    log = panel.node.locator("[data-log]")
    expect(log).to_contain_text("before", timeout=OPEN)
    expect(log).not_to_contain_text("after")
    panel.picture("log")
    (lab.root / "go").touch()
    expect(log).to_contain_text("before\nafter", timeout=OPEN)
    expect(log).to_have_attribute("data-open", "false", timeout=OPEN)
    command = [sys.executable, "-m", "mlops_nb", "run", path.name, "-p"]
    for depth, seed in ((1, 3), (5, 4), (9, 5)):
        words = [*command, "depth", str(depth), "-p", "seed", str(seed), "-p", "share", "0.2"]
        subprocess.run([*words, "--json"], cwd=lab.root, check=True, capture_output=True)
    expect(panel.node.locator("[data-run]")).to_have_count(4, timeout=OPEN)
    panel.node.locator(".mlops-detail .mlops-close").click()
    panel.node.locator("input[type=search]").fill("small")
    panel.press("compare")
    panel.press("parallel")
    axes = panel.node.locator("[data-axis]")
    named = axes.evaluate_all("all => all.map(axis => axis.dataset.axis)")
    assert {"depth", "seed", "share", "accuracy"} <= set(named)
    lines = panel.node.locator("[data-line]")
    expect(lines).to_have_count(4)
    lines.first.focus()
    page.keyboard.press("ArrowDown")
    expect(lines.nth(1)).to_be_focused()
    said = panel.node.locator(".mlops-parallel figcaption")
    expect(said).to_contain_text("depth 5")
    panel.picture("parallel")
    page.evaluate(
        "t => window.jupyterapp.commands.execute('apputils:change-theme', {theme: t})",
        "JupyterLab Dark",
    )
    page.wait_for_timeout(1000)
    panel.picture("parallel-dark")
    assert panel.violations() == {}
    lines.nth(1).focus()
    page.keyboard.press("Enter")
    expect(panel.node.locator(".mlops-detail h3").last).to_contain_text("small.ipynb")


def test_a_finding_is_mended_in_the_editor_and_the_mend_undone(page: Page, lab: Lab) -> None:
    cells = ("# mlops: step load\nframe = pd.DataFrame({'a': [1]})", "import pandas as pd")
    name = write(lab.root, *cells, name="mended.ipynb")
    panel = Panel(page, lab, name)
    findings = panel.node.locator(".mlops-findings li")
    expect(findings).to_contain_text("'pd' is read in", timeout=OPEN)
    panel.picture("finding")
    assert panel.violations() == {}
    panel.press("mend")
    expect(findings).to_have_count(0, timeout=OPEN)
    source = "() => window.jupyterapp.shell.currentWidget.content.widgets[2].model.sharedModel"
    mended = "# mlops: step load\nimport pandas as pd\nframe = pd.DataFrame({'a': [1]})"
    assert page.evaluate(f"{source}.getSource()") == mended
    assert json.loads((lab.root / name).read_text())["cells"][2]["source"] == cells[0]
    page.evaluate(f"{source}.undo()")
    expect(findings).to_have_count(1, timeout=OPEN)
    assert page.evaluate(f"{source}.getSource()") == cells[0]
