"""The panel of a page that is open while its Jupyter server ends and starts again."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from jupyterlab_process import started
from panel import OPEN, Panel
from playwright.sync_api import expect
from small import small

if TYPE_CHECKING:
    from pathlib import Path

    from jupyterlab_process import Lab
    from playwright.sync_api import Page

BACK = 120_000  # ms: JupyterLab tries to reconnect less and less often
# its dialog says that the server is gone, and lies over the panel
SHOW = """tab => document.querySelector(`#mlops-nb-panel [data-tab="${tab}"]`).click()"""

PROJECT = "**/mlops-nb/api/project?*"


def run(notebook: Path) -> None:
    words = [sys.executable, "-m", "mlops_nb", "run", notebook.name, "--json"]
    subprocess.run(words, cwd=notebook.parent, check=True, capture_output=True)


def test_the_panel_comes_back_with_the_server(
    page: Page, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root, home = tmp_path_factory.mktemp("root"), tmp_path_factory.mktemp("home")
    (root / ".git").mkdir()
    path = small(root / "small.ipynb")
    with started(root, home) as lab:
        panel = Panel(page, lab, path.name)
        panel.run_all()
        panel.expect_states(judge="finished")
        panel.show("runs")
        expect(panel.node).to_contain_text("No run yet", timeout=OPEN)
    expect(panel.node).to_contain_text("the Jupyter server did not answer", timeout=BACK)
    run(path)
    with started(root, home, lab=lab):
        expect(panel.node.locator("[data-run]")).to_have_count(1, timeout=BACK)
        page.evaluate(SHOW, "pipeline")
        expect(panel.step("judge")).to_have_attribute("data-state", "never", timeout=BACK)
        run(path)
        page.evaluate(SHOW, "runs")
        expect(panel.node.locator("[data-run]")).to_have_count(2, timeout=BACK)  # by an event


@pytest.mark.parametrize("tab", ["runs", "jobs", "models"])
def test_what_was_listed_stays_while_the_server_fails(page: Page, lab: Lab, tab: str) -> None:
    (lab.root / tab / ".git").mkdir(parents=True)
    path = small(lab.root / tab / "small.ipynb")
    run(path)
    panel = Panel(page, lab, f"{tab}/{path.name}")
    panel.show(tab)
    listed = panel.node.locator({"runs": "[data-run]"}.get(tab, ".mlops-empty"))
    expect(listed).to_have_count(1)
    page.route(PROJECT, lambda asked: asked.fulfill(status=500, body='{"error": "no luck"}'))
    run(path)
    problem = panel.node.locator(".mlops-problem")
    expect(problem).to_contain_text("no luck")
    expect(listed).to_have_count(1)
    page.unroute(PROJECT)
    run(path)
    expect(problem).to_have_count(0)
    expect(listed).to_have_count(3 if tab == "runs" else 1)
