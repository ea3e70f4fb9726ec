"""The panel of a page that is open while its Jupyter server ends and starts again."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from jupyterlab_process import started
from panel import OPEN, Panel
from playwright.sync_api import expect
from small import small

if TYPE_CHECKING:
    import pytest
    from playwright.sync_api import Page

BACK = 120_000  # ms: JupyterLab tries to reconnect less and less often
# its dialog says that the server is gone, and lies over the panel
SHOW = """tab => document.querySelector(`#mlops-nb-panel [data-tab="${tab}"]`).click()"""


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
    words = [sys.executable, "-m", "mlops_nb", "run", path.name, "--json"]
    subprocess.run(words, cwd=root, check=True, capture_output=True)
    with started(root, home, lab=lab):
        expect(panel.node.locator("[data-run]")).to_have_count(1, timeout=BACK)
        page.evaluate(SHOW, "pipeline")
        expect(panel.step("judge")).to_have_attribute("data-state", "never", timeout=BACK)
        subprocess.run(words, cwd=root, check=True, capture_output=True)
        page.evaluate(SHOW, "runs")
        expect(panel.node.locator("[data-run]")).to_have_count(2, timeout=BACK)  # by an event
